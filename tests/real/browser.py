"""A real Chromium for logins: `Chromium` is the program, `RealBrowser` one person's visit.

Playwright's synchronous interface refuses to run where an event loop runs, and pytest-asyncio has one. So the
browser lives in a loop on a thread of its own; tests of both colours talk to it from outside.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.test 127.0.0.1",  # as after DNS rebinding
)
YES = re.compile(r"^(sign in|log in|continue|allow|authorize|approve)\b", re.IGNORECASE)
NO = re.compile(r"^(deny|cancel)\b", re.IGNORECASE)
MOST_STEPS = 8
SECONDS_A_STEP = 30
T = TypeVar("T")


def find_chromium() -> str | None:
    """The path of a Chromium that is installed here, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Chromium:
    """One headless Chromium and the loop that drives it. `start` may be called from any thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chromium", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._launch())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._quit())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work gives, waited for."""
        return self.start(work).result(timeout=90)

    async def new_context(self, **settings: Any) -> Any:
        """A fresh profile: no cookies, no history. `settings` are Playwright's."""
        context = await self._browser.new_context(**settings)
        context.set_default_timeout(SECONDS_A_STEP * 1000)
        return context

    async def new_page(self, **settings: Any) -> Any:
        """A page in a profile of its own; `page.context` is the profile."""
        return await (await self.new_context(**settings)).new_page()

    async def _launch(self) -> None:
        from playwright.async_api import async_playwright

        flags = [*FLAGS, "--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else list(FLAGS)
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(executable_path=self._path, args=flags)

    async def _quit(self) -> None:
        await self._browser.close()
        await self._playwright.stop()


class RealBrowser:
    """Called with a URL, like any `open_url`: it opens the page, signs in as `user` (password `pw-USER`), presses
    Allow (or Deny), and stays on the page that the redirect leads to. It returns at once; `wait()` waits.

    It keeps its profile from one call to the next, so the provider knows it again. `deny=True` refuses;
    `idle=True` opens the page and touches nothing; `detour` makes, of the URL, one that is opened first.
    """

    def __init__(
        self,
        chromium: Chromium,
        user: str = "ada",
        *,
        deny: bool = False,
        idle: bool = False,
        detour: Callable[[str], str] | None = None,
    ) -> None:
        self.user = user
        self.deny = deny
        self.idle = idle
        self.detour = detour
        self.url = ""
        self.detour_text = ""
        self.final_url = ""
        self.final_text = ""
        self.console_errors: list[str] = []
        self._chromium = chromium
        self._page: Any = None
        self._visit: Future[None] | None = None

    def __call__(self, url: str) -> None:
        self.url = url
        self._visit = self._chromium.start(self._go(url))

    def wait(self) -> Self:
        """After this the final page is there; raises what went wrong on the way."""
        if self._visit is None:
            raise RuntimeError("nobody opened a page in this browser")
        self._visit.result(timeout=90)
        return self

    def screenshot(self, path: Path) -> None:
        """Writes what is on the screen, as a PNG."""
        self._chromium.run(self._page.screenshot(path=path, full_page=True))

    def close(self) -> None:
        if self._visit is not None:
            self._chromium.run(self._close())

    async def _close(self) -> None:
        if self._page is not None:
            await self._page.context.close()

    async def _go(self, url: str) -> None:
        if self._page is None:
            self._page = await self._chromium.new_page()
            self._page.on("console", self._note)
            self._page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        if self.detour is not None:
            await self._page.goto(self.detour(url))
            self.detour_text = await self._page.inner_text("body")

        home = home_of(url)
        # A logout page sends itself on by script: only a quiet network tells that it has arrived.
        await self._page.goto(url, wait_until="load" if home else "networkidle")
        if home and not self.idle:
            await self._sign_in(home)
        self.final_url = self._page.url
        self.final_text = await self._page.inner_text("body")

    async def _sign_in(self, home: str) -> None:
        page = self._page
        for _ in range(MOST_STEPS):
            if page.url.startswith(home):
                return
            name = page.locator("input[name=login], input[name=username], input[name=user]")
            if not self.deny and await name.count():
                await name.first.fill(self.user)
                await page.locator("input[name=password]").fill(f"pw-{self.user}")
            async with page.expect_navigation():
                await page.get_by_role("button", name=NO if self.deny else YES).first.click()
        raise RuntimeError(f"no end in sight at {page.url}: {await page.inner_text('body')}")

    def _note(self, message: Any) -> None:
        if message.type == "error" and not str(message.location.get("url", "")).endswith("/favicon.ico"):
            self.console_errors.append(message.text)


def home_of(authorization_url: str) -> str:
    """The origin that the redirect leads to, with a slash; empty when the URL names none."""
    redirect_uri = parse_qs(urlsplit(authorization_url).query).get("redirect_uri")
    if redirect_uri is None:
        return ""
    parts = urlsplit(redirect_uri[0])
    return f"{parts.scheme}://{parts.netloc}/"

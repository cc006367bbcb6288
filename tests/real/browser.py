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
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
YES = re.compile(r"^(sign in|log in|continue|allow|authorize|approve)\b", re.IGNORECASE)
NO = re.compile(r"^(deny|cancel)\b", re.IGNORECASE)
MOST_STEPS = 8
SECONDS_A_STEP = 15


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
        self.start(self._launch()).result(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self.start(self._quit()).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def new_context(self) -> Any:
        """A fresh profile: no cookies, no history."""
        return await self._browser.new_context()

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

    `deny=True` refuses; `idle=True` opens the login page and does nothing more; `screenshot` is a file to write.
    """

    def __init__(
        self,
        chromium: Chromium,
        user: str = "ada",
        *,
        deny: bool = False,
        idle: bool = False,
        screenshot: Path | None = None,
    ) -> None:
        self.user = user
        self.deny = deny
        self.idle = idle
        self.screenshot = screenshot
        self.url = ""
        self.final_url = ""
        self.final_text = ""
        self.console_errors: list[str] = []
        self.opened = threading.Event()  # set when the first page is on the screen
        self._chromium = chromium
        self._visit: Future[None] | None = None

    def __call__(self, url: str) -> None:
        self.url = url
        self._visit = self._chromium.start(self._go(url))

    def wait(self, seconds: float = 40) -> Self:
        """After this the final page is there; raises what went wrong on the way."""
        if self._visit is None:
            raise RuntimeError("nobody opened a page in this browser")
        self._visit.result(timeout=seconds)
        return self

    async def _go(self, url: str) -> None:
        context = await self._chromium.new_context()
        try:
            context.set_default_timeout(SECONDS_A_STEP * 1000)
            page = await context.new_page()
            page.on("console", self._note)
            page.on("pageerror", lambda error: self.console_errors.append(str(error)))
            await page.goto(url)
            self.opened.set()
            if not self.idle:
                await self._sign_in(page, home_of(url))
            self.final_url = page.url
            self.final_text = await page.inner_text("body")
            if self.screenshot is not None:
                await page.screenshot(path=self.screenshot, full_page=True)
        finally:
            self.opened.set()
            await context.close()

    async def _sign_in(self, page: Any, home: str) -> None:
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
    """The origin that the redirect leads to, with a slash."""
    redirect_uri = urlsplit(parse_qs(urlsplit(authorization_url).query)["redirect_uri"][0])
    return f"{redirect_uri.scheme}://{redirect_uri.netloc}/"

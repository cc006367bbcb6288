"""Applications with a user interface, served for real, and people who visit them with Chromium.

`serving(manager, build)` runs an ASGI application with WebSockets on a thread; `Tab` is one tab of one person's
browser. Nobody sleeps: a tab waits for what shall be seen.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import uvicorn

from authflow import SessionManager
from tests.real.browser import Chromium

START_SECONDS = 60
MS = 45_000  # a machine may be busy


class Site:
    """A running application. `signed_in`: the sessions by the name of their user, whoever came last."""

    def __init__(self, url: str, manager: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.url, self.manager, self.loop = url, manager, loop
        self.signed_in: dict[str, Any] = {}
        manager.on_login.connect(self._note)

    def _note(self, session: Any, event: Any) -> None:
        self.signed_in[session.user.name] = session

    def do(self, call: Callable[..., Any], *given: Any) -> Any:
        """A call of either colour, made from elsewhere: `site.do(session.refresh)`."""
        if isinstance(self.manager, SessionManager):
            return call(*given)

        async def act() -> Any:
            return await call(*given)

        return asyncio.run_coroutine_threadsafe(act(), self.loop).result(MS / 1000)


@contextmanager
def serving(manager: Any, build: Callable[[str], Any], port: int = 0) -> Iterator[Site]:
    """`build(url)` makes the application of this manager. Its lifespan begins and ends here."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            build(url), log_config=None, access_log=False, timeout_graceful_shutdown=1, ws="websockets-sansio"
        )
        server = uvicorn.Server(config)
        started = threading.Event()
        loops: list[asyncio.AbstractEventLoop] = []
        real = server.startup

        async def startup(sockets: Any = None) -> None:
            loops.append(asyncio.get_running_loop())
            try:
                await real(sockets)
            finally:
                started.set()

        server.startup = startup  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        if not started.wait(START_SECONDS) or not server.started:
            raise RuntimeError("the application did not start")
        try:
            yield Site(url, manager, loops[0])
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


class Tab:
    """One tab. `Tab(chromium, url)` is a browser of its own; `tab.another()` is a second tab of the same."""

    def __init__(self, chromium: Chromium, url: str, context: Any = None) -> None:
        self._chromium = chromium
        self.url = url
        self._context = context or chromium.run(chromium.new_context())
        self.page = chromium.run(self._context.new_page())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chromium.run(self._context.close())

    def another(self) -> Tab:
        return Tab(self._chromium, self.url, self._context)

    def close(self) -> None:
        self._chromium.run(self.page.close())

    def go(self, path: str = "/") -> Self:
        self._chromium.run(self.page.goto(self.url + path, wait_until="domcontentloaded", timeout=MS))
        return self

    def reload(self) -> Self:
        self._chromium.run(self.page.reload(wait_until="domcontentloaded", timeout=MS))
        return self

    def sees(self, text: str) -> Self:
        """Returns as soon as `text` can be read; fails when it cannot be."""
        self._chromium.run(self.page.get_by_text(text).first.wait_for(state="visible", timeout=MS))
        return self

    def no_longer_sees(self, text: str) -> Self:
        """Returns as soon as `text` is nowhere on the page."""
        self._chromium.run(self.page.get_by_text(text).first.wait_for(state="hidden", timeout=MS))
        return self

    def press(self, name: str) -> Self:
        """A button or a link by what it says."""
        either = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        self._chromium.run(either.first.click(timeout=MS))
        return self

    def answer(self, user: str = "ada") -> Self:
        """At the provider: is `user`, and allows it. Returns when the way leads back here."""
        self._chromium.run(self._answer(user))
        return self

    def deny(self) -> Self:
        """At the provider: presses Cancel."""
        self.press("Cancel")
        return self

    def png(self, path: str | Path) -> None:
        self._chromium.run(self.page.screenshot(path=str(path), full_page=True))

    @property
    def text(self) -> str:
        return str(self._chromium.run(self.page.inner_text("body")))

    async def _answer(self, user: str) -> None:
        page = self.page
        person = page.locator(f"button[name=login][value={user}]")
        allow = page.locator("button[name=answer][value=allow]")
        await person.or_(allow).first.wait_for(timeout=MS)
        if await person.count():
            await person.click()
        back = asyncio.ensure_future(page.wait_for_url(f"{self.url}/**", timeout=MS))
        asked = asyncio.ensure_future(allow.wait_for(timeout=MS))  # who has allowed it before is not asked again
        await asyncio.wait([back, asked], return_when=asyncio.FIRST_COMPLETED)
        if not back.done():
            await allow.click()
        await back
        asked.cancel()


def never_see_each_other(ada: Tab, stranger: Tab, site: Any) -> None:
    """Two people in two browsers: one comes, and goes, and the other's page stays as it is."""
    stranger.press("Sign in with Acme").answer("grace").sees("the books of Grace Hopper")
    ada.sees("the books of Ada Lovelace").no_longer_sees("Grace")
    site.do(site.signed_in["Grace Hopper"].logout)
    stranger.no_longer_sees("the books of")
    ada.reload().sees("the books of Ada Lovelace")

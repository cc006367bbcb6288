"""How an open page shows the cookie that its browser was given meanwhile.

    the browser has brought a new cookie → each websocket that came with the one from before is asked
    → its tab sends an ordinary request, which brings the cookie of that tab's browser → its page follows

Flet's client knows nothing of this. A script in Flet's first page (`tab.js`), ahead of all others, tells a secret of
its tab on each websocket, hears the question before Flet's client does, and answers it. So nothing is drawn anew, and
nothing that was typed is lost. A client without the script is where it was until it is loaded again.

A saved token signs in on the websocket, which can set no cookie. So its session waits aside, under an owner that no
cookie leads to, until the tab shows itself: the answer to that gives its browser a new cookie, which leads to it.

Rule: the secret never stands in a URL, and moves nothing by itself: the browser that brings it must have been given
its cookie in place of the one that the websocket came with, or a later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders

from .browsers import Browser

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ... import AsyncSession

QUESTION: Final = "authflow: which browser is this?"
SECRET: Final = "authflow: this tab is "
HEADER: Final = "x-authflow-tab"
_LONGEST: Final = 64  # characters of a secret
_SECONDS: Final = 10.0  # for sending the question, and for an answer to it

SCRIPT: Final = Path(__file__).with_name("tab.js")


class Aside:
    """A session that a tab's browser is to be given, and whether it has."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.given: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Tab:
    """One websocket: the browser that it came from, what only its tab knows, and the sessions that wait for it."""

    __slots__ = ("__weakref__", "_due", "_given", "_send", "_tasks", "aside", "browser", "secret")

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.secret = ""
        self.aside: list[Aside] = []
        self._given: list[Aside] = []
        self._send: Send | None = None  # while it is open
        self._due = bool(browser.after)
        self._tasks: set[asyncio.Task[None]] = set()
        browser.tabs.add(self)

    def __repr__(self) -> str:
        return "<Tab>"

    def opened(self, send: Send) -> None:
        self._send = send
        if self._due:
            self.ask()

    def closed(self) -> None:
        self._send = None
        for task in self._tasks:
            task.cancel()

    def ask(self) -> None:
        """Asks for the cookie that its browser has now."""
        self._due = self._send is None
        if self._send is not None:
            sending = self._send({"type": "websocket.send", "text": QUESTION})
            task = asyncio.get_running_loop().create_task(_in_time(sending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def heard(self, message: Message) -> bool:
        """Whether a message was for this file, and not for Flet."""
        text = message.get("text")
        if not isinstance(text, str) or not text.startswith(SECRET):
            return False
        self.secret = text[len(SECRET) : len(SECRET) + _LONGEST]
        return True

    async def give(self, session: AsyncSession) -> bool:
        """Has its browser given a cookie that leads to `session`, and comes over to it. False: it did not come, and
        nothing was done."""
        aside = Aside(session)
        self.aside.append(aside)
        self.ask()
        with suppress(TimeoutError):
            await asyncio.wait_for(aside.given, _SECONDS)
        if aside not in self.aside:
            return True
        self.aside.remove(aside)
        return False

    def take(self) -> list[Aside]:
        """What waits for its browser, which is given it now."""
        taken, self.aside = self.aside, []
        self._given += taken
        return taken

    def come_over(self, browser: Browser) -> None:
        """It has shown that it belongs to this browser, and so do its pages."""
        old, self.browser = self.browser, browser
        old.tabs.discard(self)
        browser.tabs.add(self)
        for page in tuple(old.pages):
            if page.tab is self:
                page.come_over(browser)
        self.settle()

    def settle(self) -> None:
        """Whoever waits for what was given goes on."""
        given, self._given = self._given, []
        for aside in given:
            if not aside.given.done():
                aside.given.set_result(None)


async def _in_time(sending: Awaitable[None]) -> None:
    with suppress(OSError, RuntimeError, TimeoutError):  # it has gone, or takes nothing any more
        await asyncio.wait_for(sending, _SECONDS)


class WithScript:
    """Flet's own application, with the script in its first page."""

    def __init__(self, app: ASGIApp, src: str) -> None:
        self._app = app
        self._tag = f'<head>\n  <script src="{src}"></script>'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        # A page that the server itself would read from the disk could not be changed here.
        extensions = {**scope.get("extensions", {})}
        extensions.pop("http.response.pathsend", None)
        start: Message | None = None
        body = bytearray()

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                page = bytes(body).replace(b"<head>", self._tag, 1)
                headers = MutableHeaders(scope=start)
                headers["content-length"] = str(len(page))
                for name in ("etag", "last-modified"):  # what they name is Flet's file
                    if name in headers:
                        del headers[name]
                await send(start)
                await send({"type": "http.response.body", "body": page})

        await self._app({**scope, "extensions": extensions}, receive, sending)


def _is_page(message: Message) -> bool:
    headers = MutableHeaders(scope=message)
    return (
        message["status"] == 200
        and headers.get("content-type", "").startswith("text/html")
        and "content-encoding" not in headers
    )


TAB: ContextVar[Tab | None] = ContextVar("authflow.flet.tab", default=None)

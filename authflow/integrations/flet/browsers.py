"""Whose page it is: a browser is known by the owner's cookie, and a page by the browser whose websocket it talks
through.

Flet's own session is one tab's, ends with the process, and changes with the network; a login that hung on it would
be lost each time. The cookie is there before the websocket is, and comes back with every reconnection.

Rule 1: the cookie is renewed at a sign-in; the pages that are open in that browser follow it then.
Rule 2: a websocket that another site opened is refused: it would bring the cookie along.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakSet, WeakValueDictionary

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection

from ..web.cookies import Cookies, new_secret, owner_of
from ..web.exchange import Asked, join_headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .page import FletAuth


class Browser:
    """One visitor's browser: the owner of its sessions, and the pages that are open in it."""

    __slots__ = ("__weakref__", "owner", "pages")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.pages: WeakSet[FletAuth] = WeakSet()

    def __repr__(self) -> str:
        return f"<Browser with {len(self.pages)} pages>"


class Browsers:
    """The browsers that somebody holds: a websocket, a page, a request."""

    def __init__(self) -> None:
        self._by_owner: WeakValueDictionary[str, Browser] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_owner)

    def find(self, owner: str) -> Browser:
        found = self._by_owner.get(owner)
        if found is None:
            found = self._by_owner[owner] = Browser(owner)
        return found

    def rename(self, browser: Browser, owner: str) -> None:
        """The cookie of a browser was renewed: its pages listen to the sessions of that owner now."""
        if browser.owner == owner:
            return
        self._by_owner.pop(browser.owner, None)
        browser.owner = owner
        self._by_owner[owner] = browser
        for page in tuple(browser.pages):
            page.follow()


    def gathered(self, old: str, owner: str) -> None:
        """Two sign-ins of one browser arrived at once: the sessions of the one are the other's now, and so are the
        pages that listened to them."""
        followed = self._by_owner.get(old)
        if followed is not None:
            self.rename(followed, owner)
            return
        for page in tuple(self.find(owner).pages):
            page.follow()


BROWSER: ContextVar[Browser | None] = ContextVar("authflow.flet.browser", default=None)


class WithBrowser:
    """An ASGI application in whose requests, websockets and all that they start it is known which browser it is."""

    def __init__(self, app: ASGIApp, browsers: Browsers, cookies: Cookies, origin: str) -> None:
        self.app = app
        self._browsers = browsers
        self._cookies = cookies
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if scope["type"] == "websocket" and not self._is_own(connection):
            await send({"type": "websocket.close", "code": 1008})
            return
        known = self._cookies.secret_of(Asked("GET", headers=join_headers(scope["headers"])).cookies)
        secret = known or new_secret()
        browser = self._browsers.find(owner_of(secret))

        async def sending(message: Message) -> None:
            renewed = self._renewed(message)
            if renewed is not None:
                self._browsers.rename(browser, owner_of(renewed))
            elif known is None and _takes_cookie(message):
                MutableHeaders(scope=message).append(*self._cookies.set_owner(secret))
            await send(message)

        token = BROWSER.set(browser)
        try:
            await self.app(scope, receive, sending)
        finally:
            BROWSER.reset(token)

    def _renewed(self, message: Message) -> str | None:
        """What a route has put into the owner's cookie. One that took it away gives a fresh one in its place, or the
        pages that are open would belong to nobody."""
        if message["type"] != "http.response.start":
            return None
        headers = MutableHeaders(scope=message)
        start = f"{self._cookies.owner_name}="
        found = [value.partition(";")[0].removeprefix(start) for value in headers.getlist("set-cookie") if
                 value.startswith(start)]
        if found and not found[-1]:
            found.append(new_secret())
            headers.append(*self._cookies.set_owner(found[-1]))
        return found[-1] if found else None

    def _is_own(self, connection: HTTPConnection) -> bool:
        """Whether the page that opens a websocket is one of this site: not one that came by plain http, either, where
        the site is https. A program that is no browser says no origin."""
        origin = connection.headers.get("origin")
        scheme = urlsplit(self._origin).scheme
        return origin in (None, self._origin) or origin == f"{scheme}://{connection.headers.get('host')}"


def _takes_cookie(message: Message) -> bool:
    """A page, or the answer to a websocket's handshake. Pictures and scripts may be kept by caches on the way."""
    if message["type"] == "websocket.accept":
        message.setdefault("headers", [])
        return True
    if message["type"] != "http.response.start":
        return False
    return MutableHeaders(scope=message).get("content-type", "").startswith("text/html")

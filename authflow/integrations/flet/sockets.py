"""The websockets of pages: which browser each comes from, and which page it may ask for.

Rule 1: a websocket that another site opened is refused: it would bring the cookie along.
Rule 2: Flet gives a page that is away to whoever knows its id. Here its browser gets it, and anybody else a page of
their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgpack
from flet.controls.base_control import BaseControl
from flet.messaging.protocol import (
    MessageAction,
    configure_encode_object_for_msgpack,
    decode_ext_from_msgpack,
)
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection

from ..web.cookies import Cookies, new_secret, owner_of
from ..web.exchange import Asked, join_headers
from .browsers import BROWSER, Browsers
from .tabs import TAB, Tab

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .page import FletAuth

    PageOf = Callable[[object], FletAuth | None]

_HEAD: Final = 24  # bytes that tell a packet's kind from another, however it is written


class WithBrowser:
    """An ASGI application in whose requests, websockets and all that they start it is known which browser it is.

    `page_of`: the logins of the page that Flet knows by an id.
    """

    def __init__(self, app: ASGIApp, browsers: Browsers, cookies: Cookies, origin: str, page_of: PageOf) -> None:
        self.app = app
        self._browsers = browsers
        self._cookies = cookies
        self._origin = origin
        self._page_of = page_of

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

        self._browsers.shown(browser)

        async def sending(message: Message) -> None:
            renewed = self._renewed(message)
            if renewed is not None:
                self._browsers.renewed(browser, owner_of(renewed))
            elif known is None and _takes_cookie(message):
                MutableHeaders(scope=message).append(*self._cookies.set_owner(secret))
            await send(message)

        token = BROWSER.set(browser)
        try:
            if scope["type"] == "websocket":
                await self._talk(Tab(browser), scope, receive, sending)
            else:
                await self.app(scope, receive, sending)
        finally:
            BROWSER.reset(token)
            self._browsers.shown(browser)  # what was brought together under it meanwhile

    async def _talk(self, tab: Tab, scope: Scope, receive: Receive, send: Send) -> None:
        async def receiving() -> Message:
            while tab.heard(message := await receive()):
                pass
            packet = message.get("bytes")
            return {**message, "bytes": self._own(packet, tab)} if packet else message

        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "websocket.accept":
                tab.opened(send)

        token = TAB.set(tab)
        try:
            await self.app(scope, receiving, sending)
        finally:
            TAB.reset(token)
            tab.closed()

    def _own(self, packet: bytes, tab: Tab) -> bytes:
        """The packet; one that asks for a page of another browser asks for a new one."""
        if not _registers(packet):
            return packet
        # Read as Flet does, who takes some extension types for texts.
        action, body = msgpack.unpackb(packet[1:], ext_hook=decode_ext_from_msgpack)
        page = self._page_of(body["session_id"])
        if page is None or page.returns(tab):
            return packet
        encode = configure_encode_object_for_msgpack(BaseControl)
        return packet[:1] + bytes(msgpack.packb([action, {**body, "session_id": None}], default=encode))

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


def _registers(packet: bytes) -> bool:
    """Whether a client asks for a page. Its first member says so, however long the second is."""
    if packet[0] != 0:
        return False  # of a data channel
    head = msgpack.Unpacker()
    head.feed(packet[1:_HEAD])
    try:
        head.read_array_header()
        return bool(head.unpack() == MessageAction.REGISTER_CLIENT.value)
    except (ValueError, msgpack.UnpackException):
        return False  # nor can Flet make anything of it


def _takes_cookie(message: Message) -> bool:
    """A page, or the answer to a websocket's handshake. Pictures and scripts may be kept by caches on the way."""
    if message["type"] == "websocket.accept":
        message.setdefault("headers", [])
        return True
    if message["type"] != "http.response.start":
        return False
    return MutableHeaders(scope=message).get("content-type", "").startswith("text/html")

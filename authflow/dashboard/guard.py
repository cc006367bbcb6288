"""Who gets an answer from the dashboard, and what every answer forbids the browser.

    every request    the `Host` is one of the list (421): a name that was rebound to 127.0.0.1 is not
    with a key       the caller's address is this machine's; `Authorization: Bearer` has the tab's key (401)
    data             the header `Authflow-Dashboard: 1`, which no form and no script tag can send (403)
    writes           beside that `Sec-Fetch-Site: same-origin`: another port is `same-site` only; and JSON

Rule: a refusal tells nothing of any session.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import printable
from .keys import Keys

logger = logging.getLogger("authflow.dashboard")

OWN_HEADER: Final = "authflow-dashboard"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types authflow"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), clipboard-read=(), clipboard-write=(self)",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class Guard:
    """Around the whole application: the list of hosts, the caller's address, the headers of every answer.

    `hosts`: the `Host` headers that are answered; None: the loopback names with the very port that is served.
    `loopback_only`: nobody from another machine is answered.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None, *, loopback_only: bool) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        client = scope.get("client")
        if self._loopback_only and client is not None and not is_loopback(client[0]):
            return PlainTextResponse("This dashboard answers its own machine only.", 403)
        said = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        if len(said) != 1 or said[0] not in (self._own(scope) if self._hosts is None else self._hosts):
            if not self._loopback_only:
                logger.warning("refused as %r; if that is where it is mounted: app(…, hosts=[…])", printable(said, 120))
            return PlainTextResponse("Nothing is served under this name.", 421)
        return None

    def _own(self, scope: Scope) -> frozenset[str]:
        """This machine's loopback names, with the port that the request came to."""
        port = (scope.get("server") or ("", None))[1]
        names = ("127.0.0.1", "localhost", "[::1]")
        return frozenset(f"{name}:{port}" for name in names) | (frozenset(names) if port == 80 else frozenset())


class Door:
    """Around single endpoints: who may read data, and who may change anything."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys

    def reading(self, endpoint: Endpoint) -> Endpoint:
        async def read(request: Request) -> Response:
            return self._refusal(request) or await endpoint(request)

        return read

    def writing(self, endpoint: Endpoint) -> Endpoint:
        async def write(request: Request) -> Response:
            return self._refusal(request) or _not_from_here(request) or await endpoint(request)

        return write

    def launching(self, endpoint: Endpoint) -> Endpoint:
        """The one write that needs no tab's key: it is where a tab gets it."""

        async def launch(request: Request) -> Response:
            return _no_own_header(request) or _not_from_here(request) or await endpoint(request)

        return launch

    def _refusal(self, request: Request) -> Response | None:
        if self._keys is not None and not self._keys.knows(bearer(request)):
            return refused(401, "This tab has no key: open the dashboard by its launch link.")
        return _no_own_header(request)


def bearer(request: Request) -> str:
    """The key in the `Authorization` header; "": none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def refused(status: int, why: str, hint: str = "") -> Response:
    """An answer that says why not."""
    return JSONResponse({"error": {"message": why, "hint": hint}}, status)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's; what is no address is a caller in this process."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return True


def _no_own_header(request: Request) -> Response | None:
    if request.headers.get(OWN_HEADER) != "1" or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return refused(403, "Only the dashboard's own page is answered here.")
    return None


def _not_from_here(request: Request) -> Response | None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("sec-fetch-site") != "same-origin" or kind != "application/json":
        return refused(403, "Only the dashboard's own page may change anything.", "Use a browser that is up to date.")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != request.headers["host"].lower():
        return refused(403, "Only the dashboard's own page may change anything.")
    return None

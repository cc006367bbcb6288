"""Starlette: sign-in, sign-out and session events as routes; a session for a request; an API behind the cookie.

    auth = Auth(manager, base_url="https://app.example")
    auth.proxy("/api", to="https://api.example.com")

    async def home(request):
        session = await auth.optional(request)
        return PlainTextResponse(f"hello {session.user.name}" if session else "please sign in at /login")

    app = Starlette(routes=[Route("/", home), *auth.routes], lifespan=auth.lifespan)

Both managers fit; a `SessionManager` is asked on threads. With several workers give each a manager on one durable
store. Register `https://app.example/callback/{provider}` with each provider.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial, wraps
from typing import Any, ParamSpec
from urllib.parse import quote

from ..errors import ConfigurationError, MissingExtra

try:
    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import BaseRoute, Route, WebSocketRoute
    from starlette.websockets import WebSocket
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs starlette, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[starlette]'",
    ) from missing

from .web import Answer, Asked, Bridge, Passed, Proxy, arun
from .web.exchange import LONGEST_FORM, join_headers
from .web.places import METHODS, ROUTES
from .web.streams import HEADERS

P = ParamSpec("P")


def _of_a_request(ask: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
    """Refuses to be a decorator: nobody would await what it made of a function, and the route above would stand open,
    or one beneath it take that for a function."""

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> Awaitable[Any]:
        request = (*args, *kwargs.values())[-1]
        if not isinstance(request, HTTPConnection):
            raise ConfigurationError(
                "auth.required takes a request, and guards no function that it is written above.",
                hint="In FastAPI: session = Depends(auth.required) among the arguments. In Starlette: session = await "
                "auth.required(request) in the function.",
            )
        return ask(*args, **kwargs)

    return asked


class Auth(Bridge):
    """The arguments are those of `web.Bridge`."""

    _routes: list[BaseRoute] | None = None

    # ── what an application uses ─────────────────────────────────────────────────────────────────────

    async def optional(self, request: HTTPConnection) -> Any:
        """The live session of this browser, or None."""
        return await self.session(request)

    @_of_a_request
    async def required(self, request: HTTPConnection) -> Any:
        """The live session; otherwise a browser goes to sign in and comes back, a script gets 401."""
        return await self._require(request, None)

    def required_from(self, provider: str) -> Callable[[HTTPConnection], Awaitable[Any]]:
        """`required`, with this provider. Raises `UnknownProvider`."""
        self.desk.known(provider)

        @_of_a_request
        async def required(request: HTTPConnection) -> Any:
            return await self._require(request, provider)

        return required

    async def session(self, request: HTTPConnection, provider: str | None = None) -> Any:
        """The live session with a provider; with the first that has one, if none is named. None: not signed in."""
        return await arun(self.desk.find(_asked(request), provider), self.manager)

    async def begin(self, request: Request, provider: str, *, onward: str | None = None, **arguments: Any) -> Response:
        """For a route of your own that signs in: `arguments` are those of `session.begin` (`scope`, `prompt`, and
        `step_up=True` for the session that there is)."""
        return _response(await arun(self.desk.begin(provider, _asked(request), onward, arguments), self.manager))

    @property
    def routes(self) -> list[BaseRoute]:
        """For `Starlette(routes=[…, *auth.routes])`."""
        if self._routes is None:
            self._routes, self._taken = [*self._own_routes(), *self._proxied()], True
        return self._routes

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Ends what runs when the server stops: streams, connections to APIs, the manager."""
        try:
            yield
        finally:
            await self.aclose()

    # ── the routes ───────────────────────────────────────────────────────────────────────────────────

    def _own_routes(self) -> list[BaseRoute]:
        prefix, events = self.desk.places.prefix, self._events
        return [
            Route(
                prefix + path, events if name == "events" else partial(self._answer, name),
                methods=list(methods), name=f"authflow_{name}",
            )
            for name, (path, methods) in ROUTES.items()
        ]  # fmt: skip

    def _proxied(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = []
        for proxy in self._proxies:
            path = proxy.prefix + "{path:path}"
            routes.append(Route(path, partial(self._forward, proxy), methods=list(METHODS), name=proxy.prefix))
            routes.append(WebSocketRoute(path, _refuse_websocket))
        return routes

    async def _answer(self, route: str, request: Request) -> Response:
        asked = _asked(request, await _form(request) if request.method == "POST" else b"")
        steps = self.desk.steps(route, request.path_params.get("provider", ""), asked)
        return _response(await arun(steps, self.manager))

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._astream(_asked(request)), headers=dict(HEADERS))

    async def _forward(self, proxy: Proxy, request: Request) -> Response:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        return _response(await self._apass_on(proxy, _asked(request), raw_path(request), headers, request.stream()))

    async def _require(self, request: HTTPConnection, provider: str | None) -> Any:
        session = await self.session(request, provider)
        if session is None:
            asked = _asked(request)
            here = _wire_path(request) + (f"?{asked.query}" if asked.query else "")
            refused = self.desk.refuse(asked, provider, here)
            raise HTTPException(refused.status, "not signed in", dict(refused.headers))
        return session


def raw_path(request: HTTPConnection) -> str:
    """The path as it came over the wire, without where the application is mounted."""
    return _wire_path(request).removeprefix(request.scope.get("root_path", ""))


def _wire_path(request: HTTPConnection) -> str:
    raw: bytes | None = request.scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(request.scope["path"])


async def _refuse_websocket(websocket: WebSocket) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(Response("This route carries no WebSocket.", 501))
    else:
        await websocket.close(1008)


async def _form(request: Request) -> bytes:
    """The body, if it is not longer than a form of ours can be."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            return b""
    return body


def _asked(request: HTTPConnection, body: bytes = b"") -> Asked:
    scope = request.scope
    query = scope.get("query_string", b"").decode("latin-1")
    return Asked(scope.get("method", "GET"), query, join_headers(scope["headers"]), body)


def _response(answer: Answer | Passed) -> Response:
    if isinstance(answer, Passed):
        response: Response = StreamingResponse(answer.body, answer.status)
    else:
        response = Response(answer.body, answer.status)
    own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    response.raw_headers = [*(pair for pair in response.raw_headers if pair[0] == b"content-length"), *own]
    return response

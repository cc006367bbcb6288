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

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import quote

from ..errors import ConfigurationError, InvalidCall, MissingExtra

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

import httpx

from .web import Answer, Asked, Desk, Proxy, Steps, arun
from .web.exchange import LONGEST_FORM, join_headers
from .web.forward import admit, apieces, asend, client_settings, failed
from .web.places import ROUTES
from .web.streams import HEADERS, RETRY, SECONDS, message_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Auth:
    """The sessions of whoever visits. The arguments are those of `web.Desk`; `stream_seconds`: how long one
    connection for events lasts before the browser makes the next."""

    desk_class = Desk

    def __init__(self, manager: Any, *, base_url: str, stream_seconds: float = SECONDS, **settings: Any) -> None:
        self.desk = self.desk_class(manager, base_url=base_url, **settings)
        self.manager = manager
        self._stream_seconds = stream_seconds
        self._proxies: list[Proxy] = []
        self._client: httpx.AsyncClient | None = None
        self._routes: list[BaseRoute] | None = None

    # ── what an application uses ─────────────────────────────────────────────────────────────────────

    async def optional(self, request: HTTPConnection) -> Any:
        """The live session of this browser, or None."""
        return await self.session(request)

    async def required(self, request: HTTPConnection) -> Any:
        """The live session; otherwise a browser goes to sign in and comes back, a script gets 401."""
        return await self._require(request, None)

    def required_from(self, provider: str) -> Callable[[HTTPConnection], Awaitable[Any]]:
        """`required`, with this provider."""

        async def required(request: HTTPConnection) -> Any:
            return await self._require(request, provider)

        return required

    async def session(self, request: HTTPConnection, provider: str | None = None) -> Any:
        """The live session with a provider; with the first that has one, if none is named. None: not signed in."""
        return await arun(self.desk.session(_asked(request), provider), self.manager)

    async def begin(self, request: Request, provider: str, *, onward: str | None = None, **arguments: Any) -> Response:
        """For a route of your own that signs in: `arguments` are those of `session.begin` (`scope`, `prompt`, and
        `step_up=True` for the session that there is)."""
        return _response(await arun(self.desk.begin(provider, _asked(request), onward, arguments), self.manager))

    def proxy(self, prefix: str, *, to: str, provider: str | None = None) -> None:
        """The page's requests to `prefix` go to the API at `to`, with the session's token. Before the routes are taken.

        Raises `ConfigurationError` when `to` is none of the provider's `api_origins`.
        """
        if self._routes is not None:
            raise InvalidCall("The routes were handed out before.", hint="Call auth.proxy(…) before auth.routes.")
        self._proxies.append(proxy_of(self.desk, prefix, to, provider))

    @property
    def routes(self) -> list[BaseRoute]:
        """For `Starlette(routes=[…, *auth.routes])`."""
        if self._routes is None:
            self._routes = [*self._own_routes(), *self._proxied()]
        return self._routes

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:
        """Ends what runs when the server stops: streams, connections to APIs, the manager."""
        try:
            yield
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Closes the manager too."""
        self.desk.streams.end()
        if self._client is not None:
            await self._client.aclose()
        closing = self.manager.close
        await (closing() if inspect.iscoroutinefunction(closing) else asyncio.to_thread(closing))

    # ── the routes ───────────────────────────────────────────────────────────────────────────────────

    def _own_routes(self) -> list[BaseRoute]:
        desk = self.desk
        named: Mapping[str, Callable[[Request, Asked], Steps[Answer]]] = {
            "choose": lambda request, asked: desk.choose(asked),
            "login": lambda request, asked: desk.login(request.path_params["provider"], asked),
            "callback": lambda request, asked: desk.callback(request.path_params["provider"], asked),
            "logout_all": lambda request, asked: desk.logout("", asked),
            "logout": lambda request, asked: desk.logout(request.path_params["provider"], asked),
            "signed_out": lambda request, asked: desk.signed_out(asked),
            "back_channel_logout": lambda request, asked: desk.back_channel_logout(asked),
            "front_channel_logout": lambda request, asked: desk.front_channel_logout(asked),
            "initiate_login": lambda request, asked: desk.initiate_login(asked),
            "session": lambda request, asked: desk.show(asked),
        }
        prefix = desk.places.prefix
        routes: list[BaseRoute] = [
            Route(prefix + ROUTES[name][0], partial(self._answer, steps), methods=list(ROUTES[name][1]), name=name)
            for name, steps in named.items()
        ]
        return [*routes, Route(prefix + ROUTES["events"][0], self._events, methods=["GET"], name="events")]

    def _proxied(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = []
        for proxy in self._proxies:
            path = proxy.prefix + "{path:path}"
            routes.append(Route(path, partial(self._forward, proxy), methods=list(METHODS), name=proxy.prefix))
            routes.append(WebSocketRoute(path, _refuse_websocket))
        return routes

    async def _answer(self, steps: Callable[[Request, Asked], Steps[Answer]], request: Request) -> Response:
        asked = _asked(request, await _form(request) if request.method == "POST" else b"")
        return _response(await arun(steps(request, asked), self.manager))

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._stream(_asked(request)), headers=dict(HEADERS))

    async def _stream(self, asked: Asked) -> AsyncIterator[bytes]:
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        reader = self.desk.streams.open(self.desk.owner(asked), partial(loop.call_soon_threadsafe, came.set))
        try:
            until = loop.time() + self._stream_seconds
            cards = await arun(self.desk.cards(asked), self.manager)
            yield RETRY + b"".join(map(message_of, cards))
            while not reader.ended:
                async with asyncio.timeout_at(until):
                    await came.wait()
                came.clear()
                yield reader.take()
        except TimeoutError:
            return
        finally:
            self.desk.streams.close(reader)

    async def _forward(self, proxy: Proxy, request: Request) -> Response:
        admitted = await arun(admit(self.desk, proxy, _asked(request), raw_path(request)), self.manager)
        if isinstance(admitted, Answer):
            return _response(admitted)
        session, url = admitted
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        if self._client is None:
            self._client = httpx.AsyncClient(**client_settings())
        try:
            found = await asend(self._client, proxy, session, url, request.method, headers, request.stream())
        except Exception as error:
            return _response(failed(error))
        down = proxy.headers_down(found.headers.multi_items(), self.desk.places.root)
        response = StreamingResponse(apieces(found), found.status_code)
        response.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in down]
        return response

    async def _require(self, request: HTTPConnection, provider: str | None) -> Any:
        session = await self.session(request, provider)
        if session is None:
            here = f"{request.url.path}{f'?{request.url.query}' if request.url.query else ''}"
            refused = self.desk.refuse(_asked(request), provider, here)
            raise HTTPException(refused.status, "not signed in", dict(refused.headers))
        return session


def proxy_of(desk: Desk, prefix: str, to: str, provider: str | None) -> Proxy:
    """The proxy of one provider; of the only one, if none is named. Raises `ConfigurationError`."""
    providers = desk.manager.providers
    if provider is None and len(providers) == 1:
        (provider,) = providers
    if provider not in providers:
        raise ConfigurationError(
            "An API takes the tokens of one provider.", hint=f"Write provider=, one of {', '.join(providers)}."
        )
    return Proxy(prefix, to, providers[provider])


def raw_path(request: Request) -> str:
    """The path as it came over the wire, without where the application is mounted."""
    raw: bytes | None = request.scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(request.scope["path"])
    return path.removeprefix(request.scope.get("root_path", ""))


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


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    response.raw_headers = [*(pair for pair in response.raw_headers if pair[0] == b"content-length"), *own]
    return response

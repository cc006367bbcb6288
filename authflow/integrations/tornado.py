"""Tornado: what `quart.py` is, as handlers.

    auth = Auth(manager, base_url="https://app.example")
    auth.proxy("/api", to="https://api.example.com")

    class Me(RequestHandler):
        @auth.required
        async def get(self):
            session = await auth.session(self)
            self.write({"name": session.user.name})

    app = Application([("/me", Me), *auth.routes])

`await auth.session(handler)` is None for whoever is not signed in; `auth.required_from("github")` wants that provider.
Both managers fit; a `SessionManager` is asked on threads. `await auth.aclose()` ends what runs when the server stops.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from ..errors import MissingExtra

try:
    from tornado.iostream import StreamClosedError
    from tornado.web import HTTPError, RequestHandler, stream_request_body
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs tornado, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[tornado]'",
    ) from missing

from .web import Answer, Asked, Bridge, Passed, Proxy, arun
from .web.exchange import LONGEST_FORM, join_headers
from .web.places import METHODS, ROUTES
from .web.streams import HEADERS

logger = logging.getLogger("authflow.integrations")

P = ParamSpec("P")
Method = Callable[Concatenate[Any, P], Awaitable[None] | None]
Guarded = Callable[Concatenate[Any, P], Awaitable[None]]


class Auth(Bridge):
    """The arguments are those of `web.Bridge`."""

    # ── what an application uses ─────────────────────────────────────────────────────────────────────

    async def session(self, handler: RequestHandler, provider: str | None = None) -> Any:
        """The live session of this request with a provider; with the first that has one, if none is named; or None."""
        _vary(handler)
        return await arun(self.desk.find(_asked(handler), provider), self.manager)

    def required(self, method: Method[P]) -> Guarded[P]:
        """For a handler's `get` or `post`: whoever is not signed in goes to sign in and comes back; a script gets
        401."""
        return self.required_from(None)(method)

    def required_from(self, provider: str | None) -> Callable[[Method[P]], Guarded[P]]:
        """`required`, with this provider. Raises `UnknownProvider`."""
        if provider is not None:
            self.desk.known(provider)

        def decorate(method: Method[P]) -> Guarded[P]:
            @wraps(method)
            async def guarded(handler: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
                if await self.session(handler, provider) is None:
                    _answer(handler, self.desk.refuse(_asked(handler), provider, handler.request.uri))
                    return
                found = method(handler, *args, **kwargs)
                if inspect.isawaitable(found):
                    await found

            return guarded

        return decorate

    async def begin(
        self, handler: RequestHandler, provider: str, *, onward: str | None = None, **arguments: Any
    ) -> None:
        """The answer of a handler of your own that signs in: `arguments` are those of `session.begin`."""
        _answer(handler, await arun(self.desk.begin(provider, _asked(handler), onward, arguments), self.manager))

    @property
    def routes(self) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
        """For `Application([…, *auth.routes])`. A prefix belongs into `Auth(prefix="/auth")`."""
        self._taken = True
        made: list[tuple[str, type[RequestHandler], dict[str, Any]]] = []
        for name, (path, methods) in ROUTES.items():
            pattern = re.escape(self.desk.places.prefix) + path.replace("{provider}", "([^/]+)")
            if name == "events":
                made.append((pattern, _Events, {"auth": self, "methods": methods}))
            else:
                head = ("HEAD",) if "GET" in methods else ()
                made.append((pattern, _Answers, {"auth": self, "methods": (*methods, *head), "name": name}))
        for proxy in self._proxies:
            made.append((f"{re.escape(proxy.prefix)}(?:/.*)?", _Forwards, {"auth": self, "proxy": proxy}))
        return made


# ── the routes ───────────────────────────────────────────────────────────────────────────────────────


@stream_request_body
class _Route(RequestHandler):
    """What is the same for all. `_work`: what answers, where that may take long; it ends when nobody reads."""

    def initialize(self, auth: Auth, methods: tuple[str, ...] = METHODS) -> None:
        self.SUPPORTED_METHODS = methods  # type: ignore[assignment]
        self._auth = auth
        self._work: asyncio.Task[None] | None = None
        self._telling = False  # the answer's head is on its way

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None

    def check_xsrf_cookie(self) -> None:
        """The desk judges who asks: a provider's posted answer comes from another site."""

    def check_trusted_origin(self, origin: str) -> bool:
        return True

    def compute_etag(self) -> None:
        return None

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Tornado would write down the whole request, whose query holds codes."""
        if not isinstance(value, HTTPError):
            logger.error("uncaught: %s %s", self.request.method, self.request.path, exc_info=(typ, value, tb))

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._work is not None:
            self._work.cancel()

    async def _worked(self, work: asyncio.Task[None]) -> None:
        """Until all is told, or nobody reads any more."""
        await asyncio.wait([work])
        if work.cancelled() or isinstance(work.exception(), StreamClosedError):
            return
        if work.exception() is not None and self._telling:
            # To finish would say that this was all of it.
            logger.warning("an answer broke off: %s (%s)", self.request.path, type(work.exception()).__name__)
            self.detach().close()
            return
        work.result()

    async def _pour(self, pieces: Any) -> None:
        self._telling = True
        async with aclosing(pieces):
            async for piece in pieces:
                self.write(piece)
                await self.flush()


class _Answers(_Route):
    """A route of the desk."""

    def initialize(self, auth: Auth, methods: tuple[str, ...], name: str) -> None:  # type: ignore[override]
        super().initialize(auth, methods)
        self._name = name
        self._body = b""

    def data_received(self, chunk: bytes) -> None:
        if len(self._body) <= LONGEST_FORM:
            self._body += chunk

    async def get(self, provider: str = "") -> None:
        steps = self._auth.desk.steps(self._name, provider, _asked(self, self._body))
        _answer(self, await arun(steps, self._auth.manager))

    head = post = get


class _Events(_Route):
    """Session events, as long as somebody reads them."""

    async def get(self) -> None:
        _head(self, 200, HEADERS)
        self._work = asyncio.ensure_future(self._pour(self._auth._astream(_asked(self))))
        await self._worked(self._work)


class _Forwards(_Route):
    """An API behind the cookie. The request goes up while it comes, and the answer down."""

    def initialize(self, auth: Auth, proxy: Proxy) -> None:  # type: ignore[override]
        super().initialize(auth)
        self._proxy = proxy
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(1)

    def prepare(self) -> None:
        self._work = asyncio.ensure_future(self._forward())

    async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
        """Waits until the API takes it, or wants no more."""
        putting = asyncio.ensure_future(self._chunks.put(chunk))
        await asyncio.wait([putting, *([self._work] if self._work else [])], return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()

    async def get(self) -> None:
        await self.data_received(b"")
        if self._work is not None:
            await self._worked(self._work)

    head = post = put = patch = delete = options = get

    async def _forward(self) -> None:
        headers = list(self.request.headers.get_all())
        found = await self._auth._apass_on(self._proxy, _asked(self), self._raw_path(), headers, self._pieces())
        if isinstance(found, Passed):
            _head(self, found.status, found.headers)
            await self._pour(found.body)
        else:
            _answer(self, found)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await self._chunks.get():
            yield piece

    def _raw_path(self) -> str:
        """The path as it came over the wire, without where the application is mounted."""
        path, root = self.request.path, self._auth.desk.places.root
        return path.removeprefix(root) if path.startswith(f"{root}{self._proxy.prefix}") else path


def _vary(handler: RequestHandler) -> None:
    """What was made after a look at who is here is nobody else's: caches are told, once."""
    if "authflow_varies" not in vars(handler):
        vars(handler)["authflow_varies"] = True
        handler.add_header("Vary", "Cookie")


def _asked(handler: RequestHandler, body: bytes = b"") -> Asked:
    request = handler.request
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.get_all()]
    return Asked(request.method or "GET", request.query, join_headers(headers), body)


def _head(handler: RequestHandler, status: int, headers: Any) -> None:
    handler.clear()
    handler.clear_header("Content-Type")
    handler.set_status(status)
    for name, value in headers:
        handler.add_header(name, value)


def _answer(handler: RequestHandler, answer: Answer) -> None:
    """What Tornado sends when the handler's method is over."""
    _head(handler, answer.status, answer.headers)
    handler.write(answer.body)

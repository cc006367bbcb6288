"""Quart: what `flask.py` is, awaited.

    auth = Auth(manager, base_url="https://app.example")

    app = Quart(__name__)
    app.register_blueprint(auth.blueprint)

    @app.get("/me")
    @auth.required
    async def me():
        session = await auth.session()
        return {"name": session.user.name}

Both managers fit; a `SessionManager` is asked on threads. The blueprint closes the manager when the server stops.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property, partial, wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from ..errors import MissingExtra

try:
    from quart import Blueprint, Response, abort, after_this_request, g, request
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs quart, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[quart]'",
    ) from missing

from .web import Answer, Asked, Bridge, Passed, Proxy, arun
from .web.exchange import LONGEST_FORM
from .web.places import METHODS, ROUTES
from .web.streams import HEADERS

P = ParamSpec("P")
R = TypeVar("R")


class Auth(Bridge):
    """The arguments are those of `web.Bridge`."""

    # ── what an application uses ─────────────────────────────────────────────────────────────────────

    async def session(self, provider: str | None = None) -> Any:
        """The live session of this request with a provider; with the first that has one, if none is named; or None."""
        found: dict[str | None, Any] = g.setdefault(f"authflow-{id(self)}", {})
        if provider not in found:
            after_this_request(_vary)
            found[provider] = await arun(self.desk.find(_asked(), provider), self.manager)
        return found[provider]

    def required(self, view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """For a view: whoever is not signed in goes to sign in and comes back; a script gets 401."""
        return self.required_from(None)(view)

    def required_from(
        self, provider: str | None
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """`required`, with this provider. Raises `UnknownProvider`."""
        if provider is not None:
            self.desk.known(provider)

        def decorate(view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            @wraps(view)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                if await self.session(provider) is None:
                    asked = _asked()
                    here = _wire_path() + (f"?{asked.query}" if asked.query else "")
                    abort(_response(self.desk.refuse(asked, provider, here)))
                return await view(*args, **kwargs)

            self._guards.add(view)
            return guarded

        return decorate

    async def begin(self, provider: str, *, onward: str | None = None, **arguments: Any) -> Response:
        """For a view of your own that signs in: `arguments` are those of `session.begin`."""
        return _response(await arun(self.desk.begin(provider, _asked(), onward, arguments), self.manager))

    @cached_property
    def blueprint(self) -> Blueprint:
        """For `app.register_blueprint(auth.blueprint)`. A prefix belongs into `Auth(prefix="/auth")`."""
        self._taken = True
        made = Blueprint("authflow", __name__)
        for name, (path, methods) in ROUTES.items():
            rule = (self.desk.places.prefix + path).replace("{", "<").replace("}", ">")
            view = self._events if name == "events" else partial(self._answer, name)
            made.add_url_rule(rule, name, view, methods=list(methods))
        for number, proxy in enumerate(self._proxies):
            view = partial(self._forward, proxy)
            for rule in (proxy.prefix, f"{proxy.prefix}/", f"{proxy.prefix}/<path:path>"):
                made.add_url_rule(rule, f"proxy{number}", view, methods=list(METHODS), merge_slashes=False)
        made.record_once(self._join)
        made.before_app_request(self._check_guards)
        return made

    def _join(self, state: Any) -> None:
        state.app.after_serving(self.aclose)
        self._guards.watch(state.app.view_functions)

    async def _check_guards(self) -> None:
        self._guards.check_first()

    # ── the routes ───────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, route: str, provider: str = "") -> Response:
        asked = _asked(await _form() if request.method == "POST" else b"")
        return _response(await arun(self.desk.steps(route, provider, asked), self.manager))

    async def _events(self) -> Response:
        return _streamed(Response(self._astream(_asked()), 200, dict(HEADERS)))

    async def _forward(self, proxy: Proxy, path: str = "") -> Response:
        headers = [(name, value) for name, value in request.headers.items() if value]
        return _response(await self._apass_on(proxy, _asked(), raw_path(), headers, aiter(request.body)))


def raw_path() -> str:
    """The path as it came over the wire, without where the application is mounted."""
    scope: Any = request.scope
    return _wire_path().removeprefix(scope.get("root_path", ""))


def _wire_path() -> str:
    scope: Any = request.scope
    raw = scope.get("raw_path")
    return str(raw.decode("latin-1") if raw else quote(scope["path"]))


async def _form() -> bytes:
    """The body, if it is not longer than a form of ours can be."""
    body = b""
    async for piece in request.body:
        body += piece
        if len(body) > LONGEST_FORM:
            return b""
    return body


def _vary(response: Any) -> Any:
    """What was made after a look at who is here is nobody else's: caches are told."""
    response.vary.add("Cookie")
    return response


def _asked(body: bytes = b"") -> Asked:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Asked(request.method, request.query_string.decode("latin-1"), headers, body)


def _streamed(response: Response) -> Response:
    response.timeout = None  # Quart ends a response after 60 s; this one ends itself
    return response


def _response(answer: Answer | Passed) -> Response:
    response = Response(answer.body, answer.status)
    response.headers.clear()
    for name, value in answer.headers:
        response.headers.add(name, value)
    if isinstance(answer, Passed):
        return _streamed(response)
    response.headers["Content-Length"] = str(len(answer.body))
    return response

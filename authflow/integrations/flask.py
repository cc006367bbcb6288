"""Flask: a blueprint, a decorator, and the session of this request.

    auth = Auth(manager, base_url="https://app.example")
    auth.proxy("/api", to="https://api.example.com")

    app = Flask(__name__)
    app.register_blueprint(auth.blueprint)

    @app.get("/me")
    @auth.required
    def me():
        return {"name": auth.session().user.name}

`auth.session()` is None for whoever is not signed in; `auth.required_from("github")` wants that provider. Flask cannot
await: it takes a `SessionManager`. With several workers give each a manager on one durable store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial, wraps
from typing import Any, ParamSpec, TypeVar

from ..errors import MissingExtra

try:
    from flask import Blueprint, Response, abort, after_this_request, g, request
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs flask, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[flask]'",
    ) from missing

from .web import Answer, Asked, Bridge, Passed, Proxy, run
from .web.exchange import LONGEST_FORM
from .web.places import METHODS, ROUTES
from .web.streams import HEADERS
from .web.wsgi import raw_path, wire_path

P = ParamSpec("P")
R = TypeVar("R")
PIECE = 64 * 1024


class Auth(Bridge):
    """The arguments are those of `web.Bridge`."""

    _framework = "Flask"

    # ── what an application uses ─────────────────────────────────────────────────────────────────────

    def session(self, provider: str | None = None) -> Any:
        """The live session of this request with a provider; with the first that has one, if none is named; or None."""
        found: dict[str | None, Any] = g.setdefault(f"authflow-{id(self)}", {})
        if provider not in found:
            after_this_request(_vary)
            found[provider] = run(self.desk.find(_asked(), provider))
        return found[provider]

    def required(self, view: Callable[P, R]) -> Callable[P, R]:
        """For a view: whoever is not signed in goes to sign in and comes back; a script gets 401."""
        return self.required_from(None)(view)

    def required_from(self, provider: str | None) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """`required`, with this provider. Raises `UnknownProvider`."""
        if provider is not None:
            self.desk.known(provider)

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                if self.session(provider) is None:
                    asked = _asked()
                    here = wire_path(request.environ) + (f"?{asked.query}" if asked.query else "")
                    abort(_response(self.desk.refuse(asked, provider, here)))
                return view(*args, **kwargs)

            self._guards.add(view)
            return guarded

        return decorate

    def begin(self, provider: str, *, onward: str | None = None, **arguments: Any) -> Response:
        """For a view of your own that signs in: `arguments` are those of `session.begin`."""
        return _response(run(self.desk.begin(provider, _asked(), onward, arguments)))

    @cached_property
    def blueprint(self) -> Blueprint:
        """For `app.register_blueprint(auth.blueprint)`. A prefix belongs into `Auth(prefix="/auth")`."""
        self._taken = True
        made = Blueprint("authflow", __name__)
        for name, (path, methods) in ROUTES.items():
            rule = (self.desk.places.prefix + path).replace("{", "<").replace("}", ">")
            view = self._events if name == "events" else partial(self._answer, name)
            made.add_url_rule(rule, name, view, methods=methods)
        for number, proxy in enumerate(self._proxies):
            view = partial(self._forward, proxy)
            for rule in (proxy.prefix, f"{proxy.prefix}/", f"{proxy.prefix}/<path:path>"):
                made.add_url_rule(rule, f"proxy{number}", view, methods=METHODS, merge_slashes=False)
                # Werkzeug looks for another rule when a WebSocket is asked for; the same view refuses it.
                made.add_url_rule(rule, f"proxy{number}", view, methods=("GET",), merge_slashes=False, websocket=True)
        made.record_once(lambda state: self._guards.watch(state.app.view_functions))
        made.before_app_request(self._guards.check_first)
        return made

    # ── the routes ───────────────────────────────────────────────────────────────────────────────────

    def _answer(self, route: str, provider: str = "") -> Response:
        body = request.stream.read(LONGEST_FORM + 1) if request.method == "POST" else b""
        return _response(run(self.desk.steps(route, provider, _asked(body))))

    def _events(self) -> Response:
        return Response(self._stream(_asked()), 200, list(HEADERS))

    def _forward(self, proxy: Proxy, path: str = "") -> Response:
        headers = [(name, value) for name, value in request.headers.items() if value]
        return _response(self._pass_on(proxy, _asked(), raw_path(request.environ), headers, _pieces()))


def _pieces() -> Iterator[bytes]:
    while piece := request.stream.read(PIECE):
        yield piece


def _vary(response: Any) -> Any:
    """What was made after a look at who is here is nobody else's: caches are told."""
    response.vary.add("Cookie")
    return response


def _asked(body: bytes = b"") -> Asked:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Asked(request.method, request.query_string.decode("latin-1"), headers, body)


def _response(answer: Answer | Passed) -> Response:
    response = Response(answer.body, answer.status, list(answer.headers))
    if "content-type" not in {name.lower() for name, _ in answer.headers}:
        del response.headers["Content-Type"]
    return response

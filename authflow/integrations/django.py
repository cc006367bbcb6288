"""Django: URLs, a middleware, a decorator.

    # project/auth.py
    auth = Auth(manager, base_url="https://app.example")

    # project/urls.py
    urlpatterns = [path("", include(auth.urls)), path("me", me)]

    # project/settings.py
    AUTHFLOW = "project.auth.auth"
    MIDDLEWARE = [..., "authflow.integrations.django.AuthMiddleware"]

    # a view, or a template: {{ request.authflow.user.name }}
    @auth.login_required
    def me(request):
        return JsonResponse({"name": request.authflow.user.name})

With a `SessionManager` the views are plain, under WSGI and ASGI. With an `AsyncSessionManager` they are async, for
ASGI; there `await request.authflow.asession()` comes first, which `login_required` of an async view does.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import lru_cache, partial, wraps
from typing import Any
from urllib.parse import quote

from ..errors import ConfigurationError, InvalidCall, MissingExtra

try:
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import URLPattern, path, re_path
    from django.utils.cache import patch_vary_headers
    from django.utils.decorators import sync_and_async_middleware
    from django.utils.module_loading import import_string
    from django.views.debug import get_default_exception_reporter_filter
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs django, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[django]'",
    ) from missing

from .web import Answer, Asked, Bridge, Passed, Proxy, arun, run
from .web.cookies import Cookies
from .web.exchange import LONGEST_FORM
from .web.places import METHODS, ROUTES
from .web.streams import HEADERS
from .web.wsgi import raw_path as wsgi_path

PIECE = 64 * 1024


class Auth(Bridge):
    """The arguments are those of `web.Bridge`."""

    # ── what an application uses ─────────────────────────────────────────────────────────────────────

    def session(self, request: HttpRequest, provider: str | None = None) -> Any:
        """The live session of a request with a provider; with the first that has one, if none is named; or None.

        Raises `InvalidCall` for an `AsyncSessionManager` that was not asked before by `asession`.
        """
        found = _found(self, request)
        if provider not in found:
            if self._awaits:
                raise InvalidCall(
                    "An AsyncSessionManager has to be awaited.", hint="Write await auth.asession(request) before."
                )
            found[provider] = run(self.desk.find(_asked(request), provider))
        return found[provider]

    async def asession(self, request: HttpRequest, provider: str | None = None) -> Any:
        """`session`, awaited."""
        found = _found(self, request)
        if provider not in found:
            found[provider] = await arun(self.desk.find(_asked(request), provider), self.manager)
        return found[provider]

    def login_required(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """For a view, plain or async: whoever is not signed in goes to sign in and comes back; a script gets 401."""
        return self.login_required_from(None)(view)

    def login_required_from(self, provider: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """`login_required`, with this provider. Raises `UnknownProvider`."""
        if provider is not None:
            self.desk.known(provider)

        def refuse(request: HttpRequest) -> HttpResponse:
            return _response(self.desk.refuse(_asked(request), provider, request.get_full_path()))

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            if inspect.iscoroutinefunction(view):

                @wraps(view)
                async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                    found = await self.asession(request, provider)
                    return refuse(request) if found is None else _varied(request, await view(request, *args, **kwargs))
            else:

                @wraps(view)
                def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                    found = self.session(request, provider)
                    return refuse(request) if found is None else _varied(request, view(request, *args, **kwargs))

            return guarded

        return decorate

    def begin(self, request: HttpRequest, provider: str, *, onward: str | None = None, **arguments: Any) -> Any:
        """For a view of your own that signs in: `arguments` are those of `session.begin`. Awaitable with an
        `AsyncSessionManager`."""
        steps = self.desk.begin(provider, _asked(request), onward, arguments)
        return self._arun(steps) if self._awaits else _response(run(steps))

    @property
    def urls(self) -> list[URLPattern]:
        """For `path("", include(auth.urls))`. A prefix belongs into `Auth(prefix="/auth")`."""
        self._taken = True
        root = self.desk.places.prefix.removeprefix("/")
        root = f"{root}/" if root else ""
        patterns = []
        for name, (route, methods) in ROUTES.items():
            view = self._events if name == "events" else partial(self._aanswer if self._awaits else self._answer, name)
            rule = root + route.removeprefix("/").replace("{", "<str:").replace("}", ">")
            patterns.append(path(rule, _view(view, (*methods, "HEAD")), name=f"authflow_{name}"))
        for proxy in self._proxies:
            view = partial(self._aforward if self._awaits else self._forward, proxy)
            patterns.append(re_path(rf"^{proxy.prefix.removeprefix('/')}(?:/.*)?$", _view(view, METHODS)))
        return patterns

    # ── the views ────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, route: str, request: HttpRequest, provider: str = "") -> HttpResponse:
        return _response(run(self.desk.steps(route, provider, _asked(request, _form(request)))))

    async def _aanswer(self, route: str, request: HttpRequest, provider: str = "") -> HttpResponse:
        return await self._arun(self.desk.steps(route, provider, _asked(request, _form(request))))

    async def _arun(self, steps: Any) -> HttpResponse:
        return _response(await arun(steps, self.manager))

    def _events(self, request: HttpRequest) -> StreamingHttpResponse:
        # Django reads an iterator of the other colour to its end before it sends the first byte.
        asked = _asked(request)
        body = self._astream(asked) if _is_asgi(request) else self._stream(asked)
        return StreamingHttpResponse(body, headers=dict(HEADERS))

    def _forward(self, proxy: Proxy, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        passed = self._pass_on(proxy, _asked(request), raw_path(request), _headers(request), _pieces(request))
        if isinstance(passed, Passed) and _is_asgi(request):
            passed = passed._replace(body=_on_threads(passed.body))
        return _response(passed)

    async def _aforward(self, proxy: Proxy, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        body = _on_threads(_pieces(request))
        return _response(await self._apass_on(proxy, _asked(request), raw_path(request), _headers(request), body))


class Present:
    """`request.authflow`: who is here. Nothing is asked before it is read."""

    def __init__(self, auth: Auth, request: HttpRequest) -> None:
        self._auth = auth
        self._request = request

    @property
    def session(self) -> Any:
        """See `Auth.session`."""
        return self._auth.session(self._request)

    async def asession(self) -> Any:
        """See `Auth.asession`."""
        return await self._auth.asession(self._request)

    @property
    def user(self) -> Any:
        """The user of the session, or None."""
        session = self.session
        return None if session is None else session.user


@lru_cache(maxsize=8)
def _report_filter(base: Any, cookies: Cookies) -> Any:
    """Django's filter of error reports (the page under DEBUG, mails to the admins), which knows its own session's
    cookie, and now ours."""

    class ReportFilter(base):  # type: ignore[misc]
        def cleanse_setting(self, key: Any, value: Any) -> Any:
            if isinstance(key, str) and cookies.is_secret(key):
                return self.cleansed_substitute
            return super().cleanse_setting(key, value)

    return ReportFilter()


def _present(request: HttpRequest) -> Present:
    auth: Auth = _configured()
    base: Any = type(get_default_exception_reporter_filter())
    request.exception_reporter_filter = _report_filter(base, auth.desk.cookies)
    return Present(auth, request)


@sync_and_async_middleware  # type: ignore[untyped-decorator]
def AuthMiddleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Puts `request.authflow` on each request, and keeps its cookies out of error reports. `settings.AUTHFLOW` says
    where the `Auth` is."""
    if inspect.iscoroutinefunction(get_response):

        async def amiddleware(request: HttpRequest) -> Any:
            request.authflow = _present(request)
            return _varied(request, await get_response(request))

        return amiddleware

    def middleware(request: HttpRequest) -> Any:
        request.authflow = _present(request)
        return _varied(request, get_response(request))

    return middleware


def _configured() -> Any:
    where = getattr(settings, "AUTHFLOW", None)
    if not isinstance(where, str):
        raise ConfigurationError(
            "The settings do not say where the Auth is.", hint='Write AUTHFLOW = "project.auth.auth".'
        )
    return import_string(where)


def _view(view: Callable[..., Any], methods: tuple[str, ...]) -> Callable[..., Any]:
    """A view of ours: other methods are 405. Django's own CSRF check does not know these routes: a provider posts to
    some, and the others ask who asks (`is_from_here`)."""
    async def awaited(request: HttpRequest, **kwargs: Any) -> Any:
        return _not_allowed(methods) if request.method not in methods else await view(request, **kwargs)

    def plain(request: HttpRequest, **kwargs: Any) -> Any:
        return _not_allowed(methods) if request.method not in methods else view(request, **kwargs)

    made: Any = awaited if inspect.iscoroutinefunction(view) else plain
    made.csrf_exempt = True
    return made  # type: ignore[no-any-return]


def _not_allowed(methods: tuple[str, ...]) -> HttpResponse:
    return HttpResponse(status=405, headers={"Allow": ", ".join(methods)})


def raw_path(request: HttpRequest) -> str:
    """The path as it came over the wire, without where the application is mounted."""
    if not _is_asgi(request):
        return wsgi_path(request.META)
    raw = request.scope.get("raw_path")
    text = raw.decode("latin-1") if raw else quote(request.scope["path"])
    return str(text).removeprefix(request.scope.get("root_path", ""))


def _is_asgi(request: HttpRequest) -> bool:
    return hasattr(request, "scope")


def _found(auth: Auth, request: HttpRequest) -> dict[str | None, Any]:
    """What was found for this request already."""
    kept: dict[str | None, Any] = request.__dict__.setdefault(f"_authflow_{id(auth)}", {})
    return kept


def _varied(request: HttpRequest, response: Any) -> Any:
    """A response that was made after a look at who is here is nobody else's: caches are told, Django's own first."""
    if any(name.startswith("_authflow_") for name in request.__dict__):
        patch_vary_headers(response, ("Cookie",))
    return response


def _headers(request: HttpRequest) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers.items() if value]


def _asked(request: HttpRequest, body: bytes = b"") -> Asked:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Asked(request.method or "GET", request.META.get("QUERY_STRING", ""), headers, body)


def _form(request: HttpRequest) -> bytes:
    return request.read(LONGEST_FORM + 1) if request.method == "POST" else b""


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    while piece := request.read(PIECE):
        yield piece


async def _on_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A plain iterator that waits, read on threads."""
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        close: Callable[[], Awaitable[None] | None] | None = getattr(pieces, "close", None)
        if close is not None:
            await asyncio.to_thread(close)


def _response(answer: Answer | Passed) -> Any:
    if isinstance(answer, Passed):
        response: Any = StreamingHttpResponse(answer.body, status=answer.status)
    else:
        response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        if name == "Set-Cookie":
            response.cookies.load(value)
        else:
            response.headers[name] = value
    return response

"""The same small application in every framework, served by a real server: what `tests/integrations` visits.

    /       the name of whoever is signed in, or "nobody"; or `page`, which asks for it
    /me     the same, for those who are signed in only; /café too
    /api    the development provider's API, behind the cookie
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from authflow import AsyncSessionManager, SessionManager
from authflow.testing.served import Served


class Site:
    """One running application."""

    def __init__(self, manager: Any, url: str, auth: Any) -> None:
        self.manager = manager
        self.url = url
        self.auth = auth


def name_of(session: Any) -> str:
    return "nobody" if session is None else session.user.name


@contextmanager
def starlette(manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any) -> Iterator[Site]:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, PlainTextResponse, Response
    from starlette.routing import Route

    from authflow.integrations.starlette import Auth

    def build(url: str) -> tuple[Any, Auth]:
        auth = Auth(manager, base_url=url, **settings)
        if to is not None:
            auth.proxy("/api", to=to, provider="acme")

        async def home(request: Request) -> Response:
            return HTMLResponse(page) if page else PlainTextResponse(name_of(await auth.optional(request)))

        async def me(request: Request) -> Response:
            return PlainTextResponse(name_of(await auth.required(request)))

        pages = [Route("/", home), Route("/me", me), Route("/café", me)]
        return Starlette(routes=[*pages, *auth.routes], lifespan=auth.lifespan), auth

    with on_loop(manager, build, port) as site:
        yield site


@contextmanager
def fastapi(manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any) -> Iterator[Site]:
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse, PlainTextResponse

    from authflow.integrations.fastapi import Auth

    def build(url: str) -> tuple[Any, Auth]:
        auth = Auth(manager, base_url=url, **settings)
        if to is not None:
            auth.proxy("/api", to=to, provider="acme")
        app = FastAPI()
        app.include_router(auth.router)
        optional, required = Depends(auth.optional), Depends(auth.required)

        @app.get("/", response_class=HTMLResponse if page else PlainTextResponse)
        async def home(session: Any = optional) -> str:
            return page or name_of(session)

        @app.get("/café", response_class=PlainTextResponse)
        @app.get("/me", response_class=PlainTextResponse)
        async def me(session: Any = required) -> str:
            return name_of(session)

        return app, auth

    with on_loop(manager, build, port) as site:
        yield site


@contextmanager
def quart(manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any) -> Iterator[Site]:
    from quart import Quart

    from authflow.integrations.quart import Auth

    def build(url: str) -> tuple[Any, Auth]:
        auth = Auth(manager, base_url=url, **settings)
        if to is not None:
            auth.proxy("/api", to=to, provider="acme")
        app = Quart(__name__)
        app.register_blueprint(auth.blueprint)

        @app.get("/")
        async def home() -> str:
            return page or name_of(await auth.session())

        @app.get("/café")
        @app.get("/me")
        @auth.required
        async def me() -> str:
            return name_of(await auth.session())

        return app, auth

    with on_loop(manager, build, port) as site:
        yield site


@contextmanager
def tornado(manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any) -> Iterator[Site]:
    from tornado.httpserver import HTTPServer
    from tornado.web import Application, RequestHandler

    from authflow.integrations.tornado import Auth

    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    auth = Auth(manager, base_url=url, **settings)
    if to is not None:
        auth.proxy("/api", to=to, provider="acme")

    class Home(RequestHandler):
        async def get(self) -> None:
            self.write(page or name_of(await auth.session(self)))

    class Me(RequestHandler):
        @auth.required
        async def get(self) -> None:
            self.write(name_of(await auth.session(self)))

    app = Application([("/", Home), ("/me", Me), ("/caf%C3%A9", Me), *auth.routes], log_function=lambda handler: None)
    loops: list[asyncio.AbstractEventLoop] = []
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = HTTPServer(app)
        server.add_socket(listener)
        loops.append(asyncio.get_running_loop())
        started.set()
        await ended.wait()
        await auth.aclose()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site")
    thread.start()
    started.wait()
    try:
        yield Site(manager, url, auth)
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join()


@contextmanager
def flask(manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any) -> Iterator[Site]:
    from flask import Flask
    from werkzeug.serving import WSGIRequestHandler, make_server

    from authflow.integrations.flask import Auth

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            return

    app = Flask(__name__)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    auth = Auth(manager, base_url=url, **settings)
    if to is not None:
        auth.proxy("/api", to=to, provider="acme")
    app.register_blueprint(auth.blueprint)

    @app.get("/")
    def home() -> str:
        return page or name_of(auth.session())

    @app.get("/café")
    @app.get("/me")
    @auth.required
    def me() -> str:
        return name_of(auth.session())

    with on_threads(server, auth):
        yield Site(manager, url, auth)


def django(
    manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any
) -> AbstractContextManager[Site]:
    """Under ASGI."""
    from django.core.handlers.asgi import ASGIHandler

    def build(url: str) -> tuple[Any, Any]:
        auth = django_urls(manager, url, to, page, settings)
        return ASGIHandler(), auth

    return on_loop(manager, build, port)


@contextmanager
def django_wsgi(manager: Any, to: str | None, *, page: str = "", port: int = 0, **settings: Any) -> Iterator[Site]:
    """Under Django's own server."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadedWSGIServer(("127.0.0.1", port), Quiet)
    url = f"http://127.0.0.1:{server.server_port}"
    auth = django_urls(manager, url, to, page, settings)
    server.set_app(WSGIHandler())
    with on_threads(server, auth):
        yield Site(manager, url, auth)


DJANGO: dict[str, Any] = {}  # by host and port: the `Auth` and the URLs of the sites that run now


class Here:
    """`settings.AUTHFLOW` of a process with several sites: what `request.authflow` asks."""

    @property
    def desk(self) -> Any:
        """Any one's: its cookies' names keep them out of reports of errors, and nobody reads one here."""
        return next(iter(DJANGO.values())).auth.desk

    def session(self, request: Any) -> Any:
        return DJANGO[request.get_host()].auth.session(request)

    async def asession(self, request: Any) -> Any:
        return await DJANGO[request.get_host()].auth.asession(request)


HERE = Here()


def choose_urls(get_response: Any) -> Any:
    """A middleware: each site here has URLs of its own."""

    def middleware(request: Any) -> Any:
        request.urlconf = DJANGO[request.get_host()]
        return get_response(request)

    return middleware


def configure_django() -> None:
    """Once in a process."""
    import django
    from django.conf import settings as configured

    if not configured.configured:
        configured.configure(
            ALLOWED_HOSTS=["127.0.0.1"],
            AUTHFLOW="tests.integrations.sites.HERE",
            DEBUG=False,
            MIDDLEWARE=[
                "tests.integrations.sites.choose_urls",
                "django.middleware.csrf.CsrfViewMiddleware",
                "authflow.integrations.django.AuthMiddleware",
            ],
            ROOT_URLCONF="tests.integrations.sites",
            SECRET_KEY="for tests",
        )
        django.setup()


def django_urls(manager: Any, url: str, to: str | None, page: str, settings: dict[str, Any]) -> Any:
    configure_django()

    from django.http import HttpResponse
    from django.urls import include, path

    from authflow.integrations.django import Auth

    auth = Auth(manager, base_url=url, **settings)
    if to is not None:
        auth.proxy("/api", to=to, provider="acme")

    if inspect.iscoroutinefunction(manager.close):

        async def home(request: Any) -> Any:
            return HttpResponse(page or name_of(await request.authflow.asession()))

        @auth.login_required
        async def me(request: Any) -> Any:
            return HttpResponse(request.authflow.user.name)
    else:

        def home(request: Any) -> Any:
            return HttpResponse(page or name_of(request.authflow.session))

        @auth.login_required
        def me(request: Any) -> Any:
            return HttpResponse(request.authflow.user.name)

    site = type("Urls", (), {})
    site.auth = auth  # type: ignore[attr-defined]
    site.urlpatterns = [path("", home), path("me", me), path("café", me), path("", include(auth.urls))]  # type: ignore[attr-defined]
    DJANGO[url.removeprefix("http://")] = site
    return auth


@contextmanager
def on_threads(server: Any, auth: Any) -> Iterator[None]:
    """A WSGI server with a thread for each request, as long as the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="site")
    thread.start()
    try:
        yield
    finally:
        auth.close()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def on_loop(manager: Any, build: Callable[[str], tuple[Any, Any]], port: int = 0) -> Iterator[Site]:
    """An ASGI application under uvicorn; it ends on the loop that it ran on."""
    app: Any = None
    loops: list[asyncio.AbstractEventLoop] = []

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        if not loops:
            loops.append(asyncio.get_running_loop())
        await app(scope, receive, send)

    served = Served(outer, port)
    app, auth = build(served.url)
    served.start()
    try:
        yield Site(manager, served.url, auth)
    finally:
        if loops:
            asyncio.run_coroutine_threadsafe(auth.aclose(), loops[0]).result(10)
        elif not inspect.iscoroutinefunction(manager.close):
            manager.close()
        served.stop()


# What is visited: each framework with the managers that fit.
BOTH = (AsyncSessionManager, SessionManager)
SYNC = (SessionManager,)
FRAMEWORKS: dict[Any, tuple[Any, ...]] = {
    starlette: BOTH, fastapi: BOTH, quart: BOTH, tornado: BOTH, flask: SYNC, django: BOTH, django_wsgi: SYNC,
}  # fmt: skip
KINDS = [(site, manager) for site, managers in FRAMEWORKS.items() for manager in managers]
NAMES = [f"{site.__name__}-{'async' if manager is AsyncSessionManager else 'sync'}" for site, manager in KINDS]

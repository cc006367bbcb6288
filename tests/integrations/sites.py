"""The same small application in every framework, served by a real server: what `tests/integrations` visits.

    /       the name of whoever is signed in, or "nobody"
    /me     the same, for those who are signed in only
    /api    the development provider's API, behind the cookie
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
def starlette(manager: Any, to: str | None, **settings: Any) -> Iterator[Site]:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from authflow.integrations.starlette import Auth

    def build(url: str) -> tuple[Any, Auth]:
        auth = Auth(manager, base_url=url, **settings)
        if to is not None:
            auth.proxy("/api", to=to, provider="acme")

        async def home(request: Request) -> Response:
            return PlainTextResponse(name_of(await auth.optional(request)))

        async def me(request: Request) -> Response:
            return PlainTextResponse(name_of(await auth.required(request)))

        return Starlette(routes=[Route("/", home), Route("/me", me), *auth.routes], lifespan=auth.lifespan), auth

    with on_loop(manager, build) as site:
        yield site


@contextmanager
def fastapi(manager: Any, to: str | None, **settings: Any) -> Iterator[Site]:
    from fastapi import Depends, FastAPI
    from fastapi.responses import PlainTextResponse

    from authflow.integrations.fastapi import Auth

    def build(url: str) -> tuple[Any, Auth]:
        auth = Auth(manager, base_url=url, **settings)
        if to is not None:
            auth.proxy("/api", to=to, provider="acme")
        app = FastAPI()
        app.include_router(auth.router)
        optional, required = Depends(auth.optional), Depends(auth.required)

        @app.get("/", response_class=PlainTextResponse)
        async def home(session: Any = optional) -> str:
            return name_of(session)

        @app.get("/me", response_class=PlainTextResponse)
        async def me(session: Any = required) -> str:
            return name_of(session)

        return app, auth

    with on_loop(manager, build) as site:
        yield site


@contextmanager
def on_loop(manager: Any, build: Callable[[str], tuple[Any, Any]]) -> Iterator[Site]:
    """An ASGI application under uvicorn; it ends on the loop that it ran on."""
    app: Any = None
    loops: list[asyncio.AbstractEventLoop] = []

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        if not loops:
            loops.append(asyncio.get_running_loop())
        await app(scope, receive, send)

    served = Served(outer)
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


# What visits each: framework and manager.
ASYNC_FRAMEWORKS = (starlette, fastapi)
KINDS = [(site, manager) for site in ASYNC_FRAMEWORKS for manager in (AsyncSessionManager, SessionManager)]
NAMES = [f"{site.__name__}-{'async' if manager is AsyncSessionManager else 'sync'}" for site, manager in KINDS]

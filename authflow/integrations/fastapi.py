"""FastAPI: what `starlette.py` is, as a router and dependencies.

    auth = Auth(manager, base_url="https://app.example")
    auth.proxy("/api", to="https://api.example.com")

    app = FastAPI()
    app.include_router(auth.router)

    @app.get("/me")
    async def me(session = Depends(auth.required)):
        return {"name": session.user.name}

`Depends(auth.optional)` gives None to whoever is not signed in; `Depends(auth.required_from("github"))` wants that one.
"""

from __future__ import annotations

from functools import cached_property

from ..errors import MissingExtra

try:
    from fastapi import APIRouter
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs fastapi, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[fastapi]'",
    ) from missing

from starlette.routing import Route, WebSocketRoute

from .starlette import Auth as _Auth

__all__ = ["Auth"]


class Auth(_Auth):
    """See `starlette.Auth`."""

    @cached_property
    def router(self) -> APIRouter:
        """For `app.include_router(auth.router)`. It ends what runs when the server stops. A prefix belongs into
        `Auth(prefix="/auth")`, which the redirect URIs are made from."""
        router = APIRouter(lifespan=self.lifespan)
        for route in self.routes:
            if isinstance(route, Route):
                methods = sorted(route.methods or ())
                router.add_route(route.path, route.endpoint, methods, name=route.name, include_in_schema=False)
            elif isinstance(route, WebSocketRoute):
                router.add_websocket_route(route.path, route.endpoint)
        return router

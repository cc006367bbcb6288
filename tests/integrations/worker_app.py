"""One application for several worker processes; what they are to share is told by the environment."""

from __future__ import annotations

import os
from typing import Any

from fastapi import Depends, FastAPI

from authflow import AsyncSessionManager
from authflow.integrations.fastapi import Auth
from authflow.providers import OpenIDConnect
from authflow.stores import SQLiteStore


def application() -> FastAPI:
    issuer = os.environ["ISSUER"]
    provider = OpenIDConnect(
        issuer, os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], name="acme", allow_insecure_loopback=True
    )
    manager = AsyncSessionManager([provider], store=SQLiteStore(os.environ["STORE"]), sealing_key=bytes(32))
    auth = Auth(manager, base_url=os.environ["BASE_URL"], stream_seconds=0.2)
    app = FastAPI()
    app.include_router(auth.router)
    optional = Depends(auth.optional)

    @app.get("/")
    async def home(session: Any = optional) -> dict[str, Any]:
        return {"name": None if session is None else session.user.name, "worker": os.getpid()}

    return app

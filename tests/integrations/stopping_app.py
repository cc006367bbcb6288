"""Applications for a server process, whose streams end only when they are told to. Whoever brings `SECRET` is Ada."""

from __future__ import annotations

import os
from typing import Any

from authflow import SessionManager
from authflow.integrations.web.cookies import owner_of
from authflow.providers import GitHub
from authflow.testing import signed_in

URL = os.environ.get("BASE_URL", "")
SETTINGS: dict[str, Any] = {"base_url": URL, "stream_seconds": 600.0}


SECRET = "s" * 43


def manager() -> SessionManager:
    made = SessionManager([GitHub("id", "secret")])
    signed_in(made.owner(owner_of(SECRET)), "github", user={"id": 1, "name": "Ada"})
    return made


def fastapi() -> Any:
    from fastapi import FastAPI

    from authflow.integrations.fastapi import Auth

    app = FastAPI()
    app.include_router(Auth(manager(), **SETTINGS).router)
    return app


def quart() -> Any:
    from quart import Quart

    from authflow.integrations.quart import Auth

    app = Quart(__name__)
    app.register_blueprint(Auth(manager(), **SETTINGS).blueprint)
    return app


def django() -> Any:
    from django.conf import settings

    settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF="tests.integrations.stopping_app", SECRET_KEY="x")

    import django as framework
    from django.core.handlers.asgi import ASGIHandler

    from authflow.integrations.django import Auth

    framework.setup()
    urlpatterns.extend(Auth(manager(), **SETTINGS).urls)
    return ASGIHandler()


urlpatterns: list[Any] = []  # Django's


def dashboard() -> Any:
    from authflow.dashboard import app

    return app(manager(), behind_own_authentication=True, hosts=[URL.removeprefix("http://")])

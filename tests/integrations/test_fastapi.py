"""What FastAPI alone has: a router with a lifespan, dependencies, and a schema that is the application's own."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi", reason="pip install 'authflow-sessions[fastapi]'")

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from authflow import AsyncSessionManager, SessionManager
from authflow.integrations.fastapi import Auth
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.providers import GitHub
from authflow.testing import signed_in

SITE = "https://app.example"
GITHUB = GitHub("id", "secret", api_origins=["https://api.example.com"])


@pytest.mark.parametrize("kind", [AsyncSessionManager, SessionManager])
def test_the_router_closes_the_manager_when_the_server_stops(kind: type) -> None:
    manager, app = kind([GITHUB]), FastAPI()
    auth = Auth(manager, base_url=SITE)
    auth.proxy("/api", to="https://api.example.com")
    app.include_router(auth.router)
    with TestClient(app, base_url=SITE) as client:
        assert client.get("/session").json()[0]["state"] == "idle"
        assert client.get("/api/x", headers={"x-csrf": "1"}).status_code == 401
    assert manager._closed


def test_the_schema_is_the_applications_own() -> None:
    app = FastAPI()
    app.include_router(Auth(AsyncSessionManager([GITHUB]), base_url=SITE).router)
    assert app.openapi()["paths"] == {}


def test_a_dependency_may_want_one_provider() -> None:
    secret = new_secret()
    manager, app = SessionManager([GITHUB, GITHUB.replace(name="other")]), FastAPI()
    auth = Auth(manager, base_url=SITE)
    signed_in(manager.owner(owner_of(secret)), "other", user={"id": 1, "name": "Ada"})
    github, other = Depends(auth.required_from("github")), Depends(auth.required_from("other"))

    @app.get("/other")
    async def wants_other(session: Any = other) -> str:
        return str(session.user.name)

    @app.get("/github")
    async def wants_github(session: Any = github) -> str:
        return "never"

    with manager:
        client = TestClient(app, base_url=SITE, cookies={"__Host-owner": secret}, follow_redirects=False)
        assert client.get("/other").json() == "Ada"
        assert client.get("/github").status_code == 401
        page = client.get("/github?a=1", headers={"accept": "text/html"})
        assert page.headers["location"] == "/login/github?next=%2Fgithub%3Fa%3D1"

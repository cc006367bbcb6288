"""What Starlette and FastAPI alone have: WebSockets, mounting, routes that were handed out, a lifespan."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient, WebSocketDenialResponse

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError, InvalidCall
from authflow.integrations.starlette import Auth
from authflow.providers import GitHub

SITE = "https://app.example"
GITHUB = GitHub("id", "secret", api_origins=["https://api.example.com"])


def made(**settings: str) -> Auth:
    auth = Auth(AsyncSessionManager([GITHUB]), base_url=settings.pop("base_url", SITE), **settings)
    auth.proxy("/api", to="https://api.example.com")
    return auth


def test_a_websocket_is_refused_before_it_opens() -> None:
    client = TestClient(Starlette(routes=made().routes), base_url=SITE)
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/api/live"):
        pass
    assert refused.value.status_code == 501


def test_under_a_mount_the_addresses_are_those_that_browsers_see() -> None:
    auth = made(base_url=f"{SITE}/shop")

    async def home(request: Request) -> Response:
        await auth.required(request)
        raise AssertionError("nobody is signed in")

    app = Starlette(routes=[Mount("/shop", routes=[Route("/home", home), *auth.routes])])
    client = TestClient(app, base_url=SITE, follow_redirects=False)
    sent = client.get("/shop/home?a=1", headers={"accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/shop/login?next=%2Fshop%2Fhome%3Fa%3D1")
    begun = client.get(client.get("/shop/login/github?next=/shop/home").headers["location"])
    assert "redirect_uri=https%3A%2F%2Fapp.example%2Fshop%2Fcallback%2Fgithub" in begun.headers["location"]
    assert client.get("/shop/api/x", headers={"x-csrf": "1"}).status_code == 401
    assert client.get("/shop/api/../x", headers={"x-csrf": "1"}).status_code == 404


def test_an_api_that_is_named_after_the_routes_were_taken_is_refused() -> None:
    auth = made()
    assert auth.routes is auth.routes
    with pytest.raises(InvalidCall, match="before"):
        auth.proxy("/other", to="https://api.example.com")


def test_with_several_providers_an_api_says_whose() -> None:
    auth = Auth(AsyncSessionManager([GITHUB, GITHUB.replace(name="other")]), base_url=SITE)
    with pytest.raises(ConfigurationError, match="one of github, other"):
        auth.proxy("/api", to="https://api.example.com")
    auth.proxy("/api", to="https://api.example.com", provider="other")


@pytest.mark.parametrize("kind", [AsyncSessionManager, SessionManager])
def test_the_lifespan_closes_the_manager(kind: type) -> None:
    manager = kind([GITHUB])
    auth = Auth(manager, base_url=SITE)
    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse("here")), *auth.routes], lifespan=auth.lifespan
    )
    with TestClient(app, base_url=SITE) as client:
        assert client.get("/").text == "here"
        assert client.get("/session").json()[0]["state"] == "idle"
    assert manager._closed

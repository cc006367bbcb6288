"""What Django alone has: a setting that names the `Auth`, views of both colours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("django", reason="pip install 'authflow-sessions[django]'")

from django.http import HttpRequest, HttpResponse

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError, InvalidCall
from authflow.integrations.django import Auth, AuthMiddleware, Present
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.providers import GitHub
from authflow.testing import signed_in

from .sites import configure_django

SITE = "https://app.example"
GITHUB = GitHub("id", "secret")


@pytest.fixture(autouse=True)
def configured() -> None:
    configure_django()


def request_of(secret: str, path: str = "/me") -> HttpRequest:
    request = HttpRequest()
    request.method, request.path = "GET", path
    request.META = {"HTTP_COOKIE": f"__Host-owner={secret}", "HTTP_ACCEPT": "text/html", "SERVER_NAME": "x"}
    return request


def test_a_setting_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    monkeypatch.setattr(settings, "AUTHFLOW", None)
    with pytest.raises(ConfigurationError, match="AUTHFLOW ="):
        AuthMiddleware(lambda request: HttpResponse())(HttpRequest())


def test_an_async_manager_has_to_be_awaited_and_then_serves_a_template() -> None:
    async def visit() -> Any:
        secret = new_secret()
        async with AsyncSessionManager([GITHUB]) as manager:
            await signed_in(manager.owner(owner_of(secret)), "github", user={"id": 1, "name": "Ada"})
            present = Present(Auth(manager, base_url=SITE), request_of(secret))
            with pytest.raises(InvalidCall, match="asession"):
                _ = present.user
            await present.asession()
            return present.user.name

    assert asyncio.run(visit()) == "Ada"


def test_a_view_may_want_one_provider() -> None:
    other, secret = GITHUB.replace(name="other"), new_secret()
    with SessionManager([GITHUB, other]) as manager:
        signed_in(manager.owner(owner_of(secret)), "other", user={"id": 1, "name": "Ada"})
        auth = Auth(manager, base_url=SITE)
        view = auth.login_required_from("github")(lambda request: HttpResponse("never"))
        refused = view(request_of(secret))
        assert (refused.status_code, refused.headers["Location"]) == (303, "/login/github?next=%2Fme")
        assert auth.login_required(lambda request: HttpResponse("here"))(request_of(secret)).content == b"here"
        assert Present(auth, request_of(new_secret())).user is None

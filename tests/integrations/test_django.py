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
HERE: Any = None  # what `settings.AUTHFLOW` names in a test


@pytest.fixture(autouse=True)
def configured() -> None:
    configure_django()


def request_of(secret: str, path: str = "/me") -> HttpRequest:
    request = HttpRequest()
    request.method, request.path = "GET", path
    request.META = {
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_ACCEPT": "text/html",
        "HTTP_COOKIE": f"__Host-owner={secret}",
    }
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


def test_djangos_own_cache_gives_nobody_the_page_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of a whole site keeps what says `no-store`; it asks for `private`, and what varies by the cookie."""
    from django.conf import settings
    from django.core.cache import cache
    from django.middleware.cache import FetchFromCacheMiddleware, UpdateCacheMiddleware

    ada, nobody = new_secret(), new_secret()
    with SessionManager([GITHUB]) as manager:
        signed_in(manager.owner(owner_of(ada)), "github", user={"id": 1, "name": "Ada"})
        auth = Auth(manager, base_url=SITE)
        session = next(one for one in auth.urls if one.name == "authflow_session").callback
        name = lambda request: HttpResponse(str(request.authflow.user and request.authflow.user.name))  # noqa: E731
        views: dict[str, Any] = {
            "/session": session,
            "/me": auth.login_required(lambda request: HttpResponse("Ada")),
            "/name": AuthMiddleware(name),
        }
        monkeypatch.setattr(settings, "AUTHFLOW", f"{__name__}.HERE")
        monkeypatch.setattr(f"{__name__}.HERE", auth)
        try:
            for path, view in views.items():
                cached = UpdateCacheMiddleware(FetchFromCacheMiddleware(view))
                for _ in range(2):
                    assert b"Ada" in cached(request_of(ada, path)).content
                    assert b"Ada" not in cached(request_of(nobody, path)).content
        finally:
            cache.clear()


@pytest.mark.parametrize("kind", [SessionManager, AsyncSessionManager])
def test_no_report_of_an_error_shows_what_opens_a_session(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    """Neither the page under DEBUG nor the mail to the admins."""
    from django.conf import settings
    from django.urls import ResolverMatch
    from django.views.debug import ExceptionReporter

    secret, binding = new_secret(), new_secret()
    auth = Auth(kind([GITHUB]), base_url=SITE)
    monkeypatch.setattr(settings, "AUTHFLOW", f"{__name__}.HERE")
    monkeypatch.setattr(f"{__name__}.HERE", auth)
    request = request_of(secret)
    request.COOKIES = {"__Host-owner": secret, "__Host-login-0123": f"{binding}.{secret}", "theme": "dark"}

    def fails(request: HttpRequest) -> HttpResponse:
        raise KeyError("the application's own mistake")

    async def afails(request: HttpRequest) -> HttpResponse:
        return fails(request)

    request.resolver_match = ResolverMatch(fails, (), {})
    try:
        if kind is SessionManager:
            AuthMiddleware(fails)(request)
        else:
            asyncio.run(AuthMiddleware(afails)(request))
    except KeyError as error:
        traceback = error.__traceback__
        reporter = ExceptionReporter(request, KeyError, error, traceback and traceback.tb_next)  # without this test
        reports = reporter.get_traceback_html() + reporter.get_traceback_text()
    asyncio.run(auth.aclose())

    assert "__Host-owner" in reports
    assert "dark" in reports
    assert secret not in reports
    assert binding not in reports

"""A guard that is written where it guards nothing is refused, and nobody walks past it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from typing import Any

import flask
import pytest
import quart
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Route

from authflow import SessionManager
from authflow.errors import ConfigurationError
from authflow.integrations import fastapi as fastapi_bridge
from authflow.integrations import flask as flask_bridge
from authflow.integrations import quart as quart_bridge
from authflow.integrations import starlette as starlette_bridge
from authflow.providers import GitHub

SITE = "https://app.example"
GITHUB = GitHub("id", "secret")


@pytest.fixture
def manager() -> Iterator[SessionManager]:
    with SessionManager([GITHUB, GITHUB.replace(name="other")]) as made:
        yield made


class Framework:
    """One whose routes are decorators."""

    def __init__(self, module: Any, bridge: Any, kind: str, view: Callable[..., Any], manager: SessionManager) -> None:
        self.auth = bridge.Auth(manager, base_url=SITE)
        self.app = getattr(module, kind)(__name__)
        self.pages = module.Blueprint("pages", __name__)
        self.view = view  # the view that everybody may see unless it is guarded

    def status(self, path: str) -> int:
        async def ask() -> int:
            answer = self.app.test_client().get(path)
            return int((await answer if asyncio.iscoroutine(answer) else answer).status_code)

        return asyncio.run(ask())


def plain() -> str:
    return "open"


async def awaited() -> str:
    return "open"


@pytest.fixture(params=["flask", "quart"])
def framework(request: pytest.FixtureRequest, manager: SessionManager) -> Framework:
    if request.param == "flask":
        return Framework(flask, flask_bridge, "Flask", plain, manager)
    return Framework(quart, quart_bridge, "Quart", awaited, manager)


def test_a_guard_beneath_its_route_guards(framework: Framework) -> None:
    framework.app.register_blueprint(framework.auth.blueprint)
    framework.app.get("/me")(framework.auth.required(framework.view))
    assert framework.status("/me") == 401


def test_a_guard_above_its_route_is_refused_where_it_is_written(framework: Framework) -> None:
    framework.app.register_blueprint(framework.auth.blueprint)
    with pytest.raises(ConfigurationError, match="Anybody may see the view") as refused:
        framework.auth.required(framework.app.get("/me")(framework.view))
    assert "route above @auth.required" in str(refused.value.hint)


def test_or_where_the_routes_are_taken_in(framework: Framework) -> None:
    framework.auth.required_from("github")(framework.app.get("/me")(framework.view))
    with pytest.raises(ConfigurationError, match="Anybody may see the view"):
        framework.app.register_blueprint(framework.auth.blueprint)


def test_or_else_nobody_gets_in(framework: Framework) -> None:
    framework.app.register_blueprint(framework.auth.blueprint)
    framework.auth.required(framework.pages.get("/me")(framework.view))
    framework.app.register_blueprint(framework.pages)
    assert [framework.status("/me") for _ in range(2)] == [500, 500]


def test_a_decorator_between_the_two_hides_no_open_route(framework: Framework) -> None:
    framework.app.register_blueprint(framework.auth.blueprint)
    framework.app.get("/me")(framework.view)
    with pytest.raises(ConfigurationError, match="Anybody may see the view"):
        framework.auth.required(wraps(framework.view)(lambda: framework.view()))


# ── FastAPI and Starlette, whose guards are no decorators ────────────────────────────────────────────


@pytest.fixture(params=["required", "required_from"])
def guard(request: pytest.FixtureRequest) -> Callable[[Any], Callable[..., Awaitable[Any]]]:
    def of(auth: Any) -> Callable[..., Awaitable[Any]]:
        found: Callable[..., Awaitable[Any]] = (
            auth.required if request.param == "required" else auth.required_from("github")
        )
        return found

    return of


def test_a_dependency_guards(guard: Any, manager: SessionManager) -> None:
    app, auth = FastAPI(), fastapi_bridge.Auth(manager, base_url=SITE)

    @app.get("/me", dependencies=[Depends(guard(auth))])
    async def me() -> str:
        return "never"

    assert TestClient(app, base_url=SITE).get("/me").status_code == 401


@pytest.mark.parametrize("above", [True, False], ids=["above", "beneath"])
def test_a_dependency_is_no_decorator(guard: Any, manager: SessionManager, above: bool) -> None:
    app, auth = FastAPI(), fastapi_bridge.Auth(manager, base_url=SITE)
    with pytest.raises(ConfigurationError, match="guards no function") as refused:
        guard(auth)(app.get("/me")(awaited)) if above else app.get("/me")(guard(auth)(awaited))
    assert "Depends(auth.required)" in str(refused.value.hint)


def test_nor_is_what_an_endpoint_of_starlette_awaits(guard: Any, manager: SessionManager) -> None:
    auth = starlette_bridge.Auth(manager, base_url=SITE)
    with pytest.raises(ConfigurationError, match="guards no function"):
        Route("/me", guard(auth)(awaited))

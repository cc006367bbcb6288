"""Both colours on one provider: each test here runs with `SessionManager` and with `AsyncSessionManager`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.testing import DevProvider, ScriptedBrowser
from tests.session.support import World

from .waiting import Served


async def go(answer: Any) -> Any:
    """What a call of either colour gives."""
    return await answer if inspect.isawaitable(answer) else answer


class Heard(list[Any]):
    """Every event of a manager, in order."""

    def __init__(self, manager: Any) -> None:
        super().__init__()
        self.signals: list[str] = []
        manager.on_transition.connect(lambda session, event: self.append(event))
        for name in ("on_login", "on_login_failed", "on_logout", "on_refresh", "on_refresh_failed", "on_restore"):
            getattr(manager, name).connect(self._hear(name))

    def _hear(self, name: str) -> Any:
        def receive(session: Any, event: Any) -> None:
            self.signals.append(name)

        return receive

    @property
    def triggers(self) -> list[str]:
        return [event.trigger for event in self]


@pytest.fixture(scope="session")
def acme() -> Iterator[DevProvider]:
    """A development provider, served on loopback, that approves ada without asking."""
    with DevProvider(label="Acme", auto="ada").serve() as provider:
        yield provider


@pytest.fixture(scope="session")
def globex() -> Iterator[DevProvider]:
    """Another one."""
    with DevProvider(label="Globex", auto="grace").serve() as provider:
        yield provider


@pytest.fixture
def dev(acme: DevProvider) -> Iterator[DevProvider]:
    """`acme`, with its books closed and its lies taken back after each test."""
    acme.forget_requests()
    yield acme
    acme.tamper.clear()
    acme.sign_everybody_out()
    acme.auto = "ada"
    acme.access_token_ttl = 3600.0


@pytest.fixture(params=[SessionManager, AsyncSessionManager], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def manager(colour: Any, dev: DevProvider) -> AsyncIterator[Any]:
    """A manager of each colour with the session `acme`."""
    made = colour([dev.settings(name="acme")])
    yield made
    await go(made.close())


@pytest.fixture
def heard(manager: Any) -> Heard:
    return Heard(manager)


@pytest.fixture
def browser() -> Iterator[ScriptedBrowser]:
    with ScriptedBrowser(user="ada") as made:
        yield made


@pytest.fixture(params=["sync", "async"])
async def world(request: pytest.FixtureRequest, served: Served) -> AsyncIterator[World]:
    """A manager's colour, with a provider that asks its users."""
    made = World(request.param, served.provider, served.clock, served.its_clock)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def _served() -> Iterator[Served]:
    made = Served()
    with made.provider.serve():
        yield made


@pytest.fixture
def served(_served: Served) -> Iterator[Served]:
    provider = _served.provider
    yield _served
    provider.tamper.clear()
    provider._gate._faults.clear()
    provider.forget_requests()
    provider.auto = None
    provider.other_screen.interval = 5.0
    provider.other_screen.lifetime = 600.0

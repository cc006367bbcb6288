"""Two providers, a manager of them, and its dashboard in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from authflow import SessionManager
from authflow.testing import DevProvider

from .visiting import Dash, served, visit


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, DevProvider]]:
    with ExitStack() as stack:
        made = {
            "acme": DevProvider(label="Acme", auto="ada"),
            "globex": DevProvider(label="Globex", algorithm="ES256", rotation="grace"),
        }
        for one in made.values():
            stack.enter_context(one.serve())
        yield made


@pytest.fixture
def acme(providers: dict[str, DevProvider]) -> DevProvider:
    return providers["acme"]


@pytest.fixture
def manager(providers: dict[str, DevProvider]) -> Iterator[SessionManager]:
    settings = [one.settings(name, scopes=("openid", "profile", "offline_access")) for name, one in providers.items()]
    with SessionManager(settings, single_user=True) as manager:
        yield manager


@pytest.fixture
def dash(manager: SessionManager) -> Iterator[Dash]:
    """The dashboard of `manager`, with actions."""
    with served(manager, allow_actions=True) as running:
        yield running


@pytest.fixture
def on_page(chromium: Any, dash: Dash) -> Callable[..., Any]:
    """`on_page(work, **settings)`: opens the launch link in a fresh profile and gives what `work(page)` gives."""

    def run(work: Any, **settings: Any) -> Any:
        return visit(chromium, dash.launch_url(), work, **settings)

    return run

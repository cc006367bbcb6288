"""Both colours at one real provider, and the providers that run as a process of this test run."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.providers import Provider

from . import glewlwyd_provider


async def go(answer: Any) -> Any:
    """What a call of either colour gives."""
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=[SessionManager, AsyncSessionManager], ids=["sync", "async"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Makes a manager of one colour for some providers; it ends with the test."""
    made: list[Any] = []

    def manager_of(*providers: Provider) -> Any:
        made.append(request.param(providers, single_user=True))
        return made[-1]

    yield manager_of
    for manager in made:
        await go(manager.close())


@pytest.fixture(scope="session")
def glewlwyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[glewlwyd_provider.Glewlwyd]:
    """Debian's Glewlwyd, running."""
    if why := glewlwyd_provider.missing():
        pytest.skip(why)
    with glewlwyd_provider.Glewlwyd(tmp_path_factory.mktemp("glewlwyd")) as running:
        yield running

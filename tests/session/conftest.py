"""The fixture of the tests here: `world`, once in each colour."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from authflow.testing import DevProvider, VirtualClock

from .support import ProviderClock, World


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def world(colour: str) -> AsyncIterator[World]:
    """A provider with strict rotation, served on loopback, and a clock that stands still."""
    clock = VirtualClock(patience=1.0)  # a renewal that the clock woke goes to the provider, not back to the clock
    its_clock = ProviderClock(clock)
    provider = DevProvider(auto="ada", algorithm="ES256", rotation="strict", clock=its_clock)
    with provider.serve():
        made = World(colour, provider, clock, its_clock)
        try:
            yield made
        finally:
            await made.close()

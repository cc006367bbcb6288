"""fapi-ciba-id1-client-test-plan, in ping mode; its modules about the interval by polling. Each question is signed."""

from __future__ import annotations

import pytest

from authflow import LoginCancelled
from authflow.agents import CIBA as Asked
from tests.logins.waiting import poll
from tests.security.conftest import Stage, go
from tests.session.support import World

from .suite import CIBA, FAPI_CIBA, fapi_ciba, named, play


@pytest.mark.parametrize("name", named(CIBA, FAPI_CIBA))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage, FAPI_CIBA, **fapi_ciba(stage.dev))


# How many seconds pass before each poll. The provider asks for 5 between two.
INTERVALS = {"respects-interval-test": (5, 5, 5), "slow-down-test": (5, 10, 10)}


@pytest.mark.parametrize("name", named((*INTERVALS,), FAPI_CIBA))
async def test_interval(world: World, name: str) -> None:
    session = world.manager(world.settings(**fapi_ciba(world.provider)))["acme"]
    request = await go(session.begin(agent=Asked(login_hint="ada")))
    if "slow-down" in name:
        world.provider.fail_next("token", 400, {"error": "slow_down"})
    waiting = world.start(request.wait)
    for polled, seconds in enumerate(INTERVALS[name.removeprefix(FAPI_CIBA)]):
        await poll(world, waiting, seconds - 1)
        assert len(world.provider.token_requests()) == polled
        await poll(world, waiting, 1)
        assert len(world.provider.token_requests()) == polled + 1
    await go(request.cancel())
    with pytest.raises(LoginCancelled):
        await waiting

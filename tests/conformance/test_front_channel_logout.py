"""oidcc-client-front-channel-logout-rp-basic."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import FRONT_CHANNEL, named, play


@pytest.mark.parametrize("name", named(FRONT_CHANNEL))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

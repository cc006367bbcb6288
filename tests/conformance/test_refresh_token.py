"""oidcc-client-refreshtoken-test-plan."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import REFRESH, named, play


@pytest.mark.parametrize("name", named(REFRESH))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

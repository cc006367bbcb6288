"""oidcc-client-logout-test-plan: every logout plan in one."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import LOGOUT, named, play


@pytest.mark.parametrize("name", named(LOGOUT))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

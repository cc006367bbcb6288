"""oidcc-client-rp-session-management-rp-basic: declined, and proven so."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import SESSION_MANAGEMENT, named, play


@pytest.mark.parametrize("name", named(SESSION_MANAGEMENT))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

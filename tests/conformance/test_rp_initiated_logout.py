"""oidcc-client-rp-initiated-logout-rp-basic."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import RP_INITIATED, named, play


@pytest.mark.parametrize("name", named(RP_INITIATED))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

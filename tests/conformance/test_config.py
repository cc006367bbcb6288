"""oidcc-client-config-certification-test-plan."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import CONFIG, named, play


@pytest.mark.parametrize("name", named(CONFIG))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

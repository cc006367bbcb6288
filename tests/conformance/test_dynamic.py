"""oidcc-client-dynamic-certification-test-plan."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import DYNAMIC, named, play


@pytest.mark.parametrize("name", named(DYNAMIC))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

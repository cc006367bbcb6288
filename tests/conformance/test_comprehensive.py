"""oidcc-client-test-plan: all of it, the hybrid modules with their response type."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import COMPREHENSIVE, COMPREHENSIVE_HYBRID, named, play


@pytest.mark.parametrize("name", named(COMPREHENSIVE))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)


@pytest.mark.parametrize("name", named(COMPREHENSIVE_HYBRID))
async def test_hybrid_module(stage: Stage, name: str) -> None:
    await play(name, stage, response_type="code id_token", response_mode="form_post")

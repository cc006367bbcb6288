"""oidcc-client-implicit-certification-test-plan and its form_post twin, with response_type=id_token."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import IMPLICIT, named, play


@pytest.mark.parametrize("name", named(IMPLICIT))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage, response_type="id_token", response_mode="form_post")

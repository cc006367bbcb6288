"""oidcc-client-hybrid-certification-test-plan and its form_post twin: with an ID token in the answer it is a form."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import HYBRID, named, play


@pytest.mark.parametrize("name", named(HYBRID))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage, response_type="code id_token", response_mode="form_post")

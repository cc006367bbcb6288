"""oidcc-client-test-3rd-party-init-login-test-plan."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import THIRD_PARTY, named, play


@pytest.mark.parametrize("name", named(THIRD_PARTY))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage)

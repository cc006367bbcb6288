"""fapi-ciba-id1-client-test-plan, in ping mode."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import CIBA, FAPI_CIBA, named, play


@pytest.mark.parametrize("name", named(CIBA, FAPI_CIBA))
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage, FAPI_CIBA)

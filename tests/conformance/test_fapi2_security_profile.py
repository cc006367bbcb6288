"""fapi2-security-profile-final-client-test-plan: `profile="fapi2"`, plain answers, unsigned requests."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import FAPI, FAPI2_REFRESH, FAPI2_SECURITY_PROFILE, fapi2, named, play


@pytest.mark.parametrize("name", [*named(FAPI2_SECURITY_PROFILE, FAPI), FAPI2_REFRESH])
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage, FAPI, **fapi2(stage))

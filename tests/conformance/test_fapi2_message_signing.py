"""fapi2-message-signing-final-client-test-plan: the security profile's modules, with requests
and answers that are signed JWTs."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import FAPI, FAPI2_REFRESH, FAPI2_SECURITY_PROFILE, JARM, fapi2, named, play

# An answer that is a JWT says whose it is in there: the modules about the parameter are the security profile's.
ABOUT_THE_PARAMETER = {"invalid-authorization-response-iss", "remove-authorization-response-iss"}
MODULES = tuple(name for name in FAPI2_SECURITY_PROFILE if name not in ABOUT_THE_PARAMETER)


@pytest.mark.parametrize("name", [*named((*MODULES, *JARM), FAPI), FAPI2_REFRESH])
async def test_module(stage: Stage, name: str) -> None:
    await play(name, stage, FAPI, **fapi2(stage, response_mode="jwt", request_object_signing_alg="ES256"))

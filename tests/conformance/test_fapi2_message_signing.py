"""fapi2-message-signing-final-client-test-plan: the security profile's modules, with requests
and answers that are signed JWTs."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage

from .suite import FAPI, FAPI2_REFRESH, FAPI2_SECURITY_PROFILE, JARM, fapi2, named, play

# An answer that is a JWT says whose it is in there; a plain one has a parameter for it.
ABOUT_THE_PARAMETER = ("invalid-authorization-response-iss", "remove-authorization-response-iss")


@pytest.mark.parametrize("name", [*named((*FAPI2_SECURITY_PROFILE, *JARM), FAPI), FAPI2_REFRESH])
async def test_module(stage: Stage, name: str) -> None:
    mode = None if name.endswith(ABOUT_THE_PARAMETER) else "jwt"
    await play(name, stage, FAPI, **fapi2(stage, response_mode=mode, request_object_signing_alg="ES256"))

"""What FAPI 2.0 demands of the browser's way: the issuer in the answer, the state, DPoP, and JARM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from authflow.testing import Lie
from authflow.testing.whole_answer import Answer
from tests.security.conftest import go

from ..suite import RelyingParty, case


@case("invalid-authorization-response-iss")
async def another_issuers_answer(rp: RelyingParty) -> None:
    await rp.refuses(Lie.CALLBACK_OF_ANOTHER_ISSUER, check="iss", reached="authorize")


@case("remove-authorization-response-iss")
async def nobodys_answer(rp: RelyingParty) -> None:
    await rp.refuses(Lie.CALLBACK_WITHOUT_ISSUER, check="iss", reached="authorize")


@case("ensure-authorization-response-with-invalid-state-fails")
async def wrong_state(rp: RelyingParty) -> None:
    await rp.judge.rejects(Lie.CALLBACK_WITH_ANOTHER_STATE)


@case("ensure-authorization-response-with-invalid-missing-state-fails")
async def no_state(rp: RelyingParty) -> None:
    await rp.judge.rejects(Lie.CALLBACK_WITHOUT_STATE, check=None)


@case("token-type-case-insensitivity")
async def type_in_capitals(rp: RelyingParty) -> None:
    with rp.dev.lie("token_response", lambda answer: {**answer, "token_type": answer["token_type"].upper()}):
        session = await rp.signs_in()
    assert (await go(session.token())).access_token


@case("happy-path-no-dpop-nonce")
async def without_nonces(rp: RelyingParty) -> None:
    session = await rp.at(dpop=True).signs_in()
    assert (await go(session.token())).token_type == "DPoP"


@case("rs-dpop-auth-scheme-case-insensitivity")
async def scheme_in_any_case(rp: RelyingParty) -> None:
    """The API asks for a nonce, and writes the scheme of its challenge as it likes."""

    def in_capitals(answer: Answer) -> Answer:
        said = {name: value.replace("DPoP ", "DPOP ") for name, value in answer.headers.items()}
        return answer._replace(headers=said)

    at = rp.at(dpop=True)
    session = await at.signs_in()
    with at.dev.lie("api_answer", in_capitals):
        at.dev.dpop_nonces = True
        if at.stage.is_async:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(at.dev.resource, auth=session.auth)
        else:
            with httpx.Client(trust_env=False) as client:
                answer = client.get(at.dev.resource, auth=session.auth)
    at.dev.dpop_nonces = False
    assert answer.status_code == 200
    assert at.dev.count("api") == 2


@case("invalid-openbanking-intent-id")
async def of_another_intent(rp: RelyingParty) -> None:
    """A claim is asked for with the one value that is right, and comes with another."""
    wish = {"id_token": {"openbanking_intent_id": {"value": "the-intent", "essential": True}}}

    def about(intent: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda claims: {**claims, "openbanking_intent_id": intent}

    with rp.dev.lie("id_token_claims", about("another-intent")):
        await rp.refuses(check="openbanking_intent_id", reached="token", claims=wish)
    with rp.dev.lie("id_token_claims", about("the-intent")):
        await rp.signs_in(claims=wish)


@case("ensure-jarm-signature-is-not-none")
async def unsigned(rp: RelyingParty) -> None:
    """What has no signature cannot be read: it is nobody's answer, and ends no login."""
    await rp.at(response_mode="jwt").judge.rejects(Lie.RESPONSE_UNSIGNED, check=None)


JARM = {
    "ensure-jarm-without-iss-fails": (Lie.RESPONSE_WITHOUT_ISSUER, "iss"),
    "ensure-jarm-with-invalid-iss-fails": (Lie.RESPONSE_OF_ANOTHER_ISSUER, "iss"),
    "ensure-jarm-without-aud-fails": (Lie.RESPONSE_WITHOUT_AUDIENCE, "aud"),
    "ensure-jarm-with-invalid-aud-fails": (Lie.RESPONSE_FOR_ANOTHER_CLIENT, "aud"),
    "ensure-jarm-without-exp-fails": (Lie.RESPONSE_WITHOUT_EXPIRY, "exp"),
    "ensure-jarm-with-expired-exp-fails": (Lie.RESPONSE_EXPIRED, "exp"),
    "ensure-jarm-with-invalid-sig-fails": (Lie.RESPONSE_SIGNED_BY_A_STRANGER, "signature"),
}


def _register(name: str, lie: Lie, check: str | None) -> None:
    @case(name)
    async def refuses(rp: RelyingParty) -> None:
        await rp.at(response_mode="jwt").refuses(lie, check=check, reached="authorize")


for _name, (_lie, _check) in JARM.items():
    _register(_name, _lie, _check)

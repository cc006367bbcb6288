"""Claims that others say of the human (OpenID Connect Core §5.6.2)."""

from __future__ import annotations

from typing import Any

from authflow.testing import DevProvider
from authflow.testing.whole_answer import Answer

from ..suite import RelyingParty, case


async def said_by_a_bank(rp: RelyingParty, *, at_its_place: bool) -> None:
    """The bank's word is believed because the application named the bank, and by the bank's own signature."""
    with DevProvider(label="Bank", algorithm="ES256").serve() as bank:
        rp.stage.canary.watch(lambda: set(bank.secrets))
        word = bank.sign({"iss": bank.issuer, "credit_score": 650})
        source: dict[str, Any] = {"JWT": word}
        if at_its_place:
            source = {"endpoint": bank.resource, "access_token": "a-token-for-the-bank"}
            bank.tamper["api_answer"] = lambda honest: Answer(200, {"content-type": "application/jwt"}, word.encode())
        told = {"_claim_names": {"credit_score": "bank"}, "_claim_sources": {"bank": source}}
        with rp.dev.lie("userinfo", lambda claims: {**claims, **told}):
            session = await rp.at(claims_issuers=[bank.issuer]).signs_in()
        assert session.user["credit_score"] == 650
        assert bank.count("api") == at_its_place


@case("aggregated-claims")
async def aggregated(rp: RelyingParty) -> None:
    await said_by_a_bank(rp, at_its_place=False)


@case("distributed-claims")
async def distributed(rp: RelyingParty) -> None:
    await said_by_a_bank(rp, at_its_place=True)

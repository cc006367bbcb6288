"""Claims of others, collected: each source by itself, and none of them a reason to fail."""

import httpx
import msgspec
import pytest

from authflow.claim_sources import with_claims_of_others
from authflow.errors import ConnectFailed
from authflow.flows import Directory
from authflow.protocol.messages import Granted
from authflow.records import Profile, Token
from tests.protocol.issuer import METADATA, NOW, answer, drive, forge, jwks, openid, rsa, sign

BANK = "https://bank.example"
DOCUMENT = {
    **{name: value for name, value in msgspec.to_builtins(METADATA).items() if isinstance(value, str)},
    "issuer": BANK,
    "jwks_uri": f"{BANK}/jwks",
}
SAID = {"iss": BANK, "credit_score": 650, "sub": "the-banks-own"}
AGGREGATED = {"JWT": sign(SAID)}
DISTRIBUTED = {"endpoint": f"{BANK}/claims", "access_token": "source-token"}


def granted(source):
    data = {"sub": "user-1", "_claim_names": {"credit_score": "one"}, "_claim_sources": {"one": source}}
    return Granted(token=Token("at"), subject="user-1", profile=Profile(id="user-1", data=data))


def collect(source, *answers, provider=None, directory=None):
    flow = with_claims_of_others(
        provider or openid(claims_issuers=[BANK]), directory or Directory(), granted(source), now=NOW
    )
    return drive(flow, *answers)


def test_without_the_setting_nobody_is_asked_and_the_tokens_for_it_are_dropped():
    known = granted(DISTRIBUTED)
    outcome, asked = drive(with_claims_of_others(openid(), Directory(), known, now=NOW))
    assert asked == []
    assert outcome.profile.data == {"sub": "user-1", "_claim_names": {"credit_score": "one"}}
    assert "source-token" not in str(outcome.profile.data)


def test_aggregated_claims_are_checked_with_their_own_issuers_keys():
    outcome, asked = collect(AGGREGATED, answer(DOCUMENT), answer(jwks(rsa())))
    assert outcome.profile.data["credit_score"] == 650
    assert outcome.profile.id == "user-1"
    assert outcome.warning is None
    assert [request.url.host for request in asked] == ["bank.example"] * 2
    assert all("authorization" not in request.headers for request in asked)


def test_distributed_claims_are_fetched_with_the_token_for_them():
    outcome, asked = collect(DISTRIBUTED, answer(sign(SAID).encode()), answer(DOCUMENT), answer(jwks(rsa())))
    assert outcome.profile.data["credit_score"] == 650
    assert asked[0].headers["authorization"] == "Bearer source-token"
    assert "_claim_sources" not in outcome.profile.data


def test_an_issuers_keys_are_kept():
    directory = Directory()
    collect(AGGREGATED, answer(DOCUMENT), answer(jwks(rsa())), directory=directory)
    assert collect(AGGREGATED, directory=directory)[1] == []


@pytest.mark.parametrize(
    ("source", "answers"),
    [
        (DISTRIBUTED, [ConnectFailed("no way there")]),
        (DISTRIBUTED, [answer(b"", 500)]),
        (DISTRIBUTED, [answer(b"<html>")]),
        (DISTRIBUTED, [httpx.Response(302, headers={"location": "http://169.254.169.254/"})]),
        ({"endpoint": "http://169.254.169.254/latest"}, []),
        (AGGREGATED, [answer(b"", 503)]),
        (AGGREGATED, [answer(DOCUMENT), answer(jwks(rsa("another")))]),
        ({"JWT": sign({**SAID, "iss": "https://evil.example"})}, []),
        ({"JWT": forge({"alg": "none"}, SAID)}, [answer(DOCUMENT), answer(jwks(rsa()))]),
        ({"JWT": "no.jwt"}, []),
    ],
)
def test_a_source_that_fails_or_lies_is_a_warning_and_its_claims_are_left_out(source, answers):
    outcome, _ = collect(source, *answers)
    assert outcome.warning is not None
    assert "credit_score" not in outcome.profile.data
    assert outcome.profile.id == "user-1"

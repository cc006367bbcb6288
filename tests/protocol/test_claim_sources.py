"""Claims that others say: whose word counts, and about what."""

import msgspec
import pytest

from authflow.errors import ConfigurationError, InsecureURL, OAuthError, ResponseInvalid, ServerError, ValidationFailed
from authflow.protocol.claim_sources import (
    MOST_SOURCES,
    build_source_request,
    read_source_response,
    read_sources,
    source_issuer,
    verify_source,
    with_claims,
)
from authflow.records import Profile

from .issuer import ISSUER, METADATA, NOW, answer, forge, openid, public, rsa, sign

BANK = "https://bank.example"
SAID = {"iss": BANK, "credit_score": 650, "sub": "the-banks-own"}
TRUSTING = {"claims_issuers": [BANK]}


def told(**sources):
    return {"_claim_names": {"credit_score": "one", "sub": "one"}, "_claim_sources": sources}


def test_a_source_is_a_jwt_or_an_endpoint():
    (source,) = read_sources(told(one={"JWT": "a.b.c"}))
    assert (source.token, source.names) == ("a.b.c", {"credit_score"})
    (source,) = read_sources(told(one={"endpoint": f"{BANK}/claims", "access_token": "t-of-the-source"}))
    assert (source.endpoint, source.access_token) == (f"{BANK}/claims", "t-of-the-source")
    assert "t-of-the-source" not in repr(source)


@pytest.mark.parametrize(
    "data",
    [
        {}, {"_claim_names": {"a": "one"}}, {"_claim_names": [], "_claim_sources": {}}, told(one="x"), told(one={}),
        told(one={"JWT": 7}), told(one={"endpoint": 7}), told(one={"endpoint": "https://x", "access_token": 7}),
        told(other={"JWT": "a.b.c"}),
    ],
)  # fmt: skip
def test_what_is_no_source_is_left_out(data):
    assert read_sources(data) == []


def test_there_are_not_many():
    names = {f"c{n}": f"s{n}" for n in range(40)}
    data = {"_claim_names": names, "_claim_sources": {f"s{n}": {"JWT": "a.b.c"} for n in range(40)}}
    assert len(read_sources(data)) == MOST_SOURCES


def request_for(**source):
    (one,) = read_sources(told(one=source))
    return build_source_request(openid(), one)


def test_distributed_claims_are_asked_for_with_their_own_token():
    request = request_for(endpoint=f"{BANK}/claims", access_token="source-token")
    assert request.headers["authorization"] == "Bearer source-token"
    assert "authorization" not in request_for(endpoint=f"{BANK}/claims").headers
    assert "authorization" not in request_for(endpoint=f"{BANK}/claims", access_token="a\r\nb: c").headers


@pytest.mark.parametrize("endpoint", ["http://bank.example/claims", "file:///etc/passwd", "javascript:x", ""])
def test_no_token_goes_to_an_endpoint_that_is_none(endpoint):
    with pytest.raises(InsecureURL):
        request_for(endpoint=endpoint)


def test_an_answer_is_a_jwt_or_an_error():
    assert read_source_response(openid(), answer(b"a.b.c\n")) == "a.b.c"
    with pytest.raises(ServerError):
        read_source_response(openid(), answer(b"", 500))
    with pytest.raises((OAuthError, ResponseInvalid)):
        read_source_response(openid(), answer(b"no", 404))
    with pytest.raises(ResponseInvalid):
        read_source_response(openid(), answer("é".encode()))


def test_only_an_issuer_that_was_named_counts():
    assert source_issuer(openid(**TRUSTING), sign(SAID)) == BANK
    for iss in (ISSUER, f"{BANK}/", None, 7):
        with pytest.raises(ValidationFailed):
            source_issuer(openid(**TRUSTING), forge({"alg": "RS256"}, {**SAID, "iss": iss}))


def test_an_issuer_is_an_https_url():
    with pytest.raises(ConfigurationError):
        openid(claims_issuers=["http://bank.example"])


def verify(token, **given):
    metadata = msgspec.structs.replace(METADATA, issuer=BANK)
    return verify_source(openid(issuer=BANK), metadata, public(rsa()), token, frozenset({"credit_score"}), now=NOW)


def test_of_a_signed_source_only_what_was_announced_is_taken():
    assert verify(sign(SAID)) == {"credit_score": 650}


@pytest.mark.parametrize(
    ("claims", "check"),
    [({"iss": ISSUER}, "iss"), ({"aud": "somebody-else"}, "aud"), ({"exp": NOW - 100}, "exp")],
)
def test_a_source_that_is_anothers_or_old_is_refused(claims, check):
    with pytest.raises(ValidationFailed) as caught:
        verify(sign({**SAID, **claims}))
    assert caught.value.check == check


def test_an_unsigned_source_is_refused():
    with pytest.raises(ValidationFailed) as caught:
        verify(forge({"alg": "none"}, SAID))
    assert caught.value.check == "alg"


def test_what_the_provider_said_stays_and_no_token_is_kept():
    data = {"sub": "user-1", "email": "ada@example.com", "_claim_sources": {"one": {"access_token": "x"}}}
    profile = Profile(id="user-1", data=data, email="ada@example.com")
    found = with_claims(openid(), profile, {"email": "other@example.com", "name": "Ada", "credit_score": 650})
    assert (found.id, found.email, found.name) == ("user-1", "ada@example.com", "Ada")
    assert found.data == {"sub": "user-1", "email": "ada@example.com", "name": "Ada", "credit_score": 650}

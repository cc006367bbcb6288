"""CIBA (OpenID Connect CIBA Core 1.0): who is asked, what is polled with, and which pings are ours."""

import json

import msgspec
import pytest
from joserfc import jws

from authflow.errors import CallbackRejected, ConfigurationError, MissingEndpoint, OAuthError, Phase, ResponseInvalid
from authflow.protocol.ciba import (
    GRANT_TYPE,
    LONGEST_PING,
    build_ciba_request,
    build_ciba_token_request,
    fits,
    read_ciba_response,
    read_ping,
)
from authflow.protocol.jwt import read_segments
from authflow.protocol.step import Moment
from authflow.protocol.terms import DEFAULT_INTERVAL, LONGEST_INTERVAL, LONGEST_WAIT, Terms

from .issuer import ISSUER, METADATA, MOMENT, NOW, answer, ec, form_of, openid

WITH_CIBA = msgspec.structs.replace(METADATA, backchannel_authentication_endpoint=f"{ISSUER}/bc")
GOOD = {"auth_req_id": "r-that-only-this-side-knows", "expires_in": 120}
TOKEN = "t" * 43
SIGNING = Moment(NOW, "jti-of-the-request-itself")
ASKED = {"scope": ("email",), "resource": ("r", "s"), "signing": SIGNING}


def build(provider=None, **params):
    return build_ciba_request(provider or openid(), WITH_CIBA, MOMENT, params=params, **ASKED)


def signing(**settings):
    return openid(**{"client_key": ec(), "request_object_signing_alg": "ES256", **settings})


def read(status=200, **changes):
    said = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return read_ciba_response(openid(), answer(said, status))


def test_the_request_says_whom_to_ask_and_for_what():
    request = build(login_hint="ada", binding_message="TILL-7")
    assert str(request.url) == "https://id.example/bc"
    assert form_of(request) == {
        "login_hint": "ada", "binding_message": "TILL-7", "scope": "openid email", "resource": "r",
    }  # fmt: skip
    assert request.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("hints", [{}, {"login_hint": ""}, {"login_hint": "a", "id_token_hint": "b"}])
def test_exactly_one_hint_says_it(hints):
    with pytest.raises(ConfigurationError, match="one hint"):
        build(**hints)


def test_a_provider_without_the_endpoint_says_so():
    with pytest.raises(MissingEndpoint):
        build_ciba_request(openid(), METADATA, MOMENT, params={"login_hint": "ada"}, **ASKED)


def test_a_client_that_signs_puts_all_of_it_into_a_jwt():
    form = form_of(build(signing(client_auth="client_secret_basic"), login_hint="ada", requested_expiry="60"))
    assert form.keys() == {"request"}
    header, claims = read_segments(form["request"])
    assert header == {"alg": "ES256", "kid": "ec-1", "typ": "oauth-authz-req+jwt"}
    assert claims == {
        "login_hint": "ada", "requested_expiry": "60", "scope": "openid email", "resource": "r", "iss": "client-1",
        "aud": ISSUER, "jti": SIGNING.jti, "iat": NOW, "nbf": NOW, "exp": NOW + 300,
    }  # fmt: skip
    jws.deserialize_compact(form["request"], ec())


def test_what_proves_the_client_stands_beside_it_and_is_another_jwt():
    form = form_of(build(signing(), login_hint="ada"))
    assert form.keys() == {"request", "client_id", "client_assertion_type", "client_assertion"}
    assert read_segments(form["client_assertion"])[1]["jti"] == MOMENT.jti
    assert read_segments(form["request"])[1]["jti"] == SIGNING.jti


def test_every_parameter_of_it_is_a_string():
    form = form_of(build(signing(), login_hint="ada", max_age="300", claims='{"id_token": {"acr": null}}'))
    claims = read_segments(form["request"])[1]
    assert (claims["max_age"], claims["claims"]) == ("300", '{"id_token": {"acr": null}}')


def test_it_is_not_encrypted_for_it_goes_straight_to_the_provider():
    form = form_of(build(signing(request_object_encryption_alg="RSA-OAEP-256"), login_hint="ada"))
    assert form["request"].count(".") == 2


def test_an_unsigned_jwt_asks_nobody():
    provider = signing(request_object_signing_alg="none", allow_unsigned_request_object_for_conformance=True)
    with pytest.raises(ConfigurationError, match="unsigned"):
        build(provider, login_hint="ada")


@pytest.mark.parametrize(
    ("changes", "expires_in", "interval"),
    [
        ({}, 120.0, DEFAULT_INTERVAL),
        ({"interval": 7}, 120.0, 7.0),
        ({"interval": 0}, 120.0, 1.0),
        ({"interval": 10**9, "expires_in": 10**15}, LONGEST_WAIT, LONGEST_INTERVAL),
        ({"interval": "7", "expires_in": "60"}, 60.0, 7.0),
    ],
)
def test_numbers_are_sane(changes, expires_in, interval):
    terms = read(**changes)
    assert terms == Terms(GOOD["auth_req_id"], expires_in, interval)
    assert "r-that" not in repr(terms)


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_req_id": ...}, {"auth_req_id": ""}, {"auth_req_id": 7}, {"auth_req_id": "a\nb"},
        {"auth_req_id": "x" * 5000}, {"expires_in": ...}, {"expires_in": 0}, {"expires_in": -1}, {"expires_in": True},
        {"expires_in": "soon"}, {"interval": "often"}, {"interval": []},
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_is_refused(changes):
    with pytest.raises(ResponseInvalid) as invalid:
        read(**changes)
    assert invalid.value.phase is Phase.AUTHORIZE
    assert "r-that" not in str(invalid.value)


def test_a_refusal_is_the_error_that_it_is():
    with pytest.raises(OAuthError) as refused:
        read(400, error="unknown_user_id")
    assert refused.value.error == "unknown_user_id"


def test_a_refusal_shows_nothing_that_was_signed():
    response = answer({"error": "invalid_request", "error_description": "TILL-7-of-ada of client-1 is no text"}, 400)
    response.request = build(signing(), login_hint="ada", binding_message="TILL-7-of-ada")
    with pytest.raises(OAuthError) as refused:
        read_ciba_response(openid(), response)
    assert "TILL-7" not in str(refused.value)
    assert "of client-1 is no text" in str(refused.value)


def test_a_poll_names_the_request():
    form = form_of(build_ciba_token_request(openid(), METADATA, MOMENT, auth_req_id="r-1"))
    assert form == {"grant_type": GRANT_TYPE, "auth_req_id": "r-1"}


BODY = json.dumps({"auth_req_id": "r-1"})


@pytest.mark.parametrize("body", [BODY, BODY.encode(), json.loads(BODY)])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_ping_brings_our_token_and_names_the_request(scheme, body):
    assert read_ping(f"{scheme} {TOKEN}", body) == (TOKEN, "r-1")


@pytest.mark.parametrize(
    ("authorization", "body"),
    [
        ("", BODY), (None, BODY), (7, BODY), (TOKEN, BODY), (f"Basic {TOKEN}", BODY), ("Bearer short", BODY),
        ("Bearer " + "t" * 2000, BODY), ("Bearer " + "é" * 43, BODY), (f"Bearer {TOKEN}\nX: y", BODY),
        (f"Bearer {TOKEN}", ""), (f"Bearer {TOKEN}", "[]"), (f"Bearer {TOKEN}", "{}"), (f"Bearer {TOKEN}", None),
        (f"Bearer {TOKEN}", ["auth_req_id"]), (f"Bearer {TOKEN}", {"auth_req_id": 7}),
        (f"Bearer {TOKEN}", b"\xff"), (f"Bearer {TOKEN}", " " * (LONGEST_PING + 1)),
    ],
)  # fmt: skip
def test_what_is_no_ping_is_rejected(authorization, body):
    with pytest.raises(CallbackRejected) as rejected:
        read_ping(authorization, body)
    assert rejected.value.check == "ping"
    assert TOKEN not in str(rejected.value)


def test_a_ping_about_another_request_does_not_fit():
    assert fits("r-1", "r-1")
    assert not fits("r-1", "r-2")
    assert not fits("é", "r-2")

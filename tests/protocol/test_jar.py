"""Request objects: what is signed, what stands beside, and what is not made."""

import json

import msgspec
import pytest
from joserfc import jws

from authflow.errors import ConfigurationError, InsecureURL, InvalidCall
from authflow.protocol.jar import build_front_channel, build_request_object, check_hosted, is_object
from authflow.protocol.jwt import decode_segment, read_segments

from .issuer import ISSUER, METADATA, MOMENT, NOW, ec, okp, openid, plain, rsa

REQUEST = {
    "client_id": "client-1", "response_type": "code", "scope": "openid", "state": "s", "max_age": "300",
    "claims": json.dumps({"id_token": {"acr": None}}), "authorization_details": json.dumps([{"type": "x"}]),
    "resource": ("https://a.example/", "https://b.example/"),
}  # fmt: skip


def signing(key=None, alg="ES256", **settings):
    return openid(client_key=key or ec(), request_object_signing_alg=alg, client_auth="client_secret_basic", **settings)


@pytest.mark.parametrize(
    ("key", "alg"), [(rsa(), "RS256"), (rsa(), "PS256"), (ec(), "ES256"), (okp(), "EdDSA"), (okp(), "Ed25519")]
)
def test_the_parameters_are_signed(key, alg):
    made = build_request_object(signing(key, alg), METADATA, MOMENT, REQUEST)
    signing_input, _, signature = made.rpartition(".")
    assert jws.JWSRegistry.algorithms[alg].verify(signing_input.encode(), decode_segment(signature, "JWT"), key)
    claims = read_segments(made)[1]
    assert claims["iss"] == claims["client_id"] == "client-1"
    assert (claims["aud"], claims["state"]) == (ISSUER, "s")
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (NOW, NOW, NOW + 300)
    assert claims["jti"]
    assert "sub" not in claims


def test_json_is_json_there_and_a_number_a_number():
    claims = read_segments(build_request_object(signing(), METADATA, MOMENT, REQUEST))[1]
    assert claims["claims"] == {"id_token": {"acr": None}}
    assert claims["authorization_details"] == [{"type": "x"}]
    assert claims["resource"] == ["https://a.example/", "https://b.example/"]
    assert claims["max_age"] == 300


def test_its_header_says_what_it_is():
    header = read_segments(build_request_object(signing(), METADATA, MOMENT, REQUEST))[0]
    assert header == {"alg": "ES256", "kid": "ec-1", "typ": "oauth-authz-req+jwt"}


def test_an_unsigned_one_needs_the_setting_with_the_long_name():
    with pytest.raises(ConfigurationError, match="unsigned"):
        openid(request_object_signing_alg="none")
    provider = openid(request_object_signing_alg="none", allow_unsigned_request_object_for_conformance=True)
    assert build_request_object(provider, METADATA, MOMENT, REQUEST).endswith(".")


def test_a_provider_that_takes_no_other_needs_the_setting():
    assert not is_object(openid(), METADATA)
    assert is_object(signing(), METADATA)
    with pytest.raises(ConfigurationError, match="signed request objects"):
        is_object(openid(), msgspec.structs.replace(METADATA, require_signed_request_object=True))


def test_beside_it_stands_what_the_specifications_want():
    reference = {"request": "…"}
    assert build_front_channel(openid(), REQUEST, reference) == {
        "client_id": "client-1", "response_type": "code", "scope": "openid", "request": "…",
    }  # fmt: skip
    assert build_front_channel(plain(), REQUEST, reference) == {"client_id": "client-1", "request": "…"}


def test_where_an_application_hosts_its_own():
    check_hosted(signing(), METADATA, "https://app.example/requests/1")
    with pytest.raises(InvalidCall):
        check_hosted(openid(), METADATA, "https://app.example/requests/1")
    with pytest.raises(InvalidCall):
        check_hosted(signing(require_pushed_authorization_requests=True), METADATA, "https://app.example/requests/1")
    with pytest.raises(InvalidCall):
        check_hosted(signing(), METADATA, "https://app.example/" + "x" * 512)
    with pytest.raises(InsecureURL):
        check_hosted(signing(), METADATA, "http://app.example/requests/1")

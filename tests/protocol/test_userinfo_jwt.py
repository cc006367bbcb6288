"""Signed userinfo: as registered, from the issuer, for this client."""

import json

import pytest
from joserfc import jwe
from joserfc.jwk import RSAKey

from authflow.errors import ValidationFailed
from authflow.protocol.jwe import encrypt_jwt
from authflow.protocol.jwt import UnknownKey
from authflow.protocol.userinfo_jwt import verify_userinfo

from .issuer import ISSUER, METADATA, NOW, ec, forge, openid, public, rsa, sign

SAID = {"sub": "user-1", "name": "Ada", "iss": ISSUER, "aud": "client-1"}
OPENS = RSAKey.generate_key(2048)
ENCRYPTED = {"decryption_keys": [OPENS], "userinfo_encrypted_response_alg": "RSA-OAEP"}


def verify(token, **settings):
    return verify_userinfo(openid(**settings), METADATA, public(rsa(), ec()), token, now=NOW)


def refused(token, **settings):
    with pytest.raises(ValidationFailed) as caught:
        verify(token, **settings)
    return caught.value.check


def test_signed_claims_are_read():
    assert verify(sign(SAID)) == SAID
    assert verify(sign(SAID, ec(), "ES256"), userinfo_signed_response_alg="ES256") == SAID


def test_an_issuer_and_an_audience_may_be_left_out_but_not_be_others():
    assert verify(sign({"sub": "user-1"})) == {"sub": "user-1"}
    assert refused(sign({**SAID, "iss": "https://evil.example"})) == "iss"
    assert refused(sign({**SAID, "aud": "client-2"})) == "aud"
    assert refused(sign({**SAID, "exp": NOW - 61})) == "exp"


def test_another_algorithm_than_the_registered_is_refused():
    assert refused(sign(SAID), userinfo_signed_response_alg="ES256") == "alg"
    assert refused(forge({"alg": "none"}, SAID)) == "alg"


def test_a_wrong_signature_is_refused():
    assert refused(forge({"alg": "RS256", "kid": "rsa-1"}, SAID)) == "signature"
    with pytest.raises(UnknownKey):
        verify(sign(SAID, rsa("rsa-2")))


def test_another_kind_of_token_is_refused():
    assert refused(sign(SAID, typ="at+jwt")) == "typ"


def test_what_is_signed_and_encrypted_is_opened_first():
    token = encrypt_jwt(sign(SAID), OPENS, "RSA-OAEP", "A128CBC-HS256")
    assert verify(token, **ENCRYPTED) == SAID
    assert refused(token) == "format"
    assert refused(sign(SAID), **ENCRYPTED) == "format"


def test_what_is_encrypted_alone_is_read_only_where_no_signature_was_asked_for():
    header = {"alg": "RSA-OAEP", "enc": "A128CBC-HS256"}
    token = jwe.encrypt_compact(header, json.dumps(SAID), OPENS, algorithms=list(header.values()))
    assert verify(token, **ENCRYPTED) == SAID
    assert refused(token, **ENCRYPTED, userinfo_signed_response_alg="RS256") == "format"

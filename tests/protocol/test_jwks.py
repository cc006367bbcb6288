"""Key sets: which keys count, and how often they may be asked for."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from authflow.errors import AuthflowError, MissingEndpoint, ResponseInvalid
from authflow.protocol.jwks import (
    MOST_KEYS,
    IssuerKeys,
    build_jwks_request,
    fitting_keys,
    read_jwks,
    read_key,
)
from authflow.protocol.messages import ServerMetadata

from .issuer import METADATA, NOW, answer, ec, jwks, okp, openid, public, rsa


def read(document, status=200):
    return read_jwks(openid(), answer(document, status))


def members(key, private=False, **changes):
    found = {**key.as_dict(private=private), **changes}
    return {name: value for name, value in found.items() if value is not None}


def test_the_keys_are_asked_for_where_the_metadata_say():
    assert str(build_jwks_request(openid(), METADATA).url) == "https://id.example/jwks"
    with pytest.raises(MissingEndpoint, match="jwks_uri"):
        build_jwks_request(openid(), ServerMetadata())


def test_keys_of_every_good_kind_are_read():
    assert [key.kid for key in read(jwks(rsa(), ec(), okp()))] == ["rsa-1", "ec-1", "okp-1"]


def test_private_members_are_dropped():
    (key,) = read({"keys": [members(rsa(), private=True)]})
    assert not key.is_private
    assert "d" not in key.as_dict()


def weak_rsa():
    with pytest.warns(SecurityWarning, match="2048"):
        return RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)


ODD = {
    "a_symmetric_key": lambda: OctKey.generate_key(256).as_dict(),
    "a_kind_nobody_knows": lambda: {"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"},
    "no_kind": lambda: members(rsa(), kty=None),
    "a_key_for_encryption": lambda: members(rsa(), use="enc"),
    "a_key_to_wrap_with": lambda: members(rsa(), use=None, key_ops=["wrapKey"]),
    "an_odd_curve": lambda: ECKey.generate_key("secp256k1").as_dict(private=False),
    "a_curve_for_key_agreement": lambda: OKPKey.generate_key("X25519").as_dict(private=False),
    "a_short_rsa_key": weak_rsa,
    "a_huge_rsa_key": lambda: members(rsa(), n="x" * 4000),
    "an_exponent_of_one": lambda: members(rsa(), e="AQ"),
    "a_huge_exponent": lambda: members(rsa(), e="f" * 40),
    "a_modulus_that_is_a_number": lambda: members(rsa(), n=7),
    "a_modulus_that_is_no_base64": lambda: members(rsa(), n="é+/="),
    "a_point_off_the_curve": lambda: members(ec(), x="AAAA"),
    "a_point_that_is_none": lambda: members(ec(), y=None),
    "a_kid_that_is_a_number": lambda: members(rsa(), kid=7),
    "a_text": lambda: "key",
    "a_null": lambda: None,
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_an_odd_key_is_passed_over_and_the_good_one_beside_it_is_not(make):
    odd = make()
    assert read_key(odd) is None
    assert [key.kid for key in read({"keys": [odd, *jwks(ec())["keys"]]})] == ["ec-1"]


def test_of_a_hundred_thousand_keys_a_hundred_are_read():
    key = members(okp())
    assert len(read({"keys": [key] * 2_000})) == MOST_KEYS


@pytest.mark.parametrize(
    "document",
    [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, [], b"", b"<html>", b'{"keys":' + b"[" * 99_999],
)
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(ResponseInvalid):
        read(document)


def fitting(keys, alg, **header):
    return [key.kid for key in fitting_keys(public(*keys), header, alg)]


def test_a_kid_names_its_key():
    assert fitting([rsa(), rsa("rsa-2")], "RS256", kid="rsa-2") == ["rsa-2"]
    assert fitting([rsa()], "RS256", kid="other") == []


def test_without_a_kid_every_key_of_the_right_kind_fits():
    keys = [rsa(), rsa("rsa-2"), ec(), ec("ec-384", "P-384"), okp()]
    assert fitting(keys, "RS256") == fitting(keys, "PS512") == ["rsa-1", "rsa-2"]
    assert fitting(keys, "ES256") == ["ec-1"]
    assert fitting(keys, "ES384") == ["ec-384"]
    assert fitting(keys, "EdDSA") == fitting(keys, "Ed25519") == ["okp-1"]
    assert fitting(keys, "HS256") == fitting(keys, "none") == []


def test_a_key_labelled_for_another_algorithm_does_not_fit():
    labelled = public(RSAKey.import_key(members(rsa(), alg="PS256")))
    assert fitting_keys(labelled, {}, "RS256") == []
    assert len(fitting_keys(labelled, {}, "PS256")) == 1


def test_keys_are_fresh_for_five_minutes_and_serve_for_a_day():
    keys = IssuerKeys((), NOW)
    assert keys.is_fresh(NOW + 299)
    assert not keys.is_fresh(NOW + 300)
    assert not keys.is_fresh(NOW - 1), "a clock that went back"
    assert keys.may_serve(NOW + 86_399)
    assert not keys.may_serve(NOW + 86_400)


def test_an_unknown_kid_may_ask_for_keys_once_a_minute():
    keys = IssuerKeys((), NOW)
    assert keys.may_refetch(NOW + 1), "a key rotated just after the first fetch is found"
    forced = keys.forced(NOW + 1)
    assert not forced.may_refetch(NOW + 60)
    assert forced.may_refetch(NOW + 61)


VALUE = st.one_of(st.none(), st.integers(), st.booleans(), st.text("AQabc-_=+ é", max_size=60), st.just(["verify"]))
NAME = st.sampled_from(["kty", "crv", "n", "e", "x", "y", "d", "use", "key_ops", "kid", "alg"])
KINDS = st.sampled_from(
    [{"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, {"kty": "OKP", "crv": "Ed25519"}, {"kty": "oct"}, {}]
)


@given(st.one_of(st.binary(max_size=100), st.lists(st.tuples(KINDS, st.dictionaries(NAME, VALUE)), max_size=4)))
def test_whatever_a_key_set_says_it_is_keys_or_a_typed_error(found):
    if not isinstance(found, bytes):
        found = json.dumps({"keys": [{**kind, **rest} for kind, rest in found]}).encode()
    try:
        keys = read_jwks(openid(), httpx.Response(200, content=found))
    except AuthflowError:
        return
    assert all(not key.is_private for key in keys)

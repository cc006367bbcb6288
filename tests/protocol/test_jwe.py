"""What is encrypted for the client: opened as registered, and in no other way."""

import base64
import json
from functools import cache

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from authflow.errors import ConfigurationError, ValidationFailed
from authflow.protocol.jwe import CONTENT_ALGORITHMS, KEY_ALGORITHMS, encrypt_jwt, find_encryption_key, open_jwt
from authflow.protocol.jwt import read_segments
from authflow.protocol.private_key import PrivateKey

from .issuer import claims, openid, sign


@cache
def key(kind, kid="enc-1"):
    made = RSAKey.generate_key(2048) if kind == "RSA" else ECKey.generate_key("P-256")
    return type(made).import_key({**made.as_dict(private=True), "kid": kid, "use": "enc"})


def kind_of(alg):
    return "RSA" if alg.startswith("RSA") else "EC"


def opening(alg="RSA-OAEP-256", enc="A256GCM", keys=None):
    return openid(
        decryption_keys=keys or [key(kind_of(alg))], id_token_encrypted_response_alg=alg,
        id_token_encrypted_response_enc=enc,
    )  # fmt: skip


def opened(token, alg="RSA-OAEP-256", enc="A256GCM", **given):
    return open_jwt(opening(alg, enc, **given), token, "ID token", alg, enc)


def refused(token, *args, **given):
    with pytest.raises(ValidationFailed) as caught:
        opened(token, *args, **given)
    assert not token or str(token) not in str(caught.value)
    return caught.value.check


SIGNED = sign(claims())


@pytest.mark.parametrize("alg", KEY_ALGORITHMS)
@pytest.mark.parametrize("enc", CONTENT_ALGORITHMS)
def test_what_was_encrypted_as_registered_is_opened(alg, enc):
    assert opened(encrypt_jwt(SIGNED, key(kind_of(alg)), alg, enc), alg, enc) == SIGNED


def test_claims_repeated_in_the_header_are_not_looked_at():
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "iss": "https://id.example", "aud": "client-1", "cty": "JWT"}
    registry = jwe.JWERegistry(algorithms=["RSA-OAEP-256", "A256GCM"], strict_check_header=False)
    assert opened(jwe.encrypt_compact(header, SIGNED, key("RSA"), registry=registry)) == SIGNED


def test_where_nothing_is_to_be_encrypted_nothing_is_opened():
    encrypted = encrypt_jwt(SIGNED, key("RSA"), "RSA-OAEP-256", "A256GCM")
    assert open_jwt(openid(), encrypted, "ID token", None, "") is encrypted
    with pytest.raises(ValidationFailed) as caught:
        read_segments(encrypted)
    assert caught.value.check == "format"


def test_what_is_not_encrypted_is_refused_where_it_was_to_be():
    assert refused(SIGNED) == "format"


def test_another_algorithm_than_the_registered_is_refused():
    assert refused(encrypt_jwt(SIGNED, key("RSA"), "RSA-OAEP", "A256GCM")) == "alg"
    assert refused(encrypt_jwt(SIGNED, key("RSA"), "RSA-OAEP-256", "A128GCM")) == "enc"


def forged(**header):
    said = {"alg": "RSA-OAEP-256", "enc": "A256GCM", **header}
    parts = [json.dumps(said).encode(), b"k" * 256, b"i" * 12, b"c" * 40, b"t" * 16]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("alg", ["PBES2-HS256+A128KW", "RSA1_5", "dir", "A128KW", "A128GCMKW", "none", None, 7])
def test_what_is_not_offered_is_refused_before_any_work(alg):
    assert refused(forged(alg=alg, p2c=2**31, p2s="AAAA")) == "alg"


@pytest.mark.parametrize("alg", ["PBES2-HS256+A128KW", "RSA1_5", "dir", "A256KW"])
def test_and_cannot_be_configured(alg):
    with pytest.raises(ConfigurationError, match="cannot be encrypted"):
        opening(alg, keys=[key("RSA")])


@pytest.mark.parametrize("header", [{"zip": "DEF"}, {"zip": None}])
def test_what_is_compressed_is_refused_before_any_work(header):
    assert refused(forged(**header)) == "zip"


def test_an_extension_is_refused():
    assert refused(forged(crit=["exp"])) == "crit"


def test_what_was_encrypted_for_another_key_is_refused():
    assert refused(forged(kid="somebody-elses")) == "kid"
    stranger = RSAKey.generate_key(2048, {"kid": "enc-1"})
    assert refused(encrypt_jwt(SIGNED, stranger, "RSA-OAEP-256", "A256GCM")) == "decryption"


def test_a_changed_one_is_refused():
    head, wrapped, vector, text, tag = encrypt_jwt(SIGNED, key("RSA"), "RSA-OAEP-256", "A256GCM").split(".")
    other = ("B" if text[0] == "A" else "A") + text[1:]
    assert refused(".".join((head, wrapped, vector, other, tag))) == "decryption"
    assert refused(".".join((head, wrapped[:-8], vector, text, tag))) == "decryption"


@pytest.mark.parametrize("epk", [None, {}, "x", {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "oct"}])
def test_a_point_that_is_none_is_refused(epk):
    assert refused(forged(alg="ECDH-ES", epk=epk), "ECDH-ES", "A256GCM") == "decryption"


@pytest.mark.parametrize("token", ["", None, 7, "a.b.c.d.e", "a.b", ".....", "a" * 70_000, "é.b.c.d.e"])
def test_what_has_not_the_shape_is_refused(token):
    assert refused(token) == "format"


def test_each_key_that_may_fit_is_tried():
    keys = [key("RSA", "enc-2"), key("EC"), key("RSA")]
    anonymous = RSAKey.import_key({name: value for name, value in key("RSA").as_dict().items() if name != "kid"})
    assert opened(encrypt_jwt(SIGNED, anonymous, "RSA-OAEP-256", "A256GCM"), keys=keys) == SIGNED


def test_a_key_of_the_other_kind_is_refused_where_it_is_set():
    with pytest.raises(ConfigurationError, match="opens RSA-OAEP"):
        opening(keys=[key("EC")])


def test_the_providers_key_is_found_by_its_use():
    rsa, ec = key("RSA").as_dict(private=False), key("EC").as_dict(private=False)
    signing = {**RSAKey.generate_key(2048).as_dict(private=False), "use": "sig"}
    oct_key = OctKey.generate_key(256).as_dict()
    members = ["x", signing, oct_key, rsa, ec]
    assert find_encryption_key(members, "RSA-OAEP-256").kid == "enc-1"
    assert find_encryption_key(members, "ECDH-ES").key_type == "EC"
    assert find_encryption_key([signing, oct_key, {**rsa, "alg": "RSA-OAEP"}], "RSA-OAEP-256") is None


@pytest.mark.parametrize("alg", ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW"])
def test_a_key_is_made_for_what_it_opens_and_says_so_to_the_provider(alg):
    made = PrivateKey.generate(alg)
    public = made.public_jwk()
    assert (public["use"], public["alg"]) == ("enc", alg)
    token = encrypt_jwt(SIGNED, find_encryption_key([public], alg), alg, "A256GCM")
    assert opened(token, alg, keys=[made]) == SIGNED


def test_a_key_that_is_labelled_for_signatures_opens_nothing():
    with pytest.raises(ConfigurationError, match="opens ECDH-ES"):
        opening("ECDH-ES", keys=[PrivateKey.generate("ES256")])

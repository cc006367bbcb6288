"""A key of the client's own: what is taken as one, and that nothing shows it."""

import copy
import pickle

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from authflow.errors import ConfigurationError
from authflow.protocol.private_key import PrivateKey

RAW = ec.generate_private_key(ec.SECP256R1())
KEY = PrivateKey(RAW, kid="one")


def pem_of(key, password=None):
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


def public_pem():
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return RAW.public_key().public_bytes(serialization.Encoding.PEM, kind)


@pytest.mark.parametrize(
    "given",
    [
        RAW, pem_of(RAW), pem_of(RAW).decode(), ECKey.import_key(pem_of(RAW)),
        ECKey.import_key(pem_of(RAW)).as_dict(private=True), KEY,
    ],
)  # fmt: skip
def test_a_key_is_taken_in_every_form_that_people_have(given):
    assert PrivateKey(given) == KEY


def test_an_encrypted_pem_is_opened_by_its_password():
    assert PrivateKey(pem_of(RAW, b"pass"), password="pass") == KEY
    for wrong in (None, "other"):
        with pytest.raises(ConfigurationError):
            PrivateKey(pem_of(RAW, b"pass"), password=wrong)


@pytest.mark.parametrize(
    "given",
    [
        RAW.public_key(), public_pem(), ECKey.import_key(pem_of(RAW)).as_dict(private=False), b"-----BEGIN", "", 5,
        None, {}, {"kty": "EC"}, OctKey.generate_key(256), OctKey.generate_key(256).as_dict(private=True),
        rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256K1()),
        x25519.X25519PrivateKey.generate(), OKPKey.generate_key("X25519"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_private_key_to_sign_with_is_refused_and_not_shown(given):
    with pytest.raises(ConfigurationError) as caught:
        PrivateKey(given)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "RS256"])
def test_a_new_key_signs_with_its_algorithm_and_comes_back_from_its_dump(alg):
    key = PrivateKey.load(PrivateKey.generate(alg).dump())
    token = key.sign({"typ": "test"}, {"a": 1}, alg)
    kind = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}[key.public_jwk()["kty"]]

    class Any(jws.JWSRegistry):
        def get_alg(self, name):
            return self.algorithms[name]

    found = jws.deserialize_compact(token, kind.import_key(key.bare_jwk()), registry=Any())
    assert (found.headers(), found.payload) == ({"typ": "test", "alg": alg}, b'{"a":1}')
    assert key.alg == alg


def test_there_is_no_key_for_an_algorithm_that_proves_nothing():
    for alg in ("none", "HS256", "ES256K"):
        with pytest.raises(ConfigurationError):
            PrivateKey.generate(alg)


def test_a_key_cannot_be_made_to_sign_with_another_kind_of_algorithm():
    for alg in ("RS256", "ES384", "none", "HS256"):
        with pytest.raises(ConfigurationError):
            PrivateKey(RAW, alg=alg)
        with pytest.raises(ConfigurationError):
            KEY.choose_alg(None, alg)


def test_an_old_signature_is_chosen_only_where_nothing_better_is_listed():
    key = PrivateKey(rsa.generate_private_key(65537, 2048))
    assert key.choose_alg(None) == "PS256"
    assert key.choose_alg(("RS256",)) == "RS256"
    assert PrivateKey(ed25519.Ed25519PrivateKey.generate()).choose_alg(("Ed25519",)) == "Ed25519"


def test_the_public_half_is_what_is_registered():
    assert KEY.public_jwk() == {**KEY.bare_jwk(), "kid": "one", "use": "sig"}
    assert set(KEY.bare_jwk()) == {"kty", "crv", "x", "y"}


def test_nothing_shows_a_key():
    secret = ECKey.import_key(pem_of(RAW)).as_dict(private=True)["d"]
    assert secret not in repr(KEY) + str(KEY.public_jwk())
    assert secret.encode() in KEY.dump()
    assert copy.deepcopy(KEY) is KEY
    with pytest.raises(TypeError):
        pickle.dumps(KEY)

"""FAPI 2.0: what the profile turns on, and every way of weakening it that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authflow.errors import ConfigurationError
from authflow.providers import ClientAssertion, ClientCertificate, OAuth2, OpenIDConnect, PrivateKey

ISSUER = "https://bank.example"
KEY = PrivateKey.generate("ES256")
RSA = PrivateKey(rsa.generate_private_key(65537, 2048))
CERTIFICATE = ClientCertificate("client.crt", "client.key")
ENDPOINTS = (
    "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "revocation_endpoint", "end_session_endpoint",
    "device_authorization_endpoint", "pushed_authorization_request_endpoint", "jwks_uri",
)  # fmt: skip


def bank(secret: str | None = None, **settings: Any) -> OpenIDConnect:
    return OpenIDConnect(ISSUER, "client-1", secret, profile="fapi2", **{"client_key": KEY, **settings})


def test_the_profile_turns_on_what_it_demands() -> None:
    provider = bank()
    assert provider.require_pushed_authorization_requests
    assert provider.iss_in_response is True
    assert provider.dpop is True
    assert provider.algorithms == ("PS256", "ES256", "EdDSA", "Ed25519")


def test_an_rsa_key_never_signs_in_the_old_way() -> None:
    assert bank(client_key=RSA).assertion_alg == "PS256"


def test_a_certificate_binds_the_tokens_in_place_of_a_key() -> None:
    provider = bank(client_key=None, client_certificate=CERTIFICATE)
    assert provider.dpop is False
    assert bank(client_certificate=CERTIFICATE, dpop=True).dpop is True


def test_somebody_elses_word_proves_the_client_too() -> None:
    assert bank(client_key=None, client_auth=ClientAssertion(str)).dpop is True


def test_a_copy_is_held_to_the_profile() -> None:
    with pytest.raises(ConfigurationError, match=r"FAPI 2\.0"):
        bank().replace(dpop=False)


@pytest.mark.parametrize(
    "weaker",
    [
        {"client_key": None},
        {"secret": "a-secret"},
        {"secret": "a-secret", "client_auth": "client_secret_basic"},
        {"client_auth": "none"},
        {"dpop": False},
        {"dpop": "optional"},
        {"dpop_alg": "RS256"},
        {"dpop_alg": "ES384"},
        {"require_pushed_authorization_requests": False},
        {"iss_in_response": None},
        {"response_type": "code id_token", "response_mode": "form_post"},
        {"assertion_audience": "token_endpoint"},
        {"assertion_audience": "https://other.example"},
        {"algorithms": ["RS256"]},
        {"client_key": RSA, "assertion_alg": "RS256"},
        {"client_key": PrivateKey(ec.generate_private_key(ec.SECP384R1()))},
        {"discovery": False},
        *({name: f"{ISSUER}/here"} for name in ENDPOINTS),
        {"userinfo_token_in_form_body": True},
        {"token_method": "GET"},
        {"omits_nonce": True},
    ],
    ids=str,
)
def test_what_weakens_it_is_refused_at_once(weaker: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"FAPI 2\.0"):
        bank(**weaker)


def test_what_must_go_is_named() -> None:
    with pytest.raises(ConfigurationError, match="token_endpoint, jwks_uri") as refused:
        bank(jwks_uri=f"{ISSUER}/keys", token_endpoint=f"{ISSUER}/token")
    assert refused.value.hint == "Leave token_endpoint and jwks_uri out."


def test_an_api_may_name_the_server_whose_metadata_are_read() -> None:
    settings = {"require_pushed_authorization_requests": True, "iss_in_response": True, "dpop": True}
    api = OAuth2.for_resource(
        "https://api.example/v1", "client-1", issuer=ISSUER, profile="fapi2", client_key=KEY,
        algorithms=["ES256"], **settings,
    )  # fmt: skip
    assert api.replace(discovery=True).profile == "fapi2"


def test_there_is_no_other_profile() -> None:
    with pytest.raises(ConfigurationError, match="fapi2"):
        OpenIDConnect(ISSUER, "client-1", client_key=KEY, profile="fapi1")  # type: ignore[arg-type]


def test_without_the_profile_nothing_changes() -> None:
    provider = OpenIDConnect(ISSUER, "client-1", "secret")
    assert (provider.profile, provider.dpop, provider.require_pushed_authorization_requests) == (None, False, False)

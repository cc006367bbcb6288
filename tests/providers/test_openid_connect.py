"""Any OpenID Connect provider, by its issuer."""

from __future__ import annotations

import pytest

from authflow.errors import ConfigurationError, ValidationFailed
from authflow.providers import OpenIDConnect
from tests.providers.recorded import NONCE, RecordedProvider, json_answer, login, sign


@pytest.fixture
def oidc(idp: RecordedProvider) -> OpenIDConnect:
    idp.publish("/realms/dev")
    claims = {"iss": f"{idp.origin}/realms/dev", "aud": "the-id", "sub": "ada", "nonce": NONCE, "groups": ["staff"]}
    idp.on("POST", "/token", json_answer({"access_token": "at", "token_type": "Bearer", "id_token": sign(claims)}))
    idp.on("GET", "/userinfo", json_answer({"sub": "ada", "name": "Ada Lovelace"}))
    return OpenIDConnect(
        f"{idp.origin}/realms/dev", "the-id", "the-secret", groups_claim="groups", allow_insecure_loopback=True
    )


def test_the_issuer_is_enough(oidc: OpenIDConnect) -> None:
    profile = login(oidc).profile
    assert (profile.id, profile.name) == ("ada", "Ada Lovelace")


def test_a_claim_may_list_groups(oidc: OpenIDConnect) -> None:
    assert [name for name, _ in login(oidc, fetch_groups=True).profile.groups] == ["staff"]


def test_an_endpoint_that_is_given_stands_in_for_the_published_one(idp: RecordedProvider, oidc: OpenIDConnect) -> None:
    idp.on("GET", "/profile", json_answer({"sub": "ada", "name": "From elsewhere"}))
    assert login(oidc.replace(userinfo_endpoint=f"{idp.origin}/profile")).profile.name == "From elsewhere"


def test_a_slash_more_in_the_issuer_is_another_issuer(idp: RecordedProvider, oidc: OpenIDConnect) -> None:
    with pytest.raises(ValidationFailed) as caught:
        login(oidc.replace(issuer=f"{idp.origin}/realms/dev/"))
    assert caught.value.check == "issuer"


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
def test_the_address_of_its_document_is_no_issuer(document: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenIDConnect(f"https://idp.example.com/realms/dev/.well-known/{document}", "the-id")
    assert caught.value.hint == "Write issuer='https://idp.example.com/realms/dev'."


def test_an_issuer_is_needed() -> None:
    with pytest.raises(ConfigurationError):
        OpenIDConnect("", "the-id")

"""Settings of the authorization request: what cannot work is refused where it is set."""

import pytest

from authflow.errors import ConfigurationError, InsecureURL
from authflow.protocol.private_key import PrivateKey
from authflow.providers import OpenIDConnect


def configured(**settings):
    return OpenIDConnect("https://id.example", "client-1", **settings)


@pytest.mark.parametrize("response_type", ["token", "code token", "id_token token", "code id_token token"])
def test_an_access_token_through_the_browser_is_not_offered(response_type):
    with pytest.raises(ConfigurationError, match="RFC 9700"):
        configured(response_type=response_type, response_mode="form_post")


@pytest.mark.parametrize("response_type", ["none", "", "id_token code", None])
def test_a_response_type_of_no_use_is_refused(response_type):
    with pytest.raises(ConfigurationError, match="not offered"):
        configured(response_type=response_type)


@pytest.mark.parametrize("response_mode", ["fragment", "fragment.jwt", "web_message", ""])
def test_a_response_mode_that_reaches_no_server_is_refused(response_mode):
    with pytest.raises(ConfigurationError, match="response_mode"):
        configured(response_mode=response_mode)


@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
@pytest.mark.parametrize("response_mode", [None, "query", "query.jwt", "jwt"])
def test_an_id_token_through_the_browser_must_come_by_form_post(response_type, response_mode):
    with pytest.raises(ConfigurationError, match="form_post"):
        configured(response_type=response_type, response_mode=response_mode)


@pytest.mark.parametrize("response_mode", ["form_post", "form_post.jwt"])
def test_by_form_post_it_may_come(response_mode):
    assert configured(response_type="code id_token", response_mode=response_mode).response_mode == response_mode


def test_an_id_token_through_the_browser_must_have_a_nonce():
    with pytest.raises(ConfigurationError, match="nonce"):
        configured(response_type="code id_token", response_mode="form_post", omits_nonce=True)


@pytest.mark.parametrize("name", ["response_mode", "request", "request_uri"])
def test_what_is_a_setting_or_made_anew_is_no_fixed_parameter(name):
    with pytest.raises(ConfigurationError, match=name):
        configured(authorization_params={name: "x"})


def test_a_key_that_is_for_something_else_is_told_as_the_cause():
    with pytest.raises(ConfigurationError, match="they are for RS256") as caught:
        OpenIDConnect(
            "https://idp.example.com",
            "id",
            decryption_keys=[PrivateKey.generate("RS256")],
            id_token_encrypted_response_alg="RSA-OAEP-256",
        )
    assert "PrivateKey.generate('RSA-OAEP-256')" in caught.value.hint


def test_unsigned_userinfo_is_no_algorithm_to_add():
    with pytest.raises(ConfigurationError, match="not signed") as caught:
        OpenIDConnect("https://idp.example.com", "id", userinfo_signed_response_alg="none")
    assert "Leave it out" in caught.value.hint


@pytest.mark.parametrize("issuer", ["http://claims.example.com", "claims"])
def test_an_issuer_of_claims_that_is_no_address_is_refused_by_its_setting(issuer):
    with pytest.raises(InsecureURL, match="claims_issuers"):
        OpenIDConnect("https://idp.example.com", "id", claims_issuers=[issuer])

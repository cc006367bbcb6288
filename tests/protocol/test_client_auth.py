"""How the client proves itself to the token endpoint."""

import base64

import msgspec
import pytest

from authflow.errors import ConfigurationError
from authflow.protocol.client_auth import authenticate_client, choose_client_auth

from .issuer import METADATA, openid, plain


def listing(*methods):
    return msgspec.structs.replace(METADATA, token_endpoint_auth_methods_supported=methods or None)


def test_basic_is_form_encoded_before_base64():
    provider = openid(client_secret="a:b%c+d e/é")
    form, headers = authenticate_client(provider, listing(), {"code": "c"}, {"x": "y"})
    pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "client-1:a%3Ab%25c%2Bd+e%2F%C3%A9"
    assert form == {"code": "c"}
    assert headers["x"] == "y"


def test_post_puts_both_into_the_form_under_the_providers_names():
    provider = plain(client_auth="client_secret_post", client_id_param="appid", client_secret_param="secret")
    form, headers = authenticate_client(provider, listing(), {"code": "c"}, {})
    assert form == {"code": "c", "appid": "client-1", "secret": "s3cret-of-client"}
    assert headers == {}


def test_a_public_client_sends_its_id_only():
    for provider in (openid(client_secret=None), openid(client_auth="none")):
        form, headers = authenticate_client(provider, listing(), {"code": "c"}, {})
        assert form == {"code": "c", "client_id": "client-1"}
        assert headers == {}


@pytest.mark.parametrize(
    ("settings", "listed", "chosen"),
    [
        ({}, (), "client_secret_basic"),
        ({}, ("client_secret_post", "client_secret_basic"), "client_secret_basic"),
        ({}, ("client_secret_post", "private_key_jwt"), "client_secret_post"),
        ({"client_auth": "client_secret_post"}, ("client_secret_basic",), "client_secret_post"),
        ({"client_secret": None}, ("client_secret_basic",), "none"),
        ({"client_id_param": "appid"}, (), "client_secret_post"),
    ],
)
def test_the_method_is_the_settings_or_the_metadatas(settings, listed, chosen):
    assert choose_client_auth(openid(**settings), listing(*listed)) == chosen


def test_a_provider_that_takes_neither_method_is_a_matter_of_configuration():
    with pytest.raises(ConfigurationError, match="client_auth"):
        choose_client_auth(openid(), listing("private_key_jwt"))


def test_what_was_given_is_not_changed():
    form, headers = {"code": "c"}, {}
    authenticate_client(openid(client_auth="client_secret_post"), listing(), form, headers)
    assert (form, headers) == ({"code": "c"}, {})

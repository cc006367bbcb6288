"""Pushed authorization requests: everything by the back channel, a reference in the front."""

import msgspec
import pytest

from authflow.errors import InvalidClient, MissingEndpoint, OAuthError, ResponseInvalid
from authflow.protocol.par import build_par_request, is_pushed, read_par_response

from .issuer import ISSUER, METADATA, MOMENT, answer, form_of, openid

PUSHING = msgspec.structs.replace(METADATA, pushed_authorization_request_endpoint=f"{ISSUER}/par")
REQUEST = {"client_id": "client-1", "response_type": "code", "state": "s", "resource": ("https://a/", "https://b/")}


def test_it_is_pushed_by_setting_or_where_the_provider_takes_no_other():
    assert not is_pushed(openid(), PUSHING)
    assert is_pushed(openid(require_pushed_authorization_requests=True), PUSHING)
    assert is_pushed(openid(), msgspec.structs.replace(PUSHING, require_pushed_authorization_requests=True))


def test_the_parameters_go_with_the_clients_proof():
    request = build_par_request(openid(), PUSHING, MOMENT, REQUEST)
    assert (request.method, str(request.url)) == ("POST", f"{ISSUER}/par")
    assert request.headers["authorization"].startswith("Basic ")
    assert request.content.decode().count("resource=") == 2
    assert form_of(request)["state"] == "s"


def test_without_an_endpoint_nothing_is_pushed():
    with pytest.raises(MissingEndpoint, match="pushed_authorization_request_endpoint"):
        build_par_request(openid(), METADATA, MOMENT, REQUEST)


def test_the_reference_is_read():
    said = {"request_uri": "urn:ietf:params:oauth:request_uri:abc", "expires_in": 60}
    assert read_par_response(openid(), answer(said, 201)) == said["request_uri"]


@pytest.mark.parametrize(
    "said",
    [
        {}, {"request_uri": "urn:x"}, {"expires_in": 60}, {"request_uri": "", "expires_in": 60},
        {"request_uri": 7, "expires_in": 60}, {"request_uri": "urn:\n", "expires_in": 60},
        {"request_uri": "u" * 3000, "expires_in": 60}, {"request_uri": "urn:x", "expires_in": 0},
        {"request_uri": "urn:x", "expires_in": "60"}, {"request_uri": "urn:x", "expires_in": True},
    ],
)  # fmt: skip
def test_a070_an_answer_without_a_usable_reference_is_refused(said):
    with pytest.raises(ResponseInvalid):
        read_par_response(openid(), answer(said, 201))


def test_a_refusal_is_that_error():
    with pytest.raises(OAuthError) as caught:
        read_par_response(openid(), answer({"error": "invalid_request"}, 400))
    assert caught.value.error == "invalid_request"
    with pytest.raises(InvalidClient):
        read_par_response(openid(), answer({"error": "invalid_client"}, 401))

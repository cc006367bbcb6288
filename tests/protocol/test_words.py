"""What a provider says of an error: its words stay, and no secret stands in them, whoever made it."""

import secrets
import uuid
from urllib.parse import quote

import httpx
import pytest

from authflow.errors import InvalidGrant, OAuthError, Phase
from authflow.protocol.callback import check_callback, read_callback
from authflow.protocol.reading import read_object
from authflow.protocol.words import looks_secret, without_secrets, without_tokens

from .issuer import METADATA, answer, openid, sign

OF_A_REFRESH = {"grant_type": "refresh_token", "refresh_token": "4/0A-plain-words", "client_id": "9f3kx2m8qz71.apps"}


def refused(description, *, error="invalid_grant", **members):
    """What is told of a refused renewal."""
    response = answer({"error": error, "error_description": description, **members}, 400)
    response.request = httpx.Request("POST", "https://id.example/token", data=OF_A_REFRESH)
    with pytest.raises(OAuthError) as caught:
        read_object(openid(), response, "token response", phase=Phase.REFRESH)
    return caught.value


def test_a_bearer_token_that_is_repeated_is_taken_out():
    request = httpx.Request(
        "GET", "https://id.example/me?key=very-secret-key", headers={"authorization": "Bearer hush-hush-1"}
    )
    response = httpx.Response(400, request=request)
    assert without_secrets("hush-hush-1 and very-secret-key failed", response) == "… and … failed"


def test_a_secret_in_a_json_body_is_taken_out_too():
    """Registrations are managed by JSON (RFC 7592 §2.2)."""
    body = {"client_secret": "hush-hush-1", "software_statement": "eyJ.statement.x", "client_name": "My program"}
    response = httpx.Response(400, request=httpx.Request("PUT", "https://id.example/register/1", json=body))
    said = "My program: hush-hush-1 and eyJ.statement.x do not fit"
    assert without_secrets(said, response) == "My program: … and … do not fit"
    unreadable = httpx.Request("PUT", "https://id.example/register/1", content=b"{")
    assert without_secrets(said, httpx.Response(400, request=unreadable)) == said


def test_a_response_without_its_request_is_read_all_the_same():
    assert without_secrets("said", httpx.Response(400)) == "said"


OF_ITS_OWN = {
    "a JWT": sign({"sub": "ada"}),
    "an opaque token": f"gho_{secrets.token_hex(18)}",
    "a code": f"4/0{secrets.token_urlsafe(40)}",
    "a number": secrets.token_hex(10),
    "UUIDs in a row": ".".join(str(uuid.uuid4()) for _ in range(3)),
}


@pytest.mark.parametrize("kind", OF_ITS_OWN)
def test_a_token_that_the_provider_itself_made_is_not_told(kind):
    token = OF_ITS_OWN[kind]
    error = refused(f"The session of {token} is over.")
    assert isinstance(error, InvalidGrant)
    assert error.error_description.startswith("The session of …")
    assert error.error_description.endswith("is over.")
    assert not any(part in str(error) for part in token.split(".") if len(part) > 8)


def test_a_token_that_stands_beside_the_error_is_not_told_even_if_it_is_made_of_words():
    error = refused("Use correct-horse-battery instead.", access_token="correct-horse-battery")
    assert error.error_description == "Use … instead."


def test_what_was_sent_is_not_told_as_a_url_has_it_either():
    sent = OF_A_REFRESH["refresh_token"]
    error = refused(f"{sent} and {quote(sent, safe='')} are used up.")
    assert error.error_description == "… and … are used up."


def test_a_token_in_the_place_of_a_code_is_not_told():
    token = OF_ITS_OWN["an opaque token"]
    error = refused("No.", error=f"no {token}")
    assert token not in f"{error} {error.error}"


@pytest.mark.parametrize(
    "said",
    [
        "AADSTS70011: The provided value for the input parameter 'scope' is not valid. "
        "Trace ID: 0d8e1f2a-3b4c-4d5e-8f90-a1b2c3d4e5f6 Correlation ID: 9f8e7d6c-5b4a-4938-a716-0f5e4d3c2b1a "
        "Timestamp: 2026-11-28 19:00:00Z",
        "The redirect_uri https://app.example/callback/acme is not registered; see https://docs.example/oauth-errors#uri",
        "unauthorized_client: grant_type authorization_code is not allowed for client 9f3kx2m8qz71.apps",
        "Session not active",
    ],
)
def test_what_tells_an_administrator_where_to_look_stays(said):
    assert refused(said).error_description == said


def test_an_error_in_a_callback_tells_no_token_either():
    state, code = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    params = read_callback(f"https://app.example/cb?error=server_error&error_description=on+{code}+of+{state}&state={state}")
    with pytest.raises(OAuthError) as caught:
        check_callback(openid(), METADATA, params)
    assert caught.value.error_description == "on … of …"


def test_random_text_looks_secret_and_names_do_not():
    assert all(looks_secret(secrets.token_hex(8)) for _ in range(500))
    assert not any(map(looks_secret, ("authorization_code", "redirect_uri", "http://localhost", "offline_access")))


def test_a_name_that_we_sent_ourselves_is_no_token():
    client_id = secrets.token_hex(16)
    assert without_tokens(f"No client {client_id}", (client_id,)) == f"No client {client_id}"
    assert without_tokens(f"No client {client_id}") == "No client …"

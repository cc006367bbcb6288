"""What other libraries saved, read as they write it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.fernet import Fernet

from authflow.cli.saved_tokens import read_saved_token
from authflow.crypto import encrypt
from authflow.errors import InvalidCall, SealedDataInvalid

REQUESTS_OAUTHLIB = {
    "access_token": "at", "token_type": "Bearer", "expires_in": 3600, "expires_at": 1795882421.1,
    "refresh_token": "rt", "scope": ["openid", "profile"], "id_token": "a.b.c",
}  # fmt: skip
AUTHLIB = {**REQUESTS_OAUTHLIB, "scope": "openid profile", "expires_at": 1795882421}
MSAL = {
    "AccessToken": {
        "u.t-login-accesstoken-mine-t-s": {
            "credential_type": "AccessToken", "secret": "at", "home_account_id": "u.t", "client_id": "mine",
            "target": "User.Read openid", "expires_on": "1795882421", "environment": "login.microsoftonline.com",
        },
        "another": {"secret": "theirs", "home_account_id": "u.t", "client_id": "another", "expires_on": "1995882421"},
    },
    "RefreshToken": {"r": {"secret": "rt", "home_account_id": "u.t", "client_id": "mine", "target": "User.Read"}},
    "IdToken": {"i": {"secret": "a.b.c", "home_account_id": "u.t", "client_id": "mine"}},
    "Account": {"u.t": {"username": "ada@example.com"}},
}  # fmt: skip


def never() -> str:
    raise RuntimeError("nothing here is encrypted")


@pytest.mark.parametrize("members", [REQUESTS_OAUTHLIB, AUTHLIB, MSAL], ids=["requests-oauthlib", "authlib", "msal"])
def test_the_format_is_seen(members: dict[str, Any]) -> None:
    token = read_saved_token(json.dumps(members), never, "mine")

    assert (token.access_token, token.refresh_token, token.id_token) == ("at", "rt", "a.b.c")
    assert token.expires_at == pytest.approx(1795882421, abs=1)
    assert "openid" in token.scope


def test_a_token_under_a_passphrase_is_opened() -> None:
    token = read_saved_token(encrypt(json.dumps(AUTHLIB), "open sesame") + "\n", lambda: "open sesame", "mine")

    assert token.refresh_token == "rt"


def test_a_refresh_token_alone_is_enough_and_is_due_at_once() -> None:
    token = read_saved_token('{"refresh_token": "rt"}', never, "mine")

    assert token.refresh_token == "rt"
    assert token.expires_at == 1.0


def test_a_cache_of_another_client_is_not_used() -> None:
    with pytest.raises(InvalidCall, match="no account of this client"):
        read_saved_token(json.dumps(MSAL), never, "unknown")


def test_a_cache_of_several_people_is_not_guessed_at() -> None:
    two = {**MSAL, "RefreshToken": {"r": {"secret": "rt", "home_account_id": "v.t", "client_id": "mine"}}}

    with pytest.raises(InvalidCall, match="several accounts"):
        read_saved_token(json.dumps(two), never, "mine", "msal")


@pytest.mark.parametrize(
    "text",
    [
        "", "access_token: abc", "{}", "[]", "null", '{"access_token": 1}', '{"access_token": ""}', "{" * 9999,
        r'{"access_token": "a\nhost=evil.example"}', r'{"access_token": "a", "token_type": "Bearer\nx"}',
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidCall) as refused:
        read_saved_token(text, never, "mine")

    assert text == "" or text not in str(refused.value)


def test_flets_other_function_is_named_as_not_read() -> None:
    salt, nonce, sealed = bytes(16), bytes(range(32)), bytes(range(100, 220))
    text = base64.urlsafe_b64encode(salt + nonce + sealed).decode()

    with pytest.raises(SealedDataInvalid, match="neither text of") as refused:
        read_saved_token(text, lambda: "open sesame", "mine")

    assert "encrypt_aes_gcm_256 wrote is not read" in refused.value.hint


def test_what_flets_encrypt_wrote_is_seen_to_be_encrypted() -> None:
    salt = b"0123456789abcdef"
    derived = hashlib.pbkdf2_hmac("sha256", b"open sesame", salt, 600_000)
    token = Fernet(base64.urlsafe_b64encode(derived)).encrypt(b'{"refresh_token": "rt"}')
    text = base64.urlsafe_b64encode(salt + token).decode()

    assert read_saved_token(text, lambda: "open sesame", "mine").refresh_token == "rt"


def test_another_format_than_the_one_that_was_named_is_refused() -> None:
    with pytest.raises(InvalidCall):
        read_saved_token(json.dumps(AUTHLIB), never, "mine", "authflow")

"""Text under a passphrase, and what Flet's programs have saved."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from authflow import crypto
from authflow.crypto import decrypt, encrypt
from authflow.errors import InvalidCall, SealedDataInvalid, SealingKeyRequired
from authflow.records import Token

PASSPHRASE = "correct horse battery staple"
SAVED = (
    '{"access_token":"ya29.a0-vector","scope":["email"],"token_type":"Bearer","expires_in":3599,'
    '"expires_at":1700000000.5,"refresh_token":"1//vector-Ünï"}'
)
# Written by flet.security.encrypt(SAVED, PASSPHRASE), of flet 0.25.2 (100,000 rounds) and flet 1.0.5 (600,000).
FLET_0_25_2 = (
    "KY5WxkwMgxk_85-xx7171GdBQUFBQUJyQXFJdEZwVVd4YXowSUZ4VlRIU3Z1c2t0ZEVoMF9ZUzBoSW10UzU1c0ZlMmotUXNiYllkRVpw"
    "NUVlTC1va29zYTJfOWowcFVpOFZ0X1hmSG1rQ1RvWGw1T2Q5MEZhTk9LMEdFeHV6UHRWRXZ2ekx5VzNuQ0Y4QUMxYWZ6NEtTSGx5M3pN"
    "RU5kcjNCOVNZSXlOOXJvd2Etc0pMWWQwR0lfV1djZWpkU09iTm95YUdoa3BVS3JaSDE1NHVlOEdCWGlxeUwtbFczdVViWmZZZ2ZCQ1lV"
    "TnlMX3FENXBwaTNpRXROY2lzdkc4UzQxVVhpUE1MT21PTm1YOFNIVklaVGhrZlZDRzZIVlhLLW5uRGR5T3YydFVnblFLT3hnPT0="
)
FLET_1_0_5 = (
    "anpMVNEbABRA9FkruOBdSWdBQUFBQUJyQXFJdEQyb3Y0VFpjV2prVExlTF9MNGd4ZlpicUFfVkZfbm8xODl6YmNlWmsxNXUzbjZXSTlS"
    "UkxYb0JIc3ZpNklPaXdjTkp2NzN6d3A1dnhPSlZJZWhFQ3hIQ1NGZ2Z2dmIzSmtHSzROVThTNmo0aEFvYTdyV3JQQzViekJLeU1HS2Fw"
    "QXBtdWtGNEZWLVBfb0NFMnpzZGxpQ2EtbnBQdVFhRTJud0Q4UUhEUEE5Nk9tQkd6X25najhhV3hzMjR4SVk3aEtWTF9zRG9BR1J1OVJI"
    "bVo1SEt0RExoLVVLcGJPWnNUU0RSZEQzUXhHak5YWTM0X2VZSTQtVlNEUkNuMk5yT3RsVWIxeWFfU2ppbVlmWkQ0QjMtVHZnPT0="
)
# Written by the first version of this format; of the text "kept".
OURS = (
    "afp1.-st056iZLJ3CYShbrc7MeoAAAAAAawKpQTYWeqowEBq0nMRokcjs7o2AUcMvBKIl5cIZXjILHfU"
    "aN4uZb8D2w4puXD7NT8wE9P_qIhmjaJvqZColpdMyM6g"
)


def as_flet_writes(text: str, passphrase: str, rounds: int) -> str:
    """What Flet's `encrypt` does, written again."""
    salt = os.urandom(16)
    key = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=rounds).derive(passphrase.encode())
    return base64.urlsafe_b64encode(salt + Fernet(base64.urlsafe_b64encode(key)).encrypt(text.encode())).decode()


@pytest.mark.parametrize("text", ["", "plain", SAVED, "\x00", "🔑" * 500])
def test_what_was_encrypted_decrypts(text: str) -> None:
    assert decrypt(encrypt(text, PASSPHRASE), PASSPHRASE) == text


def test_the_output_names_its_version_and_fits_into_a_url() -> None:
    encrypted = encrypt("secret text", PASSPHRASE)
    assert encrypted.startswith("afp1.")
    assert set(encrypted[5:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_same_text_never_looks_the_same() -> None:
    assert encrypt("text", PASSPHRASE) != encrypt("text", PASSPHRASE)


def test_what_this_version_wrote_opens_for_ever() -> None:
    assert decrypt(OURS, PASSPHRASE) == "kept"


@pytest.mark.parametrize("saved", [FLET_0_25_2, FLET_1_0_5], ids=["flet 0.25.2", "flet 1.0.5"])
def test_a_login_that_flet_saved_comes_back(saved: str) -> None:
    assert decrypt(saved, PASSPHRASE) == SAVED
    assert Token.from_json(decrypt(saved, PASSPHRASE)).refresh_token == "1//vector-Ünï"


@pytest.mark.parametrize("rounds", [600_000, 100_000])
def test_both_iteration_counts_of_flet_are_read(rounds: int) -> None:
    assert decrypt(as_flet_writes(SAVED, PASSPHRASE, rounds), PASSPHRASE) == SAVED


def test_another_iteration_count_does_not_open() -> None:
    with pytest.raises(SealedDataInvalid):
        decrypt(as_flet_writes(SAVED, PASSPHRASE, 1000), PASSPHRASE)


@pytest.mark.parametrize("data", [OURS, FLET_0_25_2], ids=["ours", "Flet's"])
def test_another_passphrase_is_a_typed_error_with_a_hint(data: str) -> None:
    with pytest.raises(SealedDataInvalid) as caught:
        decrypt(data, "wrong passphrase")
    assert "passphrase is another one" in caught.value.hint
    assert "wrong passphrase" not in str(caught.value)


@pytest.mark.parametrize("passphrase", ["", None, 7])
def test_a_passphrase_is_needed(passphrase: object) -> None:
    with pytest.raises(SealingKeyRequired):
        encrypt("text", passphrase)  # type: ignore[arg-type]
    with pytest.raises(SealingKeyRequired):
        decrypt(FLET_1_0_5, passphrase)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", ["", "afp1.", "afp1.AAAA", "afp2.AAAA", SAVED, "ä", FLET_1_0_5[:60], None, b"x", 7])
def test_what_is_no_such_text_is_refused_without_trying_a_key(data: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_cipher", None)
    with pytest.raises(SealedDataInvalid, match="neither"):
        decrypt(data, PASSPHRASE)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"bytes", None, 5], ids=repr)
def test_what_is_no_text_is_refused_by_its_type(text: Any) -> None:
    with pytest.raises(InvalidCall, match=type(text).__name__):
        encrypt(text, "a passphrase")


def test_changed_text_does_not_open() -> None:
    encrypted = encrypt("text", PASSPHRASE)
    changed = encrypted[:-6] + ("A" if encrypted[-6] != "A" else "B") + encrypted[-5:]
    with pytest.raises(SealedDataInvalid, match="does not open"):
        decrypt(changed, PASSPHRASE)


def test_blanks_around_saved_text_do_no_harm() -> None:
    assert decrypt(f"{FLET_0_25_2}\n", PASSPHRASE) == SAVED

"""Text under a passphrase: `encrypt(text, passphrase)` and `decrypt(data, passphrase)`.

    afp1.  + base64url(salt, Fernet token)      the key by PBKDF2-HMAC-SHA256, 600,000 rounds

`decrypt` also reads what Flet's `flet.security.encrypt` wrote, of either of its iteration counts, so a login that
was saved there comes back here; what its `encrypt_aes_gcm_256` wrote is not read. Each call costs a few tenths of a
second of processor time, as it is meant to: in an asynchronous program call it by `asyncio.to_thread`.

A session's own `dump()` needs no passphrase; a key of 32 bytes seals it (`authflow.sealing`).
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from .errors import InvalidCall, SealedDataInvalid, SealingKeyRequired

_PREFIX: Final = "afp1."
_ROUNDS: Final = 600_000
_FLET_ROUNDS: Final = (600_000, 100_000)  # since 0.28; up to 0.25
_SALT_BYTES: Final = 16
_VERSION_BYTE: Final = 0x80  # of a Fernet token


def encrypt(text: str, passphrase: str) -> str:
    """`text` as URL-safe text that `passphrase` opens.

    Raises `SealingKeyRequired` for an empty passphrase, `InvalidCall` for what is no string.
    """
    if not isinstance(text, str):
        raise InvalidCall(f"encrypt() takes a string, not {type(text).__name__}.", hint="Decode bytes first.")
    salt = os.urandom(_SALT_BYTES)
    token = _cipher(passphrase, salt, _ROUNDS).encrypt(text.encode())
    return _PREFIX + base64.urlsafe_b64encode(salt + base64.urlsafe_b64decode(token)).decode().rstrip("=")


def decrypt(data: str, passphrase: str) -> str:
    """The text again. Raises `SealedDataInvalid` for another passphrase, or for what is no such text."""
    ours = isinstance(data, str) and data.startswith(_PREFIX)
    salt, token = _split(data.removeprefix(_PREFIX)) if ours else _split_flet(data)
    for rounds in (_ROUNDS,) if ours else _FLET_ROUNDS:
        try:
            return _cipher(passphrase, salt, rounds).decrypt(token).decode()
        except (InvalidToken, UnicodeDecodeError):
            continue
    raise SealedDataInvalid(
        "The encrypted text does not open.", hint="The passphrase is another one, or the text was changed."
    )


def _cipher(passphrase: str, salt: bytes, rounds: int) -> Fernet:
    if not isinstance(passphrase, str) or not passphrase:
        raise SealingKeyRequired("A passphrase is needed.", hint="Keep one outside the source code, and pass it.")
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=rounds)
    return Fernet(base64.urlsafe_b64encode(kdf.derive(passphrase.encode())))


def _split(body: str) -> tuple[bytes, bytes]:
    raw = _decode(body)
    if raw[_SALT_BYTES : _SALT_BYTES + 1] != bytes([_VERSION_BYTE]):
        raise _no_such_text()
    return raw[:_SALT_BYTES], base64.urlsafe_b64encode(raw[_SALT_BYTES:])


def _split_flet(data: str) -> tuple[bytes, bytes]:
    """Flet encodes twice: the salt stands before a token that is base64url itself."""
    raw = _decode(data)
    token = raw[_SALT_BYTES:]
    if _decode(token)[:1] != bytes([_VERSION_BYTE]):
        raise _no_such_text()
    return raw[:_SALT_BYTES], token


def _decode(text: str | bytes) -> bytes:
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        encoded = encoded.strip().rstrip(b"=")
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error, ValueError):
        raise _no_such_text() from None


def _no_such_text() -> SealedDataInvalid:
    return SealedDataInvalid(
        "This is neither text of authflow.crypto.encrypt nor of flet.security.encrypt.",
        hint="Pass what encrypt() returned, whole and unchanged. What Flet's encrypt_aes_gcm_256 wrote is not read: "
        "open it with decrypt_aes_gcm_256 first.",
    )

"""Sealing: AES-256-GCM around everything of a session that leaves this process's memory by `dump()`.

A sealed text is `af1.` + base64url(key id, nonce, ciphertext). What it belongs to (format, purpose, provider,
account) is bound in as associated data: a dump of one provider does not open as another's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import SealedDataInvalid, SealingKeyRequired

_PREFIX: Final = "af1."
_NONCE: Final = 12
_KEY_ID: Final = 8


def generate_key() -> bytes:
    """A fresh 32-byte key from the system's generator. Keep it out of source code."""
    return os.urandom(32)


class Sealer:
    """Seals and opens with one 32-byte key; the key itself never shows."""

    def __init__(self, key: bytes) -> None:
        if not isinstance(key, bytes) or len(key) != 32:
            raise SealingKeyRequired(
                "A sealing key must be 32 bytes.", hint="Make one with authflow.generate_key() and keep it secret."
            )
        self._aead = AESGCM(key)
        self._key_id = hashlib.sha256(b"authflow key id" + key).digest()[:_KEY_ID]

    def __repr__(self) -> str:
        return f"Sealer(key_id={self._key_id.hex()!r})"

    def seal(self, data: bytes, *about: str) -> str:
        """`data` as sealed text, bound to `about`."""
        nonce = os.urandom(_NONCE)
        sealed = self._aead.encrypt(nonce, data, _bind(about))
        return _PREFIX + base64.urlsafe_b64encode(self._key_id + nonce + sealed).decode().rstrip("=")

    def open(self, text: str, *about: str) -> bytes:
        """The data again. Raises `SealedDataInvalid` for another key, another session's dump, or damage."""
        if not is_sealed(text):
            raise SealedDataInvalid("This is no sealed dump.", hint="Pass what session.dump() returned, unchanged.")
        body = text[len(_PREFIX) :]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SealedDataInvalid("The sealed dump is damaged.", hint="Pass it unchanged.") from None
        key_id, nonce, sealed = raw[:_KEY_ID], raw[_KEY_ID : _KEY_ID + _NONCE], raw[_KEY_ID + _NONCE :]
        if key_id != self._key_id:
            raise SealedDataInvalid(
                "The dump was sealed with another key.", hint="Use the sealing_key that it was dumped with."
            )
        try:
            return self._aead.decrypt(nonce, sealed, _bind(about))
        except InvalidTag:
            raise SealedDataInvalid(
                "The sealed dump does not open.",
                hint="It was changed, or it belongs to another provider or account.",
            ) from None


def is_sealed(text: object) -> bool:
    """Whether `text` looks like what `Sealer.seal` makes."""
    return isinstance(text, str) and text.startswith(_PREFIX)


def _bind(about: tuple[str, ...]) -> bytes:
    return b"\x00".join(part.encode() for part in ("authflow", "1", *about))

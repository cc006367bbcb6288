"""Sealed text: what leaves this process's memory by `dump()`.

`af1.` + base64url(key id, nonce, ciphertext), AES-256-GCM. What it belongs to (purpose, provider, account) is
bound in as associated data: a dump of one provider does not open as another's.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Final

from ..errors import SealedDataInvalid
from .keys import KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES, KeyRing

_PREFIX: Final = "af1."
_SEALED_AT: Final = KEY_ID_BYTES + NONCE_BYTES


class Sealer:
    """Seals text with the newest key of a ring, or with one key, and opens with any."""

    __slots__ = ("ring",)

    def __init__(self, key: bytes | KeyRing) -> None:
        self.ring = KeyRing.of(key)

    def __repr__(self) -> str:
        return f"Sealer({self.ring!r})"

    def seal(self, data: bytes, *about: str) -> str:
        """`data` as sealed text, bound to `about`."""
        name, cipher = self.ring.newest
        nonce = os.urandom(NONCE_BYTES)
        sealed = name + nonce + cipher.encrypt(nonce, data, _bind(about))
        return _PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, text: str, *about: str) -> bytes:
        """The data again. Raises `SealedDataInvalid` for another key, another session's dump, or damage."""
        if not is_sealed(text):
            raise SealedDataInvalid("This is no sealed dump.", hint="Pass what session.dump() returned, unchanged.")
        body = text[len(_PREFIX) :]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SealedDataInvalid("The sealed dump is damaged.", hint="Pass it unchanged.") from None
        if len(raw) < _SEALED_AT + TAG_BYTES:
            raise SealedDataInvalid("The sealed dump is cut short.", hint="Pass it unchanged.")
        from cryptography.exceptions import InvalidTag

        cipher = self.ring.cipher(raw[:KEY_ID_BYTES])
        try:
            return cipher.decrypt(raw[KEY_ID_BYTES:_SEALED_AT], raw[_SEALED_AT:], _bind(about))
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

"""A ring of keys: new data is sealed with the newest, old data opens with any.

Rule: a key never shows. What shows is its id, eight bytes of a hash, which every sealed record carries.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..errors import ConfigurationError, SealedDataInvalid, SealingKeyRequired

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


def generate_key() -> bytes:
    """A fresh 32-byte key from the system's generator. Keep it out of source code."""
    return os.urandom(KEY_BYTES)


def key_id(key: bytes) -> bytes:
    """The eight bytes that name `key` on what it sealed; nothing of the key can be learnt from them."""
    return hashlib.sha256(b"authflow key id" + key).digest()[:KEY_ID_BYTES]


class KeyRing:
    """32-byte keys, the newest first.

    `save` is told all keys when one is added, and keeps them where they came from; `find_key` passes it.
    Raises `SealingKeyRequired` for no key, or one that is not 32 bytes.
    """

    __slots__ = ("_ciphers", "_keys", "_mutex", "_save", "newest")

    def __init__(self, *keys: bytes, save: Callable[[tuple[bytes, ...]], None] | None = None) -> None:
        if not keys:
            raise SealingKeyRequired("A key ring needs a key.", hint="Make one with authflow.generate_key().")
        self._keys = tuple(dict.fromkeys(_checked(key) for key in keys))
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # dear, and not every program seals

        # An AESGCM object costs more to make than a record costs to seal.
        self._ciphers = {key_id(key): AESGCM(key) for key in self._keys}
        self._save = save
        self._mutex = threading.Lock()
        newest = key_id(self._keys[0])
        self.newest = (newest, self._ciphers[newest])

    @classmethod
    def of(cls, key: bytes | KeyRing) -> KeyRing:
        """A ring of one key; a ring stays what it is."""
        return key if isinstance(key, KeyRing) else cls(key)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys as hexadecimal text, the newest first."""
        return tuple(key_id(key).hex() for key in self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.key_ids)})"

    def cipher(self, wanted: bytes) -> AESGCM:
        """What opens data that carry this key id. Raises `SealedDataInvalid` when the ring has no such key."""
        found = self._ciphers.get(wanted)
        if found is None:
            raise SealedDataInvalid(
                f"This was sealed with the key {wanted.hex()}, which is not among {', '.join(self.key_ids)}.",
                hint="Pass the key it was sealed with, or a KeyRing that holds it too. Nothing was changed.",
            )
        return found

    def rotate(self, key: bytes | None = None) -> str:
        """Adds a key, a fresh one unless given, that seals from now on; the others still open. Gives its id.

        The ring is saved first where it came from the system's keyring or a key file. Elsewhere (an environment
        variable, a key of yours) a fresh key would die with the process: pass the one that you keep.
        Raises `ConfigurationError`.
        """
        with self._mutex:
            if key is None and self._save is None:
                raise ConfigurationError(
                    "A fresh key could not be kept: this ring was made from keys that were passed to it.",
                    hint="Make a key with authflow.generate_key(), keep it beside the old one, pass it to rotate().",
                )
            added = _checked(generate_key() if key is None else key)
            keys = tuple(dict.fromkeys((added, *self._keys)))
            if self._save is not None:
                self._save(keys)
            name = key_id(added)
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers = {**self._ciphers, name: AESGCM(added)}
            self._keys = keys
            self.newest = (name, self._ciphers[name])
            return name.hex()


def _checked(key: bytes) -> bytes:
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        raise SealingKeyRequired(
            "A sealing key must be 32 bytes.", hint="Make one with authflow.generate_key() and keep it secret."
        )
    return key

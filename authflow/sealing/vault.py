"""What stands between a session and its store: bytes go in sealed, and come out only where they belong.

    envelope  = format (1 byte) · key id (8) · version (8) · nonce (12) · ciphertext and tag

AES-256-GCM. Associated with it: the envelope's head, and the whole key it is stored under (kind, owner, provider,
account). So a record that was moved to another session does not open, nor does one whose version was edited.

Rule: a vault never says "nothing there" of what it cannot open. It raises, and the stored bytes stay.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final, Protocol

from ..errors import SealedDataInvalid, SealingKeyRequired, StoreError
from .keys import KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES, KeyRing

FORMAT: Final = 1
_LAST_FORMAT: Final = 0x1F  # a plain record begins higher: it is a MessagePack map
_VERSION_AT: Final = 1 + KEY_ID_BYTES
_HEAD: Final = _VERSION_AT + 8
_SEALED_AT: Final = _HEAD + NONCE_BYTES


class Vault(Protocol):
    """Packs what goes to a store and unpacks what comes from it. Thread-safe, no I/O."""

    def pack(self, store_key: str, data: bytes, version: int) -> bytes:
        """`data`, fit to be stored under `store_key` and nowhere else."""
        ...

    def unpack(self, store_key: str, data: bytes) -> tuple[bytes, int]:
        """What was packed, and its version (0: this vault keeps none). Raises `SealedDataInvalid`."""
        ...


class SealedVault:
    """Seals with the newest key of a ring, opens with any."""

    __slots__ = ("_refused", "ring")

    def __init__(self, ring: KeyRing) -> None:
        from cryptography.exceptions import InvalidTag  # dear at the start, and per record dearer than the cipher

        self.ring = ring
        self._refused: type[Exception] = InvalidTag

    def __repr__(self) -> str:
        return f"SealedVault({self.ring!r})"

    def pack(self, store_key: str, data: bytes, version: int) -> bytes:
        name, cipher = self.ring.newest
        head = b"\x01" + name + version.to_bytes(8, "big")
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + cipher.encrypt(nonce, data, head + store_key.encode())

    def unpack(self, store_key: str, data: bytes) -> tuple[bytes, int]:
        if not data or data[0] != FORMAT or len(data) < _SEALED_AT + TAG_BYTES:
            raise _not_ours(data)
        head = data[:_HEAD]
        cipher = self.ring.cipher(head[1:_VERSION_AT])
        try:
            opened = cipher.decrypt(data[_HEAD:_SEALED_AT], data[_SEALED_AT:], head + store_key.encode())
        except self._refused:
            raise SealedDataInvalid(
                "A stored record does not open: it was changed, cut, or moved here from another session.",
                hint="Restore it from a backup, or sign in again after removing it. It was left as it is.",
            ) from None
        return opened, int.from_bytes(head[_VERSION_AT:], "big")


class PlaintextVault:
    """Keeps everything as it is, readable by whoever reads the store."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PlaintextVault()"

    def pack(self, store_key: str, data: bytes, version: int) -> bytes:
        return data

    def unpack(self, store_key: str, data: bytes) -> tuple[bytes, int]:
        if data and data[0] <= _LAST_FORMAT:
            raise SealedDataInvalid(
                "The stored record is sealed, and this manager has no key.",
                hint="Pass sealing_key=…, the one it was sealed with. The record was left as it is.",
            )
        return data, 0


def keys_and_vault(
    store: object, sealing_key: bytes | KeyRing | None, *, plaintext: bool
) -> tuple[KeyRing | None, Vault]:
    """What a manager seals with: its dumps, and the records of `store`. Raises `SealingKeyRequired`.

    A store that outlives the process says `durable`. It may know where its program's key is (`store.key_ring`,
    a function); it is asked when no key is passed.
    """
    durable = getattr(store, "durable", True)
    ring = None if sealing_key is None else KeyRing.of(sealing_key)
    if ring is None and durable and not plaintext:
        find = getattr(store, "key_ring", None)
        ring = None if find is None else find()
    if plaintext or not durable:
        return ring, PlaintextVault()
    if ring is None:
        raise SealingKeyRequired(
            f"A {type(store).__name__} keeps tokens beyond this process, and there is no key to seal them with.",
            hint='Pass sealing_key=authflow.sealing.find_key("myapp"), or a key of authflow.generate_key() that '
            "you keep secret.",
        )
    return ring, SealedVault(ring)


class _Swappable(Protocol):
    def load(self, key: str) -> tuple[bytes, int] | None: ...

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> object: ...

    def keys(self, prefix: str) -> Iterator[str]: ...


def reseal(store: _Swappable, ring: KeyRing, *, seal_plaintext_too: bool = False) -> int:
    """Seals again, with the newest key, every stored session that an older one sealed. Gives their number.

    It is safe beside running processes that hold the new key too; a session that changes meanwhile is sealed
    anew by its own change. After it the older keys can be taken off the ring. Pending logins are left: they
    end by themselves within the hour. `seal_plaintext_too` is for a store that was used in plaintext until
    now: it vouches for whatever lies there. Raises `SealedDataInvalid`, `StoreError`; run it again after that.
    """
    vault = SealedVault(ring)
    done = 0
    for key in list(store.keys("session/")):
        found = store.load(key)
        if found is None or sealed_with(found[0]) == ring.newest[0]:
            continue
        if seal_plaintext_too and found[0] and found[0][0] > _LAST_FORMAT:
            data, version = found[0], first_version(time.time())
        else:
            data, version = vault.unpack(key, found[0])
        done += isinstance(store.swap(key, found[1], vault.pack(key, data, version + 1)), int)
    return done


def first_version(now: float) -> int:
    """The version of a record that is made anew at `now` (seconds since the epoch): microseconds.

    A change adds one. So it is above every version that a record of the same name had before it was removed.
    """
    return int(now * 1e6)


def sealed_with(data: bytes) -> bytes | None:
    """The id of the key that sealed `data`; None for what is not sealed."""
    return data[1:_VERSION_AT] if len(data) > _SEALED_AT and data[0] == FORMAT else None


def rolled_back(label: str) -> StoreError:
    """What a reader raises for a record whose version is below one it has seen."""
    return StoreError(
        f"The stored session of {label!r} was rolled back: this process has read a newer one.",
        hint="If a backup was restored on purpose, restart the process. The record was left as it is.",
    )


def _not_ours(data: bytes) -> SealedDataInvalid:
    if data and FORMAT < data[0] <= _LAST_FORMAT:
        return SealedDataInvalid(
            "The stored record was sealed by a newer version of authflow.",
            hint="Update authflow; the record was left as it is.",
        )
    if data and data[0] == FORMAT:
        return SealedDataInvalid(
            "The stored record is cut short.", hint="Restore it from a backup; it was left as it is."
        )
    return SealedDataInvalid(
        "The stored record is not sealed, and this manager seals.",
        hint="If you stored it in plaintext before: authflow.sealing.reseal(store, ring, seal_plaintext_too=True). "
        "It was left as it is.",
    )

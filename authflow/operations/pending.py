"""Pending attempts in the store, under the hash of their state, with a time to live.

Rule: consuming one is one compare-and-swap. Whoever loses it sees a used attempt, and exchanges nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from ..errors import (
    ErrorInfo,
    InvalidCall,
    StoreError,
)
from ..events import AuthEvent
from ..house import PENDING_PREFIX, House
from ..records import Pending, PendingRef, unpack
from ..stores import Conflict

KEPT_SECONDS: Final = 600.0


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def fits_redirect(callback: str, redirect_uri: str) -> bool:
    """Whether a callback's path is that of the redirect URI. Half a path will not do: `/callback` may be one
    provider's route, and `/other/callback` another's (RFC 9700 §4.4.2.2)."""
    where = callback.split("?", 1)[0]
    if "://" not in where and not where.startswith("/"):
        return True  # the query alone
    return (urlsplit(where).path or "/") == (urlsplit(redirect_uri).path or "/")


def store_pending(house: House, state: str, pending: Pending) -> None:
    try:
        data = msgspec.msgpack.encode(pending)
    except (TypeError, OverflowError, UnicodeEncodeError, RecursionError):
        raise InvalidCall(
            "app_data must be plain data: strings, numbers, lists, dicts.", hint="Keep objects on your side."
        ) from None
    ttl = pending.deadline - pending.created_at + KEPT_SECONDS
    key = PENDING_PREFIX + hash_of(state)
    house.store.swap(key, 0, house.vault.pack(key, data, 1), ttl)


def restate_pending(house: House, state: str, pending: Pending) -> None:
    """What is known of an attempt only after it has begun. One that has ended meanwhile stays ended."""
    key = PENDING_PREFIX + hash_of(state)
    found = _load(house, key)
    if found is not None and found[0].used_at is None:
        _save(house, key, found[1], pending, pending.deadline - pending.created_at + KEPT_SECONDS)


def load_pending(house: House, state: str) -> Pending | None:
    found = _load(house, PENDING_PREFIX + hash_of(state))
    return None if found is None else found[0]


def use_pending(house: House, state: str, now: float) -> Pending | None:
    """Consumes a pending attempt by one compare-and-swap; None when another callback won."""
    key = PENDING_PREFIX + hash_of(state)
    found = _load(house, key)
    if found is None:
        return None
    pending, version = found
    if pending.used_at is not None:
        return None
    used = replace(pending, used_at=now, code_verifier="", nonce=None, dpop_key=None)
    made = _save(house, key, version, used)
    return pending if isinstance(made, int) else None


def finish_pending(house: House, state: str, outcome: AuthEvent | None, error: ErrorInfo | None) -> None:
    """Keeps how it ended for the same callback coming again. That it cannot be kept ends no login."""
    key = PENDING_PREFIX + hash_of(state)
    try:
        found = _load(house, key)
        if found is not None:
            _save(house, key, found[1], replace(found[0], done=True, outcome=outcome, error=error))
    except StoreError:
        return


def remove_pending(house: House, refs: Sequence[PendingRef]) -> None:
    """What is no longer waited for is forgotten; a callback of it is then one of no pending login.

    A used one stays: the same callback again is told what it came to.
    """
    for ref in refs:
        key = PENDING_PREFIX + ref.state_hash
        try:
            found = _load(house, key)
            if found is not None and found[0].used_at is None:
                house.store.swap(key, found[1], None)
        except StoreError:
            return


def _load(house: House, key: str) -> tuple[Pending, int] | None:
    """The pending attempt and its version in the store. Raises `StoreError` for what cannot be read."""
    found = house.store.load(key)
    if found is None:
        return None
    data, _ = house.vault.unpack(key, found[0])
    pending = unpack(data, Pending)
    if pending is None or pending.key.count("/") != 2:
        raise StoreError(
            "A pending sign-in in the store cannot be read.",
            hint="Another version of authflow may have written it. Begin the sign-in again.",
        )
    return pending, found[1]


def _save(
    house: House, key: str, version: int, pending: Pending, ttl: float = KEPT_SECONDS
) -> int | Conflict:
    data = house.vault.pack(key, msgspec.msgpack.encode(pending), version + 1)
    return house.store.swap(key, version, data, ttl)

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

from ..core import PENDING_PREFIX, House
from ..errors import (
    ErrorInfo,
    InvalidCall,
    StoreError,
)
from ..events import AuthEvent
from ..records import Pending, PendingRef

KEPT_SECONDS: Final = 600.0


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def fits_redirect(callback: str, redirect_uri: str) -> bool:
    """Whether a callback's path is that of the redirect URI; a proxy may have cut a prefix off."""
    path = urlsplit(callback.split("?", 1)[0]).path if "://" in callback or callback.startswith("/") else ""
    return not path or urlsplit(redirect_uri).path.endswith(path)


def store_pending(house: House, state: str, pending: Pending) -> None:
    try:
        data = msgspec.msgpack.encode(pending)
    except (TypeError, OverflowError):
        raise InvalidCall(
            "app_data must be plain data: strings, numbers, lists, dicts.", hint="Keep objects on your side."
        ) from None
    ttl = pending.deadline - pending.created_at + KEPT_SECONDS
    house.store.swap(PENDING_PREFIX + hash_of(state), 0, data, ttl)


def load_pending(house: House, state: str) -> Pending | None:
    found = house.store.load(PENDING_PREFIX + hash_of(state))
    return None if found is None else msgspec.msgpack.decode(found[0], type=Pending)


def use_pending(house: House, state: str, now: float) -> Pending | None:
    """Consumes a pending attempt by one compare-and-swap; None when another callback won."""
    key = PENDING_PREFIX + hash_of(state)
    found = house.store.load(key)
    if found is None:
        return None
    pending = msgspec.msgpack.decode(found[0], type=Pending)
    if pending.used_at is not None:
        return None
    used = replace(pending, used_at=now, code_verifier="", nonce=None)
    made = house.store.swap(key, found[1], msgspec.msgpack.encode(used), KEPT_SECONDS)
    return pending if isinstance(made, int) else None


def finish_pending(house: House, state: str, outcome: AuthEvent | None, error: ErrorInfo | None) -> None:
    """Keeps how it ended for the same callback coming again. That it cannot be kept ends no login."""
    key = PENDING_PREFIX + hash_of(state)
    try:
        found = house.store.load(key)
        if found is not None:
            pending = replace(msgspec.msgpack.decode(found[0], type=Pending), done=True, outcome=outcome, error=error)
            house.store.swap(key, found[1], msgspec.msgpack.encode(pending), KEPT_SECONDS)
    except StoreError:
        return


def remove_pending(house: House, refs: Sequence[PendingRef]) -> None:
    """What is no longer waited for is forgotten; a callback of it is then one of no pending login.

    A used one stays: the same callback again is told what it came to.
    """
    for ref in refs:
        key = PENDING_PREFIX + ref.state_hash
        try:
            found = house.store.load(key)
            if found is not None and msgspec.msgpack.decode(found[0], type=Pending).used_at is None:
                house.store.swap(key, found[1], None)
        except StoreError:
            return


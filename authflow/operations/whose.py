"""Which sessions are whose: found by the provider's own names for the human (`sub`) and its session (`sid`).

    whose/HASH   of (provider, issuer, "sub" or "sid", value)   the keys of sessions, and when the provider ended them

A provider that signs somebody out names neither owner nor account. In a store that outlives the process an entry is
written before the session becomes live; sessions of this process's own memory are simply looked through.

Rule 1: an entry is a hint. Whether a session is meant is read from its record.
Rule 2: an entry is one client's: what an issuer tells of one of its clients is nothing to another.
Rule 3: that a provider ended something is written first, then the sessions are looked for; a login does it the other
        way round. So whichever comes first, one of the two sees the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from ..chart import LIVE
from ..errors import StoreError
from ..house import SESSION, House
from ..ledger import decode_record
from ..records import Key, SessionRecord, unpack
from ..stores import Conflict

WHOSE: Final = "whose/"
ENDED_SECONDS: Final = 900.0  # a code that was issued before the end is exchanged by then, or never
MANY: Final = 64  # entries of one human before those that are over are looked for
MOST: Final = 1000
Meant = Callable[[Key, SessionRecord], bool]
_MOST_RACES: Final = 64


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored under one name. `ended_at` is in seconds since the epoch."""

    keys: tuple[str, ...] = ()
    ended_at: float | None = None


class Identified(Protocol):
    """What says whose it is: a record, or the tokens of one."""

    @property
    def issuer(self) -> str: ...

    @property
    def subject(self) -> str: ...

    @property
    def claims(self) -> bytes | None: ...


def names_of(provider: str, issuer: str, subject: str | None, sid: object) -> tuple[str, ...]:
    """The store's keys for what a provider calls somebody; none for what it does not name."""
    given = (("sub", subject), ("sid", sid))
    return tuple(_name(provider, issuer, kind, value) for kind, value in given if isinstance(value, str) and value)


def names_in(provider: str, who: Identified) -> tuple[str, ...]:
    """The same, by the claims of an ID token; none without one."""
    return () if who.claims is None else names_of(provider, who.issuer, who.subject, sid_of(who.claims))


def sid_of(claims: bytes | None) -> str | None:
    """The provider's name for its session, from the claims of a record."""
    sid = None if claims is None else msgspec.json.decode(claims, type=dict[str, Any]).get("sid")
    return sid if isinstance(sid, str) else None


def enter(house: House, key: Key, names: Sequence[str]) -> float | None:
    """From now on the session is found by `names`. Gives when the provider last ended one of them."""
    ended: list[float] = []
    for name in names:
        kept = _change(house, name, partial(_with, house, name, str(key)))
        if kept.ended_at is not None:
            ended.append(kept.ended_at)
    return max(ended, default=None)


def leave(house: House, key: Key, names: Sequence[str]) -> None:
    """The session is over, or lives under another key."""
    for name in names:
        _change(house, name, lambda entry: replace(entry, keys=tuple(one for one in entry.keys if one != str(key))))


def leave_quietly(house: House, key: Key, ended: SessionRecord) -> None:
    """`leave` for a session that has ended. What cannot be written is found later, and is not live."""
    with suppress(StoreError):
        leave(house, key, names_in(key.provider, ended))


def ended_at(house: House, names: Sequence[str]) -> float | None:
    """When the provider last ended one of `names`; None: not within the last quarter of an hour."""
    found = [entry.ended_at for entry, _ in (_load(house, name) for name in names) if entry.ended_at is not None]
    return max(found, default=None)


def mark_ended(house: House, names: Sequence[str], now: float) -> None:
    """The provider has ended `names`: a login that is on its way does not become a session."""
    for name in names:
        _change(house, name, lambda entry: replace(entry, ended_at=now))


def sessions_named(house: House, names: Sequence[str], meant: Meant) -> list[Key]:
    """The keys of the live sessions that have one of `names` and are `meant`, wherever they live."""
    if not _indexed(house):
        return [key for key, record in _all_records(house) if record.state in LIVE and meant(key, record)]
    found = dict.fromkeys(key for name in names for key in _load(house, name)[0].keys)
    keys = [Key.parse(text) for text in found]
    records = ((key, _record(house, key)) for key in keys if key.provider in house.providers)
    return [key for key, record in records if record is not None and record.state in LIVE and meant(key, record)]


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────


def _name(provider: str, issuer: str, kind: str, value: str) -> str:
    told = msgspec.json.encode([provider, issuer, kind, value])
    return WHOSE + hashlib.sha256(told).hexdigest()


def _indexed(house: House) -> bool:
    return bool(getattr(house.store, "durable", True))


def _with(house: House, name: str, key: str, entry: Entry) -> Entry:
    if not _indexed(house) or key in entry.keys:
        return entry
    keys = entry.keys
    if len(keys) >= MANY:
        keys = tuple(one for one in keys if _still_lives(house, name, one))
    return replace(entry, keys=(*keys, key)[-MOST:])


def _still_lives(house: House, name: str, key: str) -> bool:
    found = Key.parse(key)
    record = _record(house, found)
    return record is not None and record.state in LIVE and name in names_in(found.provider, record)


def _change(house: House, name: str, change: Callable[[Entry], Entry]) -> Entry:
    for _ in range(_MOST_RACES):
        entry, version = _load(house, name)
        changed = change(entry)
        if changed == entry:
            return entry
        if not changed.keys and changed.ended_at is None:
            made = house.store.swap(name, version, None) if version else 0
        else:
            data = house.vault.pack(name, msgspec.msgpack.encode(changed), version + 1)
            made = house.store.swap(name, version, data, None if changed.keys else ENDED_SECONDS)
        if not isinstance(made, Conflict):
            return changed
    raise StoreError("Too many sign-ins of one user at once.", hint="Try again.")


def _load(house: House, name: str) -> tuple[Entry, int]:
    found = house.store.load(name)
    if found is None:
        return Entry(), 0
    data, _ = house.vault.unpack(name, found[0])
    entry = unpack(data, Entry)
    if entry is None:
        raise StoreError(
            "The store's list of one user's sessions cannot be read.",
            hint="Another version of authflow may have written it.",
        )
    if entry.ended_at is not None and house.clock.time() > entry.ended_at + ENDED_SECONDS:
        entry = replace(entry, ended_at=None)
    return entry, found[1]


def _all_records(house: House) -> Iterator[tuple[Key, SessionRecord]]:
    for name in list(house.store.keys(SESSION)):
        try:
            key = Key.parse(name.removeprefix(SESSION))
        except ValueError:
            continue
        if key.provider not in house.providers:
            continue
        session = house.sessions.get(key)
        record = session._run.record if session is not None else _record(house, key)
        if record is not None:
            yield key, record


def _record(house: House, key: Key) -> SessionRecord | None:
    """The record as it is stored; None for one that is not there or cannot be read."""
    name = SESSION + str(key)
    try:
        found = house.store.load(name)
        return None if found is None else decode_record(house.vault.unpack(name, found[0])[0], key)
    except StoreError:
        return None

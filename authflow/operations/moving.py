"""A session under another owner: a web application gives it a fresh one at sign-in.

    moved/KEY   of the key that it had   where it went, and when; for as long as its callback may come again

Rule: the new key is written before the old one is removed. Whoever comes for the old one within a minute (the same
callback again) finds the session, and nobody else's: the word that is left names the sign-in that it is about.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from ..chart import PENDING
from ..core import SessionCore
from ..effects import Do, Op, Tell
from ..errors import InvalidCall, StoreError
from ..house import SESSION, House
from ..records import BLANK, Key, SessionRecord, unpack
from . import whose
from .ending import end_if_ended_there

_MOVED: Final = "moved/"
_KEPT_SECONDS: Final = 120.0  # longer than the same callback is answered
_MOST_MOVES: Final = 8


class Word(msgspec.Struct, frozen=True):
    """Where a session went. `signed_in_at`, `moved_at`: seconds since the epoch."""

    key: str
    signed_in_at: float
    moved_at: float


def move(s: SessionCore, owner: str) -> Op[None]:
    """The same session under another owner: a web application gives it a fresh one at sign-in."""
    house = s._house
    yield Do(s._run.ledger.load, house.store.blocking)
    if any(run is not None and run.record.state in PENDING for run in (s._run, s._beside)):
        raise InvalidCall("A session cannot be moved while a login is pending.", hint="Move it after the login.")
    old, new = s.key, Key(owner, s.key.provider, s.key.account)
    if new == old:
        return
    there = house.sessions.get(new)
    if there is not None and there._run.record != BLANK:
        raise InvalidCall(f"{owner!r} has a session of {new.provider!r} already.", hint="Move to a fresh owner.")
    # Whoever looked at the new owner's sessions made an empty one; it must not hear of this as of another's.
    empty = house.sessions.pop(new)
    record = s._run.record
    names = whose.names_in(new.provider, record)
    try:
        yield Do(partial(whose.enter, house, new, names), house.store.blocking)
        yield Do(partial(s._run.ledger.move, old, new, SESSION), house.store.blocking)
    except BaseException:
        if empty is not None:
            house.sessions.put(new, empty)
        raise
    yield Do(partial(whose.leave_quietly, house, old, s._run.record), house.store.blocking)
    house.sessions.pop(old)
    s._key, s._beside = new, None
    house.sessions.put(new, s)
    house.arm(s)
    house.signals.rename(str(old), str(new))
    if house.recorder is not None:
        house.recorder.moved(old, new)
    yield Do(partial(_leave_word, house, old, new, record), house.store.blocking)
    if record.signed_in_at is not None:
        yield Do(partial(end_if_ended_there, s, names, record.signed_in_at), house.store.blocking)
        yield Tell(s._outbox)


def moved_to(house: House, key: Key, at: float) -> Key:
    """Where the session is now that did something under `key` then: `key` itself, unless it was moved since."""
    for _ in range(_MOST_MOVES):
        word = _word(house, key)
        if word is None or not word.signed_in_at <= at <= word.moved_at:
            return key
        key = Key.parse(word.key)
    return key


def _leave_word(house: House, old: Key, new: Key, record: SessionRecord) -> None:
    """That it cannot be left ends no move: then the same callback again finds nobody signed in."""
    if record.signed_in_at is None:
        return
    name = _MOVED + str(old)
    data = msgspec.msgpack.encode(Word(str(new), record.signed_in_at, house.clock.time()))
    with suppress(StoreError):
        found = house.store.load(name)
        version = 0 if found is None else found[1]
        house.store.swap(name, version, house.vault.pack(name, data, version + 1), _KEPT_SECONDS)


def _word(house: House, key: Key) -> Word | None:
    name = _MOVED + str(key)
    try:
        found = house.store.load(name)
        return None if found is None else unpack(house.vault.unpack(name, found[0])[0], Word)
    except StoreError:
        return None

"""Which sessions of a manager are in memory.

Rule: a session at rest (nobody is signed in, nothing is pending) stays only while somebody holds it; when it is asked
for again it is read from the store. So visitors who never sign in cost nothing once they are gone. Every other one
stays, and so do those of a program with one user: deadlines are kept, and what other processes do is heard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from .records import Key

REMEMBERED: Final = 100_000  # sessions that have left, of which the version that was read last is known

S = TypeVar("S")


class Presence(Generic[S]):
    """The sessions in memory, by key. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._held: dict[Key, S] = {}
        self._resting: WeakValueDictionary[Key, S] = WeakValueDictionary()
        self._versions: dict[int, int] = {}  # by hash of the key: a million keys would weigh more than their numbers

    def renew(self) -> None:
        """In a forked child."""
        self._mutex = threading.RLock()

    def get(self, key: Key) -> S | None:
        found = self._held.get(key)
        if found is None:
            with self._mutex:
                found = self._held.get(key) or self._resting.get(key)
        return found

    def find(self, key: Key, make: Callable[[], S]) -> S:
        """The session of `key`; a new one is at rest."""
        with self._mutex:
            found = self.get(key)
            if found is None:
                found = make()
                self.keep(key, found, rests=True, version=0)
            return found

    def keep(self, key: Key, session: S, *, rests: bool, version: int) -> None:
        """Says whether it rests now. `version` is remembered when it leaves: an older record is a rolled-back one."""
        rests = rests and key.owner != ""
        if not rests and key in self._held:
            return
        with self._mutex:
            if not rests:
                self._held[key] = session
                self._resting.pop(key, None)
                return
            self._resting[key] = session
            self._held.pop(key, None)
            if version:
                self._versions.pop(hash(key), None)
                self._versions[hash(key)] = version
                if len(self._versions) > REMEMBERED:
                    del self._versions[next(iter(self._versions))]

    def version(self, key: Key) -> int:
        """The highest sealed version that a session of this key had read when it came to rest; 0: not known."""
        return self._versions.get(hash(key), 0)

    def pop(self, key: Key) -> S | None:
        """Takes it out; None: there is none."""
        with self._mutex:
            found = self.get(key)
            self._held.pop(key, None)
            self._resting.pop(key, None)
            return found

    def put(self, key: Key, session: S) -> None:
        """In place of whatever is there."""
        with self._mutex:
            self._resting.pop(key, None)
            self._held[key] = session

    def all(self) -> list[S]:
        """Those that are in memory now."""
        with self._mutex:
            return [*self._held.values(), *self._resting.values()]

    def all_keys(self) -> list[Key]:
        with self._mutex:
            return [*self._held, *self._resting]

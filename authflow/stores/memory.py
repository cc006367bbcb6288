"""A store in this process's memory: for tests, and for sessions that need not outlive the process.

Who can read it: this process. After a crash: nothing is left. Several managers of one process may share it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import SupportsBytes

from ..forks import Renewed, mind_forks
from .base import Conflict
from .notices import Notices
from .queues import Queues

_SWEEP_EVERY = 256


class MemoryStore(Renewed):
    """`time` is injected for the time to live only (seconds since the epoch)."""

    blocking = False
    durable = False

    def __init__(self, *, time: Callable[[], float] = time.time) -> None:
        self._time = time
        self._entries: dict[str, tuple[SupportsBytes, int, float | None]] = {}
        self._version = 0
        self._mutex = threading.Lock()
        self._queues = Queues()
        self._notices = Notices()
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._mutex = threading.Lock()

    def load(self, key: str) -> tuple[bytes, int] | None:
        found = self.load_as_kept(key)
        return None if found is None else (bytes(found[0]), found[1])

    def load_as_kept(self, key: str) -> tuple[SupportsBytes, int] | None:
        """The very object that was written, where `load` gives its bytes."""
        with self._mutex:
            entry = self._present(key)
        return None if entry is None else (entry[0], entry[1])

    def swap(self, key: str, expected: int, data: SupportsBytes | None, ttl: float | None = None) -> int | Conflict:
        """As every store's; and what can become bytes may be kept as it is. It must never change."""
        with self._mutex:
            entry = self._present(key)
            version = 0 if entry is None else entry[1]
            if version != expected:
                return Conflict(version)
            self._version += 1
            if data is None:
                self._entries.pop(key, None)
                made = 0
            else:
                made = self._version
                self._entries[key] = (data, made, None if ttl is None else self._time() + ttl)
            if self._version % _SWEEP_EVERY == 0:
                self._sweep()
        self._notices.tell(key)
        return made

    def lock(self, key: str, timeout: float) -> AbstractContextManager[bool]:
        return self._queues.hold(key, timeout)

    def keys(self, prefix: str) -> Iterator[str]:
        with self._mutex:
            found = [key for key in self._entries if key.startswith(prefix) and self._present(key) is not None]
        return iter(found)

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return self._notices.add(notice)

    def close(self) -> None:
        self._notices.close()

    def _present(self, key: str) -> tuple[SupportsBytes, int, float | None] | None:
        entry = self._entries.get(key)
        if entry is None or (entry[2] is not None and self._time() >= entry[2]):
            return None
        return entry

    def _sweep(self) -> None:
        now = self._time()
        gone = [key for key, (_, _, until) in self._entries.items() if until is not None and now >= until]
        for key in gone:
            del self._entries[key]

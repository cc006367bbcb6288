"""Where the threads of one process queue, by name.

Rule: a queue is kept for as long as somebody is in it, so that a million names leave nothing behind.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..forks import Renewed, mind_forks


class _Queue:
    """`users`: who is inside or waits."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0


class Queues(Renewed):
    """Of those who come with one name, one is inside at a time. A child of a fork holds nothing."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        mind_forks(self)

    def __len__(self) -> int:
        return len(self._queues)

    def after_fork_in_child(self) -> None:
        self._mutex, self._queues = threading.Lock(), {}

    @contextmanager
    def hold(self, name: str, timeout: float) -> Iterator[bool]:
        """Yields whether its turn came within `timeout` seconds; then it lasts until the block ends, on whichever
        thread that is."""
        with self._mutex:
            queue = self._queues.setdefault(name, _Queue())
            queue.users += 1
        mine = False
        process = os.getpid()
        try:
            mine = queue.lock.acquire(timeout=max(0.0, min(timeout, threading.TIMEOUT_MAX)))
            yield mine
        finally:
            if os.getpid() == process:  # a child that was forked in between holds nothing
                if mine:
                    queue.lock.release()
                with self._mutex:
                    queue.users -= 1
                    if not queue.users:
                        self._queues.pop(name, None)

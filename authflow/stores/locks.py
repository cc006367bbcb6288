"""Locks between processes: files that nobody but us may write, and that the system frees when a process dies.

Rule 1: a lock file is never deleted: whoever deletes one that another process is waiting at has two holders.
Rule 2: so there is a bounded number of them. Two names may share a file; then one waits for the other, which
        costs time and nothing else.

Threads of one process queue in memory; the file is asked for by one of them at a time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, SoftFileLock, Timeout

from ..errors import StoreError
from .queues import Queues

KEY_LOCK_FILES: Final = 4096


def key_lock_name(key: str) -> str:
    """The name of the lock file that `lock(key)` takes: one of `KEY_LOCK_FILES`."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % KEY_LOCK_FILES
    return f"key-{number:03x}.lock"


class LockFiles:
    """The lock files in `folder`, which exists and is ours (`prepare` sees to it before each use)."""

    def __init__(self, folder: Path, prepare: Callable[[], None]) -> None:
        self._folder = folder
        self._prepare = prepare
        self._queues = Queues()

    @contextmanager
    def hold(self, name: str, timeout: float, *, poll: float = 0.02) -> Iterator[bool]:
        """Yields whether the lock was had within `timeout` seconds; then it is held until the block ends, on
        whichever thread that is. Raises `StoreError` when the file cannot be had at all."""
        until = time.monotonic() + max(0.0, timeout)
        file: FileLock | None = None
        process = os.getpid()
        with self._queues.hold(name, timeout) as mine:
            try:
                if mine:
                    file = self._take(name, max(0.0, until - time.monotonic()), poll)
                yield file is not None
            finally:
                if file is not None and os.getpid() == process:  # a child that was forked in between holds nothing
                    file.release()

    def _take(self, name: str, timeout: float, poll: float) -> FileLock | None:
        self._prepare()
        file = FileLock(self._folder / name, mode=0o600, thread_local=False)
        try:
            file.acquire(timeout=timeout, poll_interval=poll)
        except Timeout:
            return None
        except OSError as error:
            raise StoreError(
                f"The lock file {name} in {self._folder} cannot be used ({error.strerror or type(error).__name__}).",
                hint="Let this user write that folder, and see that nothing but the lock lies under that name.",
            ) from error
        if isinstance(file, SoftFileLock):
            # filelock falls back to a lock that the death of its holder does not free.
            file.release()
            raise StoreError(
                f"The file system of {self._folder} has no locks.", hint="Put the store on a local disk, or use Redis."
            )
        return file

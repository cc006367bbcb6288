"""Ctrl-C at a moment that luck alone would meet: while the main thread begins another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def struck_beginning(name: str, when: str, times: int = 1) -> Iterator[list[str]]:
    """The main thread is struck where it begins threads whose names start with `name`: `before` they are there, or
    `while` it waits for their first step. Yields the names of those at which it was."""
    start, at = threading.Thread.start, list[str]()

    def strike(seconds: float | None = None) -> bool:
        raise KeyboardInterrupt

    def struck(thread: threading.Thread) -> None:
        if not thread.name.startswith(name) or len(at) == times:
            start(thread)
            return
        if threading.current_thread() is not threading.main_thread():
            raise AssertionError("Ctrl-C strikes the main thread only")
        at.append(thread.name)
        if when == "before":
            raise KeyboardInterrupt
        with patch.object(thread._started, "wait", strike):  # type: ignore[attr-defined]
            start(thread)

    with patch.object(threading.Thread, "start", struck):
        yield at


def alive(*names: str) -> list[threading.Thread]:
    """The threads whose names start so; also those that have not taken their first step, and cannot be joined yet."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def ended(*names: str) -> bool:
    """Waits until no such thread is left, at most 30 s."""
    until = time.monotonic() + 30.0
    while alive(*names):
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True

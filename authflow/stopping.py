"""A process that is told to stop: heard by answers that have no end, before their server waits for them.

A server lets every answer come to its end before it stops, and nothing tells an answer: an application's lifespan ends
after the last connection. What tells is the signal, which uvicorn and the like take on the main thread.

Rule 1: a signal goes on to whoever had it, so the server stops as it would have.
Rule 2: it is listened to only while somebody wants to hear of it, and only where a server listens itself. Python lets
        the main thread alone do that; what runs elsewhere ends when it would have.
Rule 3: what is called runs amid whatever the main thread was at. It takes no lock.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING_SECONDS = 5.0  # after a signal; a server still accepts for a moment, and what begins then is told at once

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)]
_ends: set[Callable[[], object]] = set()
_last = float("-inf")  # when a signal came, on the monotonic clock


class _Heard:
    """A signal's handler in front of another."""

    def __init__(self, before: Callable[[int, FrameType | None], Any]) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        global _last
        _last = time.monotonic()
        for end in tuple(_ends):
            end()
        self.before(number, frame)


@contextmanager
def until_stopped(end: Callable[[], object]) -> Iterator[None]:
    """Within the block `end()` is called when the process is told to stop; at once, if it was a moment ago."""
    _ends.add(end)
    _listen()
    try:
        if time.monotonic() - _last < STOPPING_SECONDS:
            end()
        yield
    finally:
        _ends.discard(end)
        if not _ends:
            _listen_no_more()


def _listen() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        before = signal.getsignal(number)
        # One that nobody handles ends the process by itself, at once.
        if callable(before) and not isinstance(before, _Heard):
            signal.signal(number, _Heard(before))


def _listen_no_more() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, _Heard):  # else somebody stands in front of it, and passes on to it
            signal.signal(number, handler.before)

"""What a signal needs of a session, and receivers that remember, raise or run beside."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from authflow.events import AuthEvent
from authflow.records import Key

LONG = 30.0  # real seconds after which a test has failed


class Session:
    """What a signal needs of a session: a key, and events in the order of their numbers."""

    def __init__(self, signals, owner="o", provider="github", account="a"):
        self.key = Key(owner, provider, account)
        self.outbox = signals.outbox()
        self.seq = 0
        self._lock = threading.Lock()

    def event(self, seq, trigger="refresh"):
        return AuthEvent(seq, 0.0, *self.key, trigger, "authenticated", "refreshing", live=True)

    def post(self, *names):
        with self._lock:
            self.seq += 1
            self.outbox.post(names or ("on_transition",), self, str(self.key), self.event(self.seq))
            return self.seq

    def fire(self, *names):
        seq = self.post(*names)
        self.outbox.drain()
        return seq

    async def afire(self, *names):
        seq = self.post(*names)
        await self.outbox.adrain()
        return seq


class Seen(list):
    """Receivers that remember."""

    def receiver(self, label):
        def receiver(session, event):
            self.append((label, event.seq))

        return receiver

    def async_receiver(self, label):
        async def receiver(session, event):
            self.append((label, event.seq))

        return receiver

    def labels(self):
        return [label for label, _ in self]


@contextmanager
def in_thread(function):
    """Runs `function` beside the block; the block's end waits for it."""
    thread = threading.Thread(target=function)
    thread.start()
    yield thread
    thread.join(LONG)
    if thread.is_alive():
        pytest.fail("it does not end")


def raising(session, event):
    raise ValueError("a bug, with s3cret in it")

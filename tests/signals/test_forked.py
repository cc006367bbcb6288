"""Signals of a process that forked."""

from __future__ import annotations

import os
import queue
import threading

import pytest

from .support import LONG


@pytest.mark.skipif(not hasattr(os, "fork"), reason="of systems that fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_forked_child_a_delivery_thread_begins_again(signals, session):
    told = queue.SimpleQueue()
    signals.on_refresh.connect(lambda session, event: told.put(event.seq))
    session.post("on_refresh")
    session.outbox.hand_over()
    assert told.get(timeout=LONG) == 1
    child = os.fork()
    if child == 0:
        threading.Timer(LONG, os._exit, (9,)).start()
        session.post("on_refresh")
        session.outbox.hand_over()
        os._exit(0 if told.get() == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0

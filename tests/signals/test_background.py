"""Receivers that run on a worker of their own."""

from __future__ import annotations

import queue
import threading

from authflow.records import Key

from .support import LONG, raising


def test_a_background_receiver_has_a_thread_of_its_own_and_the_order_of_events(signals, session):
    told = queue.Queue()
    go_on = threading.Event()

    def dawdle(session, event):
        assert go_on.wait(LONG)
        told.put((event.seq, threading.current_thread()))

    signals.on_transition.connect(dawdle, background=True)
    for _ in range(50):
        session.fire()
    assert session.outbox.wait_delivered(50, 0.0)
    go_on.set()
    got = [told.get(timeout=LONG) for _ in range(50)]
    assert [seq for seq, _ in got] == list(range(1, 51))
    assert {thread for _, thread in got}.isdisjoint({threading.current_thread()})


def test_an_overflowing_background_receiver_loses_the_oldest_and_that_is_reported_once(signals, session):
    told, reports = queue.Queue(), []
    inside, go_on = threading.Event(), threading.Event()

    def dawdle(session, event):
        inside.set()
        assert go_on.wait(LONG)
        told.put(event.seq)

    signals.on_transition.connect(dawdle, background=True)
    signals.on_receiver_error.connect(
        lambda session, event, error, receiver, signal: reports.append((event.seq, type(error), receiver))
    )
    session.fire()
    assert inside.wait(LONG)
    for _ in range(256 + 4):
        session.fire()
    go_on.set()
    assert [told.get(timeout=LONG) for _ in range(257)] == [1, *range(6, 262)]
    assert reports == [(2, queue.Full, dawdle)]


def test_an_error_of_a_background_receiver_is_reported(signals, session):
    reports = queue.Queue()
    signals.on_receiver_error.connect(lambda session, event, **facts: reports.put((event.seq, facts["signal"])))

    def leave(session, event):
        raise KeyboardInterrupt

    signals.on_login.connect(raising, background=True)
    signals.on_login.connect(leave, background=True)
    session.fire("on_login")
    assert [reports.get(timeout=LONG) for _ in range(2)] == [(1, "on_login")] * 2


def test_disconnecting_a_background_receiver_ends_its_thread(signals, session):
    threads = queue.Queue()

    def receiver(session, event):
        threads.put(threading.current_thread())

    signals.on_login.connect(receiver, background=True)
    session.fire("on_login")
    thread = threads.get(timeout=LONG)
    signals.on_login.disconnect(receiver)
    thread.join(LONG)
    assert not thread.is_alive()
    assert not signals.mailboxes


def test_a_background_receiver_that_becomes_a_plain_one_keeps_no_thread(signals, session):
    threads = queue.Queue()

    def receiver(session, event):
        threads.put(threading.current_thread())

    signals.on_login.connect(receiver, background=True)
    signals.on_login.connect(receiver, background=True)
    session.fire("on_login")
    worker = threads.get(timeout=LONG)
    signals.on_login.connect(receiver)
    worker.join(LONG)
    assert not worker.is_alive()
    session.fire("on_login")
    assert threads.get(timeout=LONG) is threading.current_thread()


def test_a_background_receiver_that_is_moved_stays_alive(signals, session):
    told = queue.Queue()
    signals.on_login.connect(lambda session, event: told.put(event.seq), session, background=True)
    session.fire("on_login")
    assert told.get(timeout=LONG) == 1
    old, session.key = str(session.key), Key("new", "github", "a")
    signals.rename(old, str(session.key))
    session.fire("on_login")
    assert told.get(timeout=LONG) == 2

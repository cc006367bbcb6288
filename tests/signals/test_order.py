"""Order, re-entry, threads."""

from __future__ import annotations

import queue
import threading

import blinker

from .support import LONG, Seen, Session, in_thread, raising


def test_a_reentrant_event_is_told_after_the_present_one(signals, session, seen):
    def log_out(session, event):
        seen.append(("first", event.seq))
        if event.seq == 1:
            session.fire()
            seen.append(("returned", event.seq))

    signals.on_transition.connect(log_out)
    signals.on_transition.connect(seen.receiver("second"))
    session.fire()
    assert seen == [("first", 1), ("returned", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_who_connects_or_disconnects_within_a_receiver_changes_the_next_event_only(signals, session, seen):
    late, leaving = seen.receiver("late"), seen.receiver("leaving")

    def change(session, event):
        signals.on_transition.connect(late)
        signals.on_transition.disconnect(leaving)

    signals.on_transition.connect(change)
    signals.on_transition.connect(leaving)
    session.fire()
    session.fire()
    assert seen == [("leaving", 1), ("late", 2)]


def test_while_one_thread_tells_another_returns_at_once_and_the_order_stays(signals, session, seen):
    inside, go_on = threading.Event(), threading.Event()

    def dawdle(session, event):
        inside.set()
        assert go_on.wait(LONG)

    signals.on_transition.connect(dawdle)
    signals.on_transition.connect(seen.receiver("r"))
    with in_thread(session.fire):
        assert inside.wait(LONG)
        for _ in range(20):
            session.fire()
        assert seen == []
        go_on.set()
    assert seen == [("r", number) for number in range(1, 22)]


def test_no_lock_is_held_while_a_receiver_runs(signals, session, seen):
    other = Session(signals, "other")

    def everything():
        other.fire()
        session.post("on_login")
        session.outbox.hand_over()
        signals.on_login.connect(seen.receiver("login"))
        signals.on_login.disconnect(raising)
        assert not session.outbox.wait_delivered(99, 0.0)

    def use_everything_from_another_thread(session, event):
        with in_thread(everything):
            pass

    signals.on_transition.connect(use_everything_from_another_thread, session)
    signals.on_transition.connect(seen.receiver("r"))
    session.fire()
    assert seen == [("r", 1), ("r", 1), ("login", 2)]


def test_events_of_many_threads_are_told_once_each_and_in_order(signals, session, seen):
    signals.on_transition.connect(seen.receiver("r"))
    start = threading.Barrier(4)

    def work():
        start.wait(LONG)
        for _ in range(500):
            session.fire()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert session.outbox.wait_delivered(2000, LONG)
    assert seen == [("r", number) for number in range(1, 2001)]


def test_connecting_from_many_threads_during_dispatch_loses_nobody(signals, session, seen):
    signals.on_transition.connect(seen.receiver("witness"))
    start = threading.Barrier(4)
    stay = []

    def work():
        start.wait(LONG)
        for number in range(200):
            receiver = Seen().receiver(number)
            signals.on_transition.connect(receiver, session if number % 2 else blinker.ANY)
            if number % 10:
                signals.on_transition.disconnect(receiver)
            else:
                stay.append(receiver)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    start.wait(LONG)
    for _ in range(500):
        session.fire()
    for thread in threads:
        thread.join(LONG)
    assert [seq for _, seq in seen] == list(range(1, 501))
    assert len(signals.on_transition) == 1 + len(stay)
    assert set(signals.on_transition.receivers_for(session)) >= set(stay)


def test_a_finalizer_that_disconnects_amidst_a_change_does_not_deadlock(signals, session, seen):
    receiver = seen.receiver("r")
    signals.on_login.connect(receiver)
    signals.change(lambda: signals.on_login.disconnect(receiver))
    assert signals.subscriptions == 0


def test_the_managers_own_thread_tells_what_is_handed_over(signals, session):
    told = queue.Queue()
    signals.on_transition.connect(lambda session, event: told.put((event.seq, threading.current_thread())))
    session.post()
    session.outbox.hand_over()
    seq, thread = told.get(timeout=LONG)
    assert seq == 1
    assert thread is not threading.current_thread()
    assert session.outbox.wait_delivered(1, LONG)


def test_a_receiver_that_ends_its_thread_does_not_end_the_managers(signals, session):
    told = queue.Queue()

    def leave(session, event):
        raise SystemExit

    signals.on_transition.connect(leave)
    signals.on_transition.connect(lambda session, event: told.put(event.seq))
    signals.on_receiver_error.connect(lambda session, event, error, **facts: told.put(type(error)))
    for expected in (1, 2):
        session.post()
        session.outbox.hand_over()
        assert told.get(timeout=LONG) == expected
        assert told.get(timeout=LONG) is SystemExit


def test_without_receivers_there_is_nothing_to_hand_over(signals, session):
    session.post()
    session.outbox.hand_over()
    assert signals._delivery is None
    assert session.outbox.wait_delivered(1, 0.0)


def test_an_outbox_without_anything_to_tell_is_drained_at_once(signals, session):
    session.outbox.drain()
    session.outbox.hand_over()
    assert session.outbox.wait_delivered(0, 0.0)
    assert not session.outbox.wait_delivered(1, 0.0)


def test_wait_delivered_waits_for_the_thread_that_tells(signals, session, seen):
    inside, go_on = threading.Event(), threading.Event()

    def dawdle(session, event):
        inside.set()
        assert go_on.wait(LONG)
        seen.append(("told", event.seq))

    signals.on_transition.connect(dawdle)
    with in_thread(session.fire):
        assert inside.wait(LONG)
        assert not session.outbox.wait_delivered(1, 0.0)
        with in_thread(go_on.set):
            assert session.outbox.wait_delivered(1, LONG)
        assert seen == [("told", 1)]


def test_wait_delivered_within_a_receiver_of_the_same_outbox_is_true_at_once(signals, session, seen):
    other = Session(signals, "other")

    def wait(sender, event):
        if sender is session:
            other.fire()
        seen.append(session.outbox.wait_delivered(99, LONG))

    signals.on_transition.connect(wait)
    session.fire()
    assert seen == [True, True]

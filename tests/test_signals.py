"""Signals: who is told, in which order, and that no receiver can spoil it for the others."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import logging
import os
import queue
import threading
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import blinker
import pytest

from authflow.errors import InvalidCall
from authflow.events import AuthEvent
from authflow.records import Key
from authflow.signals import SIGNALS, Signals
from authflow.testing.virtual_clock import VirtualClock

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


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def signals():
    signals = Signals()
    yield signals
    signals.close()


@pytest.fixture
def session(signals):
    return Session(signals)


@pytest.fixture
async def asignals():
    signals = Signals(asynchronous=True)
    yield signals
    await signals.aclose()


@pytest.fixture
def asession(asignals):
    return Session(asignals)


@pytest.fixture
def loop():
    """An event loop on a thread of its own, as a sync manager's user may have it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(LONG)
    loop.close()


@contextmanager
def in_thread(function):
    """Runs `function` beside the block; the block's end waits for it."""
    thread = threading.Thread(target=function)
    thread.start()
    yield thread
    thread.join(LONG)
    assert not thread.is_alive()


def raising(session, event):
    raise ValueError("a bug, with s3cret in it")


# ── connecting ───────────────────────────────────────────────────────────────────────────────────────


def test_each_signal_is_a_blinker_signal_of_that_name_in_a_namespace_of_its_own(signals):
    for name in SIGNALS:
        signal = getattr(signals, name)
        assert isinstance(signal, blinker.NamedSignal)
        assert signal.name == name
        assert signals.namespace[name] is signal
    assert Signals().on_login is not signals.on_login
    assert not blinker.signal("on_login").receivers


def test_connect_is_a_decorator_and_the_sender_comes_first(signals, session):
    got = []

    @signals.on_login.connect
    def greet(sender, event):
        got.append((sender, event.seq, event.provider))

    session.fire("on_transition", "on_login")
    assert got == [(session, 1, "github")]
    assert callable(greet)


def test_receivers_are_called_in_the_order_of_connecting(signals, session, seen):
    for number in range(50):
        signals.on_transition.connect(seen.receiver(number), session if number % 3 == 0 else blinker.ANY)
    session.fire()
    assert seen.labels() == list(range(50))


def test_one_event_is_told_signal_by_signal(signals, session, seen):
    signals.on_login.connect(seen.receiver("login"))
    signals.on_transition.connect(seen.receiver("transition"))
    session.fire("on_transition", "on_login")
    assert seen == [("transition", 1), ("login", 1)]


def test_a_closure_that_nobody_holds_is_still_called(signals, session, seen):
    signals.on_transition.connect(seen.receiver("closure"))
    signals.on_transition.connect(lambda session, event: seen.append(("lambda", event.seq)))
    gc.collect()
    session.fire()
    assert seen.labels() == ["closure", "lambda"]


def test_a123_a_weak_receiver_is_forgotten_with_its_owner(signals, session, seen):
    class Window:
        def paint(self, session, event):
            seen.append(("paint", event.seq))

    window = Window()
    signals.on_transition.connect(window.paint, weak=True)
    session.fire()
    del window
    gc.collect()
    session.fire()
    assert seen == [("paint", 1)]
    assert not signals.on_transition.receivers
    assert signals.subscriptions == 0


def test_the_same_receiver_twice_is_one_subscription_in_its_old_place(signals, session, seen):
    class Window:
        def paint(self, session, event):
            seen.append(("window", event.seq))

    window, first = Window(), seen.receiver("first")
    signals.on_transition.connect(window.paint)
    signals.on_transition.connect(first)
    signals.on_transition.connect(window.paint)
    session.fire()
    assert seen.labels() == ["window", "first"]
    signals.on_transition.disconnect(window.paint)
    session.fire()
    assert seen.labels() == ["window", "first", "first"]


def test_a_receiver_that_listens_to_all_and_to_one_is_called_once(signals, session, seen):
    receiver = seen.receiver("r")
    for sender in (blinker.ANY, session, "o/"):
        signals.on_transition.connect(receiver, sender)
    session.fire()
    assert seen == [("r", 1)]


def test_disconnecting_what_is_not_connected_is_no_error(signals, session, seen):
    receiver = seen.receiver("r")
    signals.on_login.disconnect(receiver)
    signals.on_login.disconnect(receiver, session)
    signals.on_login.connect(receiver, session)
    signals.on_login.disconnect(receiver, "somebody/else/a")
    session.fire("on_login")
    signals.on_login.disconnect(receiver)
    session.fire("on_login")
    assert seen == [("r", 1)]


def test_ten_thousand_connects_and_disconnects_leave_nothing_behind(signals, session, seen):
    class Window:
        def paint(self, session, event):
            pass

    threads = threading.active_count()
    gone = []
    for number in range(2500):
        window, receiver = Window(), seen.receiver(number)
        gone.append(weakref.ref(window))
        signals.on_login.connect(receiver)
        signals.on_login.connect(receiver, session)
        signals.on_login.connect(window.paint, f"owner{number}/github/a", weak=True)
        signals.on_transition.connect(window.paint, f"owner{number}/", background=True)
        session.fire("on_login")
        signals.on_login.disconnect(receiver)
        signals.on_login.disconnect(window.paint)
        signals.on_transition.disconnect(window.paint, f"owner{number}/")
    del window, receiver
    gc.collect()
    assert not any(reference() for reference in gone)
    for signal in (signals.on_login, signals.on_transition):
        assert (len(signal), signal.receivers, signal._buckets, signal._filters, signal._merged) == (0, {}, {}, {}, {})
    assert signals.subscriptions == 0
    assert not signals.mailboxes
    assert threading.active_count() == threads


def test_what_cannot_receive_is_refused_when_it_is_connected(signals):
    def generator(session, event):
        yield

    async def async_generator(session, event):
        yield

    for receiver in (generator, async_generator, functools.partial(generator), "greet", None):
        with pytest.raises(InvalidCall) as refused:
            signals.on_login.connect(receiver)
        assert refused.value.hint


def test_a_sender_that_could_never_be_heard_is_refused(signals, seen):
    for sender in ("github", "", None, 7, object(), "a/b/c/d", "a/b"):
        with pytest.raises(InvalidCall) as refused:
            signals.on_login.connect(seen.receiver("r"), sender)
        assert "owner/provider/account" in refused.value.hint


# ── whom a receiver hears ────────────────────────────────────────────────────────────────────────────


def test_sender_may_be_a_session_its_key_or_an_owner(signals, seen):
    mine, other, third = (
        Session(signals, "me", "github"), Session(signals, "me", "google"), Session(signals, "you", "github")
    )  # fmt: skip
    signals.on_login.connect(seen.receiver("session"), mine)
    signals.on_login.connect(seen.receiver("key"), "me/google/a")
    signals.on_login.connect(seen.receiver("owner"), "me/")
    for one in (mine, other, third):
        one.fire("on_login")
    assert seen.labels() == ["session", "owner", "key", "owner"]


def test_the_owner_of_a_desktop_program_may_be_empty(signals, seen):
    mine, other = Session(signals, "", "github", ""), Session(signals, "x", "github", "")
    signals.on_login.connect(seen.receiver("mine"), mine)
    signals.on_login.connect(seen.receiver("owner"), "/")
    mine.fire("on_login")
    other.fire("on_login")
    assert seen.labels() == ["mine", "owner"]


def test_an_owner_whose_name_begins_like_anothers_is_not_heard(signals, seen):
    signals.on_login.connect(seen.receiver("r"), "ann/")
    Session(signals, "anna").fire("on_login")
    assert seen == []


def test_a_session_that_left_memory_and_came_back_is_still_heard(signals, seen):
    session = Session(signals)
    signals.on_login.connect(seen.receiver("r"), session)
    del session
    gc.collect()
    Session(signals).fire("on_login")
    assert seen == [("r", 1)]


def test_connect_via_names_the_sender_in_a_decorator(signals, session, seen):
    @signals.on_login.connect_via(session)
    def receiver(session, event):
        seen.append(("r", event.seq))

    session.fire("on_login")
    Session(signals, "else").fire("on_login")
    assert seen == [("r", 1)]


def test_a_view_hears_its_session_or_owner_only(signals, session, seen):
    other = Session(signals, "o", "google")
    receiver = seen.receiver("session")
    signals.view(str(session.key)).on_login.connect(receiver)
    signals.view("o/").on_login.connect(seen.receiver("owner"))
    session.fire("on_login")
    other.fire("on_login")
    assert seen.labels() == ["session", "owner", "owner"]
    assert signals.view(str(session.key)).on_login.receivers == (receiver,)
    signals.view(str(session.key)).on_login.disconnect(receiver)
    session.fire("on_login")
    assert seen.labels() == ["session", "owner", "owner", "owner"]


def test_a_view_has_every_signal_and_no_other_and_its_repr_names_no_owner(signals):
    view = signals.view("0123456789abcdef/github/a")
    assert [getattr(view, name).name for name in SIGNALS] == list(SIGNALS)
    assert set(SIGNALS) <= set(dir(view))
    assert not hasattr(view, "on_nothing")
    assert "0123456789abcdef" not in repr(view) + repr(view.on_login)


def test_a_view_connects_for_the_length_of_a_block(signals, session, seen):
    with signals.view(str(session.key)).on_login.connected_to(seen.receiver("r")):
        session.fire("on_login")
    session.fire("on_login")
    assert seen == [("r", 1)]


def test_subscriptions_follow_a_session_that_is_moved(signals, session, seen):
    receiver = seen.receiver("r")
    old = str(session.key)
    signals.on_login.connect(seen.receiver("before"))
    signals.on_login.connect(receiver, session)
    signals.on_login.connect(seen.receiver("old owner"), "o/")
    signals.on_login.connect(seen.receiver("after"))
    session.key = Key("new", "github", "a")
    signals.rename(old, str(session.key))
    session.fire("on_login")
    assert seen.labels() == ["before", "r", "after"]
    stranger = Session(signals)
    stranger.fire("on_login")
    assert seen.labels()[3:] == ["before", "old owner", "after"]
    signals.view(str(session.key)).on_login.disconnect(receiver)
    session.fire("on_login")
    assert seen.labels()[6:] == ["before", "after"]


def test_an_event_that_was_posted_before_the_move_is_heard_after_it(signals, session, seen):
    signals.on_login.connect(seen.receiver("mine"), session)
    stranger = Session(signals)
    session.post("on_login")
    stranger.post("on_login")
    old, session.key = str(session.key), Key("new", "github", "a")
    signals.rename(old, str(session.key))
    signals.rename(old, old)
    session.outbox.drain()
    stranger.outbox.drain()  # lives under the old key: whoever followed the move must not hear it
    assert seen == [("mine", 1)]


def test_a_receiver_known_under_both_keys_is_one_subscription_after_the_move(signals, session, seen):
    receiver = seen.receiver("r")
    signals.on_login.connect(receiver, "new/github/a")
    signals.on_login.connect(receiver, session)
    old, session.key = str(session.key), Key("new", "github", "a")
    signals.rename(old, str(session.key))
    session.fire("on_login")
    assert seen == [("r", 1)]
    signals.on_login.disconnect(receiver)
    assert signals.subscriptions == 0


# ── what else blinker offers ─────────────────────────────────────────────────────────────────────────


def test_connected_to_muted_receivers_and_has_receivers_for_work_as_in_blinker(signals, session, seen):
    signal = signals.on_login
    receiver = seen.receiver("r")
    assert not signal.receivers
    with signal.connected_to(receiver, session):
        assert signal.receivers
        assert signal.has_receivers_for(session)
        assert not signal.has_receivers_for("some/body/else")
        assert list(signal.receivers_for(session)) == [receiver]
        session.fire("on_login")
        with signal.muted():
            session.fire("on_login")
    session.fire("on_login")
    assert seen == [("r", 1)]
    assert not signal.has_receivers_for(session)
    assert signal


def test_send_calls_in_order_as_an_application_may_do_in_its_own_tests(signals, session, seen):
    for label in "abc":
        signals.on_login.connect(seen.receiver(label))
    signals.on_login.send(session, event=session.event(7))
    assert seen == [("a", 7), ("b", 7), ("c", 7)]


def test_blinkers_signals_about_connecting_are_emitted(signals, session, seen):
    told = []
    connected, disconnected = signals.on_login.receiver_connected, signals.on_login.receiver_disconnected
    connected.connect(lambda signal, **facts: told.append(facts["receiver"]), weak=False)
    disconnected.connect(lambda signal, **facts: told.append(facts["sender"]), weak=False)
    receiver = seen.receiver("r")
    signals.on_login.connect(receiver, session)
    signals.on_login.disconnect(receiver, session)
    assert told == [receiver, session]


def test_clearing_a_signal_forgets_everybody(signals, session, seen):
    signals.on_login.connect(seen.receiver("r"))
    signals.on_login.connect(seen.receiver("s"), session)
    signals.on_login._clear_state()
    assert signals.subscriptions == 0


# ── a receiver's failure ─────────────────────────────────────────────────────────────────────────────


def test_a_receiver_that_raises_harms_nobody_and_is_reported(signals, session, seen):
    reports = []
    signals.on_login.connect(seen.receiver("before"))
    signals.on_login.connect(raising)
    signals.on_login.connect(seen.receiver("after"))

    @signals.on_receiver_error.connect
    def report(session, event, error, receiver, signal):
        reports.append((session, event.seq, type(error), receiver, signal))

    session.fire("on_login")
    assert seen.labels() == ["before", "after"]
    assert reports == [(session, 1, ValueError, raising, "on_login")]


def test_the_log_names_receiver_signal_and_place_and_no_text_of_the_error(signals, session, caplog):
    signals.on_login.connect(functools.partial(raising, event=None))
    signals.on_login.connect(functools.partial(lambda session, event, key: 1 / 0, key="s3cret"))
    signals.on_login.connect(raising)
    with caplog.at_level(logging.DEBUG):
        session.fire("on_login")
    assert [record.name for record in caplog.records] == ["authflow.signals"] * 3
    assert "raising" in caplog.text
    assert "on_login" in caplog.text
    assert "ValueError" in caplog.text
    assert "test_signals.py" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_error_in_an_error_receiver_is_only_logged(signals, session, seen, caplog):
    signals.on_login.connect(raising)
    signals.on_receiver_error.connect(lambda session, **facts: 1 / 0)
    signals.on_receiver_error.connect(lambda session, **facts: seen.append(("report", facts["signal"])))
    session.fire("on_login")
    assert seen == [("report", "on_login")]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("wrong", [lambda: None, lambda session: None, lambda event: None, lambda session, what: None])
def test_a_receiver_with_the_wrong_signature_is_refused_when_it_is_connected(signals, wrong):
    with pytest.raises(InvalidCall, match=r"cannot receive on_login.*f\(session, event\)"):
        signals.on_login.connect(wrong)
    assert not signals.on_login.receivers


@pytest.mark.parametrize("right", [lambda *_, **facts: None, lambda session, event=None, *, more=1: None])
def test_a_receiver_that_takes_the_event_in_any_way_is_connected(signals, right):
    signals.on_login.connect(right)
    assert len(signals.on_login.receivers) == 1


def test_a_receiver_of_receiver_errors_takes_their_facts(signals):
    with pytest.raises(InvalidCall, match=r"f\(session, event, \*\*facts\)"):
        signals.on_receiver_error.connect(lambda session, event: None)


def test_a_receiver_that_hides_a_coroutine_is_reported(signals, session, seen):
    hidden = seen.async_receiver("hidden")
    signals.on_login.connect(lambda session, event: hidden(session, event))
    signals.on_receiver_error.connect(lambda session, **facts: seen.append(str(facts["error"])))
    session.fire("on_login")
    (text,) = seen
    assert "connect the async function" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_ctrl_c_goes_up_to_the_user_and_what_was_not_told_waits_for_the_next_drainer(signals, session, seen, error):
    def interrupt(session, event):
        if event.seq == 1:
            raise error

    signals.on_transition.connect(interrupt)
    signals.on_transition.connect(seen.receiver("after"))
    session.post()
    session.post()
    with pytest.raises(error):
        session.outbox.drain()
    assert not session.outbox.wait_delivered(1, 0.0)
    session.outbox.drain()
    assert seen == [("after", 1), ("after", 2)]
    assert session.outbox.wait_delivered(2, 0.0)


def test_a_future_cancelled_elsewhere_is_the_receivers_failure(signals, session, seen):
    def look_at_a_cancelled_future(session, event):
        raise asyncio.CancelledError

    signals.on_login.connect(look_at_a_cancelled_future)
    signals.on_login.connect(seen.receiver("after"))
    session.fire("on_login")
    assert seen.labels() == ["after"]


# ── order, re-entry, threads ─────────────────────────────────────────────────────────────────────────


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


# ── replay ───────────────────────────────────────────────────────────────────────────────────────────


def present(*sessions):
    return lambda: [(one, str(one.key), one.event(one.seq, "current")) for one in sessions]


def test_a_late_subscriber_is_told_the_present_state_and_nobody_else_is(signals, session):
    told = []

    def receiver(label):
        return lambda sender, event: told.append((label, sender.key.owner, event.trigger, event.seq))

    other = Session(signals, "p")
    signals.present = present(session, other)
    signals.on_live_changed.connect(receiver("early"))
    session.fire("on_live_changed")
    signals.on_live_changed.connect(receiver("late"), replay=True)
    signals.on_live_changed.connect(receiver("late for one"), other, replay=True)
    session.fire("on_live_changed")
    assert told == [
        ("early", "o", "refresh", 1),
        ("late", "o", "current", 1),
        ("late", "p", "current", 0),
        ("late for one", "p", "current", 0),
        ("early", "o", "refresh", 2),
        ("late", "o", "refresh", 2),
    ]


def test_an_event_that_happens_during_the_replay_comes_after_it(signals, session):
    told = []
    session.fire("on_login")
    signals.present = present(session)

    def receiver(sender, event):
        if event.trigger == "current":
            with in_thread(lambda: session.fire("on_login")):
                pass
        told.append((event.trigger, event.seq))

    signals.on_login.connect(receiver, replay=True)
    session.fire("on_login")
    assert told == [("current", 1), ("refresh", 2), ("refresh", 3)]


def test_an_older_event_that_is_still_being_told_is_not_told_after_the_present_state(signals, session):
    told = []
    signals.on_login.connect(lambda sender, event: None)
    session.post("on_login")
    session.post("on_login")
    signals.present = present(session)
    signals.on_login.connect(lambda sender, event: told.append((event.trigger, event.seq)), replay=True)
    session.outbox.drain()
    session.fire("on_login")
    assert told == [("current", 2), ("refresh", 3)]


def test_a_receiver_that_raises_in_the_replay_is_reported_and_hears_what_follows(signals, session, seen):
    signals.present = present(session)
    signals.on_receiver_error.connect(lambda session, **facts: seen.append(facts["signal"]))
    signals.on_login.connect(raising, replay=True)
    session.fire("on_login")
    assert seen == ["on_login", "on_login"]


def test_ctrl_c_in_the_replay_goes_up_and_the_subscription_stays(signals, session, seen):
    signals.present = present(session)

    def receiver(sender, event):
        if event.trigger == "current":
            raise KeyboardInterrupt
        seen.append(event.seq)

    with pytest.raises(KeyboardInterrupt):
        signals.on_login.connect(receiver, replay=True)
    session.fire("on_login")
    assert seen == [1]


def test_a_replay_without_sessions_lets_events_through(signals, session, seen):
    signals.on_login.connect(seen.receiver("r"), replay=True)
    session.fire("on_login")
    assert seen == [("r", 1)]


async def test_async_receivers_are_told_the_present_state_first(asignals, asession):
    told, done = [], asyncio.Event()
    asession.seq = 4
    asignals.present = present(asession)

    async def receiver(sender, event):
        told.append((event.trigger, event.seq))
        await asyncio.sleep(0)
        if event.seq == 5:
            done.set()

    asignals.on_login.connect(receiver, replay=True)
    await asession.afire("on_login")
    await asyncio.wait_for(done.wait(), LONG)
    assert told == [("current", 4), ("refresh", 5)]


# ── background ───────────────────────────────────────────────────────────────────────────────────────


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


# ── async receivers of a sync manager ────────────────────────────────────────────────────────────────


class AsyncCallable:
    async def __call__(self, session, event):
        pass

    async def method(self, session, event):
        pass

    @staticmethod
    async def static(session, event, extra=None):
        pass


@pytest.mark.parametrize(
    "receiver",
    [
        AsyncCallable(),
        AsyncCallable().method,
        AsyncCallable.static,
        functools.partial(AsyncCallable.static, extra=1),
        functools.partial(AsyncCallable()),
        functools.partial(functools.partial(AsyncCallable().method)),
    ],
)
def test_an_async_receiver_without_a_loop_is_refused_with_the_remedy(signals, receiver):
    with pytest.raises(InvalidCall) as refused:
        signals.on_login.connect(receiver)
    assert "loop=" in refused.value.hint
    assert "AsyncSessionManager" in refused.value.hint
    assert signals.subscriptions == 0


def test_async_receivers_run_on_the_loop_that_was_given_in_order_and_nobody_waits(loop, seen):
    signals = Signals(loop=loop)
    session = Session(signals)
    go_on = threading.Event()
    told = queue.Queue()

    async def receiver(session, event):
        await asyncio.to_thread(go_on.wait, LONG if event.seq == 1 else 0)
        told.put((event.seq, asyncio.get_running_loop() is loop))

    signals.on_transition.connect(receiver)
    signals.on_transition.connect(seen.receiver("plain"))
    for _ in range(20):
        session.fire()
    assert seen.labels() == ["plain"] * 20
    go_on.set()
    assert [told.get(timeout=LONG) for _ in range(20)] == [(number, True) for number in range(1, 21)]
    signals.close()


def test_an_async_receivers_error_on_the_loop_is_reported(loop):
    signals = Signals(loop=loop)
    session = Session(signals)
    reports = queue.Queue()

    async def fail(session, event):
        raise ValueError

    async def report(session, event, error, receiver, signal):
        reports.put((event.seq, type(error), receiver, signal))

    signals.on_login.connect(fail)
    signals.on_receiver_error.connect(report)
    session.fire("on_login")
    assert reports.get(timeout=LONG) == (1, ValueError, fail, "on_login")
    signals.close()


def test_an_async_receiver_that_hangs_on_the_loop_is_cancelled_at_the_limit(loop):
    clock = VirtualClock()
    signals = Signals(loop=loop, clock=clock, async_limit=10)
    session = Session(signals)
    told = queue.Queue()

    async def hang(session, event):
        if event.seq == 1:
            await asyncio.Event().wait()
        told.put(event.seq)

    signals.on_login.connect(hang)
    signals.on_receiver_error.connect(lambda session, event, error, **facts: told.put((event.seq, type(error))))
    session.fire("on_login")
    session.fire("on_login")
    clock.until_waiting()
    clock.advance(10)
    assert {told.get(timeout=LONG), told.get(timeout=LONG)} == {(1, TimeoutError), 2}
    signals.close()


def test_a_closed_loop_is_a_reported_failure_and_no_more():
    closed = asyncio.new_event_loop()
    closed.close()
    signals = Signals(loop=closed)
    session = Session(signals)
    reports = []
    signals.on_login.connect(AsyncCallable())
    signals.on_receiver_error.connect(lambda session, **facts: reports.append(type(facts["error"])))
    session.fire("on_login")
    assert reports == [RuntimeError]
    signals.close()


# ── an async manager ─────────────────────────────────────────────────────────────────────────────────


async def test_async_and_plain_receivers_are_told_in_one_order_and_awaited(asignals, asession, seen):
    async def slow(session, event):
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append(("slow", event.seq))

    class Callable:
        async def __call__(self, session, event):
            await asyncio.sleep(0)
            seen.append(("object", event.seq))

    asignals.on_login.connect(seen.receiver("plain"))
    asignals.on_login.connect(slow)
    asignals.on_login.connect(Callable())
    asignals.on_login.connect(functools.partial(seen.async_receiver("partial")))
    asignals.on_login.connect(seen.receiver("last"))
    await asession.afire("on_login")
    await asession.afire("on_login")
    order = ["plain", "slow", "object", "partial", "last"]
    assert seen == [(label, number) for number in (1, 2) for label in order]


async def test_an_async_receiver_that_raises_harms_nobody_and_is_reported(asignals, asession, seen):
    async def fail(session, event):
        await asyncio.sleep(0)
        raise ValueError

    async def give_up(session, event):
        raise asyncio.CancelledError

    async def report(session, event, error, receiver, signal):
        await asyncio.sleep(0)
        seen.append((receiver, type(error)))

    asignals.on_login.connect(fail)
    asignals.on_login.connect(raising)
    asignals.on_login.connect(give_up)
    asignals.on_login.connect(seen.async_receiver("after"))
    asignals.on_receiver_error.connect(report)
    await asession.afire("on_login")
    assert seen == [("after", 1), (fail, ValueError), (raising, ValueError), (give_up, RuntimeError)]


async def test_an_async_receiver_is_cancelled_at_the_limit_and_reported(seen):
    clock = VirtualClock()
    signals = Signals(asynchronous=True, clock=clock, async_limit=10)
    session = Session(signals)

    async def hang(session, event):
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(("cancelled", event.seq))

    signals.on_login.connect(hang)
    signals.on_login.connect(seen.async_receiver("after"))
    signals.on_receiver_error.connect(lambda session, event, error, **facts: seen.append(type(error)))
    task = asyncio.ensure_future(session.afire("on_login"))
    await clock.aadvance(9)
    assert seen == []
    await clock.aadvance(1)
    await asyncio.wait_for(task, LONG)
    assert seen == [("cancelled", 1), ("after", 1), TimeoutError]
    await signals.aclose()


async def test_a_receiver_that_will_not_be_cancelled_delays_the_others_by_a_second_only(seen):
    clock = VirtualClock()
    signals = Signals(asynchronous=True, clock=clock, async_limit=10)
    session = Session(signals)
    release = asyncio.Event()

    async def stubborn(session, event):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                seen.append(("refused", event.seq))

    signals.on_login.connect(stubborn)
    signals.on_login.connect(seen.async_receiver("after"))
    task = asyncio.ensure_future(session.afire("on_login"))
    await clock.aadvance(0)
    await clock.aadvance(10)
    await clock.aadvance(1)
    await asyncio.wait_for(task, LONG)
    assert seen == [("refused", 1), ("after", 1)]
    release.set()
    await signals.aclose()


async def test_cancelling_the_caller_cuts_no_receiver_short(asignals, asession, seen):
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def receiver(session, event):
        inside.set()
        await go_on.wait()
        seen.append(("told", event.seq))

    asignals.on_login.connect(receiver)
    caller = asyncio.ensure_future(asession.afire("on_login"))
    await asyncio.wait_for(inside.wait(), LONG)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await asession.outbox.await_delivered(1, LONG)
    assert seen == [("told", 1)]


async def test_an_async_receiver_may_log_out_reentrantly(asignals, asession, seen):
    async def log_out(session, event):
        seen.append(("first", event.seq))
        if event.seq == 1:
            seq = await session.afire()
            seen.append(("delivered", await session.outbox.await_delivered(seq, LONG)))
            seq = await asyncio.ensure_future(session.afire())
            inner = asyncio.ensure_future(session.outbox.await_delivered(seq, LONG))
            seen.append(("delivered", await inner))

    asignals.on_transition.connect(log_out)
    asignals.on_transition.connect(seen.async_receiver("second"))
    await asession.afire()
    assert seen == [
        ("first", 1), ("delivered", True), ("delivered", True), ("second", 1),
        ("first", 2), ("second", 2), ("first", 3), ("second", 3),
    ]  # fmt: skip


async def test_a_task_that_a_receiver_left_behind_waits_like_everybody_else(asignals, asession, seen):
    go_on, left = asyncio.Event(), []

    async def leave_a_task(session, event):
        if event.seq == 1:
            left.append(asyncio.ensure_future(wait()))

    async def wait():
        await started.wait()
        seen.append(await asession.outbox.await_delivered(2, LONG))

    async def slow(session, event):
        if event.seq == 2:
            started.set()
            await go_on.wait()
            seen.append("told")

    started = asyncio.Event()
    asignals.on_transition.connect(leave_a_task)
    asignals.on_transition.connect(slow)
    await asession.afire()
    caller = asyncio.ensure_future(asession.afire())
    await asyncio.wait_for(started.wait(), LONG)
    for _ in range(5):
        await asyncio.sleep(0)
    assert seen == []
    go_on.set()
    await asyncio.wait_for(asyncio.gather(caller, *left), LONG)
    assert seen == ["told", True]


async def test_await_delivered_gives_up_after_its_time(asignals, asession):
    assert not await asession.outbox.await_delivered(1, 0.0)


async def test_a_thread_that_posts_wakes_who_waits_on_the_loop(asignals, asession):
    waits = asyncio.ensure_future(asession.outbox.await_delivered(1, LONG))
    await asyncio.sleep(0)
    await asyncio.to_thread(asession.post)
    assert await asyncio.wait_for(waits, LONG)


async def test_handed_over_events_are_told_by_a_task(asignals, asession, seen):
    asignals.on_login.connect(seen.receiver("plain"))
    asignals.on_login.connect(seen.async_receiver("async"))
    asession.post("on_login")
    asession.outbox.hand_over()
    assert seen == []
    assert await asession.outbox.await_delivered(1, LONG)
    assert seen.labels() == ["plain", "async"]


async def test_drain_on_a_loop_tells_async_receivers_by_a_task(asignals, asession, seen):
    asignals.on_login.connect(seen.receiver("plain"))
    asignals.on_login.connect(seen.async_receiver("async"))
    asession.fire("on_login")
    assert seen.labels() == ["plain"]
    assert await asession.outbox.await_delivered(1, LONG)
    assert seen.labels() == ["plain", "async"]


async def test_a_thread_may_hand_over_to_the_managers_loop(asignals, asession, seen):
    asignals.on_login.connect(seen.async_receiver("async"))
    await asession.afire("on_login")
    asession.post("on_login")
    await asyncio.to_thread(asession.outbox.hand_over)
    assert await asession.outbox.await_delivered(2, LONG)
    assert seen == [("async", 1), ("async", 2)]


def test_handing_over_where_no_loop_runs_keeps_the_event_for_later():
    signals = Signals(asynchronous=True)
    session, seen = Session(signals), Seen()
    signals.on_login.connect(seen.async_receiver("async"))
    session.post("on_login")
    session.outbox.hand_over()

    async def later():
        await session.outbox.adrain()
        await signals.aclose()

    asyncio.run(later())
    assert seen == [("async", 1)]


async def test_on_an_async_manager_background_means_a_task_or_a_thread_of_its_own(asignals, asession, seen):
    go_on, told = asyncio.Event(), asyncio.Event()

    async def dawdle(session, event):
        await go_on.wait()
        seen.append(("task", event.seq))
        if event.seq == 2:
            told.set()

    reports = queue.Queue()
    asignals.on_login.connect(dawdle, background=True)
    asignals.on_login.connect(raising, background=True)
    asignals.on_receiver_error.connect(lambda session, event, **facts: reports.put(event.seq))
    await asession.afire("on_login")
    await asession.afire("on_login")
    assert await asession.outbox.await_delivered(2, LONG)
    assert seen == []
    go_on.set()
    await asyncio.wait_for(told.wait(), LONG)
    assert seen == [("task", 1), ("task", 2)]
    assert [await asyncio.to_thread(reports.get, timeout=LONG) for _ in range(2)] == [1, 2]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────


def test_close_delivers_what_was_handed_over_and_leaves_no_thread(seen):
    before = threading.active_count()
    signals = Signals()
    session = Session(signals)
    signals.on_login.connect(seen.receiver("delivery"))
    signals.on_login.connect(seen.receiver("background"), background=True)
    for _ in range(10):
        session.post("on_login")
    session.outbox.hand_over()
    signals.close()
    signals.close()
    assert sorted(seen) == sorted((label, n) for n in range(1, 11) for label in ("delivery", "background"))
    assert threading.active_count() == before


def test_close_waits_a_second_for_a_receiver_that_hangs_and_says_so(session, signals, seen, caplog):
    inside, go_on = threading.Event(), threading.Event()
    threads = []

    def hang(session, event):
        threads.append(threading.current_thread())
        inside.set()
        assert go_on.wait(LONG)
        seen.append(event.seq)

    signals.on_login.connect(hang)
    session.post("on_login")
    session.post("on_login")
    session.outbox.hand_over()
    assert inside.wait(LONG)
    signals.close()
    assert "had not returned" in caplog.text
    go_on.set()
    threads[0].join(LONG)
    assert not threads[0].is_alive()
    assert seen == [1]


def test_after_close_plain_receivers_are_still_told_in_place_and_background_ones_are_not(signals, session, seen):
    signals.close()
    signals.on_login.connect(seen.receiver("plain"))
    signals.on_login.connect(seen.receiver("background"), background=True)
    session.fire("on_login")
    session.post("on_login")
    session.outbox.hand_over()
    assert seen == [("plain", 1)]
    assert signals._delivery is None


def test_a_receiver_may_close_the_signals_that_call_it(signals, session):
    done = queue.Queue()

    def close(session, event):
        signals.close()
        done.put(event.seq)

    signals.on_login.connect(close)
    signals.on_transition.connect(close, background=True)
    session.post("on_login", "on_transition")
    session.outbox.hand_over()
    assert done.get(timeout=LONG) == 1


async def test_aclose_ends_every_task_even_of_a_receiver_that_hangs():
    signals = Signals(asynchronous=True)
    session = Session(signals)
    inside = asyncio.Event()

    async def hang(session, event):
        inside.set()
        await asyncio.Event().wait()

    signals.on_login.connect(hang)
    signals.on_transition.connect(hang, background=True)
    session.post("on_transition", "on_login")
    session.outbox.hand_over()
    await asyncio.wait_for(inside.wait(), LONG)
    await asyncio.wait_for(signals.aclose(), LONG)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await session.afire("on_login")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_close_without_waiting_cancels_the_tasks_of_an_async_manager():
    signals = Signals(asynchronous=True)
    session = Session(signals)
    inside, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(session, event):
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    signals.on_login.connect(hang)
    session.fire("on_login")
    await asyncio.wait_for(inside.wait(), LONG)
    signals.close()
    await asyncio.wait_for(cancelled.wait(), LONG)
    await signals.aclose()


async def test_an_async_receiver_may_close_the_signals_that_call_it(seen):
    signals = Signals(asynchronous=True)
    session = Session(signals)

    async def close(session, event):
        await signals.aclose()
        seen.append(("closed", event.seq))

    signals.on_login.connect(close)
    signals.on_login.connect(seen.receiver("after"))
    await asyncio.wait_for(session.afire("on_login"), LONG)
    assert seen == [("closed", 1), ("after", 1)]
    await signals.aclose()


def test_close_lets_the_loops_receivers_finish(loop):
    signals = Signals(loop=loop)
    session, seen = Session(signals), Seen()
    signals.on_login.connect(seen.async_receiver("async"))
    session.fire("on_login")
    signals.close()
    assert seen == [("async", 1)]


# ── chaos: all of it at once, on every signal ────────────────────────────────────────────────────────

ALL_BUT_ERRORS = tuple(name for name in SIGNALS if name != "on_receiver_error")


def chaos(signals, witness, *, background):
    """Connects the worst receivers to every signal, between two good ones."""
    hold = SimpleNamespace(passing=[])
    names = itertools.cycle(SIGNALS)

    def come_and_go(session, **facts):
        def passing(session, **facts):
            pass

        name = next(names)
        getattr(signals, name).connect(passing, session)
        getattr(signals, name).connect(passing)
        hold.passing.append((name, passing))
        if len(hold.passing) > 20:
            name, old = hold.passing.pop(0)
            getattr(signals, name).disconnect(old)

    def reenter(session, event, **facts):
        if event.seq < 12:
            session.fire(*ALL_BUT_ERRORS)

    def wait_for_itself(session, event, **facts):
        session.outbox.wait_delivered(event.seq + 1, LONG)

    def weak(session, **facts):
        pass

    for name in SIGNALS:
        signal = getattr(signals, name)
        signal.connect(witness(name, "first"))
        signal.connect(lambda session, **facts: 1 / 0)
        signal.connect(come_and_go)
        signal.connect(reenter)
        signal.connect(wait_for_itself)
        signal.connect(weak, weak=True)
        if background is not None:
            signal.connect(background, background=True)
        signal.connect(witness(name, "last"))


def expected(count):
    return [(name, seq, label) for seq in range(1, count + 1) for name in ALL_BUT_ERRORS for label in ("first", "last")]


def test_chaos_receivers_change_neither_the_order_of_events_nor_who_is_told(signals, session):
    told, errors = [], []
    hanging = threading.Event()

    def witness(name, label):
        def receiver(session, event, **facts):
            if not facts:
                told.append((name, event.seq, label))
            elif isinstance(facts["error"], ZeroDivisionError):
                errors.append((label, facts["signal"], event.seq))

        return receiver

    def hang(session, **facts):
        hanging.wait(LONG)

    chaos(signals, witness, background=hang)
    start = threading.Barrier(3)

    def work():
        start.wait(LONG)
        for _ in range(8):
            session.fire(*ALL_BUT_ERRORS)
            session.outbox.hand_over()

    with in_thread(work), in_thread(work):
        start.wait(LONG)
        for _ in range(8):
            session.fire(*ALL_BUT_ERRORS)
    assert session.outbox.wait_delivered(session.seq, LONG)
    hanging.set()
    assert session.seq >= 3 * 8 + 11
    assert told == expected(session.seq)
    for label in ("first", "last"):
        reports = [(seq, name) for who, name, seq in errors if who == label]
        assert reports == [(seq, name) for seq in range(1, session.seq + 1) for name in ALL_BUT_ERRORS]


async def test_async_chaos_receivers_change_neither_the_order_of_events_nor_who_is_told():
    clock = VirtualClock()
    signals = Signals(asynchronous=True, clock=clock, async_limit=10)
    session = Session(signals)
    told, errors = [], []
    hung = asyncio.Queue()

    def witness(name, label):
        async def receiver(session, event, **facts):
            await asyncio.sleep(0)
            (errors if facts else told).append((name, event.seq, label))

        return receiver

    async def fail(session, **facts):
        await asyncio.sleep(0)
        raise ValueError

    async def hang(session, event, **facts):
        if event.seq == 3 and not facts:
            hung.put_nowait(event)
            await asyncio.Event().wait()

    async def reenter(session, event, **facts):
        if event.seq < 8:
            await session.outbox.await_delivered(await session.afire(*ALL_BUT_ERRORS), LONG)

    for name in SIGNALS:
        signal = getattr(signals, name)
        signal.connect(witness(name, "first"))
        for receiver in (fail, hang, reenter):
            signal.connect(receiver)
        signal.connect(witness(name, "last"))
    callers = [asyncio.ensure_future(session.afire(*ALL_BUT_ERRORS)) for _ in range(5)]
    callers[1].cancel()
    for _ in ALL_BUT_ERRORS:
        await asyncio.wait_for(hung.get(), LONG)
        await clock.aadvance(10)
    await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), LONG)
    assert await session.outbox.await_delivered(session.seq, LONG)
    assert session.seq >= 8
    assert told == expected(session.seq)
    assert len([entry for entry in errors if entry[2] == "last"]) == (session.seq + 1) * len(ALL_BUT_ERRORS)
    await signals.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# ── the process forked ───────────────────────────────────────────────────────────────────────────────


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

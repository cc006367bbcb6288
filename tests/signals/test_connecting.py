"""Connecting, and letting go."""

from __future__ import annotations

import functools
import gc
import threading
import weakref

import blinker
import pytest

from authflow.errors import InvalidCall
from authflow.signals import SIGNALS, Signals


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


def test_an_event_by_another_name_is_refused_and_the_name_is_told(signals):
    with pytest.raises(InvalidCall) as refused:
        signals.on_login.connect(lambda session, e: None)
    assert "f(session, event)" in refused.value.hint
    assert "by these names" in refused.value.hint


def test_a_sender_that_could_never_be_heard_is_refused(signals, seen):
    for sender in ("github", "", None, 7, object(), "a/b/c/d", "a/b"):
        with pytest.raises(InvalidCall) as refused:
            signals.on_login.connect(seen.receiver("r"), sender)
        assert "owner/provider/account" in refused.value.hint

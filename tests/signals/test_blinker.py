"""What else blinker offers."""

from __future__ import annotations


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

"""A late subscriber is told the present state."""

from __future__ import annotations

import asyncio

import pytest

from .support import LONG, Session, in_thread, raising


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

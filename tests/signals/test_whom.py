"""Whom a receiver hears."""

from __future__ import annotations

import gc

from authflow.records import Key
from authflow.signals import SIGNALS

from .support import Session


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

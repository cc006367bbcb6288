"""A receiver's failure changes nothing for the others."""

from __future__ import annotations

import asyncio
import functools
import logging

import pytest

from authflow.errors import InvalidCall

from .support import raising


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
    assert "test_failures.py" in caplog.text
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

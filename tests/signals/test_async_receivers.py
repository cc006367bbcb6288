"""Async receivers of a sync manager."""

from __future__ import annotations

import asyncio
import functools
import queue
import threading

import pytest

from authflow.errors import InvalidCall
from authflow.signals import Signals
from authflow.testing.virtual_clock import VirtualClock

from .support import LONG, Session


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

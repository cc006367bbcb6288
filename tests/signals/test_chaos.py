"""Chaos: all of it at once, on every signal."""

from __future__ import annotations

import asyncio
import itertools
import threading
from types import SimpleNamespace

from authflow.signals import SIGNALS, Signals
from authflow.testing.virtual_clock import VirtualClock

from .support import LONG, Session, in_thread

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

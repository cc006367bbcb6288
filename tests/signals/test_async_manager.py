"""Signals of an async manager."""

from __future__ import annotations

import asyncio
import functools
import queue

import pytest

from authflow.signals import Signals
from authflow.testing.virtual_clock import VirtualClock

from .support import LONG, Seen, Session, raising


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

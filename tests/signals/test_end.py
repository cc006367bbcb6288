"""The end of the signals."""

from __future__ import annotations

import asyncio
import queue
import threading

from authflow.signals import Signals

from .support import LONG, Seen, Session


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

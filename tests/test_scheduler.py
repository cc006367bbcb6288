"""Deadlines on a thread and on a task: in order, one for each key, woken early, never ended by a failure."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import queue
import threading
import tracemalloc

import pytest

from authflow.clock import SystemClock
from authflow.scheduler import LONGEST_WAIT, AsyncScheduler, Scheduler
from authflow.testing.virtual_clock import VirtualClock

LONG = 30.0  # real seconds after which a test has failed


@pytest.fixture
def clock():
    return VirtualClock()


class Fired:
    """A `fire` that remembers; it may be given something to do for a key."""

    def __init__(self):
        self.keys = []
        self.then = {}

    def __call__(self, key):
        self.keys.append(key)
        action = self.then.pop(key, None)
        if action is not None:
            action()

    async def later(self, key):
        self(key)


@pytest.fixture
def fired():
    return Fired()


@pytest.fixture
def scheduler(clock, fired):
    scheduler = Scheduler(clock, fired)
    yield scheduler
    scheduler.close()


def after(clock, seconds):
    return clock.monotonic() + seconds


def pass_time(clock, seconds):
    """Turns the clock once the scheduler's thread waits for it."""
    clock.until_waiting()
    clock.advance(seconds)


# ── on a thread ──────────────────────────────────────────────────────────────────────────────────────


def test_deadlines_fire_in_the_order_of_their_dues(clock, scheduler, fired):
    for key, seconds in (("c", 3), ("a", 1), ("b", 2)):
        scheduler.at(key, after(clock, seconds))
    pass_time(clock, 2.5)
    assert fired.keys == ["a", "b"]
    pass_time(clock, 1)
    assert fired.keys == ["a", "b", "c"]
    assert len(scheduler) == 0


def test_a_deadline_that_has_passed_already_fires_at_once(clock, fired):
    seen = queue.Queue()
    scheduler = Scheduler(clock, seen.put)
    scheduler.at("late", clock.monotonic() - 5)
    assert seen.get(timeout=LONG) == "late"
    scheduler.close()


def test_arming_again_replaces_the_deadline(clock, scheduler, fired):
    scheduler.at("a", after(clock, 10))
    scheduler.at("a", after(clock, 20))
    pass_time(clock, 15)
    assert fired.keys == []
    pass_time(clock, 10)
    assert fired.keys == ["a"]


def test_a_nearer_deadline_wakes_the_thread(clock, scheduler, fired):
    scheduler.at("far", after(clock, 25))
    clock.until_waiting()
    scheduler.at("near", after(clock, 1))
    pass_time(clock, 2)
    assert fired.keys == ["near"]


def test_a_cancelled_deadline_does_not_fire(clock, scheduler, fired):
    scheduler.at("a", after(clock, 1))
    scheduler.at("b", after(clock, 2))
    scheduler.cancel("a")
    scheduler.cancel("never set")
    pass_time(clock, 3)
    assert fired.keys == ["b"]


def test_fire_may_arm_again_and_cancel_others(clock, scheduler, fired):
    def act():
        scheduler.cancel("b")
        scheduler.at("a", after(clock, 1))

    fired.then["a"] = act
    scheduler.at("a", after(clock, 1))
    scheduler.at("b", after(clock, 1.5))
    pass_time(clock, 1)
    pass_time(clock, 1)
    assert fired.keys == ["a", "a"]


def test_an_error_in_fire_is_logged_without_its_text_and_ends_nothing(clock, scheduler, fired, caplog):
    def fail():
        raise ValueError("s3cret")

    def leave():
        raise SystemExit("s3cret")

    fired.then.update(a=fail, b=leave)
    with caplog.at_level(logging.DEBUG):
        for key, seconds in (("a", 1), ("b", 2), ("c", 3)):
            scheduler.at(key, after(clock, seconds))
        pass_time(clock, 5)
    assert fired.keys == ["a", "b", "c"]
    assert "ValueError" in caplog.text
    assert "SystemExit" in caplog.text
    assert "s3cret" not in caplog.text


def test_there_is_no_thread_before_the_first_deadline_and_none_after_close(clock, fired):
    before = threading.active_count()
    scheduler = Scheduler(clock, fired)
    assert threading.active_count() == before
    scheduler.at("a", after(clock, 1))
    assert threading.active_count() == before + 1
    scheduler.close()
    assert threading.active_count() == before


def test_after_close_nothing_fires_and_nothing_is_armed(clock, fired):
    scheduler = Scheduler(clock, fired)
    scheduler.at("a", after(clock, 1))
    scheduler.close()
    scheduler.at("b", after(clock, 1))
    scheduler.close()
    clock.advance(60)
    assert fired.keys == []
    assert len(scheduler) == 0


def test_close_from_within_fire_does_not_wait_for_itself(clock, fired):
    scheduler = Scheduler(clock, fired)
    fired.then["a"] = scheduler.close
    scheduler.at("a", after(clock, 1))
    scheduler.at("b", after(clock, 2))
    pass_time(clock, 5)
    scheduler.close()
    assert fired.keys == ["a"]


class CountedWaits(SystemClock):
    """A clock that tells how long it was asked to wait, and waits until somebody wakes it."""

    def __init__(self):
        self.asked = queue.Queue()

    def wait(self, event, seconds):
        self.asked.put(seconds)
        return event.wait(LONG)


def test_an_idle_scheduler_waits_without_a_limit():
    clock = CountedWaits()
    scheduler = Scheduler(clock, lambda key: None)
    scheduler.at("a", clock.monotonic() - 1)
    assert clock.asked.get(timeout=LONG) is None
    scheduler.close()


def test_while_there_are_deadlines_it_looks_up_every_thirty_seconds():
    clock = CountedWaits()
    scheduler = Scheduler(clock, lambda key: None)
    scheduler.at("a", clock.monotonic() + 86_400)
    assert clock.asked.get(timeout=LONG) == LONGEST_WAIT
    scheduler.close()


def test_after_a_suspend_a_passed_deadline_fires_at_the_next_look(clock, scheduler, fired):
    scheduler.at("a", after(clock, 3600))
    clock.until_waiting()
    clock.suspend(8 * 3600)
    assert fired.keys == []
    pass_time(clock, LONGEST_WAIT)
    assert fired.keys == ["a"]


def test_a_suspend_brings_a_deadline_nearer_but_not_one_that_is_set_after_it(clock, scheduler, fired):
    scheduler.at("old", after(clock, 1000))
    clock.until_waiting()
    clock.suspend(900)
    scheduler.at("new", after(clock, 1000))
    pass_time(clock, 120)
    assert fired.keys == ["old"]
    pass_time(clock, 860)
    assert fired.keys == ["old"]
    pass_time(clock, 30)
    assert fired.keys == ["old", "new"]


def test_a_wall_clock_set_back_moves_no_deadline(clock, scheduler, fired):
    scheduler.at("a", after(clock, 60))
    clock.until_waiting()
    clock.jump(-3600)
    pass_time(clock, 59)
    assert fired.keys == []
    pass_time(clock, 2)
    assert fired.keys == ["a"]


def test_whoever_arms_again_after_an_early_look_is_not_looked_at_in_a_loop(clock, scheduler, fired):
    due = after(clock, 3600)
    fired.then["a"] = lambda: scheduler.at("a", due)
    scheduler.at("a", due)
    clock.until_waiting()
    clock.jump(7200)
    pass_time(clock, 60)
    assert fired.keys == ["a"]
    pass_time(clock, 3600)
    assert fired.keys == ["a", "a"]


def test_ten_thousand_deadlines_stay_small_however_often_they_are_armed():
    scheduler = Scheduler(SystemClock(), lambda key: None)
    keys = [f"owner/provider/{number}" for number in range(10_000)]
    scheduler.at("warm", 1e12)
    gc.collect()
    tracemalloc.start()
    for turn in range(3):
        for number, key in enumerate(keys):
            scheduler.at(key, 1e9 + number + turn / 7)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size / len(keys) <= 200
    for key in keys:
        scheduler.cancel(key)
    assert len(scheduler._deadlines._heap) < 100
    scheduler.close()


# ── on a task ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def ascheduler(clock, fired):
    scheduler = AsyncScheduler(clock, fired.later)
    yield scheduler
    await scheduler.aclose()


async def test_async_deadlines_fire_in_order_and_once(clock, ascheduler, fired):
    for key, seconds in (("c", 3), ("a", 1), ("b", 2)):
        ascheduler.at(key, after(clock, seconds))
    ascheduler.at("b", after(clock, 4))
    await clock.aadvance(3)
    assert fired.keys == ["a", "c"]
    await clock.aadvance(2)
    assert fired.keys == ["a", "c", "b"]


async def test_async_a_nearer_deadline_wakes_the_task(clock, ascheduler, fired):
    ascheduler.at("far", after(clock, 25))
    await clock.aadvance(1)
    ascheduler.at("near", after(clock, 1))
    await clock.aadvance(2)
    assert fired.keys == ["near"]


async def test_async_the_task_wakes_from_idling(clock, ascheduler, fired):
    ascheduler.at("a", after(clock, 1))
    await clock.aadvance(2)
    ascheduler.at("b", after(clock, 1))
    await clock.aadvance(2)
    assert fired.keys == ["a", "b"]
    assert clock.waiting == 0


async def test_async_a_cancelled_deadline_does_not_fire(clock, ascheduler, fired):
    ascheduler.at("a", after(clock, 1))
    ascheduler.cancel("a")
    await clock.aadvance(2)
    assert fired.keys == []


async def test_async_a_suspend_is_noticed(clock, ascheduler, fired):
    ascheduler.at("a", after(clock, 3600))
    await clock.aadvance(1)
    clock.suspend(8 * 3600)
    await clock.aadvance(LONGEST_WAIT)
    assert fired.keys == ["a"]


@pytest.mark.parametrize("error", [ValueError("s3cret"), asyncio.CancelledError("s3cret")])
async def test_async_an_error_in_fire_ends_nothing(clock, ascheduler, fired, caplog, error):
    def fail():
        raise error

    fired.then["a"] = fail
    ascheduler.at("a", after(clock, 1))
    ascheduler.at("b", after(clock, 2))
    await clock.aadvance(3)
    assert fired.keys == ["a", "b"]
    assert type(error).__name__ in caplog.text
    assert "s3cret" not in caplog.text


async def test_async_closing_ends_the_task_and_a_fire_that_hangs(clock):
    began, cancelled = asyncio.Event(), []

    async def hang(key):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    scheduler = AsyncScheduler(clock, hang)
    scheduler.at("a", clock.monotonic())
    await asyncio.wait_for(began.wait(), LONG)
    await asyncio.wait_for(scheduler.aclose(), LONG)
    await scheduler.aclose()
    assert cancelled == ["a"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_async_closing_from_within_fire_does_not_wait_for_itself(clock):
    done = asyncio.Event()

    async def fire(key):
        await scheduler.aclose()
        done.set()

    scheduler = AsyncScheduler(clock, fire)
    scheduler.at("a", clock.monotonic())
    await asyncio.wait_for(done.wait(), LONG)
    await scheduler.aclose()


async def test_async_a_scheduler_that_was_never_used_closes_quietly(clock, fired):
    await AsyncScheduler(clock, fired.later).aclose()


def test_async_close_may_be_called_where_no_loop_runs(clock, fired):
    AsyncScheduler(clock, fired.later).close()


# ── the process forked ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not hasattr(os, "fork"), reason="of systems that fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_forked_child_the_first_deadline_begins_a_thread_of_its_own():
    fired = queue.SimpleQueue()
    scheduler = Scheduler(SystemClock(), fired.put)
    scheduler.at("parent", SystemClock().monotonic())
    assert fired.get(timeout=LONG) == "parent"
    child = os.fork()
    if child == 0:
        threading.Timer(LONG, os._exit, (9,)).start()
        scheduler.at("child", SystemClock().monotonic())
        os._exit(0 if fired.get() == "child" else 1)
    try:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        scheduler.close()

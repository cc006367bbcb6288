from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from authflow.clock import Clock
from authflow.scheduler import AsyncScheduler, Scheduler
from authflow.testing import VirtualClock


class Workers:
    """Threads that a test starts, and that end with it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def loop(self, clock: Clock, every: float, act: Callable[[], None]) -> None:
        def work() -> None:
            while not clock.wait(self.stop, every):
                act()

        self.start(work)

    def join(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.join()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_time_stands_still_until_it_is_advanced(clock: VirtualClock) -> None:
    before = clock.time(), clock.monotonic()
    assert (clock.time(), clock.monotonic()) == before
    clock.advance(90.5)
    assert (clock.time() - before[0], clock.monotonic() - before[1]) == (90.5, 90.5)


def test_an_hour_cut_into_small_pieces_is_an_hour(clock: VirtualClock) -> None:
    begin = clock.time()
    for _ in range(36_000):
        clock.advance(0.1)
    assert clock.time() == begin + 3600


def test_a_jump_moves_the_wall_clock_only(clock: VirtualClock) -> None:
    wall, monotonic = clock.time(), clock.monotonic()
    clock.jump(-3600)
    assert (clock.time(), clock.monotonic()) == (wall - 3600, monotonic)


def test_a_suspended_machine_counts_no_monotonic_time(clock: VirtualClock, workers: Workers) -> None:
    woken: list[float] = []
    workers.loop(clock, 60, lambda: woken.append(clock.monotonic()))
    clock.until_waiting()
    monotonic = clock.monotonic()
    clock.suspend(8 * 3600)
    assert (clock.monotonic(), woken) == (monotonic, [])


@pytest.mark.parametrize("turn", ["advance", "suspend"])
def test_time_does_not_run_backwards(clock: VirtualClock, turn: str) -> None:
    with pytest.raises(ValueError, match="jump"):
        getattr(clock, turn)(-1)


def test_a_thread_that_waits_sees_every_due_instant_in_turn(clock: VirtualClock, workers: Workers) -> None:
    seen: list[float] = []
    begin = clock.monotonic()
    workers.loop(clock, 10, lambda: seen.append(clock.monotonic() - begin))
    clock.until_waiting()
    clock.advance(35)
    assert seen == [10, 20, 30]
    assert clock.monotonic() - begin == 35


def test_threads_are_woken_in_the_order_of_their_dues(clock: VirtualClock, workers: Workers) -> None:
    seen: list[str] = []
    workers.loop(clock, 30, lambda: seen.append("thirty"))
    workers.loop(clock, 20, lambda: seen.append("twenty"))
    clock.until_waiting(2)
    clock.advance(45)
    assert seen == ["twenty", "thirty", "twenty"]


def test_advance_returns_after_the_woken_thread_has_acted(clock: VirtualClock, workers: Workers) -> None:
    slow = threading.Event()
    done: list[bool] = []

    def act() -> None:
        slow.wait(0.05)
        done.append(True)

    workers.loop(clock, 10, act)
    clock.until_waiting()
    clock.advance(10)
    assert done == [True]


def test_a_set_event_ends_a_wait_before_its_time(clock: VirtualClock, workers: Workers) -> None:
    said: list[bool] = []
    workers.start(lambda: said.append(clock.wait(workers.stop, 1000)))
    clock.until_waiting()
    workers.join()
    assert said == [True]


def test_a_wait_without_a_limit_outlasts_any_advance(clock: VirtualClock, workers: Workers) -> None:
    said: list[bool] = []
    workers.start(lambda: said.append(clock.wait(workers.stop, None)))
    clock.until_waiting()
    clock.advance(10**6)
    assert said == []


def test_a_wait_of_no_time_returns_at_once(clock: VirtualClock) -> None:
    assert clock.wait(threading.Event(), 0) is False


def test_a_thread_that_never_comes_back_costs_its_patience_once() -> None:
    clock = VirtualClock(patience=0.05)
    elsewhere = threading.Event()

    def work() -> None:
        clock.wait(threading.Event(), 10)
        elsewhere.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    clock.until_waiting()
    clock.advance(60)
    clock.advance(60)
    elsewhere.set()
    thread.join(5)
    assert clock.waiting == 0


def test_the_next_due_instant_can_be_asked_for(clock: VirtualClock, workers: Workers) -> None:
    assert clock.next_due is None
    workers.loop(clock, 12.5, lambda: None)
    clock.until_waiting()
    assert clock.next_due == clock.monotonic() + 12.5


def test_waiting_for_waiters_that_do_not_come_says_so(clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError, match="0 of 1"):
        clock.until_waiting(timeout=0.01)


async def test_a_task_that_sleeps_sees_every_due_instant_in_turn(clock: VirtualClock) -> None:
    seen: list[float] = []
    begin = clock.monotonic()

    async def work() -> None:
        while True:
            await clock.sleep(10)
            seen.append(clock.monotonic() - begin)

    task = asyncio.create_task(work())
    await clock.aadvance(35)
    task.cancel()
    assert seen == [10, 20, 30]


async def test_a_cancelled_sleep_leaves_nothing_behind(clock: VirtualClock) -> None:
    task = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    assert clock.waiting == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.waiting == 0


async def test_aadvance_lets_a_woken_task_finish_what_it_began(clock: VirtualClock) -> None:
    async def work() -> str:
        await clock.sleep(5)
        for _ in range(10):
            await asyncio.sleep(0)
        return "done"

    task = asyncio.create_task(work())
    await clock.aadvance(5)
    assert task.done()
    assert task.result() == "done"


async def test_threads_and_tasks_share_one_order(clock: VirtualClock, workers: Workers) -> None:
    seen: list[str] = []

    async def work() -> None:
        while True:
            await clock.sleep(20)
            seen.append("task")

    workers.loop(clock, 30, lambda: seen.append("thread"))
    clock.until_waiting()
    task = asyncio.create_task(work())
    await clock.aadvance(50)
    task.cancel()
    assert seen == ["task", "thread", "task"]


def test_a_tasks_sleep_ends_when_another_thread_advances(clock: VirtualClock, workers: Workers) -> None:
    ended = threading.Event()

    async def work() -> None:
        await clock.sleep(10)
        ended.set()

    workers.start(lambda: asyncio.run(work()))
    clock.until_waiting()
    clock.advance(10)
    assert ended.wait(5)


def test_the_scheduler_fires_every_deadline_of_a_day_in_order(clock: VirtualClock) -> None:
    fired: list[object] = []
    scheduler = Scheduler(clock, fired.append)
    begin = clock.monotonic()
    for hours in (20, 1, 8):
        scheduler.at(hours, begin + hours * 3600)
    clock.until_waiting()
    clock.advance(9 * 3600)
    assert fired == [1, 8]
    clock.advance(15 * 3600)
    assert fired == [1, 8, 20]
    scheduler.close()


def test_a_deadline_set_just_before_an_advance_is_not_missed(clock: VirtualClock) -> None:
    fired: list[object] = []
    scheduler = Scheduler(clock, fired.append)
    scheduler.at("far", clock.monotonic() + 1000)
    clock.until_waiting()
    for n in range(20):
        scheduler.at(n, clock.monotonic() + 5)
        clock.advance(5)
    scheduler.close()
    assert fired == list(range(20))


async def test_the_async_scheduler_fires_in_order_and_may_arm_anew(clock: VirtualClock) -> None:
    fired: list[float] = []
    begin = clock.monotonic()

    async def fire(key: object) -> None:
        fired.append(clock.monotonic() - begin)
        if len(fired) < 3:
            scheduler.at(key, clock.monotonic() + 100)

    scheduler = AsyncScheduler(clock, fire)
    scheduler.at("again", begin + 100)
    await clock.aadvance(1000)
    assert fired == [100, 200, 300]
    scheduler.close()
    await asyncio.sleep(0)

"""Deadlines: one heap per manager, and one thread (or one task) that looks at a session when its time comes.

    scheduler.at(key, due)      one deadline per key; arming again replaces it
    scheduler.cancel(key)
    scheduler.close()

Rule 1: `fire(key)` says "look at this one now", no more. It may come early (the wall clock was set forward) or
        just after a `cancel` that came too late. Whoever is looked at judges by the clock what is due, and
        arms again.
Rule 2: no deadline, no work: the thread is started by the first deadline and waits without a limit while there
        is none. While there are some it looks up at least every 30 s, because the system's waits and its
        monotonic clock stand still while a laptop sleeps: if the wall clock has run ahead of the monotonic
        one, the difference counts as time that passed. A wall clock that was set back moves no deadline.
Rule 3: one at a time, in the order of their dues. What takes long belongs to a thread or task of its own.
        An error of `fire` is logged, by its type and place, and ends nothing.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any

from .clock import Clock
from .errors import whereabouts
from .forks import Renewed, mind_forks
from .threads import begin

if TYPE_CHECKING:
    import asyncio

LONGEST_WAIT = 30.0  # seconds between two looks at the wall clock, while there are deadlines
SMALLEST_JUMP = 2.0  # seconds by which the wall clock must have run ahead in one go; less is a clock being slewed
LONGEST_JOIN = 5.0  # seconds that close() waits for a `fire` that is running

_log = logging.getLogger("authflow.scheduler")


class _Deadlines:
    """The heap. A replaced or cancelled entry stays until it comes up, or until one in eight is stale."""

    __slots__ = ("_ahead", "_armed", "_clock", "_count", "_heap", "_slept")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Hashable]] = []
        self._armed: dict[Hashable, int] = {}
        self._count = 0
        self._slept = 0.0
        self._ahead = clock.time() - clock.monotonic()

    def __len__(self) -> int:
        return len(self._armed)

    def _now(self) -> float:
        """Monotonic time, and with it the time that the machine has slept since this object was made."""
        monotonic = self._clock.monotonic()
        ahead = self._clock.time() - monotonic
        if ahead - self._ahead >= SMALLEST_JUMP:
            self._slept += ahead - self._ahead
        self._ahead = ahead
        return monotonic + self._slept

    def arm(self, key: Hashable, due: float) -> bool:
        """Sets the deadline of `key`. True when it is the nearest of all: whoever waits must wait shorter."""
        self._now()  # a sleep that nobody has noticed yet must not be counted against a deadline set after it
        self._count += 1
        self._armed[key] = self._count
        entry = (due + self._slept, self._count, key)
        heapq.heappush(self._heap, entry)
        self._compact()
        return self._heap[0] is entry

    def disarm(self, key: Hashable) -> None:
        if self._armed.pop(key, None) is not None:
            self._compact()

    def take(self) -> tuple[Hashable] | None:
        """The key whose deadline has passed longest ago, disarmed; None when there is none."""
        self._drop_stale_head()
        if not self._heap or self._heap[0][0] > self._now():
            return None
        key = heapq.heappop(self._heap)[2]
        del self._armed[key]
        return (key,)

    def wait(self) -> float | None:
        """Seconds until it is time to look again; None: not before a deadline is set."""
        self._drop_stale_head()
        if not self._heap:
            return None
        return min(max(self._heap[0][0] - self._now(), 0.0), LONGEST_WAIT)

    def clear(self) -> None:
        self._heap.clear()
        self._armed.clear()

    def _is_stale(self, entry: tuple[float, int, Hashable]) -> bool:
        return self._armed.get(entry[2]) != entry[1]

    def _drop_stale_head(self) -> None:
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)

    def _compact(self) -> None:
        stale = len(self._heap) - len(self._armed)
        if stale > 16 + len(self._armed) // 8:
            self._heap = [entry for entry in self._heap if not self._is_stale(entry)]
            heapq.heapify(self._heap)


class Scheduler(Renewed):
    """Deadlines on one daemon thread.

    `fire(key)` is called on that thread when the deadline of `key` has passed. All methods may be called from
    any thread, and from within `fire`.
    """

    def __init__(self, clock: Clock, fire: Callable[[Hashable], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._deadlines = _Deadlines(clock)
        self._thread: threading.Thread | None = None
        self._looks_at = 0.0  # until then (monotonic) the thread waits; what is due later needs no waking
        self._closed = False
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._thread, self._looks_at = None, 0.0

    def __len__(self) -> int:
        return len(self._deadlines)

    def at(self, key: Hashable, due: float) -> None:
        """Looks at `key` once `clock.monotonic()` has reached `due`. After `close()` this does nothing."""
        with self._lock:
            if self._closed:
                return
            nearest = self._deadlines.arm(key, due)
            if self._thread is None:
                begin("authflow-scheduler", self._run, partial(setattr, self, "_thread"))
            nearest = nearest and due < self._looks_at
        if nearest:
            self._wake.set()

    def cancel(self, key: Hashable) -> None:
        """Drops the deadline of `key`. None to drop is no error; a `fire` that has begun goes on."""
        with self._lock:
            self._deadlines.disarm(key)

    def close(self) -> None:
        """Drops all deadlines and ends the thread; waits for a `fire` that is running, at most 5 s."""
        with self._lock:
            self._closed = True
            self._deadlines.clear()
            thread = self._thread
        self._wake.set()
        if thread is None or thread is threading.current_thread():
            return
        thread.join(LONGEST_JOIN)
        if thread.is_alive():
            _log.warning("the scheduler was closed while a deadline was being handled; its thread ends after it")

    def _run(self) -> None:
        while True:
            with self._lock:
                self._wake.clear()
                if self._closed:
                    return
                due = self._deadlines.take()
                seconds = self._deadlines.wait() if due is None else 0.0
                self._looks_at = math.inf if seconds is None else self._clock.monotonic() + seconds
            if due is None:
                self._clock.wait(self._wake, seconds)
                continue
            try:
                self._fire(due[0])
            except BaseException as error:  # this thread is ours alone: nobody above could handle it
                _log.error("a deadline could not be handled: %s", whereabouts(error))


class AsyncScheduler:
    """Deadlines on one task of the running event loop. Call everything from that loop.

    `await fire(key)` runs in that task when the deadline of `key` has passed.
    """

    def __init__(self, clock: Clock, fire: Callable[[Hashable], Awaitable[object]]) -> None:
        self._clock = clock
        self._fire = fire
        self._deadlines = _Deadlines(clock)
        self._task: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[Any] | None = None
        self._looks_at = 0.0  # until then (monotonic) the task naps; what is due later needs no waking
        self._closed = False

    def __len__(self) -> int:
        return len(self._deadlines)

    def at(self, key: Hashable, due: float) -> None:
        """Looks at `key` once `clock.monotonic()` has reached `due`. After `close()` this does nothing."""
        if self._closed:
            return
        nearest = self._deadlines.arm(key, due)
        if self._task is None or self._task.done():
            import asyncio

            self._task = asyncio.get_running_loop().create_task(self._run(), name="authflow-scheduler")
        elif nearest and self._nap is not None and due < self._looks_at:
            self._nap.cancel()

    def cancel(self, key: Hashable) -> None:
        """Drops the deadline of `key`. None to drop is no error; a `fire` that has begun goes on."""
        self._deadlines.disarm(key)

    def close(self) -> None:
        """Drops all deadlines and cancels the task, without waiting for it; from within `fire`, lets it end."""
        self._closed = True
        self._deadlines.clear()
        if self._task is not None and not self._task.done() and not self._in_fire():
            self._task.cancel()

    async def aclose(self) -> None:
        """Drops all deadlines, ends the task (a `fire` that is running is cancelled) and waits for its end."""
        import asyncio

        self.close()
        if self._task is not None and not self._in_fire():
            await asyncio.wait({self._task}, timeout=LONGEST_JOIN)

    def _in_fire(self) -> bool:
        import asyncio

        try:
            return asyncio.current_task() is self._task
        except RuntimeError:  # no loop runs on this thread
            return False

    async def _run(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        try:
            while not self._closed:
                due = self._deadlines.take()
                if due is not None:
                    await self._look_at(due[0])
                    continue
                seconds = self._deadlines.wait()
                self._looks_at = math.inf if seconds is None else self._clock.monotonic() + seconds
                # A nearer deadline cancels the nap; asyncio.wait takes that for an end like any other.
                self._nap = (
                    loop.create_future() if seconds is None else loop.create_task(self._sleep(seconds))
                )
                await asyncio.wait({self._nap})
        finally:
            if self._nap is not None:
                self._nap.cancel()

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def _look_at(self, key: Hashable) -> None:
        import asyncio

        try:
            await self._fire(key)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed or (task is not None and task.cancelling()):
                raise
            # Something that `fire` waited for was cancelled; that is no reason for the others to be forgotten.
            _log.error("a deadline could not be handled: %s", whereabouts(error))
        except Exception as error:
            _log.error("a deadline could not be handled: %s", whereabouts(error))

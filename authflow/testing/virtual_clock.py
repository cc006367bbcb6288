"""`VirtualClock`: time that passes when a test says so, and not otherwise.

    clock = VirtualClock()
    manager = SessionManager([...], clock=clock)
    clock.advance(3600)              # every deadline of that hour has fired, in order, when this returns

Rule 1: time stands still between two calls of `advance`. Nobody who waits on the clock sees an instant skipped:
        it stops at each due one, lets those who waited for it act and wait anew, and only then goes on.
Rule 2: no test sleeps. `advance` returns when the threads that it woke wait again (or have ended), `aadvance`
        when the tasks have. Someone who never comes back costs `patience` real seconds, once.

Times are kept in whole microseconds, so that an hour is an hour however it is cut. Advance from one thread at a
time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

EPOCH = 1_800_000_000.0  # January 2027
_BOOT = 1_000.0  # monotonic clocks start anywhere; not where the wall clock does
_POLL = 0.01  # real seconds: an Event that somebody sets is seen this soon
_LONG, _SHORT = 5.0, 1.0  # real seconds for one that advance() woke, and for one whose event was set
_QUIET_TURNS = 20  # turns of the loop without anybody under way: then the loop is at rest


@dataclass(eq=False, slots=True)
class _Waiter:
    """A thread in `wait` (with its event) or a task in `sleep` (with its loop and future)."""

    due: int | None
    who: threading.Thread | asyncio.Task[object] | None
    event: threading.Event | None = None
    future: asyncio.Future[None] | None = None
    woken: bool = False


class VirtualClock:
    """A `Clock` for tests: `time()`, `monotonic()`, `wait()`, `sleep()`, and the hands to turn it.

    `start` is the wall clock's first reading in seconds since the epoch. `patience` is how many real seconds
    `advance` waits for those it woke.
    """

    def __init__(self, start: float = EPOCH, *, patience: float = _LONG) -> None:
        self._wall = _micros(start)
        self._monotonic = _micros(_BOOT)
        self._patience = patience
        self._changed = threading.Condition()
        self._waiters: list[_Waiter] = []
        self._away: dict[threading.Thread | asyncio.Task[object], bool] = {}  # who was woken; True: by the clock

    # ── the Clock ────────────────────────────────────────────────────────────────────────────────────

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._wall / 1_000_000

    def monotonic(self) -> float:
        """Seconds that only `advance` adds to."""
        return self._monotonic / 1_000_000

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Blocks until `event` is set or `seconds` of this clock have passed (None: no limit).

        Returns whether the event is set, as `threading.Event.wait` does.
        """
        me = threading.current_thread()
        with self._changed:
            if seconds is not None and seconds <= 0:
                return event.is_set()
            waiter = _Waiter(self._due(seconds), me, event)
            self._away.pop(me, None)
            self._waiters.append(waiter)
            self._changed.notify_all()
            try:
                while not event.is_set() and not waiter.woken:
                    self._changed.wait(_POLL)
            finally:
                self._waiters.remove(waiter)
                self._away[me] = waiter.woken
                self._changed.notify_all()
        return event.is_set()

    async def sleep(self, seconds: float) -> None:
        """Suspends the task until `seconds` of this clock have passed."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        me = asyncio.current_task()
        waiter = _Waiter(None, me, future=asyncio.get_running_loop().create_future())
        with self._changed:
            waiter.due = self._due(seconds)
            self._waiters.append(waiter)
            self._away.pop(me, None)  # type: ignore[arg-type]
            self._changed.notify_all()
        try:
            await waiter.future  # type: ignore[misc]
        finally:
            with self._changed:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    # ── the hands ────────────────────────────────────────────────────────────────────────────────────

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass. Returns when every thread that was due has acted and waits again.

        Tasks are woken on their loop's thread; to wait for them too, use `aadvance` on that loop.
        """
        target = self._target(seconds)
        self._settle()
        while self._step(target):
            self._settle()

    async def aadvance(self, seconds: float) -> None:
        """`advance` for a test that runs on the loop: the woken tasks have run, and so have the threads."""
        target = self._target(seconds)
        await self._asettle()
        while self._step(target):
            await self._asettle()

    def jump(self, wall_seconds: float) -> None:
        """Sets the wall clock forward, or back (an NTP step). Nobody's wait ends by it."""
        with self._changed:
            self._wall += _micros(wall_seconds)

    def suspend(self, seconds: float) -> None:
        """The machine slept: the wall clock went on, `monotonic` and all waits stood still."""
        if seconds < 0:
            raise ValueError("a machine cannot sleep for less than no time; use jump() to set the clock back")
        self.jump(seconds)

    # ── what a test may ask ──────────────────────────────────────────────────────────────────────────

    @property
    def waiting(self) -> int:
        """How many threads and tasks wait on this clock now."""
        with self._changed:
            return len(self._waiters)

    @property
    def next_due(self) -> float | None:
        """The `monotonic()` at which the next of them is due; None when nobody waits for an instant."""
        with self._changed:
            due = self._earliest()
            return None if due is None else due / 1_000_000

    def until_waiting(self, count: int = 1, timeout: float = _LONG) -> None:
        """Blocks until at least `count` threads or tasks wait on this clock; `timeout` is in real seconds.

        Raises `TimeoutError`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._waiters) >= count, timeout):
                raise TimeoutError(f"{len(self._waiters)} of {count} wait on the clock")

    def __repr__(self) -> str:
        return f"VirtualClock({self.time():.6f}, {self.waiting} waiting)"

    # ── how it goes ──────────────────────────────────────────────────────────────────────────────────

    def _due(self, seconds: float | None) -> int | None:
        # At least a microsecond: a loop that waits for less would otherwise never let time pass.
        return None if seconds is None else self._monotonic + max(1, _micros(seconds))

    def _target(self, seconds: float) -> int:
        if seconds < 0:
            raise ValueError("time does not run backwards; jump() sets the wall clock back")
        return self._monotonic + _micros(seconds)

    def _earliest(self) -> int | None:
        dues = [waiter.due for waiter in self._waiters if waiter.due is not None and not waiter.woken]
        return min(dues, default=None)

    def _step(self, target: int) -> bool:
        """Goes to the next due instant up to `target` and wakes those who wait for it; False at the end."""
        with self._changed:
            due = self._earliest()
            instant = target if due is None else min(due, target)
            passed = max(0, instant - self._monotonic)
            self._monotonic += passed
            self._wall += passed
            if due is None or due > target:
                return False
            for waiter in self._waiters:
                if waiter.due is not None and waiter.due <= self._monotonic and not waiter.woken:
                    self._wake(waiter)
            self._changed.notify_all()
            return True

    def _wake(self, waiter: _Waiter) -> None:
        waiter.woken = True
        if waiter.who is not None:
            self._away[waiter.who] = True
        if waiter.future is not None and not waiter.future.get_loop().is_closed():
            waiter.future.get_loop().call_soon_threadsafe(_finish, waiter.future)

    def _settle(self) -> None:
        began = time.monotonic()
        with self._changed:
            while (patience := self._under_way(threading.Thread)) and time.monotonic() - began < patience:
                self._changed.wait(_POLL)
            self._give_up(threading.Thread)

    async def _asettle(self) -> None:
        began = time.monotonic()
        quiet = turns = 0
        while quiet < _QUIET_TURNS:
            # A woken task that talks to a server needs real time; spinning would only take it away.
            await asyncio.sleep(0 if turns < _QUIET_TURNS * 2 else 0.001)
            turns += 1
            with self._changed:
                patience = self._under_way(threading.Thread, asyncio.Task)
            quiet = 0 if patience else quiet + 1
            if patience and time.monotonic() - began >= patience:
                break
        with self._changed:
            self._give_up(threading.Thread, asyncio.Task)

    def _under_way(self, *kinds: type) -> float:
        """For how long at most to wait for those who were woken and have not come back; 0: all are back."""
        me: list[object] = [threading.current_thread()]
        if asyncio.Task in kinds:
            me.append(asyncio.current_task())
        for who in list(self._away):
            if who in me or (who.done() if isinstance(who, asyncio.Task) else not who.is_alive()):
                del self._away[who]
        away = [by_clock for who, by_clock in self._away.items() if isinstance(who, kinds)]
        away += [
            waiter.woken
            for waiter in self._waiters
            if isinstance(waiter.who, kinds) and (waiter.woken or (waiter.event and waiter.event.is_set()))
        ]
        if not away:
            return 0.0
        return self._patience if any(away) else min(_SHORT, self._patience)

    def _give_up(self, *kinds: type) -> None:
        # They went elsewhere (a request, a pool's next job): do not wait for them a second time.
        for who in [who for who in self._away if isinstance(who, kinds)]:
            del self._away[who]


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

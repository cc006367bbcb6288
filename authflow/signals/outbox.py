"""`Outbox`: the events of one session, told in order, one at a time, by whoever happens to be there.

    outbox.post(names, session, key, event)     under the lock that numbers the events: enqueues, calls nobody
    outbox.drain()                              afterwards, without any lock: tells what was posted

Rule 1: one drainer at a time. Whoever finds the turn taken goes away: the drainer tells what was added. That
        makes a re-entrant call an enqueued one, and keeps the order between threads.
Rule 2: a receiver's failure is a log record and `on_receiver_error`, never the drainer's. What is no
        `Exception` (Ctrl-C) goes up to the user's own thread, after the turn was given back; what was not told
        yet waits for the next drainer.
Rule 3: no lock is held while a receiver runs, and the turn is no lock that anybody waits for.

A drainer on asyncio tells plain receivers where it stands; from the first async receiver on a task of the
manager goes on, so that cancelling the caller cuts no receiver short.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import whereabouts
from ..events import AuthEvent
from .receivers import Call, Latecomer, Receiver, Subscription, Way, name_of

if TYPE_CHECKING:
    import asyncio

    from .hub import Signals

GRACE = 1.0  # seconds that a cancelled async receiver gets to clean up


class _Frame:
    """An async receiver that is running: for which outbox, and within which other one."""

    __slots__ = ("outbox", "outer", "over")

    def __init__(self, outbox: Outbox, outer: _Frame | None) -> None:
        self.outbox = outbox
        self.outer = outer
        self.over = False


# Tasks inherit it: what a receiver starts and waits for knows that it is within the receiver.
_frame: ContextVar[_Frame | None] = ContextVar("authflow_receiver", default=None)


def within_receiver(outbox: Outbox | None = None) -> bool:
    """Whether the caller runs, directly or not, in an async receiver (of `outbox`) that has not ended."""
    frame = _frame.get()
    while frame is not None:
        if not frame.over and (outbox is None or frame.outbox is outbox):
            return True
        frame = frame.outer
    return False


class Outbox:
    """The events of one session object that have not been told yet."""

    __slots__ = ("_calls", "_drainer", "_errors", "_queue", "_signals", "_telling", "_told", "_turn", "_waiters")

    def __init__(self, signals: Signals, told: int = 0) -> None:
        self._signals = signals
        # Lists, not deques: an empty deque weighs 760 bytes, and there is one outbox for each session.
        self._queue: list[tuple[tuple[str, ...], object, str, AuthEvent]] = []
        self._calls: list[Call] = []  # what is left of the present event, last call first
        self._errors: list[tuple[str, object, dict[str, Any]]] = []
        self._turn = threading.Lock()  # only ever tried, never waited for
        self._drainer = 0  # the thread that has the turn
        self._telling = 0  # seq of the present event
        self._told = told  # seq of the last event that everybody was told
        self._waiters: list[tuple[int, Callable[[], object]]] = []

    # ── posting ──────────────────────────────────────────────────────────────────────────────────────

    def post(self, names: tuple[str, ...], session: object, key: str, event: AuthEvent) -> None:
        """Enqueues `event` for the signals `names`. Calls nobody and waits for nobody.

        Call it in the order of `event.seq`, so within the lock that gives the number.
        """
        if not self._signals.subscriptions and not self._left() and not self._turn.locked():
            # Nobody listens and nothing is under way: it is told already.
            self._told = event.seq
            if self._waiters:
                self._wake()
            return
        self._queue.append((names, session, key, event))

    def _left(self) -> bool:
        return bool(self._queue or self._calls or self._errors)

    def renew(self) -> None:
        """In a forked child: what another thread of the parent was telling is the parent's to tell."""
        if self._drainer == threading.get_ident():
            return  # this very thread tells it, and goes on with it
        self._told = max([self._told, self._telling, *(event.seq for _, _, _, event in self._queue)])
        self._turn, self._drainer, self._telling = threading.Lock(), 0, 0
        for waiting in (self._queue, self._calls, self._errors, self._waiters):
            waiting.clear()

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────

    def drain(self) -> None:
        """Tells what was posted, on this thread. Returns at once when somebody is already at it.

        On an async manager async receivers are told by a task that this starts.
        """
        if self._queue or self._calls or self._errors:
            self._tell()

    async def adrain(self) -> None:
        """`drain`, and waits until the async receivers have been told. Cancelling it ends no receiver."""
        if self._queue or self._calls or self._errors:
            task = self._tell()
            if task is not None:
                import asyncio

                await asyncio.shield(task)

    def hand_over(self) -> None:
        """Has it told by the manager's own delivery thread or task. Does nothing after the manager was closed."""
        if self._left():
            self._signals.deliver(self)

    def _tell(self) -> asyncio.Task[None] | None:
        while self._left() and not self._signals.gave_up() and self._turn.acquire(blocking=False):
            passed_on = False
            self._drainer = threading.get_ident()
            try:
                while self._advance() and not self._signals.gave_up():
                    if self._calls[-1][2].way is Way.AWAITED:
                        task = self._signals.spawn_if_open(self._go_on)
                        if task is not None:
                            passed_on = True
                            return task
                        self._calls.pop()  # the manager is closed: nobody could end that task
                        continue
                    self.make(self._calls.pop())
            finally:
                if not passed_on:
                    self._drainer = 0
                    self._turn.release()
            # Whoever posted between the last look and the release found the turn taken: look once more.
        return None

    async def _go_on(self) -> None:
        """The rest, in a task. It was given the turn."""
        while True:
            try:
                while self._advance():
                    call = self._calls.pop()
                    if call[2].way is not Way.AWAITED:
                        self.make(call)
                    elif not self._defers(call):
                        await self.run_awaited(call)
            finally:
                self._drainer = 0
                self._turn.release()
            if not self._left() or not self._turn.acquire(blocking=False):
                return
            self._drainer = threading.get_ident()

    def _advance(self) -> bool:
        """Goes to the next call. False when everything is told. Only the one who has the turn may ask."""
        while not self._calls:
            if self._errors:
                key, session, facts = self._errors.pop(0)
                self._calls = self._signals.calls(("on_receiver_error",), session, key, facts)
                continue
            if self._telling:
                self._told, self._telling = max(self._told, self._telling), 0
                if self._waiters:
                    self._wake()
            if not self._queue:
                return False
            names, session, key, event = self._queue.pop(0)
            self._calls = self._signals.calls(names, session, key, {"event": event})
            self._telling = event.seq
        return True

    # ── one call ─────────────────────────────────────────────────────────────────────────────────────

    def make(self, call: Call) -> None:
        """Makes one call, or posts it to the receiver's mailbox."""
        subscription = call[2]
        if subscription.came_late and self._defers(call):
            return
        if subscription.mailbox is None:
            self.run(call)
        else:
            subscription.mailbox.put(self, call)

    def _defers(self, call: Call) -> bool:
        return call[2].defers(call)

    def run(self, call: Call) -> None:
        """Calls a plain receiver, here and now."""
        receiver = call[2].receiver
        if receiver is None:
            return
        try:
            result = receiver(call[3], **call[4])
        except Exception as error:
            self.failed(call, error, receiver)
        except BaseException as error:
            # A future that was cancelled somewhere else is the receiver's failure, not our cancellation.
            if not _is_cancellation(error) and not self._signals.owns_thread():
                raise
            self.failed(call, error, receiver)
        else:
            if hasattr(result, "__await__"):
                if hasattr(result, "close"):
                    result.close()
                text = "the receiver returned something to await: connect the async function itself"
                self.failed(call, TypeError(text), receiver)

    async def run_awaited(self, call: Call) -> None:
        """Calls an async receiver in a task of its own; after the limit it is cancelled and reported."""
        receiver = call[2].receiver
        if receiver is None:
            return
        signals = self._signals
        task = signals.spawn(self._call_async(receiver, call))
        try:
            in_time = await signals.within(task, signals.async_limit)
            if not in_time:
                task.cancel()
                await signals.within(task, GRACE)
        except BaseException:
            task.cancel()
            raise
        if not in_time:
            text = f"the receiver did not return within {signals.async_limit:g} s and was cancelled"
            self.failed(call, TimeoutError(text), receiver)
        elif task.cancelled():
            self.failed(call, RuntimeError("the receiver cancelled itself"), receiver)
        elif (error := task.exception()) is not None:
            if not isinstance(error, Exception):
                raise error
            self.failed(call, error, receiver)

    async def _call_async(self, receiver: Receiver, call: Call) -> None:
        frame = _Frame(self, _frame.get())
        _frame.set(frame)
        try:
            await receiver(call[3], **call[4])
        finally:
            frame.over = True

    def failed(self, call: Call, error: BaseException, receiver: Receiver | None = None) -> None:
        """A receiver raised, hung or was too slow: a log record without its text, and `on_receiver_error`."""
        name, key, subscription, session, facts = call
        receiver = receiver or subscription.receiver
        event = facts["event"]
        self._signals.log.error(
            "receiver %s of %s failed at event %d of %s: %s",
            "?" if receiver is None else name_of(receiver),
            name,
            event.seq,
            event.provider,
            whereabouts(error),
        )
        if name == "on_receiver_error" or not self._signals.on_receiver_error.receivers:
            return
        told = {"event": event, "error": error, "receiver": receiver, "signal": name}
        self._errors.append((key, session, told))
        if not self._turn.locked():
            # It failed elsewhere than in a drainer's hands: nobody is here to tell.
            self.hand_over()

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────

    def wait_delivered(self, seq: int, seconds: float) -> bool:
        """Blocks until everybody was told event `seq`, at most `seconds`. True when it is so.

        True at once from within a receiver of this outbox: it would wait for itself.
        """
        if self._told >= seq or self._drainer == threading.get_ident() or within_receiver(self):
            return True
        told = threading.Event()
        waiter = (seq, told.set)
        self._waiters.append(waiter)
        try:
            if self._told >= seq:  # meanwhile
                return True
            self._signals.clock.wait(told, seconds)
        finally:
            self._forget(waiter)
        return self._told >= seq

    async def await_delivered(self, seq: int, seconds: float) -> bool:
        """`wait_delivered` for a manager on asyncio."""
        if self._told >= seq or within_receiver(self):
            return True
        import asyncio

        loop = asyncio.get_running_loop()
        told = loop.create_future()
        # A thread that posts where nobody listens may be the one that wakes.
        waiter = (seq, partial(loop.call_soon_threadsafe, _finish, told))
        self._waiters.append(waiter)
        try:
            if self._told < seq:  # still
                await self._signals.within(told, seconds)
        finally:
            told.cancel()
            self._forget(waiter)
        return self._told >= seq

    def _wake(self) -> None:
        for seq, wake in tuple(self._waiters):
            if seq <= self._told:
                wake()

    def _forget(self, waiter: tuple[int, Callable[[], object]]) -> None:
        try:
            self._waiters.remove(waiter)
        except ValueError:
            return


class ReplayOutbox(Outbox):
    """The present state for one late subscriber; then the events that waited meanwhile."""

    __slots__ = ("_late", "_subscription")

    def __init__(self, signals: Signals, subscription: Subscription, late: Latecomer, present: list[Call]) -> None:
        super().__init__(signals)
        self._subscription = subscription
        self._late = late
        self._calls = present[::-1]

    def replay(self) -> None:
        """Tells it, on this thread or, async receivers, in a task of the manager."""
        try:
            self._tell()
        except BaseException:
            self._end()
            raise

    async def _go_on(self) -> None:
        try:
            await super()._go_on()
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        self._late.end()
        self._subscription.caught_up()

    def _left(self) -> bool:
        return super()._left() or not self._late.over

    def _defers(self, call: Call) -> bool:
        return False

    def _advance(self) -> bool:
        while not super()._advance():
            waited = self._late.take()
            if not waited:
                self._subscription.caught_up()
                return False
            self._calls = [call for call in reversed(waited) if not self._subscription.is_old(call)]
        return True


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _is_cancellation(error: BaseException) -> bool:
    # Without asyncio in the program nobody can have raised it.
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)

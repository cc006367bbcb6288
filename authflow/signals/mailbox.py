"""Mailboxes: receivers that are called elsewhere than where the event happened, in order, one call at a time.

`ThreadMailbox` is emptied by a thread of its own (`background=True`), `TaskMailbox` by a task on a loop (async
receivers of a sync manager that was given `loop=`, and async receivers with `background=True`).

Rule 1: a mailbox is bounded. When it is full the oldest call is dropped, and that is reported, once until the
        mailbox has been empty again.
Rule 2: thread and task are started by the first call, and end with the subscription or the manager.
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from ..errors import whereabouts
from ..threads import begin

if TYPE_CHECKING:
    import asyncio

    from .hub import Signals
    from .outbox import Outbox
    from .receivers import Call

BACKGROUND_CAPACITY = 256  # calls that wait for one receiver with background=True
LOOP_CAPACITY = 10_000  # calls that wait for one async receiver of a sync manager


class Mailbox(ABC):
    """What both have in common: the bounded queue."""

    def __init__(self, signals: Signals, capacity: int) -> None:
        self._signals = signals
        self._capacity = capacity
        self._changed = threading.Condition()
        self._calls: deque[tuple[Outbox, Call]] = deque()
        self._running = False
        self._ended = False
        self._dropping = False

    def renew(self) -> None:
        """In a forked child: what waits is the parent's to deliver."""
        self._changed = threading.Condition()
        self._calls.clear()
        self._running = self._dropping = False

    def put(self, outbox: Outbox, call: Call) -> None:
        """Enqueues; never blocks, never calls the receiver. After `end()` the call is dropped."""
        dropped: tuple[Outbox, Call] | None = None
        with self._changed:
            if self._ended:
                return
            if len(self._calls) >= self._capacity:
                oldest = self._calls.popleft()
                dropped, self._dropping = (None if self._dropping else oldest), True
            self._calls.append((outbox, call))
            starts, self._running = not self._running, True
            self._changed.notify_all()
        if starts and not self._start():
            with self._changed:
                self._running = False
                self._calls.clear()
            outbox.failed(call, RuntimeError("the event loop or the manager of an async receiver is closed"))
        if dropped is not None:
            box, lost = dropped
            text = f"the receiver is too slow: {self._capacity} events were waiting, the oldest are dropped"
            box.failed(lost, queue.Full(text))

    def end(self, *, drop: bool = True) -> None:
        """Takes nothing more. What waits is dropped, or (`drop=False`) still delivered."""
        with self._changed:
            self._ended = True
            if drop:
                self._calls.clear()
            if not self._running:
                self._signals.mailboxes.discard(self)
            self._changed.notify_all()

    def wait_ended(self, seconds: float) -> bool:
        """Blocks until the thread or task has ended, at most `seconds`. True when it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)

    @property
    @abstractmethod
    def here(self) -> bool:
        """Whether the caller runs where the receiver does: it must not wait for the end."""

    @abstractmethod
    def cut(self) -> None:
        """Ends what can be ended of a receiver that is still running."""

    @abstractmethod
    def _start(self) -> bool:
        """Begins the thread or task; False when it cannot."""

    def _take(self) -> tuple[Outbox, Call] | None:
        """The next call. Call it with the lock; None: there is none now."""
        if not self._calls:
            return None
        taken = self._calls.popleft()
        if not self._calls:
            self._dropping = False
        return taken

    def _over(self) -> None:
        """The thread or task is about to end. Call it with the lock."""
        self._running = False
        self._changed.notify_all()
        if self._ended:
            self._signals.mailboxes.discard(self)


class ThreadMailbox(Mailbox):
    """Emptied by a daemon thread."""

    _thread: threading.Thread | None = None

    def cut(self) -> None:
        """Nothing: a thread cannot be ended from outside."""

    def _start(self) -> bool:
        if not self._signals.admit(self):
            return False
        begin("authflow-receiver", self._run, self._keep)
        return True

    def _keep(self, thread: threading.Thread | None) -> None:
        self._thread = thread
        if thread is None:  # it could not be begun: the next call tries again
            with self._changed:
                self._running = False

    @property
    def here(self) -> bool:
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._ended)
                taken = self._take()
                if taken is None:
                    self._over()
                    return
            outbox, call = taken
            del taken
            try:
                outbox.run(call)
            except BaseException as error:  # this thread is ours alone: nobody above could handle it
                outbox.failed(call, error)
            del outbox, call  # a thread that waits holds no session and no receiver


class TaskMailbox(Mailbox):
    """Emptied by a task on `loop`. The task ends when the mailbox is empty, and is started anew when it is not."""

    def __init__(self, signals: Signals, capacity: int, loop: asyncio.AbstractEventLoop | None) -> None:
        super().__init__(signals, capacity)
        self._loop = loop
        self._task: asyncio.Task[None] | None = None

    def _start(self) -> bool:
        if not self._signals.admit(self):
            return False
        if self._loop is None:
            self._loop = self._signals.home_loop()
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(self._launch)
        except RuntimeError:  # the loop is closed
            return False
        return True

    @property
    def here(self) -> bool:
        return self._loop is not None and self._signals.running_loop() is self._loop

    def cut(self) -> None:
        if self._loop is None or self._task is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:  # the loop is closed, and the task with it
            return

    def _launch(self) -> None:
        self._task = self._signals.spawn(self._run())

    async def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    taken = self._take()
                    if taken is None:
                        self._over()
                        return
                outbox, call = taken
                await outbox.run_awaited(call)
        except BaseException as error:
            with self._changed:
                self._over()
            self._signals.log.warning("an async receiver was cut off: %s", whereabouts(error))
            raise

"""What an operation yields: a call that may block, an outbox to deliver, a mailbox to watch, a flight to join.

An *operation* is a generator. It yields these, and requests, waits and asks for the moment (`protocol/step.py`), and is
sent what came of each. Who performs them is `drive.py`'s matter.

Rule: an effect is data. Only a mailbox and a flight change, for they are how threads and tasks reach an operation.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from .clock import Clock
from .signals import Outbox

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

T = TypeVar("T")
Op = Generator[Any, Any, T]

_log = logging.getLogger("authflow.drive")


class Do(msgspec.Struct, frozen=True):
    """Call `fn`; `blocking` says that it may wait for a disk or a network."""

    fn: Callable[[], Any]
    blocking: bool = False


class Tell(msgspec.Struct, frozen=True):
    """Deliver an outbox here and now."""

    outbox: Outbox


class Delivered(msgspec.Struct, frozen=True):
    """Wait until the event `seq` of an outbox was delivered, at most `seconds`."""

    outbox: Outbox
    seq: int
    seconds: float = 10.0


class Expect(msgspec.Struct, frozen=True):
    """Wait for the next item of a mailbox, at most `seconds`; None when there was none."""

    mailbox: Mailbox
    seconds: float


class Join(msgspec.Struct, frozen=True):
    """Wait for a flight and take its result, or its error."""

    flight: Flight[Any]


class Own(msgspec.Struct, frozen=True):
    """Run an operation to its end whatever becomes of the caller, and take its result.

    Under asyncio it is a task of the shell. Without, only the main thread can be struck (Ctrl-C): there it runs on a
    thread of the shell, and elsewhere in place.
    """

    operation: Op[Any]


class Mailbox:
    """A queue from any thread to the one operation that waits on it."""

    __slots__ = ("_event", "_items", "_wake")

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._event = threading.Event()
        self._wake: Callable[[], None] | None = None

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._event.set()
        wake = self._wake
        if wake is not None:
            wake()

    def take(self) -> Any:
        """The next item, or None. Never waits."""
        self._event.clear()
        try:
            item = self._items.popleft()
        except IndexError:
            return None
        if self._items:
            self._event.set()
        return item

    def wait(self, clock: Clock, seconds: float) -> Any:
        """The next item, or None after `seconds`."""
        item = self.take()
        if item is None and clock.wait(self._event, seconds):
            item = self.take()
        return item

    async def wait_async(self, clock: Clock, seconds: float) -> Any:
        """The twin of `wait` on the running loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(arrived.set)
            except RuntimeError:  # the loop was closed under us; nobody waits any more
                _log.debug("a mailbox of a closed loop was written to")

        self._wake = wake
        try:
            item = self.take()
            if item is not None:
                return item
            waiting = asyncio.ensure_future(arrived.wait())
            timer = asyncio.ensure_future(clock.sleep(seconds))
            try:
                await asyncio.wait({waiting, timer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                timer.cancel()
            return self.take()
        finally:
            self._wake = None


class Flight(Generic[T]):
    """Work that a shell owns. `done` and `result()` are safe from any thread."""

    __slots__ = ("_pid", "future")

    def __init__(self, future: Future[T] | asyncio.Task[T]) -> None:
        self.future = future
        self._pid = os.getpid()

    @property
    def done(self) -> bool:
        """It has ended, or is another process's: in a forked child nobody will end it."""
        return self.future.done() or self._pid != os.getpid()

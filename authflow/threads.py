"""Threads that begin whole or not at all, and the crew that carries out a sync manager's flights.

    begin(name, work, keep)      a thread that works, and is kept; or an error, and neither
    Crew.take_on(work, keep)     work on one of at most 32 threads, which end some seconds after the last of it

Rule 1: to begin a thread is to wait for it, long enough for Ctrl-C to strike. Then either it works and is kept, so that
        whoever ends it can wait for it; or it will not work. (`Thread.start` leaves that open, and a
        `ThreadPoolExecutor` loses sight of such a thread: it waits neither for it nor for what it is at.)
Rule 2: what the crew has taken on is carried out, whatever strikes whoever brought it; the interpreter's end waits for
        it as well. What only waits keeps no process alive.
"""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

MOST_AT_WORK = 32
IDLE_SECONDS = 5.0  # for which a thread waits for more work before it ends


def begin(name: str, work: Callable[[], object], keep: Callable[[threading.Thread | None], object]) -> None:
    """Begins a daemon thread that does `work()`. `keep(thread)` is called before, and `keep(None)` if it comes to
    nothing."""
    claim = threading.Lock()  # whoever takes it first: the thread, which works then, or whoever saw it fail to begin
    thread = threading.Thread(target=_work_if_first, args=(claim, work), name=name, daemon=True)
    try:
        keep(thread)
        thread.start()
    except BaseException:
        if claim.acquire(blocking=False):
            keep(None)
        raise


def _work_if_first(claim: threading.Lock, work: Callable[[], object]) -> None:
    if claim.acquire(blocking=False):
        work()


class _Work(NamedTuple):
    """What somebody brought, once or twice: whoever takes the claim first does it."""

    claim: threading.Lock
    future: Future[Any]
    do: Callable[[], Any]


class Crew:
    """What was taken on and waits, and the threads at it. Call it from one thread at a time."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)  # threads that wait for work, less those that some was brought for
        self._mutex = threading.Lock()
        self._count = 0
        self._threads: list[threading.Thread] = []
        self._newest: threading.Thread | None = None
        _crews.add(self)

    def take_on(self, work: Callable[[], T], keep: Callable[[Future[T]], object]) -> None:
        """Has `work()` done. `keep` gets the future of what comes of it, before it begins. When no thread can be had,
        the future is cancelled, and this raises."""
        from concurrent.futures import Future

        future: Future[T] = Future()
        brought = _Work(threading.Lock(), future, work)
        try:
            keep(future)
            self._bring(brought)
        except BaseException:
            try:
                self._bring(brought)
            except BaseException:
                if brought.claim.acquire(blocking=False):  # else somebody is at it
                    future.cancel()
                raise
            raise

    def close(self) -> None:
        """Waits until all is done, and the threads have ended. Nothing may be taken on any more."""
        threads = self._alive()
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            thread.join()

    def _bring(self, work: _Work) -> None:
        self._waiting.put(work)
        if not self._idle.acquire(blocking=False):
            self._threads = self._alive()
            begin("authflow-flight", self._work, partial(setattr, self, "_newest"))

    def _alive(self) -> list[threading.Thread]:
        return [one for one in (*self._threads, self._newest) if one is not None and one.is_alive()]

    def _work(self) -> None:
        with self._mutex:
            if self._count >= MOST_AT_WORK:
                return  # they see to it
            self._count += 1
        while (work := self._next()) is not None:
            if work.claim.acquire(blocking=False):
                _carry_out(work.future, work.do)
            del work  # a thread that waits holds no session

    def _next(self) -> _Work | None:
        """What is to be done next. None: nothing has come for a while, or the end; this thread does not count now."""
        while True:
            try:
                work = self._waiting.get_nowait()
            except Empty:
                self._idle.release()
                try:
                    work = self._waiting.get(timeout=IDLE_SECONDS)
                except Empty:
                    if not self._idle.acquire(blocking=False):
                        continue  # some was brought for it in this moment
                    with self._mutex:
                        if self._waiting.empty():
                            self._count -= 1
                            return None
                    continue
            if work is None:
                with self._mutex:
                    self._count -= 1
            return work


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
        del future  # the error has this frame: it would hold itself
    else:
        future.set_result(result)


_crews: Final[weakref.WeakSet[Crew]] = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    """Daemon threads are cut off right after this."""
    for crew in tuple(_crews):
        crew.close()

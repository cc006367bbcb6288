"""Threads that begin whole or not at all, and the crew that carries out a sync manager's flights.

    begin(name, work, keep)      a thread that works, and is kept; or an error, and neither
    Crew.take_on(work, keep)     work on one of at most 32 threads, which end when there is none

Rule 1: to begin a thread is to wait for it, long enough for Ctrl-C to strike. Then either it works and is kept, so that
        whoever ends it can wait for it; or it will not work. (`Thread.start` leaves that open, and a
        `ThreadPoolExecutor` loses sight of such a thread: it waits neither for it nor for what it is at.)
Rule 2: what the crew has taken on is carried out, whatever strikes whoever brought it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

MOST_AT_WORK = 32


def begin(
    name: str,
    work: Callable[[], object],
    keep: Callable[[threading.Thread | None], object],
    *,
    daemon: bool = True,
) -> None:
    """Begins a thread that does `work()`. `keep(thread)` is called before, and `keep(None)` if it comes to nothing."""
    claim = threading.Lock()  # whoever takes it first: the thread, which works then, or whoever saw it fail to begin
    thread = threading.Thread(target=_work_if_first, args=(claim, work), name=name, daemon=daemon)
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
        self._waiting: SimpleQueue[_Work] = SimpleQueue()
        self._mutex = threading.Lock()
        self._at_work = 0
        self._threads: list[threading.Thread] = []
        self._newest: threading.Thread | None = None

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
        """Waits until all is done. Nothing may be taken on any more."""
        for thread in self._alive():
            thread.join()

    def _bring(self, work: _Work) -> None:
        self._waiting.put(work)
        self._threads = self._alive()
        begin("authflow-flight", self._work, partial(setattr, self, "_newest"), daemon=False)

    def _alive(self) -> list[threading.Thread]:
        return [one for one in (*self._threads, self._newest) if one is not None and one.is_alive()]

    def _work(self) -> None:
        with self._mutex:
            if self._at_work >= MOST_AT_WORK:
                return  # they see to it
            self._at_work += 1
        while True:
            try:
                work = self._waiting.get_nowait()
            except Empty:
                with self._mutex:
                    if self._waiting.empty():
                        self._at_work -= 1
                        return
                continue
            if work.claim.acquire(blocking=False):
                _carry_out(work.future, work.do)
            del work  # a thread that looks for more holds no session


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
        del future  # the error has this frame: it would hold itself
    else:
        future.set_result(result)

"""Who watches a store, and the one thread that looks for what other processes changed.

The thread begins with the first watcher and ends with the last one or with `close()`. What it looks with (a
connection, say) is opened, used and closed on it. A receiver that raises is a line in the log; it spoils neither the
write nor the other receivers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Final

from ..errors import StoreError, whereabouts
from ..forks import Renewed, mind_forks

_log = logging.getLogger("authflow.stores")
_JOIN: Final = 5.0  # seconds that ending waits for a look that is under way
_BEGIN: Final = 30.0  # seconds that the first watcher waits for the thread to look; each store's calls end long before
_PAUSE: Final = 1.0  # seconds between two looks at a store that cannot be read

Notice = Callable[[str], None]
Look = Callable[[], Iterable[str]]
Start = Callable[[], AbstractContextManager[Look]]


class Notices(Renewed):
    """`with start() as look` remembers how things are now; each `look()` gives the keys that changed since the one
    before, and is called every `every` seconds. A store whose changes all happen in this process has none.
    """

    def __init__(self, start: Start | None = None, *, every: float = 0.5) -> None:
        self._start = start
        self._every = every
        self._mutex = threading.Lock()
        self._receivers: dict[int, Notice] = {}
        self._next = 0
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        mind_forks(self)

    def __bool__(self) -> bool:
        """Whether anybody watches."""
        return bool(self._receivers)

    def add(self, notice: Notice) -> Callable[[], None]:
        """Tells `notice` every change from now on, until the function that this returns is called. Raises
        `StoreError` when it cannot be seen how things are now."""
        with self._mutex:
            self._look_from_now()
            number = self._next
            self._next += 1
            self._receivers[number] = notice

        def stop() -> None:
            with self._mutex:
                self._receivers.pop(number, None)
                thread = None if self._receivers else self._end()
            _join(thread)

        return stop

    def tell(self, key: str) -> None:
        """Calls every receiver, on this thread."""
        if not self._receivers:
            return
        if self._thread is None and self._start is not None:
            with self._mutex, suppress(StoreError):  # a forked child's first change; the next one tries again
                self._look_from_now()
        for notice in tuple(self._receivers.values()):
            try:
                notice(key)
            except Exception as error:
                _log.error("A receiver of a store's notices failed: %s", whereabouts(error))

    def close(self) -> None:
        """Forgets all receivers and ends the thread."""
        with self._mutex:
            self._receivers.clear()
            thread = self._end()
        _join(thread)

    def _look_from_now(self) -> None:
        if self._start is None or self._thread is not None:
            return
        ended, begun = threading.Event(), _Begun()
        thread = threading.Thread(
            target=self._run, args=(self._start, ended, begun), name="authflow-store-watch", daemon=True
        )
        try:
            thread.start()
            if not begun.event.wait(_BEGIN) or begun.error is not None:
                raise begun.error or StoreError("A store cannot be watched: it does not answer.", hint="Try again.")
        except BaseException:
            ended.set()
            raise
        self._ended, self._thread = ended, thread

    def _end(self) -> threading.Thread | None:
        self._ended.set()
        thread, self._thread = self._thread, None
        return thread

    def _run(self, start: Start, ended: threading.Event, begun: _Begun) -> None:
        try:
            with start() as look:
                begun.event.set()
                self._look_until(ended, look)
        except StoreError as error:
            begun.error = error
        finally:
            begun.event.set()

    def _look_until(self, ended: threading.Event, look: Look) -> None:
        failed = False
        while not ended.wait(max(self._every, _PAUSE) if failed else self._every):
            try:
                changed = tuple(look())
            except StoreError as error:
                # It may come back: looked for again, said once.
                if not failed and not ended.is_set():
                    _log.warning("A store cannot be watched at present: %s", error.message)
                failed = True
                continue
            failed = False
            for key in changed:
                if ended.is_set():
                    return
                self.tell(key)

    # A fork: the child keeps the receivers. Its thread begins when somebody watches or writes there.

    def after_fork_in_child(self) -> None:
        self._mutex = threading.Lock()
        self._thread = None


class _Begun:
    """What a thread tells the one who started it: that it looks, or why it cannot."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.error: StoreError | None = None


def _join(thread: threading.Thread | None) -> None:
    if thread is not None and thread is not threading.current_thread():
        thread.join(_JOIN)

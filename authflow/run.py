"""`Run`: one walk through the chart, and who waits for the attempts of it; `Attempt` shows one to a user interface."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from . import engine
from .chart import State
from .errors import AuthflowError
from .events import AuthEvent
from .ledger import Ledger
from .records import SessionRecord

if TYPE_CHECKING:
    from .agents.base import Listener
    from .effects import Mailbox
    from .reading import ReadableSession


class _Attempts:
    """Who waits for the pending attempts of a run, by attempt."""

    __slots__ = ("attended", "coming", "listeners", "waiters")

    def __init__(self) -> None:
        self.coming: set[str] = set()  # not in the record yet: what ended the record's attempts has not ended these
        self.waiters: dict[str, Mailbox] = {}
        self.listeners: dict[str, Listener] = {}
        self.attended: set[str] = set()  # a wait() is at it: that answers the browser and lets go itself


class Run:
    """One walk through the chart: the session's own, or an attempt beside the live session."""

    __slots__ = ("_attempts", "_mutex", "beside", "ledger")

    def __init__(self, ledger: Ledger, mutex: threading.Lock, *, beside: bool) -> None:
        self.ledger = ledger
        self.beside = beside
        self._mutex = mutex
        self._attempts: _Attempts | None = None  # only while there are some: a live session has none

    def renew(self, mutex: threading.Lock) -> bool:
        """In a forked child. True when another thread of the parent was at work on the record."""
        self._mutex = mutex
        return self.ledger.renew()

    @property
    def record(self) -> SessionRecord:
        return self.ledger.record

    @property
    def waiters(self) -> Mapping[str, Mailbox]:
        """By attempt: who waits for it."""
        return {} if self._attempts is None else self._attempts.waiters

    @property
    def listeners(self) -> Mapping[str, Listener]:
        """By attempt: what its redirect arrives at."""
        return {} if self._attempts is None else self._attempts.listeners

    @property
    def attended(self) -> Set[str]:
        """The attempts that a wait() is at."""
        return frozenset() if self._attempts is None else self._attempts.attended

    def expect(self, attempt: str, mailbox: Mailbox, listener: Listener) -> None:
        """An attempt begins."""
        with self._mutex:
            if self._attempts is None:
                self._attempts = _Attempts()
            self._attempts.coming.add(attempt)
            self._attempts.waiters[attempt] = mailbox
            self._attempts.listeners[attempt] = listener

    def begun(self, attempt: str) -> None:
        """The attempt is in the record: from now on it ends with that."""
        with self._mutex:
            if self._attempts is not None:
                self._attempts.coming.discard(attempt)

    def attend(self, attempt: str) -> None:
        """A wait() is at this attempt now."""
        with self._mutex:
            if self._attempts is None:
                self._attempts = _Attempts()
            self._attempts.attended.add(attempt)

    def let_go(self, attempt: str) -> None:
        """Nobody waits for this attempt any more: its listener is closed."""
        with self._mutex:
            present = self._attempts
            if present is None:
                return
            present.waiters.pop(attempt, None)
            present.coming.discard(attempt)
            present.attended.discard(attempt)
            listener = present.listeners.pop(attempt, None)
            self._drop_if_empty()
        if listener is not None:
            listener.close()

    def end(self, outcome: AuthEvent | AuthflowError, attempt: str | None = None) -> None:
        """An attempt came to rest (None: all of them; an event ends those of the record only): who waits for it learns
        how, its listener is let go."""
        with self._mutex:
            present = self._attempts
            if present is None:
                return
            over = (attempt,) if attempt is not None else (*present.waiters, *present.listeners)
            if isinstance(outcome, AuthEvent):
                over = tuple(one for one in over if one not in present.coming)
            mailboxes = [present.waiters.pop(one, None) for one in over]
            listeners = [present.listeners.pop(one, None) for one in over if one not in present.attended]
            self._drop_if_empty()
        for mailbox in mailboxes:
            if mailbox is not None:
                mailbox.put(outcome)
        for listener in listeners:
            if listener is not None:
                listener.close()

    def _drop_if_empty(self) -> None:
        present = self._attempts
        if present is not None and not (present.waiters or present.listeners or present.attended):
            self._attempts = None


class Attempt:
    """An attempt beside a live session: where it is, until when, and a way to end it."""

    __slots__ = ("_beside", "_session")

    def __init__(self, session: ReadableSession, beside: Run) -> None:
        self._session = session
        self._beside = beside

    @property
    def id(self) -> str | None:
        """What its events carry as `attempt`."""
        return self._beside.ledger.label

    @property
    def state(self) -> State:
        return self._beside.record.state

    @property
    def deadline(self) -> float | None:
        """When the clock ends it (seconds since the epoch)."""
        return engine.next_deadline(self._beside.record)

    def cancel(self) -> Any:
        """Ends it; the live session stays as it is. Awaitable when the session is an `AsyncSession`."""
        return self._session._cancel_beside()  # type: ignore[attr-defined]  # each colour has its own

    def __repr__(self) -> str:
        return f"<Attempt {self.id} {self.state}>"

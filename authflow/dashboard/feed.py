"""What has changed since a reader looked last, for any number of readers.

Every session that changes gets the next number. A reader says the number that it has seen and gets what has a higher
one: so a reader that dawdles, or comes back after a cut, gets the newest row of each session that changed, once.

Rule 1: nothing is queued. Per session there is one number, however many readers are slow.
Rule 2: nobody polls. A transition wakes the readers; of a session that another process made, the store's notice does.
Rule 3: a row is made when somebody reads it, never on the thread that made the change.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..chart import CHART
from ..errors import AuthflowError, StoreError, printable
from ..events import AuthEvent
from ..house import key_of
from ..manager import AsyncSessionManager, SessionManager
from ..overview import row_id
from ..reading import ReadableSession
from ..records import Key
from .rows import is_shown, page_row
from .tally import Tally

if TYPE_CHECKING:
    from ..stores import Store

Manager = SessionManager | AsyncSessionManager

MOST_SESSIONS: Final = 5_000
MOST_EVENTS: Final = 400
MOST_EVENTS_EACH: Final = 60
_SIGNALS: Final = {row.trigger.value: row.emits for row in CHART if row.emits is not None}
_HEALTH_KEY: Final = "dashboard/health"


class Batch(NamedTuple):
    """What a reader gets: everything (`whole`), or what changed; and the number to come back with."""

    number: int
    whole: bool
    data: dict[str, Any]


class Feed:
    """Listens to a manager and its store. `look` and `health` may block: call them beside the loop."""

    def __init__(self, manager: Manager, *, now: Callable[[], float] = time.time) -> None:
        self.epoch = secrets.token_hex(4)
        self.tally = Tally(now())
        self._manager = manager
        self._now = now
        self._mutex = threading.Lock()
        self._number = 1
        self._floor = 0  # what happened up to here is not known one by one any more
        self._numbers: OrderedDict[Key, int] = OrderedDict()
        self._sessions: dict[Key, ReadableSession] = {}  # held: one at rest would leave, and with it its row
        self._ids: dict[str, Key] = {}
        self._events: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MOST_EVENTS)
        self._of_session: OrderedDict[Key, deque[dict[str, Any]]] = OrderedDict()
        self._wakes: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._unwatch: Callable[[], None] | None = None
        self.closed = False
        manager.on_transition.connect(self._heard, weak=True)
        manager.on_expiring.connect(self._heard, weak=True)
        manager.on_step_up_required.connect(self._heard, weak=True)

    @property
    def number(self) -> int:
        """Of the last change."""
        return self._number

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────

    def _heard(self, session: object, event: AuthEvent) -> None:
        key = Key(event.owner, event.provider, event.account)
        moved = event.source != event.target or event.trigger in _SIGNALS or event.trigger in ("authorize", "reject")
        if moved:
            self.tally.hear(key, event)
        told = _told(event)
        with self._mutex:
            if isinstance(session, ReadableSession):
                self._sessions[key] = session
            number = self._touch(key)
            self._events.append((number, told))
            self._of_session.setdefault(key, deque(maxlen=MOST_EVENTS_EACH)).append(told)
            self._of_session.move_to_end(key)
            if len(self._of_session) > MOST_SESSIONS:
                self._of_session.popitem(last=False)
        self._wake()

    def _noticed(self, store_key: str) -> None:
        key = key_of(store_key)
        if key is None or key.provider not in self._manager:
            return
        with self._mutex:
            self._touch(key)
        self._wake()

    def _touch(self, key: Key) -> int:
        self._number += 1
        self._numbers[key] = self._number
        self._numbers.move_to_end(key)
        self._ids[row_id(key)] = key
        while len(self._numbers) > MOST_SESSIONS:
            gone, self._floor = self._numbers.popitem(last=False)
            self._sessions.pop(gone, None)
            self._ids.pop(row_id(gone), None)
        return self._number

    # ── readers ──────────────────────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """From now on what other processes do is heard, too. May block. Raises `StoreError`."""
        with self._mutex:
            if self._unwatch is not None or self.closed:
                return
        unwatch = self._store.watch(self._noticed)
        with self._mutex:
            if self._unwatch is None and not self.closed:
                self._unwatch, unwatch = unwatch, lambda: None
        unwatch()

    def hold(self, sessions: list[ReadableSession]) -> None:
        """These are there: what the store had when somebody looked."""
        with self._mutex:
            for session in sessions:
                if session.key not in self._numbers:
                    self._sessions[session.key] = session
                    self._touch(session.key)

    def close(self) -> None:
        """Wakes every reader for the last time."""
        with self._mutex:
            self.closed = True
            unwatch, self._unwatch = self._unwatch, None
        if unwatch is not None:
            unwatch()
        self._wake()

    def reader(self) -> Reader:
        """For one stream, on the running loop."""
        return Reader(self)

    def look(self, after: int) -> Batch:
        """What changed after the number `after`; everything when that is not known one by one. May block."""
        with self._mutex:
            whole = after <= self._floor or after > self._number
            keys = [key for key, number in self._numbers.items() if whole or number > after]
            number = self._number
            events = [event for one, event in self._events if whole or one > after]
        rows, gone = [], []
        for key in keys:
            row = self._row(key)
            if row is None:
                gone.append(row_id(key))
            else:
                rows.append(row)
                self.tally.see(key, row["state"], self._now())
        data = {"at": self._now(), "rows": rows, "gone": [] if whole else gone, "events": events,
                "charts": self.tally.told(self._now())}  # fmt: skip
        return Batch(number, whole, data)

    def health(self) -> dict[str, Any]:
        """Whether the store can be read now. May block."""
        kind = type(self._store).__name__
        began = time.monotonic()
        try:
            self._store.load(_HEALTH_KEY)
        except StoreError as error:
            return {"store": kind, "well": False, "said": error.message, "hint": error.hint}
        return {"store": kind, "well": True, "ms": round((time.monotonic() - began) * 1000, 1)}

    # ── single sessions ──────────────────────────────────────────────────────────────────────────────

    def session(self, name: str) -> ReadableSession | None:
        """The session of a row's `id`; None: there is none."""
        key = self._ids.get(name)
        return None if key is None else self._find(key)

    def events_of(self, key: Key) -> list[dict[str, Any]]:
        """What was heard of it, the earliest first."""
        with self._mutex:
            return list(self._of_session.get(key, ()))

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def _store(self) -> Store:
        return self._manager.store

    def _find(self, key: Key) -> ReadableSession:
        found = self._sessions.get(key)
        if found is None:
            sessions: Any = self._manager.owner(key.owner) if key.owner else self._manager
            session: ReadableSession = sessions[key.provider, key.account]
            found = self._sessions.setdefault(key, session)
        return found

    def _row(self, key: Key) -> dict[str, Any] | None:
        try:
            row = page_row(self._find(key))
        except AuthflowError:
            return None  # its provider is not configured here
        if is_shown(row):
            return row
        self._sessions.pop(key, None)
        return None

    def _wake(self) -> None:
        with self._mutex:
            wakes = list(self._wakes.values())
        for loop, event in wakes:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def _enter(self, number: int, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        with self._mutex:
            self._wakes[number] = (loop, event)

    def _leave(self, number: int) -> None:
        with self._mutex:
            self._wakes.pop(number, None)
            unwatch = None if self._wakes else self._unwatch
            if unwatch is not None:
                self._unwatch = None
        if unwatch is not None:
            unwatch()


class Reader:
    """One stream's place: it waits, without asking, until there is something new."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.stopped = False

    def __enter__(self) -> Reader:
        self._feed._enter(id(self), self._loop, self._event)
        return self

    def __exit__(self, *_: object) -> None:
        self._feed._leave(id(self))

    def stop(self) -> None:
        """Any thread, and within a signal's handler: the stream should end."""
        self.stopped = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, after: int, seconds: float) -> bool:
        """True as soon as something has a higher number than `after`, False after `seconds` without."""
        self._event.clear()
        if self._feed.number > after or self._feed.closed or self.stopped:
            return True
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _told(event: AuthEvent) -> dict[str, Any]:
    """An event for the timeline."""
    error = event.error
    return {
        "id": row_id(Key(event.owner, event.provider, event.account)),
        "provider": printable(event.provider, 120),
        "account": printable(event.account, 120),
        "at": event.at,
        "trigger": event.trigger,
        "source": event.source,
        "target": event.target,
        "signal": _SIGNALS.get(event.trigger, ""),
        "origin": event.origin,
        "beside": event.attempt is not None,
        "reason": printable(event.reason or "", 120),
        "error": "" if error is None else printable(error.message),
    }

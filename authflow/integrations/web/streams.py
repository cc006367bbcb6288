"""Session events for whoever reads them: a tab of the signed-in browser, over a connection that stays open.

    reader = streams.open(owner, wake)      # wake() is called from any thread when there is something
    reader.take()                           # what has come since
    streams.close(reader)

Rule 1: one subscription for all readers, there only while there are some. A receiver only appends and wakes: it runs
        on whichever thread committed the change.
Rule 2: at most 64 events wait for a reader. One that is slower is ended; it connects again and is told what is now.
Rule 3: a stranger, to whom nothing happens, and whoever has `MOST_READERS` pages open already is told what is now; the
        connection ends, and the browser asks again after `SECONDS`. So nobody can hold more of a server than that.
Rule 4: a connection lasts `SECONDS`, then the browser connects again by itself, with the cookie that it has by then.
        So a sign-in in another tab is noticed, and who is gone is forgotten. A process that is told to stop ends all.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from ... import AsyncSession, AuthEvent, Session
from ...errors import ErrorInfo

MOST_WAITING = 64
MOST_READERS = 16  # of one person; under WSGI each is a thread
SECONDS = 20.0
RETRY = b"retry: 300\n\n"  # milliseconds until the browser connects again
HEADERS = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
    ("X-Content-Type-Options", "nosniff"),
)


class Reader:
    """What one connection has not been told yet."""

    __slots__ = ("__weakref__", "_waiting", "_wake", "ended", "one_too_many", "owner")

    def __init__(self, owner: str, wake: Callable[[], object], *, one_too_many: bool = False) -> None:
        self.owner = owner
        self.one_too_many = one_too_many
        self.ended = False
        self._wake = wake
        self._waiting: deque[bytes] = deque()

    def put(self, message: bytes) -> None:
        """Any thread. Never waits."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(message)
        else:
            self.ended = True
        self._call()

    def end(self) -> None:
        """The connection should close now."""
        self.ended = True
        self._call()

    def take(self) -> bytes:
        """Everything that waits."""
        found = []
        while self._waiting:
            found.append(self._waiting.popleft())
        return b"".join(found)

    def _call(self) -> None:
        try:
            self._wake()
        except RuntimeError:  # its loop is closed
            self.ended = True


class Streams:
    """All readers of one manager, by owner."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._mutex = threading.Lock()
        self._readers: dict[str, set[Reader]] = {}

    def __len__(self) -> int:
        with self._mutex:
            return sum(map(len, self._readers.values()))

    def open(self, owner: str, wake: Callable[[], object]) -> Reader:
        """From now on `owner`'s events wait in the reader."""
        with self._mutex:
            if not self._readers:
                self._manager.on_transition.connect(self._told)
            readers = self._readers.setdefault(owner, set())
            reader = Reader(owner, wake, one_too_many=len(readers) >= MOST_READERS)
            readers.add(reader)
        return reader

    def close(self, reader: Reader) -> None:
        """Nobody reads any more."""
        with self._mutex:
            readers = self._readers.get(reader.owner, set())
            readers.discard(reader)
            if not readers:
                self._readers.pop(reader.owner, None)
            if not self._readers:
                self._manager.on_transition.disconnect(self._told)

    def end(self, owner: str | None = None) -> None:
        """The owner has another cookie now, or (None) the server stops: connections close and come again."""
        with self._mutex:
            over = [one for name, readers in self._readers.items() if owner in (None, name) for one in readers]
        for reader in over:
            reader.end()

    def _told(self, session: Session | AsyncSession, event: AuthEvent) -> None:
        with self._mutex:
            readers = tuple(self._readers.get(event.owner, ()))
        if readers:
            message = message_of(card_of(session, event))
            for reader in readers:
                reader.put(message)


def first_of(cards: list[dict[str, Any]], reader: Reader, seconds: float) -> tuple[bytes, bool]:
    """How a connection begins, and whether it stays: not for a stranger, and not for the last of too many."""
    stays = any(card["live"] for card in cards) and not reader.one_too_many
    retry = RETRY if stays else f"retry: {int(seconds * 1000)}\n\n".encode()
    return retry + b"".join(map(message_of, cards)), stays


def message_of(card: dict[str, Any]) -> bytes:
    """One event of the stream (WHATWG, server-sent events)."""
    return b"event: session\ndata: " + msgspec.json.encode(card) + b"\n\n"


def card_of(session: Session | AsyncSession, event: AuthEvent | None = None) -> dict[str, Any]:
    """What a page may know of a session: no token, no claim that the application did not ask to be shown."""
    user = session.user
    error: ErrorInfo | None = session.error if event is None else event.error
    state = session.state if event is None else event.target
    live = session.live if event is None else event.live
    return {
        "provider": session.provider.name,
        "label": session.provider.label,
        "state": str(state),
        "live": live,
        "user": None if user is None or not live else {
            "id": user.id, "name": user.name, "email": user.email, "picture": user.picture,
        },
        "reason": session.reason if event is None else event.reason,
        "error": None if error is None else {"code": error.code, "message": error.message, "hint": error.hint},
    }  # fmt: skip

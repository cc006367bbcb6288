"""The present call of a connection: its deadline, and how far it came. The streams below ask and tell it."""

from __future__ import annotations

from collections.abc import Callable

import httpcore

from ..errors import Sent


class Call:
    """What the present call on a connection has left, and what it has done. Its streams ask here."""

    __slots__ = ("now", "received", "sent", "until")

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.begin(0.0)

    def begin(self, until: float) -> None:
        self.until = until
        self.sent = self.received = False

    def left(self) -> float:
        """Seconds, more than none; raises `httpcore.ReadTimeout` otherwise."""
        left = self.until - self.now()
        if left <= 0:
            raise httpcore.ReadTimeout("the call's deadline")
        return left

    @property
    def fate(self) -> Sent:
        return Sent.UNKNOWN if self.sent else Sent.NO

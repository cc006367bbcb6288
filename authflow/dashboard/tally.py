"""What the charts are drawn from: how long renewals took, what went well and what failed hour by hour, and how long
sessions were in each state. Counted from the events of this process since the dashboard was made.

Rule: of fixed size, however many sessions and events there are: the last day, the last renewals.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Any, Final

from ..chart import LIVE, State
from ..events import AuthEvent, Origin
from ..records import Key

HOURS: Final = 24
MOST_LATENCIES: Final = 120
MOST_UNDER_WAY: Final = 4_096
_WELL: Final = frozenset({"authenticate", "refreshed", "adopt", "reauthenticate"})
_BADLY: Final = frozenset({"fail", "time_out", "defer", "revoke", "expire"})


class Tally:
    """`hear` every transition; `told` gives the numbers. Thread-safe."""

    def __init__(self, now: float) -> None:
        self.since = now
        self._mutex = threading.Lock()
        self._begun: OrderedDict[Key, float] = OrderedDict()  # renewals that are under way
        self._latencies: deque[tuple[float, float, bool]] = deque(maxlen=MOST_LATENCIES)
        self._hours: OrderedDict[int, list[int]] = OrderedDict()
        self._in_state: dict[str, float] = dict.fromkeys(State, 0.0)
        self._present: OrderedDict[Key, tuple[str, float]] = OrderedDict()

    def see(self, key: Key, state: str, now: float) -> None:
        """A session is there, in this state; what happened before is not counted."""
        with self._mutex:
            self._present.setdefault(key, (state, now))

    def hear(self, key: Key, event: AuthEvent) -> None:
        """A transition."""
        with self._mutex:
            self._move(key, event)
            self._count(event)
            if event.trigger == "refresh":
                self._begun[key] = event.at
                if len(self._begun) > MOST_UNDER_WAY:
                    self._begun.popitem(last=False)
                return
            began = self._begun.pop(key, None)
            if began is not None and event.trigger in ("refreshed", "defer", "revoke"):
                self._latencies.append((event.at, max(0.0, event.at - began), event.trigger == "refreshed"))

    def told(self, now: float) -> dict[str, Any]:
        """The numbers at `now`: times are seconds since the epoch, the rest seconds."""
        with self._mutex:
            in_state = dict(self._in_state)
            for state, since in self._present.values():
                in_state[state] += max(0.0, now - since)
            this = int(now // 3600)
            hours = [[hour * 3600, *self._hours.get(hour, (0, 0))] for hour in range(this - HOURS + 1, this + 1)]
            return {
                "since": self.since,
                "latencies": [list(one) for one in self._latencies],
                "hours": hours,
                "states": {state: round(seconds, 1) for state, seconds in in_state.items()},
            }

    def _move(self, key: Key, event: AuthEvent) -> None:
        if event.attempt is not None:
            return  # an attempt beside the live session, which stays where it is
        state, since = self._present.pop(key, (event.source, event.at))
        self._in_state[state] += max(0.0, event.at - since)
        self._present[key] = (event.target, event.at)
        if len(self._present) > MOST_UNDER_WAY:
            self._present.popitem(last=False)

    def _count(self, event: AuthEvent) -> None:
        went = 0 if event.trigger in _WELL else 1 if event.trigger in _BADLY else None
        if went is None or (event.origin == Origin.OTHER_PROCESS and event.source not in LIVE):
            return
        hour = int(event.at // 3600)
        self._hours.setdefault(hour, [0, 0])[went] += 1
        while len(self._hours) > HOURS:
            self._hours.popitem(last=False)

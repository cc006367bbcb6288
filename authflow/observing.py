"""What the store says: how a record that another process wrote is told here, in rows of the chart.

Rule: learning writes nothing. What is seen goes through the engine as any trigger does, so that its signals are the
same whichever process it happened in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .chart import LIVE, PENDING, State, Trigger
from .engine import Facts
from .events import Origin
from .records import SessionRecord


class Seen(NamedTuple):
    """One transition that another process made, to be told here. Learning writes nothing."""

    trigger: Trigger
    facts: Facts


def observe(known: SessionRecord, stored: SessionRecord, now: float) -> list[Seen]:
    """How this process gets from the record it `known` to the one `stored` by another, in rows of the chart.

    An empty list means: nothing to tell, take the record as it is.
    """
    if known.state in LIVE:
        return _observe_live(known, stored, now)
    if stored.state in LIVE:
        if known.state is State.EXCHANGING:
            return []
        return [_seen(Trigger.RESTORE, stored, now)]
    return _observe_pending(known, stored, now)


def _observe_live(known: SessionRecord, stored: SessionRecord, now: float) -> list[Seen]:
    if stored.state not in LIVE:
        return [_seen(Trigger.REVOKE, stored, now, reason=stored.reason or "logged_out")]
    if stored.epoch != known.epoch or (stored.issuer, stored.subject) != (known.issuer, known.subject):
        return [_seen(Trigger.REVOKE, stored, now, reason="replaced"), _seen(Trigger.RESTORE, stored, now)]
    if stored.generation > known.generation:
        return [_seen(Trigger.ADOPT, stored, now)]
    if known.state is State.AUTHENTICATED and stored.state is State.REFRESHING:
        return [_seen(Trigger.REFRESH, stored, now)]
    if known.state is State.REFRESHING and stored.state is State.AUTHENTICATED:
        return [_seen(Trigger.DEFER, stored, now)]
    return []


_BY_REASON: Final = {"timed_out": Trigger.TIME_OUT, "failed": Trigger.FAIL, "denied": Trigger.FAIL}


def _observe_pending(known: SessionRecord, stored: SessionRecord, now: float) -> list[Seen]:
    if known.state in PENDING and stored.state not in PENDING:
        trigger = _BY_REASON.get(stored.reason or "", Trigger.CANCEL)
        return [_seen(trigger, stored, now)]
    if known.state is State.AUTHORIZING and stored.state is State.EXCHANGING:
        return [_seen(Trigger.CALLBACK, stored, now)]
    if known.state not in PENDING and stored.state is State.AUTHORIZING:
        return [_seen(Trigger.AUTHORIZE, stored, now)]
    return []


def _seen(trigger: Trigger, stored: SessionRecord, now: float, reason: str | None = None) -> Seen:
    return Seen(
        trigger,
        Facts(
            now=now,
            origin=Origin.OTHER_PROCESS,
            reason=reason or stored.reason,
            recoverable=stored.recoverable,
            error=stored.error,
            deadline=stored.deadline,
            retry_at=stored.retry_at,
            refresher=stored.refresher,
            claim=stored.claim,
            record=stored,
        ),
    )

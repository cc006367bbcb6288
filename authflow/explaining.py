"""A session in one sentence, for a human. No secret, no raw provider text beyond its error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from . import engine
from .chart import LIVE, PENDING, State, Trigger, allowed
from .records import SessionRecord

if TYPE_CHECKING:
    from .providers.base import Provider
    from .trace.story import Trace


def explain(record: SessionRecord, provider: Provider, now: float, renewal: Trace | None = None) -> str:
    """A record as one sentence. `renewal`: what was recorded of its last renewal, if anything was."""
    parts = [f"{provider.label}: {record.state.value.replace('_', ' ')}"]
    failed = record.state is State.AUTHENTICATED and record.failures > 0 and record.error is not None
    if failed:
        parts.append(f"the last refresh failed at {_time(record.since, now)} ({_why(record, renewal)})")
        if record.retry_at is not None:
            parts.append(f"next try {_time(record.retry_at, now)}")
    if record.state in LIVE:
        parts.append(_explain_life(record, now))
    elif record.state in PENDING:
        deadline = engine.next_deadline(record)
        if deadline is not None:
            parts.append(f"{_span(deadline - now)} left")
    if record.reason and not failed:
        parts.append(f"reason: {record.reason}")
    if record.error is not None and not failed:
        parts.append(f"last error: {str(record.error).rstrip('.')}")
    if record.claim is not None and record.state is State.AUTHENTICATED:
        parts.append(
            "a renewal got no answer, so the refresh token may be used already; "
            f"what is done about it is rotation={provider.rotation!r}"
        )
    if record.state not in LIVE and record.state not in PENDING:
        parts.append(f"possible now: {', '.join(t.value for t in allowed(record.state) if t is not Trigger.RESTORE)}")
    return "; ".join(parts) + "."


def _why(record: SessionRecord, renewal: Trace | None) -> str:
    """The answer that a failed renewal got, where it was recorded; else the error's own words."""
    story = None if renewal is None else renewal.stories[-1]
    if story is not None and story.outcome == Trigger.DEFER.value:
        call = story.last_call
        if call is not None and call.status is None:
            return f"no answer to {call.method} {call.path}"
        if call is not None:
            return f"{call.status} from {call.method} {call.path}"
    return str(record.error).rstrip(".")


def _explain_life(record: SessionRecord, now: float) -> str:
    renewing = "can be renewed" if record.renewable else "cannot be renewed"
    if record.expires_at is None:
        return "the access token does not say when it ends"
    if record.expires_at <= now:
        return f"the access token has ended and {renewing}"
    left, unit = _span(record.expires_at - now).split()
    return f"the access token is good for {left} more {_UNITS[unit].removesuffix('s' * (left == '1'))} and {renewing}"


_UNITS: Final = {"s": "seconds", "min": "minutes", "h": "hours"}


def _time(at: float, now: float) -> str:
    """A moment as a clock shows it, with its day when that is not near."""
    shown = "%H:%M:%S UTC" if abs(at - now) < 43_200 else "%Y-%m-%d %H:%M:%S UTC"
    return time.strftime(shown, time.gmtime(at))


def _span(seconds: float) -> str:
    seconds = max(0, round(seconds))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h"

"""`AuthEvent`: one thing that happened to one session, told to whoever listens. It never holds a secret."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from .errors import ErrorInfo


class Origin(StrEnum):
    """Who caused it."""

    USER = "user"
    PROVIDER = "provider"
    CLOCK = "clock"
    OTHER_PROCESS = "other_process"


class StepUp(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an API asks of the signed-in human: a stronger sign-in (`acr_values`), a fresher one (`max_age`, seconds;
    RFC 9470), or more `scope` (RFC 6750 §3.1). `error` is the API's word for it."""

    error: str
    acr_values: tuple[str, ...] = ()
    max_age: float | None = None
    scope: tuple[str, ...] = ()


class AuthEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a receiver gets as `event=`.

    `seq` counts this session object's events in this process, without gaps, from 1; it is never stored.
    `revision` is the store's version of the record. `at` is seconds since the epoch. `trigger`, `source`
    and `target` are the chart's words; an event that is no transition (`on_expiring`, a `current` event for
    a late subscriber) has `source == target`. `live` is the one bit a sign-in button needs. `attempt` is set
    when the event belongs to an attempt beside the live session. `recoverable` on a logout: signing in again
    would help, the user did not ask to leave. `step_up`, on `on_step_up_required`, is what an API asks for.
    """

    seq: int
    at: float
    owner: str
    provider: str
    account: str
    trigger: str
    source: str
    target: str
    live: bool
    revision: int = 0
    attempt: str | None = None
    reason: str | None = None
    recoverable: bool = False
    error: ErrorInfo | None = None
    origin: str = Origin.USER.value
    step_up: StepUp | None = None

    def __bool__(self) -> bool:
        return True

"""The machine: `step(key, record, trigger, facts)` gives the next record and the event that tells of it.

One flat, synchronous `transitions.Machine`, built from the chart once and shared by every session. Sessions
are never registered with it: a scratch object with a `state` is all that it needs. The subclasses below are
the library's own extension points (`event_cls`, `transition_cls`); they leave out callbacks and conditions,
which the chart does not have. A differential test holds them against the stock machine.

Rule 1: pure. The engine knows no store, no network, no signal and no clock, and it never calls back.
Rule 2: a trigger that stands in no row raises `InvalidTransition`; one that belongs to another login or
        attempt than the present one raises `StaleTrigger`. In both cases nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace
from transitions import Event, Machine, Transition

from .chart import CHART, LIVE, Row, State, Trigger, allowed
from .errors import ErrorInfo, InvalidTransition, Recovery
from .events import AuthEvent, Origin
from .records import Claim, Further, Key, PendingRef, Profile, SessionRecord, Token

MOST_PENDING: Final = 5


class StaleTrigger(InvalidTransition):
    """A late event of a login or attempt that is no longer the present one. It is dropped."""

    code = "stale_trigger"


class FlowTransition(Transition):
    """One arrow of the chart, with its signal and its meaning on it."""

    def __init__(self, source: str, dest: str, *rest: Any, emits: str | None, meaning: str) -> None:
        super().__init__(source, dest, *rest)
        self.emits = emits
        self.meaning = meaning


class FlowEvent(Event):
    """A trigger that moves the scratch object and leaves on it the arrow it took. False: there is none."""

    def trigger(self, model: Any, *args: Any, **kwargs: Any) -> bool:
        arrows = self.transitions.get(model.state)
        if not arrows:
            return False
        arrow = arrows[0]
        model.arrow = arrow
        model.state = arrow.dest
        return True


class FlowMachine(Machine):
    """`transitions.Machine` with the two classes above."""

    event_cls = FlowEvent
    transition_cls = FlowTransition


class Scratch:
    """What the machine writes to: a state, and the arrow that led to it."""

    __slots__ = ("arrow", "state")
    arrow: FlowTransition

    def __init__(self, state: str) -> None:
        self.state = state


def build_machine(chart: tuple[Row, ...] = CHART) -> FlowMachine:
    """The machine of a chart. It holds no model and no state of its own."""
    return FlowMachine(
        model=None,
        states=[state.value for state in State],
        initial=State.IDLE.value,
        transitions=[
            {
                "trigger": row.trigger.value,
                "source": source.value,
                "dest": row.target.value,
                "emits": row.emits,
                "meaning": row.meaning,
            }
            for row in chart
            for source in row.sources
        ],
        auto_transitions=False,
        queued=False,
        send_event=True,
    )


MACHINE: Final = build_machine()
_EVENTS: Final = dict(MACHINE.events)
_STATES: Final = {state.value: state for state in State}


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """What an exchange, a refresh or a restore brought, ready for the record."""

    token: Token
    issuer: str = ""
    subject: str = ""
    further: tuple[Further, ...] = ()
    resource: tuple[str, ...] = ()
    dpop_key: bytes | None = None
    claims: bytes | None = None
    profile: bytes | None = None
    refresh_at: float | None = None
    warning: ErrorInfo | None = None


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a trigger brings with it. `now` is seconds since the epoch.

    `epoch`, `generation` and `attempt`, when given, must be the record's: they tell a late event from a present one.
    """

    now: float
    origin: Origin = Origin.USER
    reason: str | None = None
    recoverable: bool = False
    error: ErrorInfo | None = None
    epoch: int | None = None
    generation: int | None = None
    attempt: str | None = None
    deadline: float | None = None
    pending: PendingRef | None = None
    scope: tuple[str, ...] | None = None
    fetch_user: bool | None = None
    fetch_groups: bool | None = None
    tokens: Tokens | None = None
    retry_at: float | None = None
    reauth_required: bool = False
    refresher: str | None = None
    claim: Claim | None = None
    revocation_due: bool = False
    signed_in_at: float | None = None
    record: SessionRecord | None = None


class Step(NamedTuple):
    """The next record, its event (`seq` and `revision` still to be set), the signals that tell of it; and what it was
    planned from."""

    record: SessionRecord
    event: AuthEvent
    signals: tuple[str, ...]
    before: SessionRecord
    facts: Facts


def step(key: Key, record: SessionRecord, trigger: Trigger, facts: Facts, *, attempt: str | None = None) -> Step:
    """Plans one transition. `attempt` marks the event of an attempt beside a live session.

    Raises `InvalidTransition` when the chart has no such row, `StaleTrigger` when `facts` belong to another
    login or attempt.
    """
    # `_value_` is the plain attribute behind `value`, which an Enum computes at each look.
    scratch = Scratch(record.state._value_)
    if not _EVENTS[trigger].trigger(scratch):
        raise refusal(key, record.state, trigger)
    if facts.epoch is not None and facts.epoch != record.epoch:
        raise StaleTrigger(f"{trigger} of {key.provider!r} belongs to an earlier login; it was dropped.")
    if facts.generation is not None and facts.generation != record.generation:
        raise StaleTrigger(f"{trigger} of {key.provider!r} belongs to tokens that were renewed; it was dropped.")
    if facts.attempt is not None and not _is_present(record, trigger, facts.attempt):
        raise StaleTrigger(f"{trigger} of {key.provider!r} belongs to an attempt that has ended; it was dropped.")

    target = _STATES[scratch.state]
    following = _ABSORB[trigger](record, facts)
    following = replace(following, state=target, since=record.since if target is record.state else facts.now)
    was_live = record.state in LIVE
    live = target in LIVE
    event = AuthEvent(
        seq=0,
        at=facts.now,
        owner=key.owner,
        provider=key.provider,
        account=key.account,
        trigger=trigger._value_,
        source=record.state._value_,
        target=target._value_,
        live=live,
        attempt=attempt,
        reason=facts.reason,
        recoverable=facts.recoverable,
        error=facts.error,
        origin=facts.origin._value_,
    )
    emits = scratch.arrow.emits
    signals = ("on_transition",) if emits is None else ("on_transition", emits)
    if live is not was_live and attempt is None:
        signals = (*signals, "on_live_changed")
    return Step(following, event, signals, record, facts)


def refusal(key: Key, state: State, trigger: Trigger) -> InvalidTransition:
    """The error for a trigger that the chart does not have here; it names what is allowed now."""
    now = ", ".join(allowed(state)) or "nothing"
    return InvalidTransition(
        f"{key.provider!r} is {state}: {trigger} is not possible now.", hint=f"Allowed now: {now}."
    )


def _is_present(record: SessionRecord, trigger: Trigger, attempt: str) -> bool:
    if record.attempt == attempt:
        return True
    return trigger in _FROM_PENDING and any(ref.attempt == attempt for ref in record.pending)


_FROM_PENDING: Final = frozenset({Trigger.CALLBACK, Trigger.FAIL, Trigger.CANCEL, Trigger.TIME_OUT})


# ── what each trigger does to the record ─────────────────────────────────────────────────────────────


def _authorize(record: SessionRecord, facts: Facts) -> SessionRecord:
    waiting = tuple(ref for ref in record.pending if ref.deadline > facts.now)
    if facts.pending is not None:
        waiting = (*waiting, facts.pending)[-MOST_PENDING:]
    return replace(record, pending=waiting, attempt=None, deadline=None, error=None, reason=None, recoverable=False)


def _reject(record: SessionRecord, facts: Facts) -> SessionRecord:
    return record


def _callback(record: SessionRecord, facts: Facts) -> SessionRecord:
    return replace(record, pending=(), attempt=facts.attempt, deadline=facts.deadline)


def _end_attempt(record: SessionRecord, facts: Facts) -> SessionRecord:
    return replace(
        record, pending=(), attempt=None, deadline=None, error=facts.error, reason=facts.reason, recoverable=False
    )


def _authenticate(record: SessionRecord, facts: Facts) -> SessionRecord:
    return replace(
        _put_tokens(record, facts),
        epoch=record.epoch + 1,
        pending=(),
        attempt=None,
        scope=record.scope if facts.scope is None else facts.scope,
        fetch_user=record.fetch_user if facts.fetch_user is None else facts.fetch_user,
        fetch_groups=record.fetch_groups if facts.fetch_groups is None else facts.fetch_groups,
        signed_in_at=facts.now if facts.signed_in_at is None else facts.signed_in_at,
        refreshed_at=None,
        refresher=None,
    )


def _restore(record: SessionRecord, facts: Facts) -> SessionRecord:
    if facts.record is not None:
        return facts.record
    return _authenticate(record, facts)


def _refresh(record: SessionRecord, facts: Facts) -> SessionRecord:
    return replace(record, deadline=facts.deadline, refresher=facts.refresher, claim=facts.claim)


def _refreshed(record: SessionRecord, facts: Facts) -> SessionRecord:
    scope = record.scope if facts.scope is None else facts.scope
    return replace(_put_tokens(record, facts), refreshed_at=facts.now, scope=scope)


def _adopt(record: SessionRecord, facts: Facts) -> SessionRecord:
    return record if facts.record is None else facts.record


def _defer(record: SessionRecord, facts: Facts) -> SessionRecord:
    return replace(
        record,
        deadline=None,
        error=facts.error,
        reason=facts.reason,
        retry_at=facts.retry_at,
        failures=record.failures + 1,
        claim=facts.claim,
        reauth_required=record.reauth_required or facts.reauth_required,
    )


def _end_session(record: SessionRecord, facts: Facts) -> SessionRecord:
    """The tombstone: nothing of the login stays but that it was, and why it ended; and, until they are revoked,
    the tokens that a logout still has to take to the provider."""
    return SessionRecord(
        unrevoked=record.token if facts.revocation_due else None,
        epoch=record.epoch + 1,
        generation=record.generation,
        reason=facts.reason,
        recoverable=facts.recoverable,
        error=facts.error,
    )


def _forget(record: SessionRecord, facts: Facts) -> SessionRecord:
    return SessionRecord(epoch=record.epoch, generation=record.generation)


def _put_tokens(record: SessionRecord, facts: Facts) -> SessionRecord:
    got = facts.tokens
    if got is None:
        return record
    return replace(
        record,
        generation=record.generation + 1,
        token=got.token,
        issuer=got.issuer or record.issuer,
        subject=got.subject or record.subject,
        further=got.further,
        resource=got.resource,
        dpop_key=got.dpop_key,
        claims=got.claims or record.claims,
        profile=got.profile or record.profile,
        refresh_at=got.refresh_at,
        error=got.warning,
        reason=None,
        recoverable=False,
        retry_at=None,
        failures=0,
        reauth_required=False,
        deadline=None,
        claim=None,
    )


_ABSORB: Final[dict[Trigger, Callable[[SessionRecord, Facts], SessionRecord]]] = {
    Trigger.AUTHORIZE: _authorize,
    Trigger.REJECT: _reject,
    Trigger.CALLBACK: _callback,
    Trigger.AUTHENTICATE: _authenticate,
    Trigger.FAIL: _end_attempt,
    Trigger.CANCEL: _end_attempt,
    Trigger.TIME_OUT: _end_attempt,
    Trigger.RESTORE: _restore,
    Trigger.REFRESH: _refresh,
    Trigger.REFRESHED: _refreshed,
    Trigger.ADOPT: _adopt,
    Trigger.DEFER: _defer,
    Trigger.REAUTHENTICATE: _refreshed,
    Trigger.LOGOUT: _end_session,
    Trigger.REVOKE: _end_session,
    Trigger.EXPIRE: _end_session,
    Trigger.FORGET: _forget,
}


# ── what the clock says ──────────────────────────────────────────────────────────────────────────────


def next_deadline(record: SessionRecord) -> float | None:
    """When the clock must act on this record (seconds since the epoch), or None."""
    if record.state is State.AUTHORIZING:
        return max((ref.deadline for ref in record.pending), default=record.since)
    if record.state is State.EXCHANGING or record.state is State.REFRESHING:
        return record.deadline
    if record.state is State.AUTHENTICATED and not record.renewable:
        return record.expires_at
    return None


def due(record: SessionRecord, now: float) -> tuple[Trigger, Facts] | None:
    """The trigger that the clock fires now, or None. `now` may be ahead of the wall clock: a monotonic
    deadline that has passed counts although the wall clock was set back."""
    deadline = next_deadline(record)
    if deadline is None or now < deadline:
        return None
    if record.state is State.AUTHENTICATED:
        reason = record.reason or "revoked" if record.reauth_required else "expired"
        return Trigger.EXPIRE, Facts(
            now=now, origin=Origin.CLOCK, reason=reason, recoverable=True, epoch=record.epoch, error=record.error
        )
    if record.state is State.REFRESHING:
        late = ErrorInfo(
            code="deadline_exceeded",
            message="The provider did not answer the refresh in time.",
            hint="It is tried again.",
            phase="refresh",
            recovery=Recovery.RETRY_AT.value,
        )
        return Trigger.DEFER, Facts(
            now=now, origin=Origin.CLOCK, reason="timed_out", error=late, epoch=record.epoch, retry_at=now,
            claim=record.claim,
        )
    late = ErrorInfo(
        code="timed_out",
        message="Nobody came back from the provider in time."
        if record.state is State.AUTHORIZING
        else "The provider did not answer the exchange in time.",
        hint="Sign in again.",
        phase="authorize" if record.state is State.AUTHORIZING else "exchange",
        recovery=Recovery.SIGN_IN_AGAIN.value,
    )
    return Trigger.TIME_OUT, Facts(now=now, origin=Origin.CLOCK, reason="timed_out", error=late, epoch=record.epoch)


def encode_profile(profile: Profile | None) -> bytes | None:
    """A profile as the record keeps it."""
    return None if profile is None else msgspec.json.encode(profile)

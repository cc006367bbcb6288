"""Tokens and their renewal: REFRESH → the token request → REFRESHED, DEFER or REVOKE.

Rule 1: one renewal at a time. It belongs to the manager: whoever asked for it may be cancelled.
Rule 2: a renewal that fails says why and leaves the session; only a dead refresh token with a dead access
        token ends it.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from .. import flows, renewal
from ..chart import LIVE, State, Trigger
from ..core import SessionCore
from ..drive import Delivered, Do, Join, Op
from ..engine import Facts
from ..errors import (
    AuthflowError,
    DeadlineExceeded,
    InvalidCall,
    InvalidTransition,
    Phase,
    StoreError,
)
from ..events import AuthEvent, Origin
from ..protocol.messages import Granted, ServerMetadata
from ..protocol.step import Wait
from ..records import SessionRecord, Token
from .callback import tokens_of
from .ending import sign_in_required, unavailable
from .signing_out import discard
from .wire import reach

_UNSAVED_PAUSES: Final = (0.2, 0.5, 1.0)
_MOST_RACES: Final = 8


def token(s: SessionCore, min_ttl: float) -> Op[Token]:
    """A token that lives for at least `min_ttl` seconds, renewed when that is due, once for all callers.

    Raises `SignInRequired` when the session is not live, `TemporarilyUnavailable` when it could not be
    renewed and the old token is dead.
    """
    blocking = s._house.store.blocking
    yield Do(s._run.ledger.load, blocking)
    for _ in range(3):
        if (yield Do(s._tick, blocking)):
            s._outbox.hand_over()
        record, now = s._run.record, s._run.ledger.now()
        if record.state not in LIVE or record.token is None:
            raise sign_in_required(s)
        alive = lives(record, now, min_ttl)
        if alive and now < renewal.renew_at(record, s._jitter):
            return record.token
        if not record.renewable:
            if alive:
                return record.token
            raise unavailable(record, "The access token ends sooner than asked, and it cannot be renewed.")
        resting = record.retry_at is not None and now < record.retry_at
        if alive and (resting or (s._flight is not None and not s._flight.done)):
            return record.token
        if resting:
            raise unavailable(record, "The token could not be renewed.")
        flight = launch_renewal(s, Origin.CLOCK, record)
        if flight is not None:
            yield Join(flight)
        if s._run.record.generation != record.generation:
            break  # a second one would bring a token that lives no longer than this one
    record, now = s._run.record, s._run.ledger.now()
    if record.state not in LIVE or record.token is None:
        raise sign_in_required(s)
    if lives(record, now, min_ttl):
        return record.token
    raise unavailable(record, "The token could not be renewed.")


def refresh(s: SessionCore) -> Op[AuthEvent | None]:
    """Renews now, or joins the renewal under way. Raises why it could not."""
    yield Do(s._run.ledger.load, s._house.store.blocking)
    yield Do(s._tick, s._house.store.blocking)
    record = s._run.record
    if record.state not in LIVE:
        raise sign_in_required(s)
    if record.token is None or record.token.refresh_token is None:
        raise InvalidCall(
            f"{s.provider.label} gave no refresh token.",
            hint="Ask for one at sign-in (offline_access, where the provider has it), or sign in again.",
        )
    flight = launch_renewal(s, Origin.USER, record)
    if flight is None:
        return None
    outcome: tuple[AuthflowError | None, AuthEvent | None] = yield Join(flight)
    error, event = outcome
    if event is not None:
        yield Delivered(s._outbox, event.seq)
    if error is not None:
        raise error
    return event


def launch_renewal(s: SessionCore, origin: Origin, seen: SessionRecord) -> Any:
    """The one renewal of this session that is under way, begun now if there is none.

    `seen` is the record that the caller judged by. If one has ended since, the caller gets that one (None:
    another process did it) and must look again.
    """
    with s._mutex:
        if s._flight is None or s._flight.done:
            if _attempts(seen) != _attempts(s._run.record):
                return s._flight
            s._flight = s._house.shell.launch(str(s.key), _renew(s, origin))
        return s._flight


def _attempts(record: SessionRecord) -> tuple[int, int, int]:
    """Differs after every renewal, whether it came to tokens or not."""
    return record.epoch, record.generation, record.failures


def renew_after(s: SessionCore, access_token: str) -> Op[Token]:
    """A 401 came back for `access_token`: renew only if that is still the present one."""
    yield Do(s._run.ledger.load, s._house.store.blocking)
    record = s._run.record
    present = record.token
    if present is not None and hmac.compare_digest(present.access_token.encode(), access_token.encode()):
        if not record.renewable:
            return present
        flight = launch_renewal(s, Origin.PROVIDER, record)
        if flight is not None:
            yield Join(flight)
    return (yield from token(s, 0.0))


def _renew(s: SessionCore, origin: Origin) -> Op[tuple[AuthflowError | None, AuthEvent | None]]:
    """The renewal itself; it belongs to the manager, not to who asked. It returns its error."""
    try:
        event = yield from _renew_once(s, origin)
    except AuthflowError as error:
        return error, None
    finally:
        s._outbox.hand_over()
    return (None if event is None or event.error is None else s._refusal), event


def _renew_once(s: SessionCore, origin: Origin) -> Op[AuthEvent | None]:
    house = s._house
    s._refusal = None
    claimed = yield from _claim(s, origin)
    if claimed is None:
        return None
    record, now = claimed
    s._outbox.hand_over()
    metadata: ServerMetadata | None = None
    try:
        metadata = yield from reach(s, flows.discover(s.provider, house.directory, now))
        granted = yield from reach(s, flows.refresh(
            s.provider,
            metadata,
            house.directory,
            token=cast(Token, record.token),
            claims=claims_of(record),
            scope=record.scope,
            now=now,
        ))
    except flows.TokensRefused as refused:
        unwanted, spent = _unwanted(record, refused.token)
        event = yield from _defer(s, record, refused.cause, spent=spent)
        if metadata is not None:
            yield from discard(s, metadata, unwanted)
        return event
    except AuthflowError as error:
        return (yield from _defer(s, record, error))
    except BaseException:
        interrupted = DeadlineExceeded("The renewal was interrupted.", hint="It is tried again.", phase=Phase.REFRESH)
        yield from _defer(s, record, interrupted)
        raise
    return (yield from _take_renewed(s, record, metadata, granted))


def _claim(s: SessionCore, origin: Origin) -> Op[tuple[SessionRecord, float] | None]:
    """Commits `refresh`; gives the record that is renewed, and when. None: another process did it meanwhile."""
    house, ledger = s._house, s._run.ledger
    asked = ledger.record
    for _ in range(_MOST_RACES):
        yield Do(ledger.catch_up, house.store.blocking)
        yield from _await_other_process(s)
        record = ledger.record
        if record.state not in LIVE or record.token is None:
            raise sign_in_required(s)
        if _generation(record) != _generation(asked):
            return None
        if not record.renewable:
            raise unavailable(record, "The provider does not accept the refresh token any more.")
        facts = _claim_facts(s, record, origin)
        try:
            yield Do(partial(ledger.commit, Trigger.REFRESH, facts), house.store.blocking)
        except InvalidTransition:
            continue  # another process was faster: wait for it
        return record, facts.now
    raise unavailable(ledger.record, "Other processes keep renewing this session.")


def _claim_facts(s: SessionCore, record: SessionRecord, origin: Origin) -> Facts:
    now = s._run.ledger.now()
    return Facts(
        now=now,
        origin=origin,
        epoch=record.epoch,
        deadline=now + 2 * s.provider.timeout + 5.0,
        refresher=s._house.process,
    )


def _take_renewed(
    s: SessionCore, record: SessionRecord, metadata: ServerMetadata, granted: Granted
) -> Op[AuthEvent | None]:
    """New tokens: stored or revoked."""
    house, ledger = s._house, s._run.ledger
    facts = Facts(
        now=ledger.now(), origin=Origin.PROVIDER, epoch=record.epoch, tokens=tokens_of(granted, ledger.now())
    )
    for delay in (*_UNSAVED_PAUSES, None):
        try:
            event: AuthEvent = yield Do(
                partial(_commit_outcome, s, record, Trigger.REFRESHED, facts), house.store.blocking
            )
            return event
        except InvalidTransition:
            yield from discard(s, metadata, granted.token)
            raise sign_in_required(s) from None
        except StoreError as error:
            if delay is None:
                unwanted, spent = _unwanted(record, granted.token)
                deferred = yield from _defer(s, record, error, spent=spent)
                yield from discard(s, metadata, unwanted)
                return deferred
            yield Wait(delay)
    raise StoreError("The renewed session could not be stored.")


def _commit_outcome(s: SessionCore, record: SessionRecord, trigger: Trigger, facts: Facts) -> AuthEvent:
    """Commits how a renewal ended, also when the clock has given it up meanwhile: the machine was suspended
    while the answer was on its way. That answer still counts, the refresh token was used for it."""
    ledger = s._run.ledger
    present = ledger.record
    given_up = present.state is State.AUTHENTICATED and _generation(present) == _generation(record)
    if given_up and trigger is not Trigger.REVOKE:
        ledger.commit(Trigger.REFRESH, _claim_facts(s, record, Origin.PROVIDER))
    return ledger.commit(trigger, facts)


def _unwanted(record: SessionRecord, refused: Token) -> tuple[Token, bool]:
    """What is revoked of tokens that cannot be kept, and whether the old refresh token was spent for them."""
    kept = None if record.token is None else record.token.refresh_token
    if refused.refresh_token == kept:
        return replace(refused, refresh_token=None), False
    return refused, True


def _generation(record: SessionRecord) -> tuple[int, int]:
    return record.epoch, record.generation


def _defer(
    s: SessionCore, record: SessionRecord, error: AuthflowError, *, spent: bool = False
) -> Op[AuthEvent | None]:
    """A renewal failed: what that means is `renewal.judge`'s word. None: another process renewed meanwhile.

    `spent`: the refresh token was used, and what came for it is not kept. It is never presented again.
    """
    house, ledger = s._house, s._run.ledger
    error.add_facts(phase=error.phase or Phase.REFRESH)
    s._refusal = error
    verdict = renewal.Verdict.SIGN_IN_AGAIN if spent else renewal.judge(error).verdict
    if verdict is renewal.Verdict.SIGN_IN_AGAIN:
        read = yield from _read_again(s)
        if ledger.record.state not in LIVE:
            raise sign_in_required(s)
        if _generation(ledger.record) != _generation(record):
            return None
        if not (read or spent):
            verdict = renewal.Verdict.TRY_LATER
    now = ledger.now()
    trigger = Trigger.DEFER
    retry_at: float | None = None
    reason = "provider_unreachable"
    if verdict is renewal.Verdict.SIGN_IN_AGAIN:
        reason = "revoked"
        if record.expires_at is not None and record.expires_at <= now:
            trigger = Trigger.REVOKE
    elif verdict is renewal.Verdict.PAUSE:
        reason, retry_at = "configuration", now + renewal.LONGEST_PAUSE
    else:
        retry_at = now + renewal.pause(record.failures, house.random.random(), getattr(error, "retry_after", None))
    info = replace(error.info, retry_at=retry_at)
    facts = Facts(
        now=now,
        origin=Origin.PROVIDER,
        reason=reason,
        recoverable=trigger is Trigger.REVOKE,
        error=info,
        epoch=record.epoch,
        retry_at=retry_at,
        reauth_required=verdict is renewal.Verdict.SIGN_IN_AGAIN,
    )
    try:
        event: AuthEvent = yield Do(partial(_commit_outcome, s, record, trigger, facts), house.store.blocking)
    except InvalidTransition:
        raise sign_in_required(s) from None
    return event


def _read_again(s: SessionCore) -> Op[bool]:
    """Learns whether another process has won. False: the store cannot be read, so nobody knows."""
    try:
        yield Do(s._run.ledger.catch_up, s._house.store.blocking)
    except StoreError:
        return False
    return True


def _await_other_process(s: SessionCore) -> Op[None]:
    """Another process holds the renewal: read again until it is done or its lease is over."""
    house, ledger = s._house, s._run.ledger
    while ledger.record.state is State.REFRESHING and ledger.record.refresher != house.process:
        yield Wait(0.1)
        yield Do(ledger.catch_up, house.store.blocking)
        yield Do(s._tick, house.store.blocking)


def claims_of(record: SessionRecord) -> dict[str, Any] | None:
    return None if record.claims is None else msgspec.json.decode(record.claims, type=dict[str, Any])


def lives(record: SessionRecord, now: float, min_ttl: float) -> bool:
    return record.expires_at is None or record.expires_at - now > max(0.0, min_ttl)

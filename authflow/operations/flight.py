"""One renewal, from the first look at the store to the signal that tells how it ended.

    lock → read again → claim → POST → compare-and-swap → tell

Every choice on the way is a function of `renewal.py`; here the moves are carried out. The flight belongs to
the manager: whoever asked for it may be cancelled.

Rule 1: only the process whose claim won the swap presents the refresh token, and only while its lease runs.
Rule 2: an answer that comes late still counts: the refresh token was used for it.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from .. import flows, renewal
from ..chart import LIVE, State, Trigger
from ..core import SessionCore
from ..drive import REFRESH
from ..effects import Do, Op, T
from ..engine import Facts, Tokens
from ..errors import (
    AuthflowError,
    DeadlineExceeded,
    InvalidGrant,
    InvalidTransition,
    OAuthError,
    Phase,
    Sent,
    StoreError,
)
from ..events import AuthEvent, Origin
from ..protocol.dpop import Binding
from ..protocol.messages import Granted, ServerMetadata
from ..protocol.step import Wait
from ..records import Claim, Further, SessionRecord, Target, Token
from ..renewal import Answer, Move, View
from .callback import tokens_of
from .ending import sign_in_required, unavailable
from .enrolling import prepare
from .signing_out import discard
from .storing import persistently
from .wire import reach


class Outcome(NamedTuple):
    """The error, for whoever asked, and the event that told of the end. `elsewhere`: others were at it, too long."""

    error: AuthflowError | None
    event: AuthEvent | None
    elsewhere: bool = False


_LOOK_AGAIN: Final = 0.1  # seconds between two looks at another process's renewal
MOST_FURTHER: Final = 32  # access tokens of one session for other APIs; the oldest makes room
_MOST_LOOKS: Final = 1_000


class Unkept(NamedTuple):
    """Tokens came, and cannot be kept: why, and what of them is to be revoked."""

    error: AuthflowError
    tokens: Token


class _ElsewhereError(Exception):
    """Another process is at it, and was waited for as long as was asked."""


def renew(s: SessionCore, origin: Origin, asked: SessionRecord, target: Target | None, patience: float) -> Op[Outcome]:
    """Renews what was `asked` once. For another process that is at it, it waits `patience` seconds.

    With a `target`, the refresh token brings an access token for that, and the session's own stays.

    `asked` is the record that the caller judged by. When another process has renewed it since, also in the
    moment before this flight began, there is nothing left to do.
    """
    s._refusal = None
    recorder = s._house.recorder
    if recorder is not None:
        recorder.begin(s.key, REFRESH)
    until = s._run.ledger.now() + patience
    try:
        # It saves work only: without it the claims of several processes would race.
        event = yield from locked(s, _renew_once(s, origin, asked, target, until), patience)
    except _ElsewhereError:
        return Outcome(None, None, elsewhere=True)
    except AuthflowError as error:
        return Outcome(error, None)
    finally:
        if recorder is not None:
            recorder.end(s.key, REFRESH)
        s._outbox.hand_over()
    return Outcome(None if event is None or event.error is None else s._refusal, event)


def locked(s: SessionCore, work: Op[T], patience: float | None = None) -> Op[T]:
    """`work`, while no other process does such to this session; where the store has a lock. After `patience` seconds
    (None: a lease) it is done all the same, but not if there was no patience at all."""
    if not s._house.store.blocking:
        return (yield from work)
    lock = s._house.store.lock(s._run.ledger.store_key, lease(s) if patience is None else patience)
    try:
        ours = yield Do(lock.__enter__, True)
        if not ours and patience is not None and patience <= 0.0:
            raise _ElsewhereError
        return (yield from work)
    finally:
        yield Do(partial(lock.__exit__, None, None, None), True)


def _note(s: SessionCore, question: str, move: Move, **facts: object) -> None:
    recorder = s._house.recorder
    if recorder is not None:
        recorder.decision(s.key, question, move.value, {"rotation": s.provider.rotation, **facts})


def lease(s: SessionCore) -> float:
    """Seconds that a claim counts as a living process's: both tries, and 5 s to spare."""
    return 2 * s.provider.timeout + 5.0


def longest_wait(s: SessionCore) -> float:
    """Seconds that a caller waits for another process's renewal: as long as one try takes, and 1 s to spare."""
    return s.provider.timeout + 1.0


def _renew_once(
    s: SessionCore, origin: Origin, asked: SessionRecord, target: Target | None, until: float
) -> Op[AuthEvent | None]:
    record = yield from _claim(s, origin, asked, until)
    if record is None:
        return None
    s._outbox.hand_over()
    while True:
        metadata, came = yield from _present(s, record, target)
        if isinstance(came, Granted):
            return (yield from _store(s, record, metadata, came, target))
        if isinstance(came, Unkept):
            event = yield from _give_up_token(s, record, came.error)
            yield from discard(s, metadata, came.tokens)
            return event
        s._refusal = came
        answer = renewal.classify(came)
        if answer is Answer.REFUSED:
            return (yield from _refused(s, record, came))
        move = renewal.after_answer(answer, s.provider.rotation, _retries(record))
        _note(s, "after_answer", move, answer=answer.value, retries=_retries(record))
        if target is not None and isinstance(came, OAuthError) and answer is Answer.CONFIGURATION:
            # It is this target that is refused: the session's own renewals need not wait.
            return (yield from _commit_end(s, record, Trigger.DEFER, came, reason="target_refused"))
        if move is not Move.RETRY:
            return (yield from _defer(s, record, came, answer, move))
        try:
            record = yield from _claim_again(s, record)
        except InvalidTransition:
            raise came from None  # another process goes on with it


def _claim(s: SessionCore, origin: Origin, asked: SessionRecord, until: float) -> Op[SessionRecord | None]:
    """Reads the store until this process may present the token and its claim has won; None: it is renewed."""
    house, ledger = s._house, s._run.ledger
    for _ in range(_MOST_LOOKS):
        yield Do(ledger.catch_up, house.store.blocking)
        view = _view(s, asked)
        move = renewal.before_sending(view, s.provider.rotation)
        _note(s, "before_sending", move, **view._asdict())
        if move is Move.ADOPT or (move is Move.LEAVE and ledger.record.state in LIVE):
            return None
        if move is Move.LEAVE:
            raise sign_in_required(s)
        if move is Move.WAIT:
            if ledger.now() >= until:
                raise _ElsewhereError
            yield Wait(_LOOK_AGAIN)
            yield Do(s._tick, house.store.blocking)
            continue
        try:
            if move is Move.KEEP:
                yield from _keep(s, view)
            retries = 0 if view.left is None or s.provider.rotation == "none" else view.retries + 1
            claim = Claim(at=ledger.now(), retries=retries)
            facts, still = _claim_facts(s, origin, claim), partial(_as_seen, ledger.record)
            yield Do(partial(ledger.commit, Trigger.REFRESH, facts, still), house.store.blocking)
        except InvalidTransition:
            continue  # another process was faster
        return ledger.record
    raise unavailable(ledger.record, "Other processes keep renewing this session.")


def _claim_facts(s: SessionCore, origin: Origin, claim: Claim | None) -> Facts:
    now = s._run.ledger.now()
    return Facts(
        now=now,
        origin=origin,
        epoch=s._run.record.epoch,
        generation=s._run.record.generation,
        deadline=now + lease(s),
        refresher=s._house.process,
        claim=claim,
    )


def _claim_again(s: SessionCore, record: SessionRecord) -> Op[SessionRecord]:
    """No answer came: the claim says so before the token is presented once more."""
    house, ledger = s._house, s._run.ledger
    again = replace(cast(Claim, record.claim), retries=_retries(record) + 1)

    def mark(present: SessionRecord) -> SessionRecord:
        if _generation(present) != _generation(record) or present.refresher != house.process:
            raise InvalidTransition("Another process has taken the renewal over.")
        return replace(present, claim=again)

    yield Do(partial(ledger.annotate, mark), house.store.blocking)
    return replace(record, claim=again)


def _keep(s: SessionCore, view: View) -> Op[None]:
    """The refresh token may be spent: it is not presented, and the record says so. Raises why."""
    record = s._run.record
    spent = unavailable(record, "The refresh token may have been used by a process that died or got no answer.")
    if not view.renewable and record.claim is not None:
        raise unavailable(record, "The refresh token was given up, because it may have been used already.")
    if not view.renewable:
        raise unavailable(record, "The provider does not accept the refresh token any more.")
    claim = record.claim
    yield Do(
        partial(s._run.ledger.commit, Trigger.REFRESH, _claim_facts(s, Origin.CLOCK, claim)), s._house.store.blocking
    )
    final = renewal.is_final(s.provider.rotation)
    if final and not view.token_lives:
        yield from _commit_end(s, record, Trigger.EXPIRE, spent, reason="maybe_spent")
    else:
        retry_at = None if final else record.expires_at
        yield from _commit_end(
            s, record, Trigger.DEFER, spent, reason="maybe_spent", final=final, retry_at=retry_at, claim=claim
        )
    raise spent


def _present(
    s: SessionCore, record: SessionRecord, target: Target | None
) -> Op[tuple[ServerMetadata, Granted | Unkept | AuthflowError]]:
    """The token request itself, while the lease runs."""
    house, ledger = s._house, s._run.ledger
    metadata = ServerMetadata()
    try:
        metadata = yield from prepare(s)
    except AuthflowError as error:
        error.add_facts(sent=Sent.NO)
        return metadata, error
    if record.deadline is not None and ledger.now() + s.provider.timeout > record.deadline:
        late = DeadlineExceeded("The renewal came too late to be sent.", hint="It is tried again.", sent=Sent.NO)
        return metadata, late
    try:
        granted = yield from reach(
            s,
            flows.refresh(
                s.provider,
                metadata,
                house.directory,
                token=cast(Token, record.token),
                claims=claims_of(record),
                scope=record.scope if target is None else target.scope or record.scope,
                resource=next(iter(record.resource), None) if target is None else target.resource or None,
                now=ledger.now(),
                binding=Binding.of(record.dpop_key, house.directory.nonces),
            ),
            story=REFRESH,
        )
    except flows.TokensRefused as refused:
        return metadata, Unkept(refused.cause, _unwanted(record, refused.token))
    except AuthflowError as error:
        return metadata, error
    except BaseException:
        cut = DeadlineExceeded("The renewal was interrupted.", hint="It is tried again.", phase=Phase.REFRESH)
        yield from _defer(s, record, cut, Answer.SILENCE, Move.DEFER_CLAIMED)
        raise
    return metadata, granted


def _store(
    s: SessionCore, record: SessionRecord, metadata: ServerMetadata, granted: Granted, target: Target | None
) -> Op[AuthEvent | None]:
    """New tokens: stored or revoked."""
    now = s._run.ledger.now()
    facts = Facts(now=now, origin=Origin.PROVIDER, epoch=record.epoch, tokens=_tokens(record, granted, target, now))
    try:
        return (yield from persistently(partial(_swap, s, record, facts, metadata, granted)))
    except StoreError as error:
        unwanted = _unwanted(record, granted.token)
        if unwanted.refresh_token is None:
            told = yield from _defer(s, record, error, Answer.NOT_PROCESSED, Move.DEFER)
        else:
            told = yield from _give_up_token(s, record, error)
        yield from discard(s, metadata, unwanted)
        return told


def _tokens(record: SessionRecord, granted: Granted, target: Target | None, now: float) -> Tokens:
    """What the record keeps: the new tokens; or its own token with the new refresh token, and one for `target`."""
    tokens = replace(tokens_of(granted, now, record.dpop_key), resource=record.resource)
    if target is None or record.token is None:
        return replace(tokens, further=record.further)
    got = granted.token
    lively = (one for one in record.further if one.target != target and renewal.is_alive(one.token, now))
    made = Further(target, replace(got, refresh_token=None, id_token=None))
    return replace(
        tokens,
        token=replace(record.token, refresh_token=got.refresh_token),
        refresh_at=record.refresh_at,
        further=(*lively, made)[-MOST_FURTHER:],
    )


def _swap(
    s: SessionCore, record: SessionRecord, facts: Facts, metadata: ServerMetadata, granted: Granted
) -> Op[AuthEvent | None]:
    """Commits the new tokens; if somebody wrote first, what becomes of them is decided on what was written: a logout,
    another login, another process's renewal of this one, or no more than its claim."""
    for _ in range(_MOST_LOOKS):
        try:
            event: AuthEvent = yield Do(
                partial(_commit_outcome, s, record, Trigger.REFRESHED, facts), s._house.store.blocking
            )
            return event
        except InvalidTransition:
            view = _view(s, record)
        move = renewal.after_lost_swap(view)
        _note(s, "after_lost_swap", move, **view._asdict())
        if move is Move.ADOPT:
            return None  # the same grant: to revoke these tokens would end the session that won
        if move is Move.DISCARD:
            yield from discard(s, metadata, granted.token)
            raise sign_in_required(s)
    raise StoreError("Other processes keep writing this session.", hint="Sign in again.")


def _refused(s: SessionCore, record: SessionRecord, error: AuthflowError) -> Op[AuthEvent | None]:
    """`invalid_grant`: read again first, another process may have won."""
    try:
        yield Do(s._run.ledger.catch_up, s._house.store.blocking)
    except StoreError:
        return (yield from _defer(s, record, error, Answer.SILENCE, Move.DEFER_CLAIMED))
    move = _after_refusal(s, record)
    if move is Move.ADOPT:
        return None
    if move is Move.LEAVE:
        raise sign_in_required(s)
    if move is Move.REVOKE:
        return (yield from _commit_end(s, record, Trigger.REVOKE, error, reason="revoked"))
    return (yield from _commit_end(s, record, Trigger.DEFER, error, reason="revoked", final=True))


def _after_refusal(s: SessionCore, record: SessionRecord) -> Move:
    view = _view(s, record)
    move = renewal.after_refusal(view)
    _note(s, "after_refusal", move, **view._asdict())
    return move


def _give_up_token(s: SessionCore, record: SessionRecord, error: AuthflowError) -> Op[AuthEvent | None]:
    """The refresh token was used, and what came for it is not kept: it is as dead as after a refusal."""
    s._refusal = error
    spent = record.token is not None and record.token.refresh_token is not None
    if not spent or isinstance(error, InvalidGrant):
        return (yield from _refused(s, record, error))
    move = _after_refusal(s, record)
    if move in (Move.LEAVE, Move.ADOPT):
        return None
    trigger = Trigger.REVOKE if move is Move.REVOKE else Trigger.DEFER
    return (yield from _commit_end(s, record, trigger, error, reason="revoked", final=True))


def _defer(
    s: SessionCore, record: SessionRecord, error: AuthflowError, answer: Answer, move: Move
) -> Op[AuthEvent | None]:
    """Not now: when to try again, and whether the claim stays."""
    s._refusal = error
    now = s._run.ledger.now()
    claim = s._run.record.claim if move is Move.DEFER_CLAIMED else None
    final = claim is not None and renewal.is_final(s.provider.rotation)
    retry_at: float | None
    if answer is Answer.CONFIGURATION:
        reason, retry_at = "configuration", now + renewal.LONGEST_PAUSE
    elif final:
        reason, retry_at = "maybe_spent", None
    else:
        reason = "provider_unreachable"
        retry_at = now + renewal.pause(record.failures, s._house.random.random(), error.retry_after)
    return (
        yield from _commit_end(
            s, record, Trigger.DEFER, error, reason=reason, retry_at=retry_at, final=final, claim=claim
        )
    )


def _commit_end(
    s: SessionCore,
    record: SessionRecord,
    trigger: Trigger,
    error: AuthflowError,
    *,
    reason: str,
    retry_at: float | None = None,
    final: bool = False,
    claim: Claim | None = None,
) -> Op[AuthEvent]:
    """Commits an end without new tokens. `final`: the refresh token will not be presented again."""
    error.add_facts(phase=error.phase or Phase.REFRESH)
    facts = Facts(
        now=s._run.ledger.now(),
        origin=Origin.PROVIDER,
        reason=reason,
        recoverable=trigger is not Trigger.DEFER,
        error=replace(error.info, retry_at=retry_at),
        epoch=record.epoch,
        retry_at=retry_at,
        reauth_required=final,
        claim=claim,
    )
    try:
        event: AuthEvent = yield Do(partial(_commit_outcome, s, record, trigger, facts), s._house.store.blocking)
    except InvalidTransition:
        if _view(s, record).same:
            raise error from None  # another process goes on with it; that this one could not renew is as true
        raise sign_in_required(s) from None
    return event


def _commit_outcome(s: SessionCore, record: SessionRecord, trigger: Trigger, facts: Facts) -> AuthEvent:
    """Commits how a renewal ended, also when the clock has given it up meanwhile: the machine was suspended
    while the answer was on its way. That answer still counts, the refresh token was used for it."""
    ledger = s._run.ledger
    present = ledger.record
    still = partial(_still_its, record, trigger)
    if not still(present):
        raise InvalidTransition("Another process has taken this renewal over.")
    if present.state is State.AUTHENTICATED and trigger in (Trigger.REFRESHED, Trigger.DEFER):
        ledger.commit(Trigger.REFRESH, _claim_facts(s, Origin.PROVIDER, present.claim))
    return ledger.commit(trigger, facts, still)


def _still_its(record: SessionRecord, trigger: Trigger, present: SessionRecord) -> bool:
    """Nobody has renewed it since. And for `defer`, which would clear it: nobody else's claim stands there."""
    return _generation(present) == _generation(record) and (
        trigger is not Trigger.DEFER or present.claim == record.claim
    )


def _as_seen(seen: SessionRecord, record: SessionRecord) -> bool:
    """Nobody has presented the refresh token, or renewed it, since this process judged that it may."""
    return _generation(record) == _generation(seen) and record.claim == seen.claim


def _view(s: SessionCore, asked: SessionRecord) -> View:
    return renewal.view_of(s._run.record, asked, s._run.ledger.now(), s._house.process)


def _unwanted(record: SessionRecord, refused: Token) -> Token:
    """What is revoked of tokens that cannot be kept: not the refresh token that the session still has."""
    kept = None if record.token is None else record.token.refresh_token
    return replace(refused, refresh_token=None) if refused.refresh_token == kept else refused


def _generation(record: SessionRecord) -> tuple[int, int]:
    return record.epoch, record.generation


def _retries(record: SessionRecord) -> int:
    return 0 if record.claim is None else record.claim.retries


def claims_of(record: SessionRecord) -> dict[str, object] | None:
    """The claims of a record's ID token."""
    return None if record.claims is None else msgspec.json.decode(record.claims, type=dict[str, object])


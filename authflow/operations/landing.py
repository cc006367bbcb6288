"""How a renewal ends: what came is stored or revoked, what failed is said.

Rule: an answer that comes late still counts: the refresh token was used for it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec.structs import replace

from .. import renewal
from ..chart import State, Trigger
from ..core import SessionCore
from ..effects import Do, Op
from ..engine import Facts, Tokens
from ..errors import AuthflowError, InvalidGrant, InvalidTransition, Phase, StoreError
from ..events import AuthEvent, Origin
from ..protocol.messages import Granted, ServerMetadata
from ..records import Claim, Further, SessionRecord, Target, Token
from ..renewal import Answer, Move, View
from .callback import tokens_of
from .ending import sign_in_required
from .signing_out import discard
from .storing import persistently

MOST_FURTHER: Final = 32  # access tokens of one session for other APIs; the oldest makes room
MOST_LOOKS: Final = 1_000


def store(
    s: SessionCore, record: SessionRecord, metadata: ServerMetadata, granted: Granted, target: Target | None
) -> Op[AuthEvent | None]:
    """New tokens: stored or revoked."""
    now = s._run.ledger.now()
    facts = Facts(now=now, origin=Origin.PROVIDER, epoch=record.epoch, tokens=_tokens(record, granted, target, now))
    try:
        return (yield from persistently(partial(_swap, s, record, facts, metadata, granted)))
    except StoreError as error:
        unwanted = not_kept(record, granted.token)
        if unwanted.refresh_token is None:
            told = yield from defer(s, record, error, Answer.NOT_PROCESSED, Move.DEFER)
        else:
            told = yield from give_up_token(s, record, error)
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
    for _ in range(MOST_LOOKS):
        try:
            event: AuthEvent = yield Do(
                partial(_commit_outcome, s, record, Trigger.REFRESHED, facts), s._house.store.blocking
            )
            return event
        except InvalidTransition:
            view = view_of(s, record)
        move = renewal.after_lost_swap(view)
        note(s, "after_lost_swap", move, **view._asdict())
        if move is Move.ADOPT:
            return None  # the same grant: to revoke these tokens would end the session that won
        if move is Move.DISCARD:
            yield from discard(s, metadata, granted.token)
            raise sign_in_required(s)
    raise StoreError("Other processes keep writing this session.", hint="Sign in again.")


def end_refused(s: SessionCore, record: SessionRecord, error: AuthflowError) -> Op[AuthEvent | None]:
    """`invalid_grant`: read again first, another process may have won."""
    try:
        yield Do(s._run.ledger.catch_up, s._house.store.blocking)
    except StoreError:
        return (yield from defer(s, record, error, Answer.SILENCE, Move.DEFER_CLAIMED))
    move = _after_refusal(s, record)
    if move is Move.ADOPT:
        return None
    if move is Move.LEAVE:
        raise sign_in_required(s)
    if move is Move.REVOKE:
        return (yield from commit_end(s, record, Trigger.REVOKE, error, reason="revoked"))
    return (yield from commit_end(s, record, Trigger.DEFER, error, reason="revoked", final=True))


def _after_refusal(s: SessionCore, record: SessionRecord) -> Move:
    view = view_of(s, record)
    move = renewal.after_refusal(view)
    note(s, "after_refusal", move, **view._asdict())
    return move


def give_up_token(s: SessionCore, record: SessionRecord, error: AuthflowError) -> Op[AuthEvent | None]:
    """The refresh token was used, and what came for it is not kept: it is as dead as after a refusal."""
    s._refusal = error
    spent = record.token is not None and record.token.refresh_token is not None
    if not spent or isinstance(error, InvalidGrant):
        return (yield from end_refused(s, record, error))
    move = _after_refusal(s, record)
    if move in (Move.LEAVE, Move.ADOPT):
        return None
    trigger = Trigger.REVOKE if move is Move.REVOKE else Trigger.DEFER
    return (yield from commit_end(s, record, trigger, error, reason="revoked", final=True))


def defer(
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
        yield from commit_end(
            s, record, Trigger.DEFER, error, reason=reason, retry_at=retry_at, final=final, claim=claim
        )
    )


def commit_end(
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
        if view_of(s, record).same:
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
        ledger.commit(Trigger.REFRESH, claim_facts(s, Origin.PROVIDER, present.claim))
    return ledger.commit(trigger, facts, still)


def _still_its(record: SessionRecord, trigger: Trigger, present: SessionRecord) -> bool:
    """Nobody has renewed it since. And for `defer`, which would clear it: nobody else's claim stands there."""
    return generation(present) == generation(record) and (
        trigger is not Trigger.DEFER or present.claim == record.claim
    )


def not_kept(record: SessionRecord, refused: Token) -> Token:
    """What is revoked of tokens that cannot be kept: not the refresh token that the session still has."""
    kept = None if record.token is None else record.token.refresh_token
    return replace(refused, refresh_token=None) if refused.refresh_token == kept else refused


def view_of(s: SessionCore, asked: SessionRecord) -> View:
    return renewal.view_of(s._run.record, asked, s._run.ledger.now(), s._house.process)


def note(s: SessionCore, question: str, move: Move, **facts: object) -> None:
    recorder = s._house.recorder
    if recorder is not None:
        recorder.decision(s.key, question, move.value, {"rotation": s.provider.rotation, **facts})


def claim_facts(s: SessionCore, origin: Origin, claim: Claim | None) -> Facts:
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


def lease(s: SessionCore) -> float:
    """Seconds that a claim counts as a living process's: both tries, and 5 s to spare."""
    return 2 * s.provider.timeout + 5.0


def generation(record: SessionRecord) -> tuple[int, int]:
    return record.epoch, record.generation

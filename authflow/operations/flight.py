"""One renewal, from the first look at the store to the signal that tells how it ended.

    lock → read again → claim → POST → compare-and-swap → tell

Every choice on the way is a function of `renewal.py`; here the moves up to the answer are carried out, in `landing.py`
those after it. The flight belongs to the manager: whoever asked for it may be cancelled.

Rule: only the process whose claim won the swap presents the refresh token, and only while its lease runs.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from .. import flows, renewal
from ..chart import LIVE, Trigger
from ..core import SessionCore
from ..drive import REFRESH
from ..effects import Do, Op, T
from ..errors import (
    AuthflowError,
    DeadlineExceeded,
    InvalidTransition,
    OAuthError,
    Phase,
    Sent,
)
from ..events import AuthEvent, Origin
from ..protocol.dpop import Binding
from ..protocol.messages import Granted, ServerMetadata
from ..protocol.step import Wait
from ..records import Claim, SessionRecord, Target, Token
from ..renewal import Answer, Move, View
from .ending import sign_in_required, unavailable
from .enrolling import prepare
from .landing import (
    MOST_LOOKS,
    claim_facts,
    commit_end,
    defer,
    end_refused,
    generation,
    give_up_token,
    lease,
    not_kept,
    note,
    store,
    view_of,
)
from .signing_out import discard
from .wire import reach

_LOOK_AGAIN: Final = 0.1  # seconds between two looks at another process's renewal


class Outcome(NamedTuple):
    """The error, for whoever asked, and the event that told of the end. `elsewhere`: others were at it, too long."""

    error: AuthflowError | None
    event: AuthEvent | None
    elsewhere: bool = False


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
            return (yield from store(s, record, metadata, came, target))
        if isinstance(came, Unkept):
            event = yield from give_up_token(s, record, came.error)
            yield from discard(s, metadata, came.tokens)
            return event
        s._refusal = came
        answer = renewal.classify(came)
        if answer is Answer.REFUSED:
            return (yield from end_refused(s, record, came))
        move = renewal.after_answer(answer, s.provider.rotation, _retries(record))
        note(s, "after_answer", move, answer=answer.value, retries=_retries(record))
        if target is not None and isinstance(came, OAuthError) and answer is Answer.CONFIGURATION:
            # It is this target that is refused: the session's own renewals need not wait.
            return (yield from commit_end(s, record, Trigger.DEFER, came, reason="target_refused"))
        if move is not Move.RETRY:
            return (yield from defer(s, record, came, answer, move))
        try:
            record = yield from _claim_again(s, record)
        except InvalidTransition:
            raise came from None  # another process goes on with it


def _claim(s: SessionCore, origin: Origin, asked: SessionRecord, until: float) -> Op[SessionRecord | None]:
    """Reads the store until this process may present the token and its claim has won; None: it is renewed."""
    house, ledger = s._house, s._run.ledger
    for _ in range(MOST_LOOKS):
        yield Do(ledger.catch_up, house.store.blocking)
        yield Do(s._tick, house.store.blocking)  # a lease may have lapsed since somebody looked last
        view = view_of(s, asked)
        move = renewal.before_sending(view, s.provider.rotation)
        note(s, "before_sending", move, **view._asdict())
        if move is Move.ADOPT or (move is Move.LEAVE and ledger.record.state in LIVE):
            return None
        if move is Move.LEAVE:
            raise sign_in_required(s)
        if move is Move.WAIT:
            if ledger.now() >= until:
                raise _ElsewhereError
            yield Wait(_LOOK_AGAIN)
            continue
        try:
            if move is Move.KEEP:
                yield from _keep(s, view)
            retries = 0 if view.left is None or s.provider.rotation == "none" else view.retries + 1
            claim = Claim(at=ledger.now(), retries=retries)
            facts, still = claim_facts(s, origin, claim), partial(_as_seen, ledger.record)
            yield Do(partial(ledger.commit, Trigger.REFRESH, facts, still), house.store.blocking)
        except InvalidTransition:
            continue  # another process was faster
        return ledger.record
    raise unavailable(ledger.record, "Other processes keep renewing this session.")


def _claim_again(s: SessionCore, record: SessionRecord) -> Op[SessionRecord]:
    """No answer came: the claim says so before the token is presented once more."""
    house, ledger = s._house, s._run.ledger
    again = replace(cast(Claim, record.claim), retries=_retries(record) + 1)

    def mark(present: SessionRecord) -> SessionRecord:
        if generation(present) != generation(record) or present.refresher != house.process:
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
        partial(s._run.ledger.commit, Trigger.REFRESH, claim_facts(s, Origin.CLOCK, claim)), s._house.store.blocking
    )
    final = renewal.is_final(s.provider.rotation)
    if final and not view.token_lives:
        yield from commit_end(s, record, Trigger.EXPIRE, spent, reason="maybe_spent")
    else:
        retry_at = None if final else record.expires_at
        yield from commit_end(
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
        return metadata, Unkept(refused.cause, not_kept(record, refused.token))
    except AuthflowError as error:
        return metadata, error
    except BaseException:
        cut = DeadlineExceeded("The renewal was interrupted.", hint="It is tried again.", phase=Phase.REFRESH)
        yield from defer(s, record, cut, Answer.SILENCE, Move.DEFER_CLAIMED)
        raise
    return metadata, granted


def _as_seen(seen: SessionRecord, record: SessionRecord) -> bool:
    """Nobody has presented the refresh token, or renewed it, since this process judged that it may."""
    return generation(record) == generation(seen) and record.claim == seen.claim


def _retries(record: SessionRecord) -> int:
    return 0 if record.claim is None else record.claim.retries


def claims_of(record: SessionRecord) -> dict[str, object] | None:
    """The claims of a record's ID token."""
    return None if record.claims is None else msgspec.json.decode(record.claims, type=dict[str, object])

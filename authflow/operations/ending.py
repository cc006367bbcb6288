"""How a pending login ends without a session, or a session by its provider, and the errors that say so.

Rule: whichever way it ends, it ends once, its listener is closed and its callbacks are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from ..agents.base import FixedRedirect
from ..chart import PENDING, State, Trigger
from ..core import SessionCore
from ..effects import Do, Expect, Op, Tell
from ..engine import Facts
from ..errors import (
    AuthflowError,
    ErrorInfo,
    LoginCancelled,
    LoginDenied,
    LoginFailed,
    LoginTimedOut,
    Phase,
    Recovery,
    SignInRequired,
    StoreError,
    TemporarilyUnavailable,
    login_failed,
)
from ..events import AuthEvent, Origin
from ..records import PendingRef, SessionRecord
from ..run import Run
from . import whose
from .data import Begun
from .pending import remove_pending

NO_LOGIN_HERE: Final = "Start the sign-in again in the application."
BACK_CHANNEL: Final = "back_channel_logout"
SHORTEST_SECONDS: Final = 0.05  # no wait is shorter, and no poll is put off for less
SAID_SECONDS: Final = 5.0  # an end that was committed is said long before


def cancel(s: SessionCore, *, reason: str = "cancelled", beside_only: bool = False) -> Op[bool]:
    """Ends what is pending: the login, and the attempt beside a live session. False: there was nothing."""
    ended = False
    yield Do(s._run.ledger.load, s._house.store.blocking)
    for run in (s._beside,) if beside_only else (s._run, s._beside):
        if run is None or run.record.state not in PENDING:
            continue
        refs = run.record.pending
        info = _cancelled(reason)
        facts = Facts(now=run.ledger.now(), reason=reason, error=info)
        event = yield Do(partial(s._try_commit, run, Trigger.CANCEL, facts), s._house.store.blocking)
        ended = ended or event is not None
        yield Do(partial(remove_pending, s._house, refs), s._house.store.blocking)
        for attempt in tuple(run.listeners):
            let_go(run, attempt)
    yield Tell(s._outbox)
    return ended


def close(s: SessionCore) -> Op[None]:
    """The manager closes: what is pending is cancelled, but not what another process can complete: a web login that
    lies in a durable store waits on, and whoever waits for it in this process is told that it does not any more."""
    if not all(_goes_on_elsewhere(s, run) for run in (s._run, s._beside) if run is not None):
        yield from cancel(s, reason="closed")
    for run in (s._run, s._beside):
        if run is not None:
            run.end(failure_of(_cancelled("closed")))


def _goes_on_elsewhere(s: SessionCore, run: Run) -> bool:
    if run.record.state not in PENDING:
        return True
    here = any(
        not isinstance(listener, FixedRedirect) or attempt in (s._bindings or {})  # an app link's binding is here
        for attempt, listener in tuple(run.listeners.items())
    )
    exchanges_here = run.record.state is State.EXCHANGING and run.ledger.exchanges_here
    return getattr(s._house.store, "durable", True) and not here and not exchanges_here


def fail(s: SessionCore, run: Run, attempt: str, error: AuthflowError, phase: Phase) -> Op[LoginFailed]:
    """Commits `fail` and gives the error for the caller. Not when the attempt has ended otherwise."""
    error.add_facts(phase=error.phase or phase)
    failed = login_failed(error)
    facts = Facts(
        now=run.ledger.now(),
        origin=Origin.PROVIDER,
        reason="denied" if isinstance(failed, LoginDenied) else "failed",
        error=error.info,
        attempt=attempt,
    )
    refs = run.record.pending
    ended = yield Do(partial(s._try_commit, run, Trigger.FAIL, facts), s._house.store.blocking)
    if ended is not None:  # otherwise it had ended before, and what is pending now is another login's
        yield Do(partial(remove_pending, s._house, refs), s._house.store.blocking)
    yield Tell(s._outbox)
    return failed


def give_up(s: SessionCore, run: Run, attempt: str) -> Op[None]:
    """Whoever waited was cancelled: the attempt ends as `cancel`. Its signals are told by the manager."""
    refs = run.record.pending
    facts = Facts(now=run.ledger.now(), reason="cancelled", error=_cancelled("cancelled"), attempt=attempt)
    if s._try_commit(run, Trigger.CANCEL, facts) is not None:
        remove_pending(s._house, refs)
    let_go(run, attempt)
    s._outbox.hand_over()
    return
    yield


def see_out(s: SessionCore, begun: Begun, waiting: Op[AuthEvent]) -> Op[AuthEvent]:
    """Runs `waiting`, which waits for the end of an attempt, and sees that its end is one however it comes. Raises
    `LoginFailed`."""
    run, attempt = begun.run, begun.attempt
    run.attend(attempt)
    try:
        return (yield from waiting)
    except StoreError as error:
        raise (yield from fail(s, run, attempt, error, Phase.STORE)) from error
    except AuthflowError:
        raise
    except BaseException:
        yield from give_up(s, run, attempt)
        raise
    finally:
        if attempt in run.attended:  # a generator that is thrown away may not yield any more: `give_up` has let go
            yield Do(partial(let_go, run, attempt), blocking=True)


def next_of(s: SessionCore, begun: Begun, until: float) -> Op[Any]:
    """What happens next to an attempt; None: nothing did `until` then, and the clock has acted if it had to."""
    item = yield Expect(begun.mailbox, max(SHORTEST_SECONDS, until - begun.run.ledger.now()))
    if item is None:
        yield Do(s._tick, s._house.store.blocking)
        yield Tell(s._outbox)
        item = begun.mailbox.take()
    if item is None and begun.run.record.state not in PENDING and begun.attempt in begun.run.waiters:
        item = yield Expect(begun.mailbox, SAID_SECONDS)  # the clock's own thread ended it, and is about to say so
    if isinstance(item, (AuthEvent, AuthflowError)):
        yield Tell(s._outbox)
    return item


def let_go(run: Run, attempt: str) -> None:
    """Nobody waits for this attempt any more: its listener is closed."""
    run.let_go(attempt)


def displaced(s: SessionCore, run: Run, before: Sequence[PendingRef]) -> Op[None]:
    """Attempts that were pending `before` and gave way to a newer one: forgotten, and whoever waits is told."""
    gone = [ref for ref in before if ref not in run.record.pending]
    for ref in gone:
        kind = LoginTimedOut if ref.deadline <= run.ledger.now() else LoginCancelled
        run.end(kind("A newer sign-in took its place.", hint=NO_LOGIN_HERE), ref.attempt)
    if gone:
        yield Do(partial(remove_pending, s._house, gone), s._house.store.blocking)


def _cancelled(reason: str) -> ErrorInfo:
    said = {
        "superseded": "A newer sign-in took its place.",
        "logout": "The user signed out while signing in.",
        "closed": "The application closed while signing in.",
    }
    return ErrorInfo(
        code=reason,
        message=said.get(reason, "The sign-in was cancelled."),
        hint="Sign in again when you are ready.",
        phase=Phase.AUTHORIZE.value,
        recovery=Recovery.USER_CANCELLED.value,
    )


def end_if_ended_there(s: SessionCore, names: Sequence[str], since: float) -> None:
    """The provider's logout came while the session was being written, and found no live one to end."""
    try:
        ended_at = whose.ended_at(s._house, names)
    except StoreError:
        return  # it is a session, and stays one; the provider is asked again at the next renewal
    if ended_at is not None and ended_at >= since:
        revoke_for_provider(s, BACK_CHANNEL)


def revoke_for_provider(s: SessionCore, reason: str) -> AuthEvent | None:
    """Ends the live session because its provider did; the tokens are revoked beside."""
    ledger = s._run.ledger
    record = ledger.record
    facts = Facts(now=ledger.now(), origin=Origin.PROVIDER, reason=reason, recoverable=True, epoch=record.epoch)
    event = s._try_commit(s._run, Trigger.REVOKE, facts)
    if event is not None and record.token is not None:
        # The provider may let them live on (Back-Channel Logout §2.7: offline_access).
        ledger.orphans = (*ledger.orphans, record.token)
        s._recache()
        whose.leave_quietly(s._house, s.key, record)
    return event


def judge_end(event: AuthEvent | AuthflowError) -> AuthEvent:
    """How an attempt ended that somebody else brought to its end. Raises `LoginFailed`."""
    if isinstance(event, AuthflowError):
        raise event
    if event.target == State.IDLE.value:
        raise failure_of(event.error)
    return event


def failure_of(info: ErrorInfo | None) -> LoginFailed:
    """The `LoginFailed` for an error that was kept as data."""
    if info is None:
        return LoginCancelled("The sign-in has ended.", hint=NO_LOGIN_HERE)
    kind: type[LoginFailed] = LoginFailed
    if info.recovery == Recovery.USER_CANCELLED:
        kind = LoginDenied if info.error is not None else LoginCancelled
    elif info.code == LoginTimedOut.code:
        kind = LoginTimedOut
    return kind(
        info.message,
        code=info.code,
        phase=None if info.phase is None else Phase(info.phase),
        recovery=Recovery(info.recovery),
        hint=info.hint,
        error=info.error,
        error_description=info.error_description,
        check=info.check,
    )


def with_trace(s: SessionCore, error: LoginFailed) -> None:
    """Puts on an error what was recorded of its login, and a note that says where that is."""
    recorder = s._house.recorder
    trace = None if recorder is None or error.trace is not None else recorder.last_attempt(s.key)
    if trace is not None:
        error.add_facts(trace=trace)
        error.add_note('What happened, without secrets: error.trace.save("failed.html")')


def sign_in_required(s: SessionCore) -> SignInRequired:
    """The error for a token that is asked of a session that is not live; it says why it is not."""
    record = s._run.record
    why = f" ({record.reason})" if record.reason else ""
    return SignInRequired(
        f"{s.provider.name!r} is not signed in: it is {record.state.value.replace('_', ' ')}{why}.",
        hint="Call login().",
    )


def unavailable(record: SessionRecord, said: str) -> TemporarilyUnavailable:
    last = record.error
    return TemporarilyUnavailable(
        f"{said}{f' {last.message}' if last is not None else ''}",
        hint="The session is kept; ask again later." if not record.reauth_required else "Sign in again.",
        recovery=Recovery.SIGN_IN_AGAIN if record.reauth_required else Recovery.RETRY_AT,
        retry_at=record.retry_at,
        phase=Phase.REFRESH,
    )


def under_way(record: SessionRecord) -> TemporarilyUnavailable:
    """Why there is no token yet: somebody else is at it, for as long as its claim counts at most."""
    return TemporarilyUnavailable(
        "The token is being renewed, most likely by another process, and that takes too long.",
        hint="The session is kept; ask again. If that process has died, another takes over at retry_at.",
        retry_at=record.deadline if record.state is State.REFRESHING else None,
        phase=Phase.REFRESH,
    )


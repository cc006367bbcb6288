"""A callback: recognised, used up, checked, exchanged.

    recognise   state → pending attempt; the binding of the browser; else REJECT, and nothing has ended
    receive     used up by one compare-and-swap → checked (iss, error, …) → CALLBACK
    exchange    the code against tokens → validated → stored → AUTHENTICATE

Rule: every token received is stored or revoked. A login that was ended meanwhile is never a login.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from .. import engine, flows
from ..chart import State, Trigger
from ..core import House, Run, SessionCore
from ..drive import Do, Op, Own, Tell
from ..engine import Facts, Tokens
from ..errors import (
    AuthflowError,
    BindingRequired,
    CallbackAlreadyUsed,
    CallbackRejected,
    InvalidTransition,
    LoginCancelled,
    LoginTimedOut,
    Phase,
    StoreError,
    ValidationFailed,
)
from ..events import AuthEvent, Origin
from ..protocol.callback import CallbackParams, check_callback, read_callback
from ..protocol.messages import Granted, ServerMetadata
from ..protocol.step import Wait
from ..records import Key, Pending, Profile
from .data import Completion
from .ending import NO_LOGIN_HERE, drop_rivals, fail, failure_of, give_up
from .pending import finish_pending, fits_redirect, hash_of, load_pending, use_pending
from .runs import open_beside
from .signing_out import discard
from .wire import reach

EXCHANGE_SECONDS: Final = 60.0
USED_SECONDS: Final = 60.0


def complete(
    house: House, callback: str | Mapping[str, Any], binding: str | None, expected: SessionCore | None
) -> Op[Completion]:
    """A callback that reached a route or the application: judged, exchanged, told.

    Raises `CallbackRejected` (and ends nothing), `BindingRequired`, or `LoginFailed`.
    """
    pending, params = yield from recognise(house, callback, binding, expected)
    s = expected or house.find(Key.parse(pending.key))
    if pending.used_at is not None:
        return (yield from _same_again(house, s, pending, params))
    run = s._beside if pending.beside else s._run
    if run is None:
        run = open_beside(s)
    try:
        completion = yield from receive(s, run, pending, params)
    finally:
        yield Tell(s._outbox)
    return completion


def recognise(
    house: House, callback: str | Mapping[str, Any], binding: str | None, expected: SessionCore | None
) -> Op[tuple[Pending, CallbackParams]]:
    """The pending attempt that a callback belongs to; `reject` and `CallbackRejected` when there is none."""
    try:
        params = read_callback(callback)
        pending = yield Do(partial(load_pending, house, params.state), house.store.blocking)
        _check_belongs(house, pending, callback, binding, expected)
    except CallbackRejected:
        if expected is not None and expected._run.record.state is State.AUTHORIZING:
            facts = Facts(now=expected._run.ledger.now(), origin=Origin.PROVIDER, reason="rejected")
            expected._try_commit(expected._run, Trigger.REJECT, facts)
            yield Tell(expected._outbox)
        raise
    return pending, params


def _check_belongs(
    house: House,
    pending: Pending | None,
    callback: str | Mapping[str, Any],
    binding: str | None,
    expected: SessionCore | None,
) -> None:
    if pending is None:
        raise CallbackRejected("No sign-in with this state is waiting.", hint=NO_LOGIN_HERE, check="state")
    if expected is not None and str(expected.key) != pending.key:
        raise CallbackRejected("This callback belongs to another session.", hint=NO_LOGIN_HERE, check="state")
    if Key.parse(pending.key).provider not in house.providers:
        raise CallbackRejected("This callback belongs to a provider that is not configured here.", check="state")
    if isinstance(callback, str) and not fits_redirect(callback, pending.redirect_uri):
        raise CallbackRejected(
            "This callback arrived at another provider's redirect URI.", hint=NO_LOGIN_HERE, check="redirect_uri"
        )
    if pending.binding_hash is None:
        return
    if binding is None and expected is not None:
        binding = expected._bindings.get(pending.attempt)
    if not binding:
        raise BindingRequired(
            "A web callback must come with the binding of the browser that began.",
            hint="Pass binding=… from the cookie that was set from request.binding.",
        )
    if not hmac.compare_digest(hash_of(binding), pending.binding_hash):
        raise CallbackRejected(
            "This callback came from another browser than the one that began.", hint=NO_LOGIN_HERE, check="binding"
        )


def receive(s: SessionCore, run: Run, pending: Pending, params: CallbackParams) -> Op[Completion]:
    """The right callback of a pending attempt: used up, checked, exchanged. It tells nothing yet."""
    house, ledger = s._house, run.ledger
    yield Do(ledger.catch_up, house.store.blocking)
    if pending.deadline <= ledger.now():
        yield Do(s._tick, house.store.blocking)
        raise LoginTimedOut("This sign-in took too long; its time is over.", hint=NO_LOGIN_HERE, phase=Phase.CALLBACK)
    won = yield Do(partial(use_pending, house, params.state, ledger.now()), house.store.blocking)
    if won is None:
        raise CallbackRejected("This callback is being completed already.", hint="Wait for it to finish.")
    yield from drop_rivals(s, run, pending.attempt)
    outcome: AuthEvent | None = None
    failure: AuthflowError | None = None
    try:
        outcome = yield from _check_and_exchange(s, run, pending, params)
    except AuthflowError as error:
        failure = error
        raise
    finally:
        info = None if failure is None else failure.info
        yield Do(partial(finish_pending, house, params.state, outcome, info), house.store.blocking)
    return Completion(session=s, event=outcome, app_data=pending.app_data)


def _check_and_exchange(s: SessionCore, run: Run, pending: Pending, params: CallbackParams) -> Op[AuthEvent]:
    house = s._house
    try:
        metadata = yield from reach(s, flows.discover(s.provider, house.directory, run.ledger.now()))
        check_callback(s.provider, metadata, params)
    except AuthflowError as error:
        raise (yield from fail(s, run, pending.attempt, error, Phase.CALLBACK)) from error
    now = run.ledger.now()
    facts = Facts(now=now, origin=Origin.PROVIDER, attempt=pending.attempt, deadline=now + EXCHANGE_SECONDS)
    try:
        yield Do(partial(run.ledger.commit, Trigger.CALLBACK, facts), house.store.blocking)
    except InvalidTransition:
        raise CallbackRejected("The sign-in that this callback belongs to has ended.", hint=NO_LOGIN_HERE) from None
    except StoreError as error:
        # The pending attempt is used up: nobody can come back with it.
        raise (yield from fail(s, run, pending.attempt, error, Phase.STORE)) from error
    yield Tell(s._outbox)
    event: AuthEvent = yield Own(_exchange(s, run, pending, metadata, params.code or ""))
    return event


def _exchange(s: SessionCore, run: Run, pending: Pending, metadata: ServerMetadata, code: str) -> Op[AuthEvent]:
    """The code against tokens, the tokens checked and stored. Whoever waits may leave; this goes on."""
    house = s._house
    try:
        granted = yield from reach(s, flows.exchange(
            s.provider,
            metadata,
            house.directory,
            code=code,
            redirect_uri=pending.redirect_uri,
            code_verifier=pending.code_verifier,
            nonce=pending.nonce,
            scope=pending.scope,
            now=run.ledger.now(),
            max_age=pending.max_age,
            acr_values=pending.acr_values,
            fetch_user=pending.fetch_user,
            fetch_groups=pending.fetch_groups,
        ))
    except flows.TokensRefused as refused:
        failed = yield from fail(s, run, pending.attempt, refused.cause, Phase.VALIDATE)
        yield from discard(s, metadata, refused.token)
        raise failed from refused.cause
    except AuthflowError as error:
        raise (yield from fail(s, run, pending.attempt, error, Phase.EXCHANGE)) from error
    except BaseException:
        yield from give_up(s, run, pending.attempt)
        raise
    try:
        if run.beside:
            return (yield from _reauthenticate(s, run, pending, granted))
        facts = Facts(
            now=run.ledger.now(),
            origin=Origin.PROVIDER,
            attempt=pending.attempt,
            scope=pending.scope,
            fetch_user=pending.fetch_user,
            fetch_groups=pending.fetch_groups,
            tokens=tokens_of(granted, run.ledger.now()),
        )
        event: AuthEvent = yield Do(partial(run.ledger.commit, Trigger.AUTHENTICATE, facts), house.store.blocking)
        return event
    except InvalidTransition:
        yield from discard(s, metadata, granted.token)
        raise LoginCancelled(
            "The sign-in was ended while its code was exchanged; the tokens were revoked.", hint=NO_LOGIN_HERE
        ) from None
    except AuthflowError as error:
        failed = yield from fail(s, run, pending.attempt, error, Phase.STORE)
        yield from discard(s, metadata, granted.token)
        raise failed from error


def tokens_of(granted: Granted, now: float, profile: Profile | None = None) -> Tokens:
    claims = granted.claims
    return Tokens(
        token=granted.token,
        issuer=granted.issuer,
        subject=granted.subject,
        claims=None if claims is None else msgspec.json.encode(claims),
        profile=engine.encode_profile(granted.profile or profile),
        refresh_at=None if granted.refresh_in is None else now + granted.refresh_in,
        warning=granted.warning,
    )


def _reauthenticate(s: SessionCore, run: Run, pending: Pending, granted: Granted) -> Op[AuthEvent]:
    """An attempt beside the live session succeeded: for the same human it renews that session."""
    live = s._run.record
    if (granted.issuer, granted.subject) != (live.issuer, live.subject):
        raise ValidationFailed(
            "Another user signed in than the one whose session this is.",
            hint="Sign out first to change the user.",
            check="other_user",
            phase=Phase.VALIDATE,
        )
    if run.record.attempt != pending.attempt:
        raise engine.StaleTrigger("The attempt has ended.")
    facts = Facts(
        now=s._run.ledger.now(),
        origin=Origin.PROVIDER,
        reason="step_up",
        epoch=pending.epoch,
        tokens=tokens_of(granted, s._run.ledger.now()),
    )
    event: AuthEvent = yield Do(
        partial(s._run.ledger.commit, Trigger.REAUTHENTICATE, facts), s._house.store.blocking
    )
    s._beside = None
    for mailbox in tuple(run.waiters.values()):
        mailbox.put(event)
    yield Do(run.ledger.drop, s._house.store.blocking)
    return event


def _same_again(house: House, s: SessionCore, pending: Pending, params: CallbackParams) -> Op[Completion]:
    """The same callback again: the same outcome for 60 seconds, after that `CallbackAlreadyUsed`."""
    found: Pending | None = pending
    while found is not None and not found.done and house.clock.time() < (found.used_at or 0.0) + EXCHANGE_SECONDS:
        yield Wait(0.05)
        found = yield Do(partial(load_pending, house, params.state), house.store.blocking)
    if found is None or not found.done or house.clock.time() > (found.used_at or 0.0) + USED_SECONDS:
        raise CallbackAlreadyUsed("This callback was completed before.", hint=NO_LOGIN_HERE)
    if found.outcome is None:
        raise failure_of(found.error)
    return Completion(session=s, event=found.outcome, app_data=found.app_data)

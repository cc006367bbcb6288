"""A callback: recognised, used up, checked, exchanged.

    recognise   state → pending attempt; the binding of the browser; else REJECT, and nothing has ended
    receive     used up by one compare-and-swap → checked (iss, error, …) → CALLBACK
    exchange    the code against tokens → validated → stored → AUTHENTICATE

Rule: every token received is stored or revoked. A login that was ended meanwhile is never a login.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from .. import authorizing, engine, flows
from ..chart import State, Trigger
from ..core import SessionCore
from ..effects import Do, Join, Op, Own, Tell
from ..engine import Facts, Tokens
from ..errors import (
    AuthflowError,
    BindingRequired,
    CallbackAlreadyUsed,
    CallbackRejected,
    ErrorInfo,
    InvalidTransition,
    LoginCancelled,
    LoginFailed,
    LoginTimedOut,
    Phase,
    Recovery,
    StoreError,
    ValidationFailed,
)
from ..events import AuthEvent, Origin
from ..house import House
from ..protocol.callback import CallbackParams, read_callback
from ..protocol.dpop import Binding
from ..protocol.messages import Granted, ServerMetadata
from ..protocol.step import Flow, Wait
from ..records import Key, Pending, Profile, SessionRecord, shared_scope
from ..run import Run
from . import whose
from .data import Completion
from .ending import NO_LOGIN_HERE, end_if_ended_there, fail, failure_of, give_up, with_trace
from .enrolling import prepare
from .moving import moved_to
from .pending import finish_pending, fits_redirect, hash_of, load_pending, remove_pending, use_pending
from .runs import open_beside
from .signing_out import discard
from .storing import stored
from .wire import reach

_log = logging.getLogger("authflow")

EXCHANGE_SECONDS: Final = 60.0
USED_SECONDS: Final = 60.0
_MOST_RACES: Final = 8


def complete(
    house: House, callback: str | Mapping[str, Any], binding: str | None, expected: SessionCore | None
) -> Op[Completion]:
    """A callback that reached a route or the application: judged, exchanged, told.

    Raises `CallbackRejected` (and ends nothing), `BindingRequired`, or `LoginFailed`.
    """
    pending, params = yield from recognise(house, callback, binding, expected)
    s = expected or house.find(Key.parse(pending.key))
    try:
        if pending.used_at is not None:
            return (yield from _same_again(house, s, pending, params))
        run = s._beside if pending.beside else s._run
        completion = yield from receive(s, run or open_beside(s), pending, params)
    except LoginFailed as error:
        with_trace(s, error)
        raise
    finally:
        yield Tell(s._outbox)
    return completion


def recognise(
    house: House, callback: str | Mapping[str, Any], binding: str | None, expected: SessionCore | None
) -> Op[tuple[Pending, CallbackParams]]:
    """The pending attempt that a callback belongs to; `reject` and `CallbackRejected` when there is none."""
    try:
        params = read_callback(callback, house.providers.values())
        pending = yield Do(partial(load_pending, house, params.state), house.store.blocking)
        key = None if pending is None else (yield Do(partial(_present_key, house, pending), house.store.blocking))
        _check_belongs(house, pending, key, callback, binding, expected)
    except CallbackRejected:
        if expected is not None and expected._run.record.state is State.AUTHORIZING:
            facts = Facts(now=expected._run.ledger.now(), origin=Origin.PROVIDER, reason="rejected")
            expected._try_commit(expected._run, Trigger.REJECT, facts)
            yield Tell(expected._outbox)
        raise
    if params.ignored:
        who, what = Key.parse(pending.key).provider, ", ".join(params.ignored)
        _log.warning("A callback of %s brought %s: nobody asked for that, and nobody reads it.", who, what)
    return pending, params


def _check_belongs(
    house: House,
    pending: Pending | None,
    key: Key | None,
    callback: str | Mapping[str, Any],
    binding: str | None,
    expected: SessionCore | None,
) -> None:
    if pending is None:
        raise CallbackRejected("No sign-in with this state is waiting.", hint=NO_LOGIN_HERE, check="state")
    if pending.grant:  # no redirect belongs to it: its state has another use, or none
        raise CallbackRejected("No sign-in with this state waits for a redirect.", hint=NO_LOGIN_HERE, check="state")
    if expected is not None and str(expected.key) != pending.key and expected.key != key:
        raise CallbackRejected("This callback belongs to another session.", hint=NO_LOGIN_HERE, check="state")
    if Key.parse(pending.key).provider not in house.providers:
        raise CallbackRejected(
            "This callback belongs to a provider that is not configured here.", hint=NO_LOGIN_HERE, check="state"
        )
    if isinstance(callback, str) and not fits_redirect(callback, pending.redirect_uri):
        raise CallbackRejected(
            "This callback arrived at another redirect URI than the one of its sign-in.",
            hint="Give each provider its own route; behind a proxy that changes paths, pass the URL the browser saw.",
            check="redirect_uri",
        )
    if pending.binding_hash is None:
        return
    if binding is None and expected is not None:
        binding = (expected._bindings or {}).get(pending.attempt)
    if not binding:
        raise BindingRequired(
            "A web callback must come with the binding of the browser that began.",
            hint="Pass binding=… from the cookie that was set from request.binding.",
        )
    if not hmac.compare_digest(hash_of(binding), pending.binding_hash):
        raise CallbackRejected(
            "This callback came from another browser than the one that began.", hint=NO_LOGIN_HERE, check="binding"
        )


def _present_key(house: House, pending: Pending) -> Key:
    """Under which key the session of an attempt is now."""
    key = Key.parse(pending.key)
    return key if pending.outcome is None else moved_to(house, key, pending.outcome.at)


def receive(s: SessionCore, run: Run, pending: Pending, params: CallbackParams) -> Op[Completion]:
    """The right callback of a pending attempt: used up, checked, exchanged. It tells nothing yet."""
    house, ledger = s._house, run.ledger
    yield Do(ledger.catch_up, house.store.blocking)
    if pending.deadline <= ledger.now():
        yield Do(s._tick, house.store.blocking)
        raise LoginTimedOut("This sign-in took too long; its time is over.", hint=NO_LOGIN_HERE, phase=Phase.CALLBACK)
    won = yield Do(partial(use_pending, house, params.state, ledger.now()), house.store.blocking)
    if won is None:
        return (yield from _same_again(house, s, pending, params))
    _tell_recorder(s, pending, params)
    try:
        metadata, said = yield from _check(s, run, pending, params)
        yield from enter_exchange(s, run, pending)
    except AuthflowError as error:
        yield Do(partial(finish_pending, house, params.state, None, error.info), house.store.blocking)
        raise
    except BaseException:
        yield from give_up(s, run, pending.attempt)
        finish_pending(house, params.state, None, None)
        raise
    left: list[bool] = []
    try:
        binding = Binding.of(pending.dpop_key, house.directory.nonces)
        redeeming = authorizing.redeem(
            s.provider, metadata, house.directory, pending, said, now=ledger.now(), binding=binding
        )
        event: AuthEvent = yield Own(see_through(s, run, pending, metadata, params.state, redeeming, left))
    except AuthflowError:
        raise
    except BaseException:
        left.append(True)
        raise
    return Completion(session=s, event=event, app_data=pending.app_data)


def _tell_recorder(s: SessionCore, pending: Pending, params: CallbackParams) -> None:
    """The human is back: what another process told of this login is gone on with."""
    recorder = s._house.recorder
    if recorder is None:
        return
    key, attempt = s.key, pending.attempt
    if pending.story is not None:
        recorder.resume(key, attempt, pending.story)
    recorder.came_back(key, attempt, pending.redirect_uri, params, pending.binding_hash is not None)


def _check(
    s: SessionCore, run: Run, pending: Pending, params: CallbackParams
) -> Op[tuple[ServerMetadata, CallbackParams]]:
    """Whether the answer is the issuer's and good."""
    house, now = s._house, run.ledger.now()
    try:
        metadata = yield from prepare(s, issuer=pending.issuer)
        said = yield from reach(
            s,
            authorizing.read_answer(s.provider, metadata, house.directory, pending, params, now=now),
            story=pending.attempt,
        )
    except AuthflowError as error:
        raise (yield from fail(s, run, pending.attempt, error, Phase.CALLBACK)) from error
    return metadata, said


def enter_exchange(s: SessionCore, run: Run, pending: Pending) -> Op[None]:
    """Commits `callback`: the provider's answer is here. It drops the other pending attempts. Raises
    `CallbackRejected` when the attempt has ended meanwhile."""
    house, now = s._house, run.ledger.now()
    facts = Facts(now=now, origin=Origin.PROVIDER, attempt=pending.attempt, deadline=now + EXCHANGE_SECONDS)
    rivals = tuple(ref for ref in run.record.pending if ref.attempt != pending.attempt)
    try:
        yield Do(partial(run.ledger.commit, Trigger.CALLBACK, facts), house.store.blocking)
    except InvalidTransition:
        raise CallbackRejected("The sign-in that this callback belongs to has ended.", hint=NO_LOGIN_HERE) from None
    except StoreError as error:
        # The pending attempt is used up: nobody can come back with it.
        raise (yield from fail(s, run, pending.attempt, error, Phase.STORE)) from error
    if rivals:
        yield Do(partial(remove_pending, house, rivals), house.store.blocking)
    yield Tell(s._outbox)


def see_through(
    s: SessionCore,
    run: Run,
    pending: Pending,
    metadata: ServerMetadata,
    state: str,
    flow: Flow[Granted],
    left: list[bool],
) -> Op[AuthEvent]:
    """The exchange by `flow`, and how it ended kept for the same callback coming again. Whoever waits may leave
    (`left`): then the manager tells what came of it."""
    house = s._house
    outcome: AuthEvent | None = None
    failure: ErrorInfo | None = None
    try:
        outcome = yield from _exchange(s, run, pending, metadata, flow)
    except AuthflowError as error:
        failure = error.info
        raise
    finally:
        yield Do(partial(finish_pending, house, state, outcome, failure), house.store.blocking)
        if left:
            s._outbox.hand_over()
    return outcome


def _exchange(
    s: SessionCore, run: Run, pending: Pending, metadata: ServerMetadata, flow: Flow[Granted]
) -> Op[AuthEvent]:
    """What `flow` brings, the tokens checked and stored. Whoever waits may leave; this goes on."""
    house = s._house
    refused: flows.TokensRefused | None = None
    try:
        granted = yield from reach(s, flow, story=pending.attempt)
    except flows.TokensRefused as error:
        refused = error
    except AuthflowError as error:
        raise (yield from fail(s, run, pending.attempt, error, Phase.EXCHANGE)) from error
    except BaseException:
        yield from give_up(s, run, pending.attempt)
        raise
    if refused is not None:
        # Out here: what is raised where `refused` was caught has it as its context, and with it the tokens.
        failed = yield from fail(s, run, pending.attempt, refused.cause, Phase.VALIDATE)
        yield from discard(s, metadata, refused.token)
        raise failed from refused.cause
    try:
        if run.beside:
            return (yield from _reauthenticate(s, run, pending, granted))
        names = yield from _enter(s, pending, granted)
        facts = Facts(
            now=run.ledger.now(),
            origin=Origin.PROVIDER,
            attempt=pending.attempt,
            scope=shared_scope(pending.scope),
            fetch_user=pending.fetch_user,
            fetch_groups=pending.fetch_groups,
            tokens=replace(tokens_of(granted, run.ledger.now(), pending.dpop_key), resource=pending.resource),
        )
        event = yield from stored(s, partial(run.ledger.commit, Trigger.AUTHENTICATE, facts))
        yield Do(partial(end_if_ended_there, s, names, pending.created_at), house.store.blocking)
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


def _enter(s: SessionCore, pending: Pending, granted: Granted) -> Op[tuple[str, ...]]:
    """Whose session this becomes, so that the provider's logout finds it; `ValidationFailed` when that came first."""
    if granted.claims is None:
        return ()
    names = whose.names_of(s.key.provider, granted.issuer, granted.subject, granted.claims.get("sid"))
    ended_at = yield from stored(s, partial(whose.enter, s._house, s.key, names))
    if ended_at is not None and ended_at >= pending.created_at:
        raise ValidationFailed(
            "The provider has signed this user out meanwhile.",
            check="sid",
            hint="Sign in again.",
            recovery=Recovery.SIGN_IN_AGAIN,
            phase=Phase.VALIDATE,
        )
    return names


def tokens_of(granted: Granted, now: float, dpop_key: bytes | None, profile: Profile | None = None) -> Tokens:
    claims = granted.claims
    return Tokens(
        token=granted.token,
        issuer=granted.issuer,
        subject=granted.subject,
        dpop_key=dpop_key,
        claims=None if claims is None else msgspec.json.encode(claims),
        profile=engine.encode_profile(granted.profile or profile),
        refresh_at=None if granted.refresh_in is None else now + granted.refresh_in,
        warning=granted.warning,
    )


def _reauthenticate(s: SessionCore, run: Run, pending: Pending, granted: Granted) -> Op[AuthEvent]:
    """An attempt beside the live session succeeded: for the same human it renews that session."""
    if granted.token.refresh_token is None and s._flight is not None and not s._flight.done:
        yield Join(s._flight)  # what it brings is the refresh token that is kept
    names = yield from _enter(s, pending, granted)
    event = yield from stored(s, partial(_take_over, s, run, pending, granted))
    s._beside = None
    run.end(event)
    yield Do(run.ledger.drop, s._house.store.blocking)
    yield Do(partial(end_if_ended_there, s, names, pending.created_at), s._house.store.blocking)
    return event


def _take_over(s: SessionCore, run: Run, pending: Pending, granted: Granted) -> AuthEvent:
    """Commits the tokens of an attempt to the live session. A step-up without a refresh token keeps the old one,
    and with it the scope that is asked for at renewals."""
    ledger = s._run.ledger
    for _ in range(_MOST_RACES):
        live = ledger.record
        known = granted.subject or s.provider.tells_no_user
        if not known or (granted.issuer, granted.subject) != (live.issuer, live.subject):
            raise ValidationFailed(
                "It cannot be told whether this is the user whose session it is."
                if not (granted.subject and live.subject)
                else "Another user signed in than the one whose session this is.",
                hint="Sign out first to change the user; sign in with fetch_user=True to step up.",
                check="other_user",
                phase=Phase.VALIDATE,
            )
        tokens, scope = (
            tokens_of(granted, ledger.now(), pending.dpop_key),
            tuple(dict.fromkeys((*live.scope, *pending.scope))),
        )
        if granted.token.refresh_token is None and live.token is not None:
            tokens = replace(tokens, token=replace(tokens.token, refresh_token=live.token.refresh_token))
            scope = live.scope
        facts = Facts(
            now=ledger.now(),
            origin=Origin.PROVIDER,
            reason="step_up",
            epoch=pending.epoch,
            scope=scope,
            tokens=tokens,
        )
        try:
            return ledger.commit(Trigger.REAUTHENTICATE, facts, partial(_still, run, pending.attempt, live))
        except engine.StaleTrigger:
            if run.record.attempt != pending.attempt or ledger.record.epoch != pending.epoch:
                raise
    raise engine.StaleTrigger("The session kept changing.")


def _still(run: Run, attempt: str, seen: SessionRecord, record: SessionRecord) -> bool:
    """The attempt has not been ended, and the tokens of the session are those that were `seen`."""
    return run.record.attempt == attempt and (record.epoch, record.generation) == (seen.epoch, seen.generation)


def _same_again(house: House, s: SessionCore, pending: Pending, params: CallbackParams) -> Op[Completion]:
    """The same callback again: the same outcome for 60 seconds, after that `CallbackAlreadyUsed`."""
    found: Pending | None = pending
    if pending.used_at is None:  # it was used this very moment
        found = yield Do(partial(load_pending, house, params.state), house.store.blocking)
    while found is not None and not found.done and house.clock.time() < (found.used_at or 0.0) + EXCHANGE_SECONDS:
        yield Wait(0.05)
        found = yield Do(partial(load_pending, house, params.state), house.store.blocking)
    if found is None or not found.done or house.clock.time() > (found.used_at or 0.0) + USED_SECONDS:
        raise CallbackAlreadyUsed("This callback was completed before.", hint=NO_LOGIN_HERE)
    if found.outcome is None:
        raise failure_of(found.error)
    key = yield Do(partial(_present_key, house, found), house.store.blocking)
    s = s if s.key == key else house.find(key)
    yield Do(s._run.ledger.catch_up, house.store.blocking)
    return Completion(session=s, event=found.outcome, app_data=found.app_data)

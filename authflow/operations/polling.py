"""A login that is polled for: asked for, shown, and asked again until there are tokens or its time is over.

    ask      device authorization → what the human is to do; the attempt's deadline becomes the code's
    wait     one poll after another, each a whole: tokens → CALLBACK → checked → stored → AUTHENTICATE

Rule 1: a poll that has begun is seen through, whoever leaves: tokens that arrive for a login that was ended are
        revoked.
Rule 2: nobody waits longer than the code is good for. A process that died in between leaves an attempt that the
        clock ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from .. import flows, polling
from ..agents.polling import Instructions, PollingAgent
from ..core import SessionCore
from ..effects import Do, Op, Own, Tell
from ..errors import (
    AuthflowError,
    CallbackRejected,
    LoginCancelled,
    LoginFailed,
    LoginTimedOut,
    Phase,
    StoreError,
)
from ..events import AuthEvent
from ..house import House
from ..protocol.ciba import REQUEST_CLAIM, fits, read_ping
from ..protocol.dpop import Binding
from ..protocol.expected import Expected
from ..protocol.messages import ServerMetadata, TokenResponse
from ..protocol.token import to_token
from ..records import Key, Pending, Polled, SessionRecord
from ..run import Run
from .callback import enter_exchange, see_through
from .data import Begun
from .ending import NO_LOGIN_HERE, SHORTEST_SECONDS, fail, judge_end, next_of
from .enrolling import prepare
from .pending import load_pending, restate_pending, use_pending
from .runs import open_beside
from .signing_out import discard
from .wire import reach

if TYPE_CHECKING:
    from ..effects import Mailbox

LOST_PING_SECONDS: Final = 30.0


def ask(
    s: SessionCore,
    run: Run,
    agent: PollingAgent,
    pending: Pending,
    state: str,
    metadata: ServerMetadata,
    params: Mapping[str, str],
    mailbox: Mailbox,
) -> Op[Begun]:
    """Asks the provider, and keeps what it said with the attempt."""
    told, polled = yield from _ask(s, agent, pending, state, metadata, {**params, **agent.params()})
    deadline = min(pending.deadline, run.ledger.now() + told.expires_in)
    keep = partial(_keep, s, run, state, replace(pending, polled=polled, deadline=deadline))
    yield Do(keep, s._house.store.blocking)
    return Begun(
        url=told.verification_uri_complete or told.verification_uri or "",
        state=state,
        binding=None,
        expires_at=deadline,
        attempt=pending.attempt,
        run=run,
        mailbox=mailbox,
        told=told,
        polled=polled,
    )


def _ask(
    s: SessionCore,
    agent: PollingAgent,
    pending: Pending,
    state: str,
    metadata: ServerMetadata,
    params: dict[str, str],
) -> Op[tuple[Instructions, Polled]]:
    """What the human is to do, and what is polled with. The state of an attempt whose provider pings is the token
    that the ping must bring (CIBA Core §7.1): so it is found in whichever process it arrives."""
    label, notice = s.provider.label, agent.notice
    if pending.grant == polling.CIBA:
        if agent.ping:
            params["client_notification_token"] = state
        asking = polling.ask_on_phone(
            s.provider, metadata, scope=pending.scope, params=params, resource=pending.resource
        )
        asked = yield from reach(s, asking, story=pending.attempt)
        shown = params.get("binding_message")
        told = Instructions(label=label, expires_in=asked.expires_in, binding_message=shown, notice=notice)
        return told, Polled(asked.code, asked.interval, pinged=agent.ping)
    coding = polling.ask_for_code(s.provider, metadata, scope=pending.scope, params=params, resource=pending.resource)
    code = yield from reach(s, coding, story=pending.attempt)
    told = Instructions(
        label=label,
        expires_in=code.terms.expires_in,
        user_code=code.user_code,
        verification_uri=code.verification_uri,
        verification_uri_complete=code.verification_uri_complete,
        notice=notice,
    )
    user_code = code.user_code if s.provider.device_sends_user_code else None
    return told, Polled(code.terms.code, code.terms.interval, user_code)


def _keep(s: SessionCore, run: Run, state: str, pending: Pending) -> None:
    """The code with the attempt, and its end as the attempt's."""
    restate_pending(s._house, state, pending)

    def sooner(record: SessionRecord) -> SessionRecord:
        refs = tuple(
            replace(ref, deadline=pending.deadline) if ref.attempt == pending.attempt else ref
            for ref in record.pending
        )
        return replace(record, pending=refs)

    run.ledger.annotate(sooner)
    s._recache()


def wait(s: SessionCore, begun: Begun, polled: Polled) -> Op[AuthEvent]:
    """Polls until the login has come to rest. Raises `LoginFailed`."""
    # A provider that pings is polled as well, seldom: a ping may be lost.
    run, pace = begun.run, polling.Pace.of(replace(polled, interval=max(polled.interval, LOST_PING_SECONDS))
                                           if polled.pinged else polled)  # fmt: skip
    due = run.ledger.now() + pace.delay
    while True:
        item = yield from next_of(s, begun, min(due, begun.expires_at))
        if isinstance(item, (AuthEvent, AuthflowError)):
            return judge_end(item)
        if begun.expires_at <= run.ledger.now():
            # The session still waits for another attempt of it; this one is over.
            raise LoginTimedOut("Nobody answered in time.", hint=NO_LOGIN_HERE)
        if due - run.ledger.now() > SHORTEST_SECONDS:
            continue
        came = yield from poll(s, run, begun.state)
        if isinstance(came, AuthEvent):
            return came
        pace = pace if came is None else pace.after(came)
        due = run.ledger.now() + pace.delay


def notified(
    house: House, authorization: str, body: bytes | str | Mapping[str, object]
) -> Op[AuthEvent | None]:
    """A ping (CIBA Core §10.2): the one poll that it stands for. None: there was nothing to do any more, or the answer
    is not there yet. Raises `CallbackRejected` for a ping of no pending login, and `LoginFailed`."""
    token, code = read_ping(authorization, body)
    pending: Pending | None = yield Do(partial(load_pending, house, token), house.store.blocking)
    if (
        pending is None or pending.polled is None or not pending.polled.pinged
        or not fits(code, pending.polled.code) or Key.parse(pending.key).provider not in house.providers
    ):  # fmt: skip
        raise CallbackRejected("No sign-in waits for this notification.", hint=NO_LOGIN_HERE, check="ping")
    s = house.find(Key.parse(pending.key))
    run = (s._beside or open_beside(s)) if pending.beside else s._run
    yield Do(run.ledger.catch_up, house.store.blocking)
    came = yield from poll(s, run, token)
    return came if isinstance(came, AuthEvent) else None


def poll(s: SessionCore, run: Run, state: str) -> Op[AuthEvent | AuthflowError | None]:
    """One poll of the attempt that is kept under `state`, seen through: the login's event, or why there are no tokens
    yet; None when somebody else has them. Raises `LoginFailed`."""
    left: list[bool] = []
    try:
        came: AuthEvent | AuthflowError | None = yield Own(_poll(s, run, state, left))
    except AuthflowError:
        yield Tell(s._outbox)
        raise
    except BaseException:
        left.append(True)
        raise
    yield Tell(s._outbox)
    return came


def _poll(s: SessionCore, run: Run, state: str, left: list[bool]) -> Op[AuthEvent | AuthflowError | None]:
    house = s._house
    pending: Pending | None = yield Do(partial(load_pending, house, state), house.store.blocking)
    if pending is None or pending.polled is None or pending.used_at is not None:
        return None
    binding = Binding.of(pending.dpop_key, house.directory.nonces)
    try:
        metadata = yield from prepare(s, issuer=pending.issuer)
        asking = polling.poll(s.provider, metadata, pending.grant, pending.polled, binding)
        answer = yield from reach(s, asking, story=pending.attempt)
    except polling.AGAIN as error:
        return error
    except AuthflowError as error:
        known = yield Do(partial(load_pending, house, state), house.store.blocking)
        if known is None or known.used_at is not None:
            return None  # somebody else got the tokens, or ended it: no wonder
        raise (yield from fail(s, run, pending.attempt, error, Phase.EXCHANGE)) from error
    return (yield from _receive(s, run, pending, state, metadata, answer, binding, left))


def _receive(
    s: SessionCore,
    run: Run,
    pending: Pending,
    state: str,
    metadata: ServerMetadata,
    answer: TokenResponse,
    binding: Binding | None,
    left: list[bool],
) -> Op[AuthEvent | None]:
    """The poll was answered with tokens: `callback`, and the exchange is their validation. Tokens of an attempt that
    is used up, or has ended, are revoked."""
    house, now = s._house, run.ledger.now()
    token = to_token(answer, now=now, requested_scope=pending.scope)
    try:
        won = yield Do(partial(use_pending, house, state, now), house.store.blocking)
        if won is None:
            yield from discard(s, metadata, token)
            return None
        yield from enter_exchange(s, run, pending)
    except (CallbackRejected, StoreError, LoginFailed) as error:
        yield from discard(s, metadata, token)
        if isinstance(error, CallbackRejected):
            raise LoginCancelled(
                "The sign-in was ended while its tokens arrived; they were revoked.", hint=NO_LOGIN_HERE
            ) from None
        raise
    by_phone = pending.grant == polling.CIBA
    expected = Expected(
        nonce=None,
        max_age=pending.max_age,
        acr_values=pending.acr_values,
        asked_claims=pending.asked_claims,
        # A back end's clock is right. A device's may be minutes fast, and its login would be lost to that.
        since=pending.created_at if by_phone else None,
    )
    accepting = flows.accept(
        s.provider,
        metadata,
        house.directory,
        answer,
        expected=expected,
        scope=pending.scope,
        now=run.ledger.now(),
        own_claims={REQUEST_CLAIM: pending.polled.code} if by_phone and pending.polled else {},
        fetch_user=pending.fetch_user,
        fetch_groups=pending.fetch_groups,
        binding=binding,
    )
    return (yield from see_through(s, run, pending, metadata, state, accepting, left))

"""Signing in: begin, show the URL, wait for the human.

    begin     pending stored → AUTHORIZE → discovery → the URL
    wait      callbacks from the listener, until one is the right one or the attempt ends
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Final

from msgspec.structs import replace

from .. import authorizing, engine, flows
from ..agents.base import Agent, Callback, Page
from ..agents.browser import opener_failed, show_url, surroundings
from ..agents.choosing import Suitable, can_browse
from ..agents.loopback import Loopback
from ..agents.polling import PollingAgent
from ..agents.web import Web
from ..chart import PENDING, Trigger
from ..core import SessionCore
from ..effects import Do, Mailbox, Op, Tell
from ..engine import MOST_PENDING, Facts
from ..errors import (
    AuthflowError,
    CallbackRejected,
    InvalidCall,
    LoginTimedOut,
    MissingEndpoint,
    OwnerRequired,
    Phase,
    StoreError,
)
from ..events import AuthEvent
from ..http import warm_tls
from ..protocol.asked_claims import build_claims_parameter, with_hinted_subject
from ..protocol.authorization import build_authorization_request
from ..protocol.dpop import jkt, new_key
from ..protocol.messages import ServerMetadata
from ..protocol.rar import build_authorization_details
from ..protocol.step import Call
from ..records import Pending, PendingRef, decode_profile
from ..run import Run
from . import polling
from .callback import receive, recognise
from .data import Begun, LoginOptions
from .ending import NO_LOGIN_HERE, cancel, displaced, fail, give_up, judge_end, let_go, next_of, see_out
from .enrolling import enrol
from .pending import hash_of, restate_pending, store_pending
from .runs import in_progress, run_for
from .wire import reach

_JOSE: Final = "authflow.protocol.id_token"


def begin(s: SessionCore, options: LoginOptions) -> Op[Begun]:
    """Commits `authorize` and makes the URL. Its failures after that are `fail`, and heard."""
    house = s._house
    yield Do(s._tick, house.store.blocking)
    agent: Agent
    if isinstance(options.agent, Suitable):
        agent = yield from _choose(s, options.agent)
    else:
        agent = options.agent or Web(_web_redirect(s, options))
    in_process, polls = agent.waits, isinstance(agent, PollingAgent)
    if isinstance(agent, Web) and not s.owner and not house.single_user:
        raise OwnerRequired(
            "A web login needs an owner, or every visitor would share one session.",
            hint="Use manager.owner(browser_id)[name].begin(…), or SessionManager(single_user=True).",
        )
    run = run_for(s, options)
    listener = yield Do(partial(agent.listen, s.provider))
    state, binding = secrets.token_urlsafe(32), None if in_process else secrets.token_urlsafe(32)
    now = run.ledger.now()
    pending = Pending(
        attempt=secrets.token_hex(4),
        key=str(s.key),
        code_verifier="" if polls else secrets.token_urlsafe(48),
        redirect_uri=listener.redirect_uri,
        created_at=now,
        deadline=now + options.timeout,
        nonce=secrets.token_urlsafe(32) if s.provider.openid and not polls else None,
        scope=_scope(s, run, options),
        beside=run.beside,
        epoch=s._run.record.epoch,
        binding_hash=None if binding is None else hash_of(binding),
        # Without an ID token only the profile tells whether a step-up is the same user's.
        fetch_user=options.fetch_user or (run.beside and not s.provider.openid),
        fetch_groups=options.fetch_groups,
        max_age=options.max_age,
        acr_values=options.acr_values,
        asked_claims=with_hinted_subject(options.claims, options.params.get("id_token_hint")),
        resource=options.resource,
        response_type=s.provider.response_type,
        jarm="jwt" in (s.provider.response_mode or ""),
        grant=agent.grant if isinstance(agent, PollingAgent) else "",
        # A step-up may come without a refresh token; then the old one is kept, and its key with it.
        dpop_key=(s._run.record.dpop_key if run.beside else None) or new_key(s.provider),
        app_data=options.app_data,
    )
    mailbox = Mailbox()
    run.expect(pending.attempt, mailbox, listener)
    before = run.record.pending
    ref = PendingRef(attempt=pending.attempt, state_hash=hash_of(state), deadline=pending.deadline)
    facts = Facts(now=now, pending=ref)
    try:
        ready = None if polls else _at_once(_address(s, run, options, state, pending))
        if ready is not None:
            pending = replace(pending, story=_foretold(s, run, pending, facts, ready[0]))
        yield Do(partial(store_pending, house, state, pending), house.store.blocking)
        yield Do(partial(run.ledger.commit, Trigger.AUTHORIZE, facts), house.store.blocking)
        yield from displaced(s, run, before)
    except Exception:
        let_go(run, pending.attempt)
        raise
    except BaseException:
        yield from give_up(s, run, pending.attempt)
        raise
    try:
        if not s.provider.allow_insecure_loopback:
            # While the human is on the way, not when the code has arrived.
            warm_tls()
            if s.provider.openid and _JOSE not in sys.modules:
                threading.Thread(target=import_module, args=(_JOSE,), name="authflow-jose").start()
        yield Tell(s._outbox)
        if binding is not None and not isinstance(agent, Web):
            kept = {**(s._bindings or {}), pending.attempt: binding}
            s._bindings = dict(list(kept.items())[-2 * MOST_PENDING :])
        if isinstance(agent, PollingAgent):
            metadata, pending = yield from _enrol(s, run, options, state, pending)
            asked = _authorization_params(options, pending)
            return (yield from polling.ask(s, run, agent, pending, state, metadata, asked, mailbox))
        if ready is None:
            ready, pending = yield from _address(s, run, options, state, pending)
        url, request_object = ready
        yield from _leave(s, state, pending, url)
        ended = mailbox.take()
        if ended is None:
            listener.start(mailbox.put)
    except AuthflowError as error:
        let_go(run, pending.attempt)
        raise (yield from fail(s, run, pending.attempt, error, Phase.AUTHORIZE)) from error
    except BaseException:
        yield from give_up(s, run, pending.attempt)
        raise
    if ended is not None:  # it came to rest while the provider's metadata were on their way
        let_go(run, pending.attempt)
        mailbox.put(judge_end(ended))
    return Begun(
        url=url,
        state=state,
        binding=binding,
        expires_at=pending.deadline,
        attempt=pending.attempt,
        run=run,
        mailbox=mailbox,
        request_object=request_object,
    )


def _enrol(
    s: SessionCore, run: Run, options: LoginOptions, state: str, pending: Pending
) -> Op[tuple[ServerMetadata, Pending]]:
    house = s._house
    metadata = yield from enrol(s, pending.redirect_uri)
    if house.providers[s.key.provider].enrols:  # only now it is known whom to ask, and what the API wants
        pending = replace(pending, issuer=metadata.issuer, scope=_scope(s, run, options))
        yield Do(partial(restate_pending, house, state, pending), house.store.blocking)
    return metadata, pending


def _address(
    s: SessionCore, run: Run, options: LoginOptions, state: str, pending: Pending
) -> Op[tuple[tuple[str, str | None], Pending]]:
    """Where the browser is sent, and the request object that is to be served for it."""
    metadata, pending = yield from _enrol(s, run, options, state, pending)
    request = build_authorization_request(
        s.provider,
        redirect_uri=pending.redirect_uri,
        scope=pending.scope,
        state=state,
        nonce=pending.nonce,
        code_verifier=pending.code_verifier,
        params=_authorization_params(options, pending),
        resource=pending.resource,
    )
    asking = authorizing.authorize(s.provider, metadata, request, request_uri=options.request_uri)
    address = yield from reach(s, asking, story=pending.attempt)
    return address, pending


def _at_once(address: Op[tuple[tuple[str, str | None], Pending]]) -> tuple[str, str | None] | None:
    """The same, if nobody has to be asked for it; what it fails of is told when the attempt has begun."""
    try:
        next(address)
    except StopIteration as stop:
        ready: tuple[str, str | None] = stop.value[0]
        return ready
    except AuthflowError:
        return None
    address.close()
    return None


def _goes_along(s: SessionCore, pending: Pending) -> bool:
    """Another process may complete this login, so what is recorded of it goes along. Otherwise this one has it."""
    return pending.binding_hash is not None and getattr(s._house.store, "durable", True)


def _foretold(s: SessionCore, run: Run, pending: Pending, facts: Facts, url: str) -> bytes | None:
    """What another process needs to tell this login's story, as it will have been once it is stored."""
    recorder = s._house.recorder
    if recorder is None or not _goes_along(s, pending):
        return None
    label = pending.attempt if run.beside else None
    planned = engine.step(s.key, run.record, Trigger.AUTHORIZE, facts, attempt=label)
    return recorder.foretell(s.key, pending.attempt, planned, url)


def _leave(s: SessionCore, state: str, pending: Pending, url: str) -> Op[None]:
    """Whoever records hears of the URL. What it took to make it goes along, too; that it cannot be kept ends no login.
    """
    recorder = s._house.recorder
    if recorder is None:
        return
    recorder.left(s.key, pending.attempt, url)
    if pending.story is not None or not _goes_along(s, pending):
        return
    story = recorder.carry(s.key, pending.attempt)
    if story is not None:
        with suppress(StoreError):
            yield Do(
                partial(restate_pending, s._house, state, replace(pending, story=story)), s._house.store.blocking
            )


def login(s: SessionCore, options: LoginOptions, opener: Any) -> Op[AuthEvent]:
    """The whole way: begin, show the URL, wait for the human, receive."""
    if options.agent is None or isinstance(options.agent, Suitable):
        options = replace(options, agent=(yield from _choose(s, options.agent or Suitable())))
    show = _shower(options.agent, opener)
    mine = object()
    with s._mutex:
        busy = in_progress(s)
        if busy is not None:
            raise busy
        s._waiting = mine
    try:
        yield Do(s._run.ledger.load, s._house.store.blocking)
        if run_for(s, options).record.state in PENDING:
            yield from cancel(s, reason="superseded")
            s._waiting = mine
        begun = yield from begin(s, options)
        unseen: AuthflowError | None = None
        try:
            s._show = show
            if begun.told is not None:
                yield Call(partial(options.agent.show, begun.told), blocking=not options.agent.asynchronous)
            else:
                yield Call(partial(show, begun.url), blocking=opener is None)
        except AuthflowError as error:
            unseen = error
        except Exception as error:
            unseen = opener_failed(error)
        except BaseException:
            yield from give_up(s, begun.run, begun.attempt)
            raise
        if unseen is not None:
            let_go(begun.run, begun.attempt)
            raise (yield from fail(s, begun.run, begun.attempt, unseen, Phase.AUTHORIZE)) from unseen
        return (yield from wait(s, begun, options.complete_page))
    finally:
        with s._mutex:
            s._waiting = None if s._waiting is mine else s._waiting


def _choose(s: SessionCore, suitable: Suitable) -> Op[Agent]:
    """The agent that suits this place and this provider. What the provider has is asked only where it matters."""
    here = surroundings()
    browser = can_browse(here)
    device = False
    if not browser:
        yield Do(s._run.ledger.load, s._house.store.blocking)
        device = s.provider.device_authorization_endpoint is not None
        if not device and s.provider.discovery:
            try:
                metadata = yield from reach(s, flows.discover(s.provider, s._house.directory, s._run.ledger.now()))
                device = metadata.device_authorization_endpoint is not None
            except AuthflowError:
                device = False  # the login will fail for the same reason, and say so
    return suitable.choose(here, browser=browser, device=device)


def _shower(agent: Agent, opener: Callable[[str], object] | None) -> Callable[[str], object]:
    """What shows the URL: the agent, or the application's `open_url` in place of the system browser."""
    if opener is None:
        return agent.open
    if not isinstance(agent, Loopback):
        raise InvalidCall(
            f"open_url= takes the system browser's place; {type(agent).__name__} shows the URL itself.",
            hint="Leave open_url= or agent= away.",
        )
    return partial(_open_with, opener)


def _open_with(opener: Callable[[str], object], url: str) -> object:
    return show_url(url, opener)


def wait(s: SessionCore, begun: Begun, complete_page: str | None) -> Op[AuthEvent]:
    """Waits for the redirect or polls, until the end of the attempt. Raises `LoginFailed`."""
    polled = begun.polled
    waiting = polling.wait(s, begun, polled) if polled is not None else _wait(s, begun, complete_page)
    return (yield from see_out(s, begun, waiting))


def _wait(s: SessionCore, begun: Begun, complete_page: str | None) -> Op[AuthEvent]:
    run = begun.run
    while True:
        item = yield from next_of(s, begun, begun.expires_at)
        if isinstance(item, (AuthEvent, AuthflowError)):
            return judge_end(item)
        if item is not None:
            event = yield from _answer(s, run, item, complete_page)
            if event is not None:
                return event
        elif begun.expires_at <= run.ledger.now():
            # The session still waits for another attempt of it; this one is over.
            raise LoginTimedOut("Nobody came back from the provider in time.", hint=NO_LOGIN_HERE)


def _answer(s: SessionCore, run: Run, callback: Callback, complete_page: str | None) -> Op[AuthEvent | None]:
    """One redirect that reached the listener: judged, exchanged, and the browser told how it ended."""
    label = s.provider.label
    try:
        pending, params = yield from recognise(s._house, callback.params or callback.url, None, s)
        completion = yield from receive(s, run, pending, params)
    except CallbackRejected as error:
        title = "This sign-in link was not accepted"
        callback.respond(Page(ok=False, title=title, text=error.message, hint=error.hint))
        yield Tell(s._outbox)
        return None
    except AuthflowError as error:
        callback.respond(Page(ok=False, title=f"Not signed in to {label}", text=error.message, hint=error.hint))
        yield Tell(s._outbox)
        raise
    user = decode_profile(s._settled().profile)
    name = None if user is None else user.name
    callback.respond(
        Page(
            ok=True,
            title="Signed in",
            text=f"You are signed in to {label}{f' as {name}' if name else ''}.",
            html=complete_page,
        )
    )
    yield Tell(s._outbox)
    return completion.event


def _web_redirect(s: SessionCore, options: LoginOptions) -> str:
    redirect_uri = options.redirect_uri or s.provider.redirect_uri
    if not redirect_uri:
        raise MissingEndpoint(
            f"{s.provider.name!r} has no redirect_uri for a web login.",
            hint="Pass begin(redirect_uri=…), the very URI that is registered with the provider.",
        )
    return redirect_uri


def _scope(s: SessionCore, run: Run, options: LoginOptions) -> tuple[str, ...]:
    """A step-up asks for what the session has, too: with less it would leave it with less."""
    held = s._run.record.scope if run.beside else ()
    return tuple(dict.fromkeys((*requested_scope(s, options), *held)))


def requested_scope(s: SessionCore, options: LoginOptions) -> tuple[str, ...]:
    """What this login asks for: the provider's own scopes and the caller's, each once."""
    return s.provider.requested_scopes(
        options.scope, fetch_user=options.fetch_user, fetch_groups=options.fetch_groups
    )


def _authorization_params(options: LoginOptions, pending: Pending) -> dict[str, str]:
    params = dict(options.params)
    if options.prompt is not None:
        params["prompt"] = options.prompt
    if options.max_age is not None:
        params["max_age"] = str(int(options.max_age))
    if options.acr_values:
        params["acr_values"] = " ".join(options.acr_values)
    if pending.dpop_key is not None:
        params["dpop_jkt"] = jkt(pending.dpop_key)
    if options.claims:
        params["claims"] = build_claims_parameter(options.claims)
    if options.authorization_details:
        params["authorization_details"] = build_authorization_details(options.authorization_details)
    return params

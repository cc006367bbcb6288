"""What a session is, whichever colour calls it: reading, and the rooms that operations work in.

`House` is what all sessions of one manager share. `SessionCore` is one session: its ledger, its outbox, its
token cache, and, while there is one, the attempt that runs beside it. Nothing here waits for a provider or
a human; that is `operations.py`.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Set
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, cast, overload

import msgspec

from . import engine, renewal
from .chart import LIVE, PENDING, State, Trigger, allowed
from .clock import Clock, SystemClock
from .drive import REFRESH
from .engine import Facts, Step
from .errors import AuthflowError, ErrorInfo, InvalidCall, InvalidTransition, NotSupported
from .events import AuthEvent, Origin, StepUp
from .flows import Directory
from .ledger import Ledger
from .presence import Presence
from .protocol.dpop import Binding
from .protocol.step import Moment
from .protocol.urls import origin_of
from .providers.base import Provider
from .records import Key, SessionRecord, Target, Token, User, decode_profile, unpack_json
from .sealing import Sealer, Vault
from .signals import SIGNALS, Outbox, Signals, SignalsView, SignalView
from .stores import Store

if TYPE_CHECKING:
    from .agents.base import Listener
    from .auth import SessionAuth
    from .drive import AsyncShell, Flight, Mailbox, Recorder, SyncShell
    from .protocol.registration import ClientInformation
    from .trace.story import Trace

SESSION = "session/"
ATTEMPT = "attempt/"
PENDING_PREFIX = "pending/"
CURRENT = "current"
SURE_SECONDS = 0.1  # so long the wall clock is not asked again whether a token is still good
_NEVER = (float("inf"), float("inf"))
RENEW_AGAIN = 30.0  # seconds until keep_fresh() asks again for a renewal of which nothing was heard

# Who sees every event of every session in this process, for tests that ask what was walked. Called inline.
OBSERVERS: list[Callable[[AuthEvent], object]] = []


class House:
    """What the sessions of one manager share: providers, store, clock, signals, shell."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        *,
        store: Store,
        clock: Clock,
        signals: Signals,
        shell: SyncShell | AsyncShell,
        recorder: Recorder | None,
        sealer: Sealer | None,
        vault: Vault,
        single_user: bool,
        expiring_notice: float,
        session_lifetime: float | None,
        arm: Callable[[SessionCore], None],
    ) -> None:
        self.providers = dict(providers)
        self.store = store
        self.clock = clock
        self.time = clock.time
        self.monotonic = clock.monotonic
        self.sure_seconds = SURE_SECONDS if type(clock) is SystemClock else 0.0
        self.signals = signals
        self.shell = shell
        self.recorder = recorder
        self.sealer = sealer
        self.vault = vault
        self.single_user = single_user
        self.expiring_notice = expiring_notice
        self.session_lifetime = session_lifetime
        self.arm = arm
        self.directory = Directory()
        # For a session's quick changes. Shared by a few, because 100,000 locks are 9 MB; nothing waits within one.
        self.mutexes = tuple(threading.Lock() for _ in range(64))
        # By provider and issuer: what became of a provider whose issuer or client was not known at the beginning.
        self.enrolled: dict[tuple[str, str], tuple[Provider, ClientInformation]] = {}
        self.trusted: dict[str, frozenset[str]] = {}  # by provider: the hosts that may be private
        self.told = signals.outbox(told=sys.maxsize)  # stands for the outbox of every session that has none
        self.process = secrets.token_hex(4)
        if recorder is not None:
            recorder.attach(self.process, self.providers)
        self.random = random.SystemRandom()
        self.fresh_ahead = False
        self.closed = False
        self.sessions: Presence[SessionCore] = Presence()
        self.find: Callable[[Key], SessionCore]


class _Attempts:
    """Who waits for the pending attempts of a run, by attempt."""

    __slots__ = ("attended", "coming", "listeners", "waiters")

    def __init__(self) -> None:
        self.coming: set[str] = set()  # not in the record yet: what ended the record's attempts has not ended these
        self.waiters: dict[str, Mailbox] = {}
        self.listeners: dict[str, Listener] = {}
        self.attended: set[str] = set()  # a wait() is at it: that answers the browser and lets go itself


class Run:
    """One walk through the chart: the session's own, or an attempt beside the live session."""

    __slots__ = ("_attempts", "_mutex", "beside", "ledger")

    def __init__(self, ledger: Ledger, mutex: threading.Lock, *, beside: bool) -> None:
        self.ledger = ledger
        self.beside = beside
        self._mutex = mutex
        self._attempts: _Attempts | None = None  # only while there are some: a live session has none

    @property
    def record(self) -> SessionRecord:
        return self.ledger.record

    @property
    def waiters(self) -> Mapping[str, Mailbox]:
        """By attempt: who waits for it."""
        return {} if self._attempts is None else self._attempts.waiters

    @property
    def listeners(self) -> Mapping[str, Listener]:
        """By attempt: what its redirect arrives at."""
        return {} if self._attempts is None else self._attempts.listeners

    @property
    def attended(self) -> Set[str]:
        """The attempts that a wait() is at."""
        return frozenset() if self._attempts is None else self._attempts.attended

    def expect(self, attempt: str, mailbox: Mailbox, listener: Listener) -> None:
        """An attempt begins."""
        with self._mutex:
            if self._attempts is None:
                self._attempts = _Attempts()
            self._attempts.coming.add(attempt)
            self._attempts.waiters[attempt] = mailbox
            self._attempts.listeners[attempt] = listener

    def begun(self, attempt: str) -> None:
        """The attempt is in the record: from now on it ends with that."""
        with self._mutex:
            if self._attempts is not None:
                self._attempts.coming.discard(attempt)

    def attend(self, attempt: str) -> None:
        """A wait() is at this attempt now."""
        with self._mutex:
            if self._attempts is None:
                self._attempts = _Attempts()
            self._attempts.attended.add(attempt)

    def let_go(self, attempt: str) -> None:
        """Nobody waits for this attempt any more: its listener is closed."""
        with self._mutex:
            present = self._attempts
            if present is None:
                return
            present.waiters.pop(attempt, None)
            present.coming.discard(attempt)
            present.attended.discard(attempt)
            listener = present.listeners.pop(attempt, None)
            self._drop_if_empty()
        if listener is not None:
            listener.close()

    def end(self, outcome: AuthEvent | AuthflowError, attempt: str | None = None) -> None:
        """An attempt came to rest (None: all of them; an event ends those of the record only): who waits for it learns
        how, its listener is let go."""
        with self._mutex:
            present = self._attempts
            if present is None:
                return
            over = (attempt,) if attempt is not None else (*present.waiters, *present.listeners)
            if isinstance(outcome, AuthEvent):
                over = tuple(one for one in over if one not in present.coming)
            mailboxes = [present.waiters.pop(one, None) for one in over]
            listeners = [present.listeners.pop(one, None) for one in over if one not in present.attended]
            self._drop_if_empty()
        for mailbox in mailboxes:
            if mailbox is not None:
                mailbox.put(outcome)
        for listener in listeners:
            if listener is not None:
                listener.close()

    def _drop_if_empty(self) -> None:
        present = self._attempts
        if present is not None and not (present.waiters or present.listeners or present.attended):
            self._attempts = None


class StepUps(NamedTuple):
    """What APIs have asked of one login's human: the last of it that is still to be done, and of all of it when it
    was last told, and how often."""

    epoch: int
    wanted: StepUp | None
    asks: Mapping[StepUp, tuple[float, int]]


class SessionCore:
    """The part of a session that has no colour.

    There may be 100,000 of them, so what most never need (an outbox, attempts) is made when it is needed.
    """

    __slots__ = (
        "__weakref__", "_asked", "_auth", "_beside", "_binding", "_bindings", "_due", "_flight", "_flown",
        "_flown_for", "_fresh", "_house", "_jitter", "_key", "_mutex", "_notified", "_origins", "_own_outbox",
        "_provider", "_refusal", "_run", "_seq", "_show", "_stale", "_step_ups", "_sure_until", "_user", "_waiting",
    )  # fmt: skip

    def __init__(self, house: House, key: Key) -> None:
        self._house = house
        self._key = key
        self._provider = house.providers[key.provider]
        self._mutex = house.mutexes[hash(key) % len(house.mutexes)]
        self._seq = 0
        self._own_outbox: Outbox | None = None
        self._fresh: tuple[Token, float, float] | None = None
        self._sure_until = 0.0
        self._due: tuple[float, float] | None = None
        self._flight: Flight[Any] | None = None
        self._flown = 0  # the epoch of the session that it renews
        self._flown_for: Target | None = None  # what else than the session's own token it is to bring
        self._waiting = False
        self._show: Callable[[str], object] | None = None  # how this process's last login showed its URL
        self._beside: Run | None = None
        self._notified: float | None = None  # the end that `on_expiring` was told of
        self._user: tuple[bytes | None, User | None] = (None, None)
        self._jitter = house.random.random()
        self._bindings: dict[str, str] | None = None
        self._binding: tuple[bytes, Binding] | None = None  # the key of DPoP proofs, as the record has it and ready
        self._auth: SessionAuth | None = None
        self._refusal: AuthflowError | None = None
        self._stale = False
        self._step_ups: StepUps | None = None
        self._origins: frozenset[str] | None = None
        self._asked: tuple[int, int, int, float] | None = None  # the last renewal that keep_fresh() began
        ledger = Ledger(key, SESSION, house.store, house.clock, self, house.vault, seen=house.sessions.version(key))
        self._run = Run(ledger, self._mutex, beside=False)

    # ── who ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def key(self) -> Key:
        """(owner, provider, account)."""
        return self._key

    @property
    def provider(self) -> Provider:
        return self._provider

    @property
    def owner(self) -> str:
        """Whose session it is: "" in a program with one user."""
        return self._key.owner

    @property
    def account(self) -> str:
        """The label of a further account of the same provider: "" for the first."""
        return self._key.account

    def __repr__(self) -> str:
        account = f", {self.account!r}" if self.account else ""
        return f"<{type(self).__name__} {self._key.provider!r}{account} {self._run.record.state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} is neither copied nor pickled: share it, or take session.dump() to where a "
            "manager of its own restores it."
        )

    # ── what it is now ───────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> State:
        """Where the session is. A deadline that has passed is acted on before this answers."""
        return self._settled().state

    @property
    def live(self) -> bool:
        """There is a token to use, or one on its way: the one test a user interface needs."""
        return self._settled().state in LIVE

    @property
    def user(self) -> User | None:
        """The signed-in human, or None: not live, or `fetch_user=False`."""
        profile = self._settled().profile
        kept = self._user
        if kept[0] is not profile:
            kept = self._user = (profile, decode_profile(profile))
        return kept[1]

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims of the validated ID token; empty without OpenID Connect."""
        claims = self._settled().claims
        return {} if claims is None else unpack_json(claims, dict[str, Any], "claims")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that were granted; what was asked for, where the provider did not say."""
        token = self._settled().token
        return () if token is None else token.scope

    @property
    def expires_at(self) -> float | None:
        """When the present access token ends (seconds since the epoch); None: not known, or never."""
        return self._settled().expires_at

    @property
    def expires_in(self) -> float | None:
        """Seconds until then; not below 0."""
        at = self.expires_at
        return None if at is None else max(0.0, at - self._run.ledger.now())

    @property
    def error(self) -> ErrorInfo | None:
        """What went wrong last: the failed login, the deferred refresh. None when all is well."""
        return self._settled().error

    @property
    def reason(self) -> str | None:
        """Why the session ended, or is not renewed."""
        return self._settled().reason

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that runs beside the live session (a step-up, a wider scope), or None."""
        beside = self._beside
        return None if beside is None or beside.record.state not in PENDING else Attempt(self, beside)

    @property
    def step_up_required(self) -> StepUp | None:
        """What an API has asked for and no step-up has brought yet; `step_up()` asks the human for it."""
        asked = self._step_ups
        record = self._settled()
        return asked.wanted if asked is not None and asked.epoch == record.epoch and record.state in LIVE else None

    @property
    def trace(self) -> Trace | None:
        """What was recorded of the last attempt, the last renewal and the last sign-out. None: nothing was."""
        recorder = self._house.recorder
        return None if recorder is None else recorder.trace(self._key)

    def explain(self) -> str:
        """The session in one sentence for a human. No secret, no raw provider text beyond its error."""
        return explain(self._settled(), self._provider, self._run.ledger.now(), self._renewal())

    def _renewal(self) -> Trace | None:
        recorder = self._house.recorder
        return None if recorder is None else recorder.trace(self._key, REFRESH)

    @overload
    def diagram(self, format: Literal["mermaid", "dot", "svg", "html"] = "mermaid") -> str: ...

    @overload
    def diagram(self, format: Literal["png"]) -> bytes: ...

    def diagram(self, format: Literal["mermaid", "dot", "svg", "html", "png"] = "mermaid") -> str | bytes:
        """The chart with the present state lit: as text, as a page of its own, or as a picture (bytes; the extra
        `png`). Raises `NotSupported` for another format, `ConfigurationError` without the extra."""
        from .diagrams import RENDERERS, draw

        if format not in RENDERERS:
            raise NotSupported(f"There is no diagram format {format!r}.", hint=f"Formats: {', '.join(RENDERERS)}.")
        return draw(format, state=self.state, title=f"A login at {self._provider.label}")

    def _repr_svg_(self) -> str:
        """What a notebook shows for a session: its chart, in the reader's colours."""
        from .diagrams import draw

        return draw("svg", state=self.state, title=f"A login at {self._provider.label}", theme="auto", id=self._id())

    def _id(self) -> str:
        """A name for drawings of this session, so that several stand on one page."""
        return f"s{hashlib.sha256(str(self._key).encode()).hexdigest()[:8]}"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins that `auth` sends the token to."""
        if self._origins is None:
            self._origins = frozenset(origin_of(origin) for origin in self._provider.api_origins)
        return self._origins

    def prove(self, method: str, url: str, access_token: str | None = None) -> str:
        """The `DPoP` header for one request to an API (RFC 9449 §4), when `token().token_type` is `"DPoP"`.

        `auth` puts it there; this is for other HTTP clients. `access_token`: the one that goes with it, the present
        one unless told. Raises `InvalidCall` when no key is there.
        """
        record = self._settled()
        kept = self._binding
        if record.dpop_key is None:
            raise InvalidCall(f"The tokens of {self.provider.label} are bound to no key.", hint="Set dpop=True.")
        if kept is None or kept[0] is not record.dpop_key:
            binding = Binding.of(record.dpop_key, self._house.directory.nonces)
            kept = self._binding = (record.dpop_key, cast(Binding, binding))
        if access_token is None and record.token is not None:
            access_token = record.token.access_token
        moment = Moment(self._house.time(), secrets.token_urlsafe(16))
        return kept[1].prove(method, url, moment, access_token=access_token)

    def learn_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remembers the nonce in an API's answer for the next proofs; False when there is none. `auth` does it."""
        return self._house.directory.nonces.keep(url, headers) is not None

    # ── signals, filtered to this session ────────────────────────────────────────────────────────────

    @property
    def _view(self) -> SignalsView:
        return self._house.signals.view(str(self._key))

    # `on_login` and the others are properties, set below: a `__getattr__` would slow down every attribute.
    if TYPE_CHECKING:
        on_transition: SignalView
        on_login: SignalView
        on_login_failed: SignalView
        on_logout: SignalView
        on_refresh: SignalView
        on_refresh_failed: SignalView
        on_restore: SignalView
        on_live_changed: SignalView
        on_expiring: SignalView
        on_step_up_required: SignalView
        on_receiver_error: SignalView

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def _outbox(self) -> Outbox:
        """Where events wait to be told. Until anybody listens there is nothing to tell, and none to hold it."""
        return self._house.told if self._own_outbox is None else self._own_outbox

    def _settled(self) -> SessionRecord:
        """The record, after it was loaded and after every deadline that has passed was acted on."""
        due = self._due
        passed = due is None or self._house.time() >= due[0] or self._house.monotonic() >= due[1]
        if passed and self._tick():
            self._outbox.hand_over()
        return self._run.ledger.record

    def _is_fresh(self, fresh: tuple[Token, float, float], monotonic: float) -> bool:
        """Whether that token is good by both clocks. Asking them is most of what token() costs: for a moment after
        this the monotonic one alone will do. (It stands still while a machine sleeps, so never for long.)"""
        if self._house.time() < fresh[1] and monotonic < fresh[2]:
            self._sure_until = min(fresh[2], monotonic + self._house.sure_seconds)
            return True
        return False

    def _further(self, target: Target) -> Token | None:
        """The token that the session has for something else, good or not."""
        return next((one.token for one in self._run.record.further if one.target == target), None)

    def _fresh_further(self, target: Target, min_ttl: float) -> Token | None:
        """The same, if it can be handed out without asking."""
        if self._settled().state not in LIVE:
            return None
        token, now = self._further(target), self._run.ledger.now()
        if token is None or not renewal.is_alive(token, now, min_ttl):
            return None
        return token if now < renewal.renew_token_at(token, self._jitter) else None

    def _tick(self) -> bool:
        """Does what the clock demands now, and only that; True if there is something to tell. May block."""
        ledger = self._run.ledger
        before = self._seq
        if self._due is None:
            ledger.load()
            self._recache()
        for run in (self._run, self._beside):
            acts = None if run is None else engine.due(run.record, run.ledger.now())
            if run is not None and acts is not None:
                trigger, due = acts
                if self._try_commit(run, trigger, due, partial(_demands, trigger, due.now)) is None:
                    self._recache()  # another process or thread has put the deadline off
        end = self._lifetime_end()
        if end is not None and ledger.now() >= end:
            facts = Facts(
                now=ledger.now(),
                origin=Origin.CLOCK,
                reason="session_lifetime",
                recoverable=True,
                epoch=ledger.record.epoch,
            )
            still = partial(_reaches, ledger.record.signed_in_at)
            self._try_commit(self._run, Trigger.EXPIRE, facts, still)
        if ledger.unsaved is not None:
            ledger.persist()
        self._notify_expiring()
        return self._seq != before

    def _try_commit(
        self, run: Run, trigger: Trigger, facts: Facts, still: Callable[[SessionRecord], bool] | None = None
    ) -> AuthEvent | None:
        """Commits unless something else happened first."""
        try:
            return run.ledger.commit(trigger, facts, still)
        except InvalidTransition:
            return None

    def _notify_expiring(self) -> None:
        """`on_expiring`, once for each token, when its end is near."""
        record = self._run.record
        if record.state is not State.AUTHENTICATED or record.expires_at is None:
            return
        if self._notified == record.expires_at:
            return
        if self._run.ledger.now() >= record.expires_at - self._house.expiring_notice:
            with self._mutex:
                told, self._notified = self._notified == record.expires_at, record.expires_at
            if told:
                return
            self._publish(
                msgspec.structs.replace(
                    self._current_event(), at=self._run.ledger.now(), reason="expiring", origin=Origin.CLOCK.value
                ),
                ("on_expiring",),
            )

    def _publish(self, event: AuthEvent, signals: tuple[str, ...], planned: Step | None = None) -> AuthEvent:
        """Called by the ledger, inside its turn: number the event, refresh the caches, post it."""
        with self._mutex:  # two ledgers may publish at once: numbered and posted in one go, or out of order
            self._seq += 1
            event = msgspec.structs.replace(event, seq=self._seq)
            if event.trigger == Trigger.REAUTHENTICATE and self._step_ups is not None:
                self._step_ups = self._step_ups._replace(wanted=None)
            self._cache()  # before anybody can be told: a receiver of on_logout gets no token any more
            if self._own_outbox is None and self._house.signals.subscriptions:
                self._own_outbox = self._house.signals.outbox(told=self._seq - 1)
            if self._own_outbox is not None:
                self._own_outbox.post(signals, self, str(self._key), event)
        self._house.arm(self)
        recorder = self._house.recorder
        if recorder is not None and planned is not None:  # before anybody who waits can ask for the trace
            recorder.event(self._key, event, planned)
        for observe in OBSERVERS:
            observe(event)
        if event.target not in PENDING and event.source in PENDING:
            self._end_waits(event)
        elif planned is not None and planned.facts.pending is not None:
            run = self._run if event.attempt is None else self._beside
            if run is not None:
                run.begun(planned.facts.pending.attempt)
        return event

    def _publish_beside(self, event: AuthEvent, signals: tuple[str, ...], planned: Step) -> AuthEvent:
        """The same for an attempt beside the live session: what it does changes nothing about `live`."""
        live, run = self._run.record.state in LIVE, self._beside
        event = self._publish(msgspec.structs.replace(event, live=live), signals, planned)
        if run is not None and event.source in PENDING and event.target not in PENDING:
            self._beside = None  # it is over: nothing of it stays, here or in the store
            run.ledger.drop()
        return event

    def _end_waits(self, event: AuthEvent) -> None:
        """A pending login came to rest: whoever waits for it learns how, its listeners are let go."""
        run = self._run if event.attempt is None else self._beside
        if run is not None:
            run.end(event)

    def _recache(self) -> None:
        """After every change: what is read without asking, and the alarm."""
        with self._mutex:
            self._cache()
        self._house.arm(self)

    def _cache(self) -> None:
        """The token that may be handed out without asking, and the next deadline. Within `_mutex`: who came
        first with an older record must not write last."""
        record = self._run.ledger.record
        wall, mono = self._house.clock.time(), self._house.clock.monotonic()
        ahead = self._run.ledger.now() - wall
        if record.state in LIVE and record.token is not None and record.token.access_token:
            until = renewal.renew_at(record, self._jitter)
            if not record.renewable and record.expires_at is not None:
                until = record.expires_at
            until = min(until, self._lifetime_end() or until)
            self._sure_until = 0.0
            self._fresh = (record.token, until - ahead, mono + (until - ahead - wall))
        else:
            self._fresh = None
        if not self._run.ledger.loaded:
            self._due = None  # whoever reads it must look into the store first
            return
        deadline = self._next_deadline()
        self._due = _NEVER if deadline is None else (deadline, mono + (deadline - ahead - wall))

    def _found(self) -> None:
        """Called by the ledger when it has read the store for the first time."""
        self._house.arm(self)

    def _rests(self) -> bool:
        """Nobody is signed in here and nothing is on its way, so all there is to know is in the store."""
        ledger = self._run.ledger
        at_rest = ledger.record.state not in LIVE and ledger.record.state not in PENDING
        return at_rest and ledger.unsaved is None and not ledger.orphans and not self._stale

    def _next_deadline(self) -> float | None:
        """When the clock must act: on the session, on the attempt beside it, or to write what is unsaved."""
        nearest = engine.next_deadline(self._run.ledger.record)
        if self._beside is not None:
            nearest = _earlier(nearest, engine.next_deadline(self._beside.ledger.record))
        return nearest if self._house.session_lifetime is None else _earlier(nearest, self._lifetime_end())

    def _lifetime_end(self) -> float | None:
        record = self._run.record
        lifetime = self._house.session_lifetime
        if lifetime is None or record.state not in LIVE or record.signed_in_at is None:
            return None
        return record.signed_in_at + lifetime

    def _alarm(self) -> float | None:
        """When the scheduler should wake for this session: a deadline, `on_expiring`, renewing ahead."""
        ledger = self._run.ledger
        record = ledger.record
        nearest = self._next_deadline()
        if record.state is State.AUTHENTICATED and record.expires_at and self._notified != record.expires_at:
            nearest = _earlier(nearest, record.expires_at - self._house.expiring_notice)
        if self._house.fresh_ahead:
            nearest = _earlier(nearest, self._renew_ahead_at())
        if ledger.unsaved is not None or ledger.orphans:
            nearest = _earlier(nearest, ledger.now() + 1.0)
        return nearest

    def _renew_ahead_at(self) -> float | None:
        """When `keep_fresh()` renews; None: not now, or never."""
        record = self._run.record
        if not self._house.fresh_ahead or record.state is not State.AUTHENTICATED or not record.renewable:
            return None
        due = max(renewal.renew_at(record, self._jitter), record.retry_at or 0.0)
        asked = self._asked
        if asked is not None and asked[:3] == (record.epoch, record.generation, record.failures):
            # One is on its way, or came to nothing (no store, say): not again at once.
            due = max(due, asked[3] + RENEW_AGAIN)
        return due

    def _current_event(self) -> AuthEvent:
        """The present state as an event that nobody can mistake for a login."""
        seq = self._seq  # read before the record: at worst an event is told twice, never left out
        record = self._run.record
        return AuthEvent(
            seq=seq,
            at=record.since,
            owner=self._key.owner,
            provider=self._key.provider,
            account=self._key.account,
            trigger=CURRENT,
            source=record.state.value,
            target=record.state.value,
            live=record.state in LIVE,
            revision=self._run.ledger.version,
            reason=record.reason,
            recoverable=record.recoverable,
            error=record.error,
        )


def _demands(trigger: Trigger, now: float, record: SessionRecord) -> bool:
    """Whether the clock demands `trigger` of `record` too, which others may have changed since it was judged."""
    acts = engine.due(record, now)
    return acts is not None and acts[0] is trigger


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


for _name in SIGNALS:
    setattr(SessionCore, _name, property(attrgetter(f"_view.{_name}"), doc=f"`{_name}`, for this session only."))


def _reaches(signed_in_at: float | None, record: SessionRecord) -> bool:
    """Whether it is still the sign-in whose lifetime is over."""
    return record.signed_in_at == signed_in_at


class Attempt:
    """An attempt beside a live session: where it is, until when, and a way to end it."""

    __slots__ = ("_beside", "_session")

    def __init__(self, session: SessionCore, beside: Run) -> None:
        self._session = session
        self._beside = beside

    @property
    def id(self) -> str | None:
        """What its events carry as `attempt`."""
        return self._beside.ledger.label

    @property
    def state(self) -> State:
        return self._beside.record.state

    @property
    def deadline(self) -> float | None:
        """When the clock ends it (seconds since the epoch)."""
        return engine.next_deadline(self._beside.record)

    def cancel(self) -> Any:
        """Ends it; the live session stays as it is. Awaitable when the session is an `AsyncSession`."""
        return self._session._cancel_beside()  # type: ignore[attr-defined]  # each colour has its own

    def __repr__(self) -> str:
        return f"<Attempt {self.id} {self.state}>"


def explain(record: SessionRecord, provider: Provider, now: float, renewal: Trace | None = None) -> str:
    """A record as one sentence. `renewal`: what was recorded of its last renewal, if anything was."""
    parts = [f"{provider.label}: {record.state.value.replace('_', ' ')}"]
    failed = record.state is State.AUTHENTICATED and record.failures > 0 and record.error is not None
    if failed:
        parts.append(f"the last refresh failed at {_time(record.since, now)} ({_why(record, renewal)})")
        if record.retry_at is not None:
            parts.append(f"next try {_time(record.retry_at, now)}")
    if record.state in LIVE:
        parts.append(_explain_life(record, now))
    elif record.state in PENDING:
        deadline = engine.next_deadline(record)
        if deadline is not None:
            parts.append(f"{_span(deadline - now)} left")
    if record.reason and not failed:
        parts.append(f"reason: {record.reason}")
    if record.error is not None and not failed:
        parts.append(f"last error: {str(record.error).rstrip('.')}")
    if record.claim is not None and record.state is State.AUTHENTICATED:
        parts.append(
            "a renewal got no answer, so the refresh token may be used already; "
            f"what is done about it is rotation={provider.rotation!r}"
        )
    if record.state not in LIVE and record.state not in PENDING:
        parts.append(f"possible now: {', '.join(t.value for t in allowed(record.state) if t is not Trigger.RESTORE)}")
    return "; ".join(parts) + "."


def _why(record: SessionRecord, renewal: Trace | None) -> str:
    """The answer that a failed renewal got, where it was recorded; else the error's own words."""
    story = None if renewal is None else renewal.stories[-1]
    if story is not None and story.outcome == Trigger.DEFER.value:
        call = story.last_call
        if call is not None and call.status is None:
            return f"no answer to {call.method} {call.path}"
        if call is not None:
            return f"{call.status} from {call.method} {call.path}"
    return str(record.error).rstrip(".")


def _explain_life(record: SessionRecord, now: float) -> str:
    renewing = "can be renewed" if record.renewable else "cannot be renewed"
    if record.expires_at is None:
        return "the access token does not say when it ends"
    if record.expires_at <= now:
        return f"the access token has ended and {renewing}"
    left, unit = _span(record.expires_at - now).split()
    return f"the access token is good for {left} more {_UNITS[unit].removesuffix('s' * (left == '1'))} and {renewing}"


_UNITS: Final = {"s": "seconds", "min": "minutes", "h": "hours"}


def _time(at: float, now: float) -> str:
    """A moment as a clock shows it, with its day when that is not near."""
    shown = "%H:%M:%S UTC" if abs(at - now) < 43_200 else "%Y-%m-%d %H:%M:%S UTC"
    return time.strftime(shown, time.gmtime(at))


def _span(seconds: float) -> str:
    seconds = max(0, round(seconds))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h"

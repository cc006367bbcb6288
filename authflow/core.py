"""What a session is, whichever colour calls it: the room that operations work in.

`SessionCore` is one session: its ledger, its outbox, its token cache, what the clock demands of it and, while there
is one, the attempt that runs beside it. Nothing here waits for a provider or a human; that is `operations/`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from . import engine, renewal
from .chart import LIVE, PENDING, State, Trigger
from .engine import Facts, Step
from .errors import AuthflowError, InvalidTransition
from .events import AuthEvent, Origin, StepUp
from .house import OBSERVERS, SESSION, House
from .ledger import Ledger
from .protocol.dpop import Binding
from .providers.base import Provider
from .records import Key, SessionRecord, Target, Token, User
from .run import Run
from .signals import Outbox

if TYPE_CHECKING:
    from .auth import SessionAuth
    from .effects import Flight

CURRENT = "current"
_NEVER = (float("inf"), float("inf"))
RENEW_AGAIN = 30.0  # seconds until keep_fresh() asks again for a renewal of which nothing was heard


class StepUps(NamedTuple):
    """What APIs have asked of one login's human: the last of it that is still to be done, and of all of it when it
    was last told, and how often."""

    epoch: int
    wanted: StepUp | None
    asks: Mapping[StepUp, tuple[float, int]]


class Restoring(NamedTuple):
    """A saved session on its way back."""

    kept: object  # what it is: whoever brings the same waits for this flight
    flight: Flight[Any]
    left: list[bool]  # not empty: somebody who waited has left


class SessionCore:
    """The part of a session that has no colour.

    There may be 100,000 of them, so what most never need (an outbox, attempts) is made when it is needed.
    """

    __slots__ = (
        "__weakref__", "_asked", "_auth", "_beside", "_binding", "_bindings", "_due", "_flight", "_flown",
        "_flown_for", "_fresh", "_house", "_jitter", "_key", "_mutex", "_notified", "_origins", "_own_outbox",
        "_provider", "_refusal", "_restoring", "_run", "_seq", "_show", "_stale", "_step_ups", "_sure_until",
        "_user", "_waiting",
    )  # fmt: skip

    def __init__(self, house: House, key: Key) -> None:
        self._house = house
        self._key = key
        self._provider = house.providers[key.provider]
        self._mutex = self._own_mutex(house, key)
        self._seq = 0
        self._own_outbox: Outbox | None = None
        self._fresh: tuple[Token, float, float] | None = None
        self._sure_until = 0.0
        self._due: tuple[float, float] | None = None
        self._flight: Flight[Any] | None = None
        self._flown = 0  # the epoch of the session that it renews
        self._flown_for: Target | None = None  # what else than the session's own token it is to bring
        self._waiting: object | None = None  # the login() that waits for the human
        self._show: Callable[[str], object] | None = None  # how this process's last login showed its URL
        self._beside: Run | None = None
        self._notified: float | None = None  # the end that `on_expiring` was told of
        self._user: tuple[bytes | None, User | None] = (None, None)
        self._jitter = house.random.random()
        self._bindings: dict[str, str] | None = None
        self._binding: tuple[bytes, Binding] | None = None  # the key of DPoP proofs, as the record has it and ready
        self._auth: SessionAuth | None = None
        self._refusal: AuthflowError | None = None
        self._restoring: Restoring | None = None
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

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def _outbox(self) -> Outbox:
        """Where events wait to be told. Until anybody listens there is nothing to tell, and none to hold it."""
        return self._house.told if self._own_outbox is None else self._own_outbox

    @staticmethod
    def _own_mutex(house: House, key: Key) -> threading.Lock:
        return house.mutexes[hash(key) % len(house.mutexes)]

    def _renew(self) -> None:
        """In a forked child."""
        self._mutex = self._own_mutex(self._house, self._key)
        for run in (self._run, self._beside):
            if run is not None and run.renew(self._mutex):
                self._due = None  # it was being written: the store knows
        if self._own_outbox is not None:
            self._own_outbox.renew()

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
            if event.source in PENDING and event.target not in PENDING:
                self._waiting = None  # likewise: who hears of the end may begin anew
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

    def _dropped(self, trigger: Trigger, facts: Facts, record: SessionRecord) -> None:
        """Called by the ledger: what happened came too late for the record, and nothing was made of it."""
        recorder = self._house.recorder
        if recorder is not None:
            recorder.dropped(self._key, trigger.value, facts, record)

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
        due = max(renewal.renew_ahead_at(record, self._jitter), record.retry_at or 0.0)
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


def _reaches(signed_in_at: float | None, record: SessionRecord) -> bool:
    """Whether it is still the sign-in whose lifetime is over."""
    return record.signed_in_at == signed_in_at

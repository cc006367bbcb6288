"""Who listens to a manager and keeps the last stories of its sessions. Nothing else keeps anything of a trace.

By default the last attempt, renewal and sign-out of each session, and of the whole manager so many stories at most:
those that went well give way to newer ones, those that failed have a shelf of their own. So a desktop program has
all of its sessions' stories, and a web application with 100,000 sessions the last few hundred, in a few megabytes.

Rule 1: what comes in is redacted at once. A recorder keeps no request, answer, record or token.
Rule 2: it is called inline, from any thread, sometimes within a session's turn: it is quick, never waits, never raises.
Rule 3: a login that may be completed elsewhere travels in its pending record (`carry`, `resume`).
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar

import httpx
import msgspec

from ..chart import State, Trigger
from ..clock import Clock
from ..drive import REFRESH, Recorder
from ..engine import Step as Planned
from ..errors import AuthflowError, ConfigurationError, whereabouts
from ..events import AuthEvent, Origin
from ..records import Key
from .redact import MASK, Redactor, parse_pairs, shown_path
from .story import APPLICATION, PROVIDER, Call, Check, Hop, Trace
from .telling import Telling, read_carried

if TYPE_CHECKING:
    from ..providers.base import Provider

P = ParamSpec("P")
R = TypeVar("R")

LOGOUT: Final = "logout"
RESTORE: Final = "restore"
MOST_OPEN: Final = 1_024
_LATE: Final = 15.0  # seconds for which a call still belongs to the story that has just ended
_log = logging.getLogger("authflow.trace")

_LOGIN: Final = frozenset({"callback", "authenticate", "fail", "cancel", "time_out", "reject"})
_OF_RENEWAL: Final = frozenset({"refreshed", "defer", "adopt"})
_ENDS: Final = frozenset({"logout", "revoke", "expire"})
_URLS: Final = frozenset({"iss", "redirect_uri"})
_HASHED: Final = frozenset(
    {"nonce", "state", "sub", "userinfo_sub", "at_hash", "c_hash", "s_hash", "binding", "kid", "sid", "jti"}
)


class Recording(msgspec.Struct, frozen=True):
    """How much is recorded: `SessionManager(trace=Recording(…))`.

    `every`: all stories, not only the last of each kind of each session. `with_identity`: e-mail, names, `sub` and
    internal hosts are kept. `stories`: how many at most, and as many that failed; older ones go. `seconds`: how long.
    """

    every: bool = False
    with_identity: bool = False
    stories: int = 256
    seconds: float = 86_400.0


def recorder_for(trace: object, clock: Clock) -> Recorder | None:
    """What a manager's `trace=` asks for. Raises `ConfigurationError` for what is no such thing."""
    if trace is False or trace is None:
        return None
    if isinstance(trace, Recorder):
        return trace
    if trace is True or trace == "all":
        trace = Recording(every=trace == "all")
    if not isinstance(trace, Recording):
        raise ConfigurationError(
            f"trace= takes no {type(trace).__name__}.", hint='Pass True, False, "all", a Recording or a Recorder.'
        )
    return StoryRecorder(clock, trace)


def _quietly(act: Callable[P, R]) -> Callable[P, R | None]:
    """A defect of the recorder is a log record, never part of a login."""

    @wraps(act)
    def safe(*given: P.args, **named: P.kwargs) -> R | None:
        try:
            return act(*given, **named)
        except Exception as error:
            _log.warning("a trace could not be recorded: %s", whereabouts(error))
            return None

    return safe


class StoryRecorder(Recorder):
    """Keeps stories. See the head of this file."""

    def __init__(self, clock: Clock, settings: Recording) -> None:
        self._clock = clock
        self._settings = settings
        self._mutex = threading.Lock()
        self._of: dict[Key, dict[str, Telling]] = {}
        self._open: OrderedDict[int, Telling] = OrderedDict()
        self._kept: dict[bool, OrderedDict[int, Telling]] = {False: OrderedDict(), True: OrderedDict()}
        self._process = ""
        self._providers: Mapping[str, Provider] = {}

    def attach(self, process: str, providers: Mapping[str, Provider]) -> None:
        self._process, self._providers = process, providers

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────

    @_quietly
    def event(self, key: Key, event: AuthEvent, planned: Planned) -> None:
        with self._mutex:
            for telling in self._tellings_of(key, event, planned):
                telling.transition(event, planned, self._now(telling))
                if telling.outcome and not telling.held:
                    self._end(telling)

    @_quietly
    def request(
        self,
        key: Key,
        story: str,
        request: httpx.Request,
        answer: httpx.Response | Exception,
        started: float,
        seconds: float,
    ) -> None:
        with self._mutex:
            telling = self._find(key, story)
            redact, url = telling.redact, request.url
            sent = redact.request(request)
            at = round(max(0.0, self._now(telling) - seconds), 6)
            call = Call(
                at, request.method, redact.host(url.host), shown_path(url.path), round(seconds, 6), sent,
                **_told(redact, answer),
            )  # fmt: skip
            telling.add(call)

    @_quietly
    def decision(self, key: Key, question: str, move: str, facts: Mapping[str, object]) -> None:
        with self._mutex:
            telling = self._find(key, REFRESH)
            kept = {name: one for name, one in facts.items() if isinstance(one, (bool, int, float, str, type(None)))}
            telling.decide(question, move, kept, self._now(telling))

    @_quietly
    def check(self, key: Key, story: str, name: str, of: str, ok: bool, expected: object, got: object) -> None:
        with self._mutex:
            telling = self._find(key, story)
            wanted = _shown(telling.redact, name, expected)
            found = wanted if type(got) is type(expected) and got == expected else _shown(telling.redact, name, got)
            if ok:
                telling.add(Check(self._now(telling), name, True, of, wanted, found))
            else:
                telling.mismatch = name, of, wanted, found

    @_quietly
    def left(self, key: Key, story: str, url: str) -> None:
        with self._mutex:
            telling = self._find(key, story)
            redact, now = telling.redact, self._now(telling)
            where, _, query = url.partition("#")[0].partition("?")
            host, path = redact.place(where)
            params = redact.sent(parse_pairs(query.encode()))
            telling.add(Hop(now, APPLICATION, PROVIDER, "authorization request", host=host, path=path, params=params))
            telling.away = now

    @_quietly
    def came_back(self, key: Key, story: str, redirect_uri: str, said: Iterable[tuple[str, object]]) -> None:
        with self._mutex:
            telling = self._find(key, story)
            now = self._now(telling)
            telling.came_back(now)
            params = telling.redact.told(said)
            host, path = telling.redact.place(redirect_uri)
            telling.add(Hop(now, PROVIDER, APPLICATION, "authorization response", host=host, path=path, params=params))

    @_quietly
    def begin(self, key: Key, story: str) -> None:
        with self._mutex:
            telling = self._of.get(key, {}).get(story)
            if telling is None or (telling.ended is not None and telling.outcome != "adopt"):
                telling = self._start(key, story, story)
            elif telling.ended is not None:  # another process has just done it, and here it is looked at
                telling.ended = None
                self._kept[False].pop(id(telling), None)
                self._open[id(telling)] = telling
            telling.held = True

    @_quietly
    def end(self, key: Key, story: str) -> None:
        with self._mutex:
            telling = self._of.get(key, {}).get(story)
            if telling is not None and telling.held:
                telling.held = False
                telling.waited(self._now(telling))
                if telling.steps:
                    self._end(telling)
                else:
                    self._drop(telling)

    @_quietly
    def carry(self, key: Key, story: str) -> bytes | None:
        with self._mutex:
            telling = self._of.get(key, {}).get(story)
            return None if telling is None else telling.carry()

    @_quietly
    def resume(self, key: Key, story: str, data: bytes) -> None:
        with self._mutex:
            telling = self._of.get(key, {}).get(story)
            if telling is not None and not telling.seen:
                return
            carried = read_carried(data)
            if carried is not None:
                telling = telling or self._start(key, story, carried.story.kind)
                telling.take_up(carried)

    @_quietly
    def moved(self, old: Key, new: Key) -> None:
        with self._mutex:
            tellings = self._of.pop(old, None)
            if tellings:
                self._of.setdefault(new, {}).update(tellings)
                for telling in tellings.values():
                    telling.key = new

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────

    def trace(self, key: Key | None = None, story: str | None = None) -> Trace | None:
        """The stories of one session (only `story` of them), or of all. None: nothing was recorded."""
        with self._mutex:
            if key is None:
                found = list(self._all())
            else:
                found = [one for about, one in self._of.get(key, {}).items() if story in (None, about)]
            told = sorted((one for one in found if one.steps), key=_order)
            stories = tuple(telling.story() for telling in told)
        return Trace(stories=stories) if stories else None

    def last_attempt(self, key: Key) -> Trace | None:
        with self._mutex:
            logins = [one for one in self._of.get(key, {}).values() if _slot(one) == "attempt" and one.steps]
            latest = max(logins, key=lambda one: (one.ended or 0.0, *_order(one)), default=None)
            return None if latest is None else Trace(stories=(latest.story(),))

    # ── inside, under the mutex ──────────────────────────────────────────────────────────────────────

    def _now(self, telling: Telling) -> float:
        since = self._clock.monotonic() - telling.since
        return round(since, 6) if since > 0.0 else 0.0

    def _all(self) -> Iterator[Telling]:
        yield from self._open.values()
        for shelf in self._kept.values():
            yield from shelf.values()

    def _tellings_of(self, key: Key, event: AuthEvent, planned: Planned) -> list[Telling]:
        """The stories that an event belongs to; begun if there is none."""
        trigger, before, facts = event.trigger, planned.before, planned.facts
        here = self._of.get(key, {})
        if trigger == Trigger.AUTHORIZE._value_:
            refs = planned.record.pending or (() if facts.record is None else facts.record.pending)
            about = refs[-1].attempt if refs else RESTORE
            telling = self._start(key, about, "login" if event.attempt is None else "step_up")
            telling.seen = event.origin == Origin.OTHER_PROCESS._value_
            return [telling]
        waiting = [ref.attempt for ref in before.pending]
        attempts = [one for one in (facts.attempt or before.attempt,) if one] or waiting
        if trigger in _LOGIN:
            known = [here[one] for one in attempts if one in here and not here[one].outcome]
            if trigger == Trigger.CALLBACK._value_:
                for one in waiting:  # they gave way to the one that came back
                    if one not in attempts and one in here:
                        self._drop(here[one])
            return known or [self._start(key, (attempts or [RESTORE])[-1], "login")]
        if trigger == Trigger.RESTORE._value_:
            known = [here[one] for one in attempts if one in here and not here[one].outcome]
            return known or [self._open_or_new(key, RESTORE)]
        if trigger == Trigger.REAUTHENTICATE._value_:
            known = [one for one in here.values() if one.kind == "step_up" and not one.outcome]
            return known[-1:] or [self._start(key, RESTORE, "step_up")]
        if trigger == Trigger.REFRESH._value_ or trigger in _OF_RENEWAL:
            return [self._open_or_new(key, REFRESH)]
        if trigger in _ENDS and before.state is State.REFRESHING and trigger != Trigger.LOGOUT._value_:
            return [self._open_or_new(key, REFRESH)]
        if trigger == Trigger.FORGET._value_:
            return [here[LOGOUT]] if LOGOUT in here else []
        return [self._start(key, LOGOUT, LOGOUT)]

    def _open_or_new(self, key: Key, about: str) -> Telling:
        telling = self._of.get(key, {}).get(about)
        if telling is not None and (not telling.outcome or telling.held):
            return telling
        return self._start(key, about, about)

    def _find(self, key: Key, story: str) -> Telling:
        """The story that a call belongs to: the one named, or the one that goes on, or the one just over."""
        here = self._of.get(key, {})
        if story:
            return here.get(story) or self._start(key, story, story if story in (REFRESH, LOGOUT, RESTORE) else "login")
        going_on = [one for one in here.values() if one.ended is None]
        if going_on:
            return going_on[-1]
        now = self._clock.monotonic()
        late = [one for one in here.values() if one.ended is not None and now - one.ended < _LATE]
        return max(late, key=lambda one: one.ended or 0.0) if late else self._start(key, "call", "call")

    def _start(self, key: Key, about: str, kind: str) -> Telling:
        here = self._of.setdefault(key, {})
        earlier = here.get(about)
        if earlier is not None and self._settings.every and earlier.steps:
            here[f"{about} {earlier.id}"] = here.pop(about)
            earlier.about = f"{about} {earlier.id}"
        elif earlier is not None:
            self._drop(earlier)
            here = self._of.setdefault(key, {})
        redact = Redactor(secrets.token_bytes(16), with_identity=self._settings.with_identity)
        telling = Telling(key, about, kind, self._clock.time(), self._clock.monotonic(), redact)
        provider = self._providers.get(key.provider)
        telling.label = key.provider if provider is None else provider.label
        telling.process = self._process
        telling.session = next((one.session for one in here.values()), "") or secrets.token_hex(3)
        here[about] = telling
        self._open[id(telling)] = telling
        if len(self._open) > MOST_OPEN:
            self._drop(next(iter(self._open.values())))
        return telling

    def _end(self, telling: Telling) -> None:
        """It is over: kept, in the place of the one of its kind before it."""
        telling.ended = self._clock.monotonic()
        self._open.pop(id(telling), None)
        here = self._of.get(telling.key, {})
        if not self._settings.every:
            for one in [one for one in here.values() if one is not telling and _slot(one) == _slot(telling)]:
                if one.ended is not None:
                    self._drop(one)
        failed = telling.outcome in ("fail", "cancel", "time_out", "defer", "revoke", "expire")
        self._kept[not failed].pop(id(telling), None)
        shelf = self._kept[failed]
        shelf[id(telling)] = telling
        shelf.move_to_end(id(telling))
        while shelf:
            oldest = next(iter(shelf.values()))
            too_old = telling.ended - (oldest.ended or 0.0) > self._settings.seconds
            if len(shelf) <= self._settings.stories and not too_old:
                break
            self._drop(oldest)

    def _drop(self, telling: Telling) -> None:
        for shelf in (self._open, *self._kept.values()):
            shelf.pop(id(telling), None)
        here = self._of.get(telling.key, {})
        if here.get(telling.about) is telling:
            del here[telling.about]
            if not here:
                del self._of[telling.key]


def _order(telling: Telling) -> tuple[float, int]:
    return telling.began, telling.number


def _slot(telling: Telling) -> str:
    return "attempt" if telling.kind in ("login", "step_up") else telling.kind


def _told(redact: Redactor, answer: httpx.Response | Exception) -> dict[str, Any]:
    if isinstance(answer, httpx.Response):
        return {"status": answer.status_code, "got": redact.response(answer), "size": len(answer.content)}
    if isinstance(answer, AuthflowError):
        return {"failure": answer.code, "said": redact.text(str(answer))}
    return {"failure": type(answer).__name__}


def _shown(redact: Redactor, name: str, value: object) -> str:
    """A value that was compared, as the check's name allows."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return redact.text(str(value)) if isinstance(value, (bool, int, float)) else MASK
    if name in _HASHED:
        return redact.mark(value)
    return redact.url(value) if name in _URLS else redact.text(value)


TraceSetting = bool | Literal["all"] | Recording | Recorder

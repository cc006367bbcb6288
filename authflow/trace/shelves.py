"""The stories of a recorder: those that go on, the last ones that are over, and which of them a step belongs to.

Rule 1: of each session one of a kind, unless every one is wanted; of all sessions so many at most.
Rule 2: those that failed do not give way to those that went well.
Its recorder holds a lock while it calls.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from ..chart import State, Trigger
from ..drive import REFRESH
from ..engine import Facts
from ..engine import Step as Planned
from ..events import AuthEvent, Origin
from ..records import Key
from .redact import Redactor
from .story import FAILED
from .telling import Telling

if TYPE_CHECKING:
    from ..providers.base import Provider

ATTEMPT: Final = "attempt"
LOGOUT: Final = "logout"
RESTORE: Final = "restore"
MOST_OPEN: Final = 1_024
_LATE: Final = 15.0  # seconds for which a call still belongs to the story that has just ended

_LOGIN: Final = frozenset({"callback", "authenticate", "fail", "cancel", "time_out", "reject"})
_OF_RENEWAL: Final = frozenset({"refreshed", "defer", "adopt"})
_ENDS: Final = frozenset({"logout", "revoke", "expire"})


class Recording(msgspec.Struct, frozen=True):
    """How much is recorded: `SessionManager(trace=Recording(…))`.

    `every`: all stories, not only the last of each kind of each session. `with_identity`: e-mail, names, `sub` and
    internal hosts are kept. `stories`: how many at most, and as many that failed; older ones go. `seconds`: how long.
    """

    every: bool = False
    with_identity: bool = False
    stories: int = 256
    seconds: float = 86_400.0


class Shelves:
    """Where a recorder has its stories."""

    def __init__(self, settings: Recording) -> None:
        self._settings = settings
        self.of: dict[Key, dict[str, Telling]] = {}
        self.open: OrderedDict[int, Telling] = OrderedDict()
        self.kept: dict[bool, OrderedDict[int, Telling]] = {False: OrderedDict(), True: OrderedDict()}
        self.ahead = 0.0  # by how much the clock on the wall is ahead of the monotonic one
        self.process = ""
        self.providers: Mapping[str, Provider] = {}

    def goes_on(self, key: Key) -> bool:
        """A story of this session was told in part, and is not over."""
        told = self.of.get(key)
        return told is not None and any(one.ended is None for one in told.values())

    def all(self) -> Iterator[Telling]:
        yield from self.open.values()
        for shelf in self.kept.values():
            yield from shelf.values()

    def tellings_of(self, key: Key, at: float, event: AuthEvent, planned: Planned) -> list[Telling]:
        """The stories that an event belongs to; begun if there is none."""
        trigger, before, facts = event.trigger, planned.before, planned.facts
        here = self.of.get(key, {})
        if trigger == Trigger.AUTHORIZE._value_:
            refs = planned.record.pending or (() if facts.record is None else facts.record.pending)
            about = refs[-1].attempt if refs else RESTORE
            telling = self.start(key, at, about, "login" if event.attempt is None else "step_up")
            telling.seen = event.origin == Origin.OTHER_PROCESS._value_
            return [telling]
        waiting = [ref.attempt for ref in before.pending]
        attempts = [one for one in (facts.attempt or before.attempt,) if one] or waiting
        if trigger in _LOGIN:
            known = [here[one] for one in attempts if one in here and not here[one].outcome]
            if trigger == Trigger.CALLBACK._value_:
                for one in waiting:  # they gave way to the one that came back
                    if one not in attempts and one in here:
                        self.drop(here[one])
            return known or [self.start(key, at, (attempts or [RESTORE])[-1], "login")]
        if trigger == Trigger.RESTORE._value_:
            known = [here[one] for one in attempts if one in here and not here[one].outcome]
            return known or [self.open_or_new(key, at, RESTORE)]
        if trigger == Trigger.REAUTHENTICATE._value_:
            known = [one for one in here.values() if one.kind == "step_up" and not one.outcome]
            return known[-1:] or [self.start(key, at, RESTORE, "step_up")]
        if trigger == Trigger.REFRESH._value_ or trigger in _OF_RENEWAL:
            return [self.open_or_new(key, at, REFRESH)]
        if trigger in _ENDS and before.state is State.REFRESHING and trigger != Trigger.LOGOUT._value_:
            return [self.open_or_new(key, at, REFRESH)]
        if trigger == Trigger.FORGET._value_:
            return [here[LOGOUT]] if LOGOUT in here else []
        return [self.start(key, at, LOGOUT, LOGOUT)]

    def of_trigger(self, key: Key, trigger: str, facts: Facts) -> Telling | None:
        """The story that a trigger belongs to which came too late; a call of the user's own belongs to none."""
        here = self.of.get(key, {})
        if facts.attempt is not None:
            return here.get(facts.attempt)
        renews = trigger == Trigger.REFRESH._value_ or trigger in _OF_RENEWAL or trigger in _ENDS
        return here.get(REFRESH) if renews and facts.epoch is not None else None

    def open_or_new(self, key: Key, at: float, about: str) -> Telling:
        telling = self.of.get(key, {}).get(about)
        if telling is not None and (not telling.outcome or telling.held):
            return telling
        return self.start(key, at, about, about)

    def find(self, key: Key, at: float, story: str) -> Telling:
        """The story that a call belongs to: the one named, or the one that goes on, or the one just over."""
        here = self.of.get(key, {})
        if story:
            return here.get(story) or self.start(
                key, at, story, story if story in (REFRESH, LOGOUT, RESTORE) else "login"
            )
        going_on = [one for one in here.values() if one.ended is None]
        if going_on:
            return going_on[-1]
        late = [one for one in here.values() if one.ended is not None and at - one.ended < _LATE]
        last = max(late, key=lambda one: (one.ended or 0.0, one.number), default=None)
        return last or self.start(key, at, "call", "call")

    def start(self, key: Key, at: float, about: str, kind: str) -> Telling:
        here = self.of.setdefault(key, {})
        earlier = here.get(about)
        if earlier is not None and self._settings.every and earlier.steps:
            here[f"{about} {earlier.id}"] = here.pop(about)
            earlier.about = f"{about} {earlier.id}"
        elif earlier is not None:
            self.drop(earlier)
            here = self.of.setdefault(key, {})
        telling = self.new(key, at, about, kind)
        here[about] = telling
        self.open[id(telling)] = telling
        if len(self.open) > MOST_OPEN:
            self.drop(next(iter(self.open.values())))
        return telling

    def new(self, key: Key, at: float, about: str, kind: str) -> Telling:
        redact = Redactor(secrets.token_bytes(16), with_identity=self._settings.with_identity)
        telling = Telling(key, about, kind, at + self.ahead, at, redact)
        provider = self.providers.get(key.provider)
        telling.label = key.provider if provider is None else provider.label
        telling.process = self.process
        telling.session = next((one.session for one in self.of.get(key, {}).values()), "") or secrets.token_hex(3)
        return telling

    def end(self, telling: Telling, at: float) -> None:
        """It is over: kept, in the place of the one of its kind before it."""
        telling.ended = at
        self.open.pop(id(telling), None)
        here = self.of.get(telling.key, {})
        if not self._settings.every:
            for one in [one for one in here.values() if one is not telling and slot(one) == slot(telling)]:
                if one.ended is not None:
                    self.drop(one)
        failed = telling.outcome in FAILED
        self.kept[not failed].pop(id(telling), None)
        shelf = self.kept[failed]
        shelf[id(telling)] = telling
        shelf.move_to_end(id(telling))
        self.trim(at)

    def trim(self, now: float) -> None:
        """Drops what is too old, or too much."""
        for shelf in self.kept.values():
            while shelf:
                oldest = next(iter(shelf.values()))
                if len(shelf) <= self._settings.stories and now - (oldest.ended or 0.0) <= self._settings.seconds:
                    break
                self.drop(oldest)

    def drop(self, telling: Telling) -> None:
        for shelf in (self.open, *self.kept.values()):
            shelf.pop(id(telling), None)
        here = self.of.get(telling.key, {})
        if here.get(telling.about) is telling:
            del here[telling.about]
            if not here:
                del self.of[telling.key]


def order(telling: Telling) -> tuple[float, int]:
    return telling.began, telling.number


def slot(telling: Telling) -> str:
    return ATTEMPT if telling.kind in ("login", "step_up") else telling.kind

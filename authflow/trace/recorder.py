"""Who listens to a manager and keeps the last stories of its sessions. Nothing else keeps anything of a trace.

By default the last attempt, renewal and sign-out of each session, and of the whole manager so many stories at most:
those that went well give way to newer ones, those that failed have a shelf of their own. So a desktop program has
all of its sessions' stories, and a web application with 100,000 sessions the last few hundred, in a few megabytes.

Rule 1: while something goes on, what is heard of it waits as it is, for it has the same secrets in memory itself. When
        it ends, travels (`carry`), is looked at, or has become much, what was heard is redacted and dropped.
Rule 2: hearing is quick, never waits, never raises: it is done inline, from any thread, sometimes in a session's turn.
        To tell what was heard is ten times as dear. So of what goes well only so many in a second are told, and of the
        rest nothing is kept; what fails is always told.
Rule 3: a login that may be completed elsewhere travels in its pending record (`foretell`, `carry`, `resume`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import httpx

from ..chart import Trigger
from ..clock import Clock
from ..drive import REFRESH, Asked, Recorder
from ..engine import Facts
from ..engine import Step as Planned
from ..errors import ConfigurationError, whereabouts
from ..events import AuthEvent
from ..forks import Renewed, mind_forks
from ..protocol.callback import CallbackParams
from ..protocol.witness import Checked
from ..records import Key, SessionRecord
from .shelves import MOST_OPEN, Recording, Shelves, order, slot
from .story import FAILED, Trace
from .telling import GOES_ON, Telling, read_carried

if TYPE_CHECKING:
    from ..providers.base import Provider

Heard = tuple[float, Callable[..., None], tuple[Any, ...]]  # monotonic seconds, what tells it, and of what

MOST_HEARD: Final = 32  # of one session, until it is told
MOST_HELD: Final = 16 * 1024  # bytes; a larger answer is redacted as it comes
A_SECOND: Final = 4.0  # so many stories that went well are told, when there are very many,
AT_ONCE: Final = 64.0  # and so many before it comes to that
_log = logging.getLogger("authflow.trace")

_GOES_ON: Final = GOES_ON - {"forget"}


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


class _quietly:
    """A defect of the recorder is a log record, never part of a login."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, place: object) -> bool:
        if not isinstance(error, Exception):
            return False
        _log.warning("a trace could not be %s: %s", self._what, whereabouts(error))
        return True


class StoryRecorder(Renewed, Recorder):
    """Keeps stories. See the head of this file."""

    def __init__(self, clock: Clock, settings: Recording) -> None:
        self._clock = clock
        self._settings = settings
        self._monotonic = clock.monotonic
        self._mutex = threading.Lock()
        self._heard: dict[Key, list[Heard]] = {}  # not redacted yet: of what goes on
        self._flying: set[Key] = set()  # whose renewal has begun and not ended
        self._left, self._counted_at = AT_ONCE, clock.monotonic()
        self._shelves = Shelves(clock, settings)
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._mutex = threading.Lock()

    def attach(self, process: str, providers: Mapping[str, Provider]) -> None:
        self._shelves.process, self._shelves.providers = process, providers

    def __repr__(self) -> str:
        return f"<StoryRecorder of {len({*self._shelves.of, *self._heard})} sessions>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A recorder is neither copied nor pickled: stories that go on may hold secrets.")

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────

    def event(self, key: Key, event: AuthEvent, planned: Planned) -> None:
        self._hear(key, StoryRecorder._event, event, planned)
        if event.trigger not in _GOES_ON and key not in self._flying:
            self._over(key, logins=1)

    def dropped(self, key: Key, trigger: str, facts: Facts, record: SessionRecord) -> None:
        if key in self._heard or key in self._shelves.of:
            self._hear(key, StoryRecorder._dropped, trigger, facts, record)

    def request(self, key: Key, story: str, asked: Asked) -> None:
        self._hear(key, StoryRecorder._request, story, asked)
        if isinstance(asked.answer, httpx.Response) and len(asked.answer.content) > MOST_HELD:
            self._settle(key)

    def decision(self, key: Key, question: str, move: str, facts: Mapping[str, object]) -> None:
        self._hear(key, StoryRecorder._tell, REFRESH, Telling.decide, question, move, facts)

    def checks(self, key: Key, story: str, checked: Sequence[Checked]) -> None:
        self._hear(key, StoryRecorder._tell, story, Telling.checks, checked)

    def left(self, key: Key, story: str, url: str) -> None:
        self._hear(key, StoryRecorder._tell, story, Telling.left, url)

    def came_back(self, key: Key, story: str, redirect_uri: str, params: CallbackParams, bound: bool) -> None:
        self._hear(key, StoryRecorder._tell, story, Telling.returned, redirect_uri, params, bound)

    def begin(self, key: Key, story: str) -> None:
        self._hear(key, StoryRecorder._begin, story)
        self._flying.add(key)

    def end(self, key: Key, story: str) -> None:
        self._hear(key, StoryRecorder._finish, story)
        self._flying.discard(key)
        self._over(key, logins=0)

    def resume(self, key: Key, story: str, data: bytes) -> None:
        self._hear(key, StoryRecorder._resume, story, data)

    def carry(self, key: Key, story: str) -> bytes | None:
        with _quietly("carried"), self._mutex:
            if not self._has_time():
                return None
            self._settle_within(key)
            telling = self._shelves.of.get(key, {}).get(story)
            return None if telling is None else telling.carry()
        return None

    def foretell(self, key: Key, story: str, planned: Planned, url: str) -> bytes | None:
        with _quietly("foretold"), self._mutex:
            if not self._has_time():
                return None
            at = self._monotonic()
            telling = self._shelves.new(key, at, story, "login" if planned.event.attempt is None else "step_up")
            telling.transition(0.0, planned.event, planned)
            telling.left(0.0, url)
            return telling.carry()
        return None

    def moved(self, old: Key, new: Key) -> None:
        with self._mutex:
            self._settle_within(old)
            tellings = self._shelves.of.pop(old, None)
            if tellings:
                self._shelves.of.setdefault(new, {}).update(tellings)
                for telling in tellings.values():
                    telling.key = new

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────

    def trace(self, key: Key | None = None, story: str | None = None) -> Trace | None:
        """The stories of one session (only `story` of them), or of all. None: nothing was recorded."""
        with self._mutex:
            for heard in [key] if key is not None else list(self._heard):
                self._settle_within(heard)
            if key is None:
                found = list(self._shelves.all())
            else:
                found = [one for about, one in self._shelves.of.get(key, {}).items() if story in (None, about)]
            told = sorted((one for one in found if one.steps), key=order)
            stories = tuple(telling.story() for telling in told)
        return Trace(stories=stories) if stories else None

    def last_attempt(self, key: Key) -> Trace | None:
        with self._mutex:
            self._settle_within(key)
            logins = [one for one in self._shelves.of.get(key, {}).values() if slot(one) == "attempt" and one.steps]
            latest = max(logins, key=lambda one: (one.ended or 0.0, *order(one)), default=None)
            return None if latest is None else Trace(stories=(latest.story(),))

    # ── from hearing to telling ──────────────────────────────────────────────────────────────────────

    def _hear(self, key: Key, act: Callable[..., None], *given: Any) -> None:
        with self._mutex:
            heard = self._heard.get(key)
            if heard is not None:
                heard.append((self._monotonic(), act, given))
                if len(heard) >= MOST_HEARD:
                    self._settle_within(key)
                return
            self._heard[key] = [(self._monotonic(), act, given)]
            if act is not StoryRecorder._event and act is not StoryRecorder._begin and not self._shelves.goes_on(key):
                if key in self._shelves.of or self._has_time():  # it is late: what it belongs to has ended
                    self._settle_within(key)
                else:
                    del self._heard[key]
            elif len(self._heard) > MOST_OPEN:
                self._settle_within(next(iter(self._heard)))

    def _settle(self, key: Key) -> None:
        with self._mutex:
            self._settle_within(key)

    def _over(self, key: Key, *, logins: int) -> None:
        """Something of this session has ended, among it so many logins: it is told, or else nothing of it is kept."""
        with self._mutex:
            if self._has_time() or self._has_to_be_told(key, logins):
                self._settle_within(key)
            else:
                self._heard.pop(key, None)

    def _has_to_be_told(self, key: Key, logins: int) -> bool:
        """It failed, or more than what has ended is in it, or a part of it was told already."""
        heard = self._heard.get(key, ())
        triggers = [given[0].trigger for _, act, given in heard if act is StoryRecorder._event]
        failed, more = not FAILED.isdisjoint(triggers), triggers.count(Trigger.AUTHORIZE._value_) > logins
        return failed or more or self._shelves.goes_on(key)

    def _has_time(self) -> bool:
        """Whether one more of those that go well is told: so many in a second, and a few more at once."""
        if self._settings.every:
            return True
        now = self._monotonic()
        gained, self._counted_at = (now - self._counted_at) * A_SECOND, now
        self._left = min(AT_ONCE, self._left + gained)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _settle_within(self, key: Key) -> None:
        """Tells what was heard of a session, redacted. A defect in that costs a step, never a login."""
        heard = self._heard.pop(key, ())
        for at, act, given in heard:
            with _quietly("told"):
                act(self, key, at, *given)
        if heard:
            for telling in self._shelves.of.get(key, {}).values():
                telling.forget()

    def _event(self, key: Key, at: float, event: AuthEvent, planned: Planned) -> None:
        for telling in self._shelves.tellings_of(key, at, event, planned):
            telling.transition(telling.since_began(at), event, planned)
            if event.trigger not in GOES_ON:
                telling.outcome = event.trigger
            if telling.outcome and not telling.held:
                self._shelves.end(telling, at)

    def _dropped(self, key: Key, at: float, trigger: str, facts: Facts, record: SessionRecord) -> None:
        telling = self._shelves.of_trigger(key, trigger, facts)
        if telling is not None:
            telling.dropped(telling.since_began(at), trigger, facts, record)

    def _request(self, key: Key, at: float, story: str, asked: Asked) -> None:
        telling = self._shelves.find(key, at, story)
        telling.call(telling.since_began(at), asked.request, asked.answer, asked.seconds)

    def _tell(self, key: Key, at: float, story: str, act: Callable[..., None], *given: Any) -> None:
        telling = self._shelves.find(key, at, story)
        act(telling, telling.since_began(at), *given)

    def _begin(self, key: Key, at: float, story: str) -> None:
        telling = self._shelves.of.get(key, {}).get(story)
        if telling is None or (telling.ended is not None and telling.outcome != "adopt"):
            telling = self._shelves.start(key, at, story, story)
        elif telling.ended is not None:  # another process has just done it, and here it is looked at
            telling.ended = None
            self._shelves.kept[False].pop(id(telling), None)
            self._shelves.open[id(telling)] = telling
        telling.held = True

    def _finish(self, key: Key, at: float, story: str) -> None:
        telling = self._shelves.of.get(key, {}).get(story)
        if telling is not None and telling.held:
            telling.held = False
            telling.waited(telling.since_began(at))
            if telling.steps:
                self._shelves.end(telling, at)
            else:
                self._shelves.drop(telling)

    def _resume(self, key: Key, at: float, story: str, data: bytes) -> None:
        telling = self._shelves.of.get(key, {}).get(story)
        if telling is not None and not telling.seen:
            return
        carried = read_carried(data)
        if carried is not None:
            telling = telling or self._shelves.start(key, at, story, carried.story.kind)
            telling.take_up(carried)


TraceSetting = bool | Literal["all"] | Recording | Recorder

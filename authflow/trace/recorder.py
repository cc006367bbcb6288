"""Who listens to a manager and keeps the last stories of its sessions. Nothing else keeps anything of a trace.

By default the last attempt, renewal and sign-out of each session, and of the whole manager so many stories at most:
those that went well give way to newer ones, those that failed have a shelf of their own. So a desktop program has
all of its sessions' stories, and a web application with 100,000 sessions the last few hundred, in a few megabytes.

Rule 1: hearing is quick, never waits, never raises: it is done inline, from any thread, sometimes in a session's turn.
        To tell what was heard, which redacts it, is ten times as dear. A login or a renewal that went well does not
        wait for that: what was heard of it waits as it is, for `WAITS` seconds, and is told then by the manager's
        scheduler, or before that when somebody looks.
Rule 2: what waits holds secrets, so it waits no longer than the session holds the same secrets itself: while something
        goes on, and those seconds after it. What failed, what ended a session, what travels (`carry`) and what has
        become much is told at once. There are never more that wait than stories are kept: the oldest gives way
        untold. Nothing waits in a manager that was closed, or in a forked child.
Rule 3: a login that may be completed elsewhere travels in its pending record (`foretell`, `carry`, `resume`).
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import httpx

from ..chart import Trigger
from ..clock import Clock
from ..drive import REFRESH, Asked, Recorder
from ..engine import Facts
from ..engine import Step as Planned
from ..errors import AuthflowError, ConfigurationError, whereabouts
from ..events import AuthEvent
from ..forks import Renewed, mind_forks
from ..protocol.callback import CallbackParams
from ..protocol.witness import Checked
from ..records import Key, SessionRecord
from .shelves import ATTEMPT, MOST_OPEN, RESTORE, Recording, Shelves, order, slot
from .story import FAILED, KEPT, Trace
from .telling import GOES_ON, read_carried

if TYPE_CHECKING:
    from ..providers.base import Provider

Heard = tuple[float, tuple[Any, ...]]  # monotonic seconds; what it is, as `_ACTS` and `Telling` name it, and of what
Later = Callable[[Callable[[], object], float], bool]  # calls something after so many seconds; False: it will not

MOST_HEARD: Final = 32  # of one session, until it is told
MOST_HELD: Final = 16 * 1024  # bytes; a larger answer is redacted as it comes
WAITS: Final = 10.0  # seconds after its end that what went well may wait
AT_A_TIME: Final = 4  # so many stories are told in one go: the event loop has other things to do,
PAUSE: Final = 0.1  # and the next after so many seconds
_WELL: Final = {
    "authenticate": ATTEMPT,
    "reauthenticate": ATTEMPT,
    "restore": RESTORE,
    "refreshed": REFRESH,
    "adopt": REFRESH,
}
_log = logging.getLogger("authflow.trace")

_GOES_ON: Final = GOES_ON - {"forget"}


def recorder_for(trace: object, clock: Clock, later: Later) -> Recorder | None:
    """What a manager's `trace=` asks for. `later`: has something called after so many seconds. Raises
    `ConfigurationError` for what is no such thing."""
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
    return StoryRecorder(clock, trace, later)


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


class Untold(list[Heard]):
    """What was heard of a session and is not told yet. `logins`: how many began in it. `well`: all went well, so far.
    `last`: the trigger of its last transition. When it is over, `ended` is when it ended (monotonic seconds), and
    `ahead` by how much the clock on the wall was ahead of that."""

    last = ""
    logins = 0
    well = True
    ahead: float
    ended: float

    def __repr__(self) -> str:
        return f"<Untold, {len(self)} things>"


class StoryRecorder(Renewed, Recorder):
    """Keeps stories. See the head of this file."""

    def __init__(self, clock: Clock, settings: Recording, later: Later) -> None:
        self._clock = clock
        self._settings = settings
        self._later = later
        self._monotonic = clock.monotonic
        self._mutex = threading.Lock()
        self._heard: dict[Key, Untold] = {}  # not redacted yet: of what goes on,
        self._untold: OrderedDict[tuple[Key, str], Untold] = OrderedDict()  # and of what went well and is over
        self._flying: set[Key] = set()  # whose renewal has begun and not ended
        self._comes = False  # `_tell_what_waits` will be called
        self._numbers = itertools.count()
        self._shelves = Shelves(settings)
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._mutex = threading.Lock()
        self._untold, self._comes = OrderedDict(), False  # the parent tells it

    def attach(self, process: str, providers: Mapping[str, Provider]) -> None:
        self._shelves.process, self._shelves.providers = process, providers

    def detach(self) -> None:
        with self._mutex:
            self._settle_all()

    def __repr__(self) -> str:
        keys = {*self._shelves.of, *self._heard, *(key for key, _ in self._untold)}
        return f"<StoryRecorder of {len(keys)} sessions>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A recorder is neither copied nor pickled: what is not told yet may hold secrets.")

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────

    def event(self, key: Key, event: AuthEvent, planned: Planned) -> None:
        trigger = event.trigger
        with self._mutex:
            heard = self._hear_within(key, ("event", event, planned))
            heard.last = trigger
            if trigger == Trigger.AUTHORIZE._value_:
                heard.logins += 1
            elif trigger in FAILED:
                heard.well = False
            comes = trigger in _GOES_ON or key in self._flying or self._over_within(key, logins=1)
        if not comes:
            self._put_off(key)

    def dropped(self, key: Key, trigger: str, facts: Facts, record: SessionRecord) -> None:
        if key in self._heard or self._has_stories(key):
            self._hear(key, ("dropped", trigger, facts, record))

    def request(self, key: Key, story: str, asked: Asked) -> None:
        request, answer, seconds = asked
        if not isinstance(answer, httpx.Response):  # its frames hold all that was at hand
            failed = (answer.code, str(answer)) if isinstance(answer, AuthflowError) else (type(answer).__name__, "")
            self._hear(key, ("call", story, request, failed, seconds))
            return
        self._hear(key, ("call", story, request, answer, seconds))
        if len(answer.content) > MOST_HELD:
            with self._mutex:
                self._settle_within(key)

    def decision(self, key: Key, question: str, move: str, facts: Mapping[str, object]) -> None:
        self._hear(key, ("decide", REFRESH, question, move, facts))

    def checks(self, key: Key, story: str, checked: Sequence[Checked]) -> None:
        self._hear(key, ("checks", story, checked))

    def left(self, key: Key, story: str, url: str) -> None:
        self._hear(key, ("left", story, url))

    def came_back(self, key: Key, story: str, redirect_uri: str, params: CallbackParams, bound: bool) -> None:
        self._hear(key, ("returned", story, redirect_uri, params, bound))

    def begin(self, key: Key, story: str) -> None:
        with self._mutex:
            self._hear_within(key, ("begin", story))
            self._flying.add(key)

    def end(self, key: Key, story: str) -> None:
        with self._mutex:
            self._hear_within(key, ("end", story))
            self._flying.discard(key)
            comes = self._over_within(key, logins=0)
        if not comes:
            self._put_off(key)

    def resume(self, key: Key, story: str, data: bytes) -> None:
        self._hear(key, ("resume", story, data))

    def carry(self, key: Key, story: str) -> bytes | None:
        with _quietly("carried"), self._mutex:
            self._settle_within(key)
            telling = self._shelves.of.get(key, {}).get(story)
            return None if telling is None else telling.carry()
        return None

    def foretell(self, key: Key, story: str, planned: Planned, url: str) -> bytes | None:
        with _quietly("foretold"), self._mutex:
            at = self._monotonic()
            self._shelves.ahead = self._clock.time() - at
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
            if key is None:
                self._settle_all()
            else:
                self._settle_within(key)
            self._shelves.trim(self._monotonic())
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
            logins = [one for one in self._shelves.of.get(key, {}).values() if slot(one) == ATTEMPT and one.steps]
            latest = max(logins, key=lambda one: (one.ended or 0.0, *order(one)), default=None)
            return None if latest is None else Trace(stories=(latest.story(),))

    # ── from hearing to telling ──────────────────────────────────────────────────────────────────────

    def _hear(self, key: Key, told: tuple[Any, ...]) -> None:
        with self._mutex:
            self._hear_within(key, told)

    def _hear_within(self, key: Key, told: tuple[Any, ...]) -> Untold:
        heard = self._heard.get(key)
        if heard is not None:
            heard.append((self._monotonic(), told))
            if len(heard) >= MOST_HEARD:
                self._settle_within(key)
            return heard
        heard = self._heard[key] = Untold()
        heard.append((self._monotonic(), told))
        if told[0] not in _BEGINS and not self._shelves.goes_on(key):
            self._settle_within(key)  # it is late: what it belongs to has ended
        elif len(self._heard) > MOST_OPEN:
            self._settle_within(next(iter(self._heard)))
        return heard

    def _over_within(self, key: Key, *, logins: int) -> bool:
        """Something of this session has ended, among it so many logins. What went well waits to be told, unless more
        than what has ended is in it, or a part of it was told already. Whether who tells what waits will come."""
        heard = self._heard.get(key)
        kind = None
        if heard is not None and heard.well and heard.logins <= logins and not self._shelves.goes_on(key):
            kind = _WELL.get(heard.last)
        if heard is None or kind is None:
            self._settle_within(key)
            return True
        del self._heard[key]
        heard.ended = self._monotonic()
        heard.ahead = self._clock.time() - heard.ended
        name = key, f"{kind} {next(self._numbers)}" if self._settings.every else kind
        untold = self._untold
        if name in untold:
            del untold[name]  # it would give way as soon as this one is told
        untold[name] = heard
        if len(untold) > self._settings.stories:
            untold.popitem(last=False)
        comes, self._comes = self._comes, True
        return comes

    def _put_off(self, key: Key) -> None:
        """Has what waits told later, or at once if the manager is closed."""
        comes = False
        with _quietly("put off"):
            comes = self._later(self._tell_what_waits, WAITS)
        if not comes:
            with self._mutex:
                self._comes = False
                self._settle_within(key)

    def _tell_what_waits(self) -> None:
        """Tells what has waited for its time, a few at once."""
        for _ in range(AT_A_TIME):
            with self._mutex:  # anew for each: who hears something waits for no more than one
                oldest = next(iter(self._untold.items()), None)
                self._comes = oldest is not None
                if oldest is None:
                    return
                name, untold = oldest
                left = untold.ended + WAITS - self._monotonic()
                if left > 0:
                    break
                del self._untold[name]
                self._tell_all(name[0], untold, untold.ahead)
        self._later(self._tell_what_waits, max(left, PAUSE))

    def _has_stories(self, key: Key) -> bool:
        return key in self._shelves.of or any(one == key for one, _ in self._untold)

    def _settle_within(self, key: Key) -> None:
        """Tells all that was heard of a session."""
        for name in [one for one in self._untold if one[0] == key]:
            untold = self._untold.pop(name)
            self._tell_all(key, untold, untold.ahead)
        heard = self._heard.pop(key, None)
        if heard is not None:
            self._tell_all(key, heard, self._clock.time() - self._monotonic())

    def _settle_all(self) -> None:
        while self._untold:
            (key, _), untold = self._untold.popitem(last=False)
            self._tell_all(key, untold, untold.ahead)
        for key in list(self._heard):
            self._settle_within(key)

    def _tell_all(self, key: Key, heard: Sequence[Heard], ahead: float) -> None:
        """Tells what was heard of a session, redacted. A defect in that costs a step, never a login. `ahead`: by how
        much the clock on the wall was ahead of the monotonic one."""
        self._shelves.ahead = ahead
        for at, (what, *given) in heard:
            with _quietly("told"):
                act: Callable[..., None] = _ACTS.get(what, StoryRecorder._tell)
                act(self, key, at, what, *given)
        for telling in self._shelves.of.get(key, {}).values():
            telling.forget()

    def _event(self, key: Key, at: float, _: str, event: AuthEvent, planned: Planned) -> None:
        for telling in self._shelves.tellings_of(key, at, event, planned):
            telling.transition(telling.since_began(at), event, planned)
            if event.trigger not in GOES_ON:
                telling.outcome = event.trigger
            if telling.outcome and not telling.held:
                self._shelves.end(telling, at)

    def _dropped(self, key: Key, at: float, _: str, trigger: str, facts: Facts, record: SessionRecord) -> None:
        telling = self._shelves.of_trigger(key, trigger, facts)
        if telling is not None:
            telling.dropped(telling.since_began(at), trigger, facts, record)

    def _tell(self, key: Key, at: float, what: str, story: str, *given: Any) -> None:
        telling = self._shelves.find(key, at, story)
        getattr(telling, what)(telling.since_began(at), *given)

    def _begin(self, key: Key, at: float, _: str, story: str) -> None:
        telling = self._shelves.of.get(key, {}).get(story)
        if telling is None or (telling.ended is not None and telling.outcome != "adopt"):
            telling = self._shelves.start(key, at, story, story)
        elif telling.ended is not None:  # another process has just done it, and here it is looked at
            telling.ended = None
            self._shelves.kept[False].pop(id(telling), None)
            self._shelves.open[id(telling)] = telling
        telling.held = True

    def _finish(self, key: Key, at: float, _: str, story: str) -> None:
        telling = self._shelves.of.get(key, {}).get(story)
        if telling is not None and telling.held:
            telling.held = False
            telling.waited(telling.since_began(at))
            if not telling.outcome and telling.kept:
                telling.outcome = KEPT
            if telling.steps:
                self._shelves.end(telling, at)
            else:
                self._shelves.drop(telling)

    def _resume(self, key: Key, at: float, _: str, story: str, data: bytes) -> None:
        telling = self._shelves.of.get(key, {}).get(story)
        if telling is not None and not telling.seen:
            return
        carried = read_carried(data)
        if carried is not None:
            telling = telling or self._shelves.start(key, at, story, carried.story.kind)
            telling.take_up(carried)


_ACTS: Final[dict[str, Callable[..., None]]] = {
    "event": StoryRecorder._event,
    "dropped": StoryRecorder._dropped,
    "begin": StoryRecorder._begin,
    "end": StoryRecorder._finish,
    "resume": StoryRecorder._resume,
}
_BEGINS: Final = frozenset({"event", "begin", "resume"})
TraceSetting = bool | Literal["all"] | Recording | Recorder

"""A recorded story as what can be drawn: the conversation, the way through the chart, and where the time went.

Only what the trace says is drawn. Names that come from a trace (processes, hosts, states) are text and nothing else:
lanes get keys of their own, and a transition counts as a step of the way only if the chart has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from ..chart import CHART, Row, State, Trigger
from ..trace.story import (
    APPLICATION,
    BROWSER,
    KEPT,
    PROVIDER,
    Call,
    Check,
    Decision,
    Dropped,
    Hop,
    Story,
    Transition,
    Wait,
)
from . import sequence
from .arrows import Edge, edges
from .sequence import Lane, Message, Sequence

TITLES: Final = {
    "login": "A login", "step_up": "A step-up", "refresh": "A refresh", "restore": "A restored session",
    "logout": "A sign-out",
}  # fmt: skip
_FAILS: Final = frozenset({"fail", "cancel", "time_out"})
_SIGNALS: Final = {row.trigger.value: row.emits for row in CHART if row.emits is not None}
_WHO: Final = {"human": "the human", "provider": "before asking again", "other_process": "another process"}


class Frame(NamedTuple):
    """How far a replay is when it has come to a message: steps of the way taken, and the state."""

    passed: int
    state: str
    at: str


class Span(NamedTuple):
    """A part of the time in one state: `kind` is `human`, `provider` (an answer was waited for), `other` (another
    process was), or `here`."""

    state: str
    seconds: float
    kind: str


class Drawn(NamedTuple):
    """Everything that a page or a picture of one story needs."""

    title: str
    sequence: Sequence
    frames: tuple[Frame, ...]
    path: tuple[Edge, ...]
    spans: tuple[Span, ...]


def draw(story: Story, chart: tuple[Row, ...] = CHART) -> Drawn:
    """The whole of `story`, ready to be drawn."""
    reader = _Reader(story, set(edges(chart)))
    for step in story.steps:
        reader.read(step)
    title = title_of(story)
    conversation = Sequence(title, reader.lanes(), tuple(reader.messages))
    return Drawn(title, conversation, tuple(reader.frames), tuple(reader.path), spans(story))


_ENDINGS: Final = {
    "fail": "failed", "cancel": "cancelled", "time_out": "timed out", "defer": "deferred", KEPT: "not renewed",
}  # fmt: skip


def title_of(story: Story) -> str:
    """`A login at Acme`"""
    kind = TITLES.get(story.kind, story.kind)
    account = f" ({story.account})" if story.account else ""
    return f"{kind} at {story.label or story.provider}{account}"


def ending(story: Story) -> tuple[str, str]:
    """The outcome in a word or two, and how it is to be understood: `good`, `bad`, `busy`, `end`."""
    last = story.transitions[-1] if story.transitions else None
    if not story.outcome:
        return (last.target if last else "not begun"), "busy"
    if story.failed:
        return _ENDINGS.get(story.outcome, story.outcome), "bad"
    state = last.target if last else story.outcome
    return state.replace("_", " "), "good" if last and last.live else "end"


def spans(story: Story) -> tuple[Span, ...]:
    """Where the time went: state by state, with the human's wait, the provider's and another process's apart."""
    parts: list[Span] = []
    steps = story.transitions
    began = 0.0
    state = steps[0].source if steps else ""
    for i, end in enumerate([*(step.at for step in steps), max(story.seconds, steps[-1].at if steps else 0.0)]):
        inside = [step for step in story.steps if began <= step.at < end] if end > began else []
        waits = {kind: sum(span for who, span in map(_waited, inside) if who == kind) for kind in _KINDS}
        here = max(0.0, end - began - sum(waits.values()))
        for kind in _KINDS:
            if waits[kind] > 0:
                parts.append(Span(state, min(waits[kind], end - began), kind))
        if here > 0 and state not in ("idle", "logged_out"):
            parts.append(Span(state, here, "here"))
        began = end
        state = steps[i].target if i < len(steps) else state
    return tuple(parts)


_KINDS: Final = ("human", "other", "provider")


def _waited(step: object) -> tuple[str, float]:
    if isinstance(step, Call):
        return "provider", step.seconds
    if isinstance(step, Wait):
        return {"human": "human", "other_process": "other"}.get(step.who, "provider"), step.seconds
    return "", 0.0


def seconds(value: float) -> str:
    """`0.4 ms`, `182 ms`, `2.41 s`, `3 min 20 s`, `2 h 5 min`"""
    if value < 0.01:
        return f"{value * 1000:.1f} ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.2f} s"
    if value < 3600:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{int(value) // 3600} h {int(value) % 3600 // 60} min"


def times(call: Call) -> str:
    """` ×5` behind polls that were answered alike."""
    return f" ×{call.times}" if call.times > 1 else ""


class _Reader:
    """Goes through the steps and keeps what it has seen."""

    def __init__(self, story: Story, chart: set[Edge]) -> None:
        self.story = story
        self.chart = chart
        self.messages: list[Message] = []
        self.frames: list[Frame] = []
        self.path: list[Edge] = []
        self.others: dict[str, str] = {}  # key by name, of those that are neither of the three
        self.used = {"application"}
        first = story.transitions[0] if story.transitions else None
        self.band = first.source if first else ""
        self.state = self.band

    def lanes(self) -> tuple[Lane, ...]:
        host = self.story.host or self.story.label or self.story.provider
        all_lanes = (
            Lane("browser", "Browser"),
            Lane("application", "Application · authflow"),
            *(Lane(key, _process(name)) for name, key in self.others.items()),
            Lane("provider", host),
        )
        return tuple(lane for lane in all_lanes if lane.key in self.used)

    def read(self, step: object) -> None:
        if isinstance(step, Transition):
            self._transition(step)
        elif isinstance(step, Dropped):
            why = ("came too late; it was dropped",)
            self._say("application", "application", step.at, f"{step.trigger}: dropped", why)
        elif isinstance(step, Call):
            self._call(step)
        elif isinstance(step, Hop):
            self._hop(step)
        elif isinstance(step, Check):
            self._check(step)
        elif isinstance(step, Wait):
            self._wait(step)
        elif isinstance(step, Decision):
            facts = _pairs({name: str(value) for name, value in step.facts.items() if value not in (None, False)})
            self._say("application", "application", step.at, f"decides: {step.move}", (step.question, *facts))

    def _lane(self, name: str) -> str:
        known = {APPLICATION: "application", PROVIDER: "provider", BROWSER: "browser"}.get(name)
        key = known or self.others.setdefault(name, f"other{len(self.others) + 1}")
        self.used.add(key)
        return key

    def _say(
        self,
        source: str,
        target: str,
        at: float,
        text: str,
        detail: tuple[str, ...] = (),
        *,
        reply: bool = False,
        took: str = "",
        checks: tuple[sequence.Check, ...] = (),
        failed: bool = False,
    ) -> None:
        self.used |= {source, target}
        told = f"+{seconds(at)}"
        self.messages.append(Message(source, target, text, detail, reply, self.band, told, took, checks, failed))
        self.frames.append(Frame(len(self.path), self.state, told))

    def _transition(self, step: Transition) -> None:
        edge = _edge(step)
        refused = edge not in self.chart
        if edge is not None and not refused:
            self.path.append(edge)
            self.state = step.target
            self.band = f"{step.target} · failed" if step.trigger in _FAILS else step.target
        signal = _SIGNALS.get(step.trigger, "")
        why = (*((step.reason,) if step.reason else ()), *((step.error.message,) if step.error else ()))
        if refused:
            self._say("application", "application", step.at, f"{step.trigger}: refused", why, failed=True)
        elif step.process:
            text = f"{step.trigger}: {signal}" if signal else step.trigger
            seen = ("seen in the store", *why)
            self._say(self._lane(f"process:{step.process}"), "application", step.at, text, seen)
        elif signal:
            self._say(
                "application", "application", step.at, f"{step.trigger}: {signal}", why,
                failed=step.error is not None or step.trigger in _FAILS,
            )  # fmt: skip

    def _call(self, step: Call) -> None:
        host = (step.host,) if step.host and step.host != self.story.host else ()
        took = seconds(step.seconds)
        asked = f"{step.method} {step.path}{times(step)}"
        self._say("application", "provider", step.at, asked, (*host, *_pairs(step.sent)), took=took)
        ended = step.at + step.seconds
        if step.status is None:
            said = (step.said,) if step.said else ()
            self._say("provider", "application", ended, step.failure or "no answer", said, reply=True, failed=True)
            return
        bad = step.status >= 400 or bool(step.failure)
        self._say("provider", "application", ended, _status(step.status), _pairs(step.got), reply=True, failed=bad)

    def _hop(self, step: Hop) -> None:
        sender, receiver = self._lane(step.sender), self._lane(step.receiver)
        via = self._lane(step.via) if step.via else sender
        answers = sender == "provider"
        params = _pairs(step.params)
        if via in (sender, receiver):
            self._say(sender, receiver, step.at, step.what, (*_place(step), *params))
            return
        first = f"302 → {step.path}" if answers else f"open {step.path or step.what}"
        self._say(sender, via, step.at, first, params, reply=answers)
        self._say(via, receiver, step.at, f"GET {step.path}", (step.what,))

    def _check(self, step: Check) -> None:
        told = sequence.Check(step.name, step.ok, step.expected, step.got)
        before = self.messages[-1] if self.messages else None
        asks = f"verify the {step.of}" if step.of else "verify"
        goes_on = before is not None and (
            before.text == asks or (before.target == "application" and not before.reply and step.of == "callback")
        )
        if before is not None and goes_on and before.band == self.band:
            failed = before.failed or not step.ok
            self.messages[-1] = before._replace(checks=(*before.checks, told), failed=failed)
            return
        self._say("application", "application", step.at, asks, checks=(told,), failed=not step.ok)

    def _wait(self, step: Wait) -> None:
        lane = "browser" if step.who == "human" else "application"
        who = _WHO.get(step.who, step.who)
        self._say(lane, lane, step.at, who if lane == "browser" else f"waits: {who}", took=seconds(step.seconds))


def _edge(step: Transition) -> Edge | None:
    try:
        return Edge(State(step.source), Trigger(step.trigger), State(step.target))
    except ValueError:
        return None


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _pairs(values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in values.items())


def _place(step: Hop) -> tuple[str, ...]:
    return (f"{step.host}{step.path}",) if step.host or step.path else ()


def _process(name: str) -> str:
    return f"Process {name.removeprefix('process:')}" if name.startswith("process:") else name

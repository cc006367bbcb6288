"""The checker of the chart: walks every history the table allows and says what is wrong, with an example.

Rule 1: it checks the table, nothing else. Whether the code keeps to the table is what the tests are for.
Rule 2: every finding that a history can show carries the shortest one, from `idle`, as a counter-example.

A history is infinite, but what matters of it is not: the state it ended in, and whether the last word to
the application was "there is a session" or "there is none". The walk visits each such pair once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from .chart import CHART, ENTERS, LEAVES, LIVE, PENDING, Actor, Row, State, Trigger

OUTSIDE: Final = tuple(state for state in State if not state.live)

# What each signal tells, as the states it may come from and lead to. A signal that is not here is unknown.
MEANING: Final[dict[str, tuple[tuple[State, ...], tuple[State, ...]]]] = {
    "on_login": ((State.EXCHANGING,), (State.AUTHENTICATED,)),
    "on_login_failed": (PENDING, (State.IDLE,)),
    "on_restore": (OUTSIDE, (State.AUTHENTICATED,)),
    "on_refresh": (LIVE, (State.AUTHENTICATED,)),
    "on_refresh_failed": ((State.REFRESHING,), (State.AUTHENTICATED,)),
    "on_logout": (LIVE, (State.LOGGED_OUT,)),
}

INVARIANTS: Final[dict[str, str]] = {
    "unique": "no (state, trigger) stands in two rows",
    "fired": "every row is fired by somebody",
    "reachable": "every state is reachable from idle",
    "not dead": "every state can be left",
    "triggers": "every trigger can happen",
    "alternate": "on_login/on_restore and on_logout strictly alternate",
    "live": "a session is live exactly when the last word was that there is one",
    "heard": "no session becomes live, or ends, without its signal",
    "signals": "every signal is told where it is true, and every way into authenticated has one",
    "refreshing": "refreshing is entered from authenticated only",
    "clock exit": "every waiting state comes to rest by the clock alone",
    "user exit": "every waiting state comes to rest by the user alone",
}


class Step(NamedTuple):
    """One transition of a history."""

    source: State
    trigger: Trigger
    target: State


class Edge(NamedTuple):
    """One row, for one of its source states."""

    source: State
    trigger: Trigger
    target: State
    emits: str | None
    actors: tuple[Actor, ...]

    @property
    def step(self) -> Step:
        return Step(self.source, self.trigger, self.target)

    def __str__(self) -> str:
        return f"{self.trigger} from {self.source} to {self.target}"


class Finding(NamedTuple):
    """A broken invariant. `path` is the shortest history that shows it; empty where none can."""

    invariant: str
    message: str
    path: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return f"{self.message}\n{' ' * 4}{self.history}" if self.path else self.message

    @property
    def history(self) -> str:
        """The path in one line: `idle –authorize→ authorizing –callback→ exchanging`."""
        if not self.path:
            return ""
        return str(self.path[0].source) + "".join(f" –{step.trigger}→ {step.target}" for step in self.path)


@dataclass(frozen=True)
class Report:
    """What was walked, and what was found. `str(report)` is what `authflow verify` prints."""

    findings: tuple[Finding, ...]
    states: int
    triggers: int
    rows: int
    edges: int
    explored: int

    @property
    def ok(self) -> bool:
        return not self.findings

    def __str__(self) -> str:
        broken = {finding.invariant for finding in self.findings}
        lines = [
            f"chart: {self.states} states, {self.triggers} triggers, {self.rows} rows, {self.edges} edges",
            f"walk:  {self.explored} pairs of state and last signal, every edge from each",
            "",
            *(f"{'BROKEN' if name in broken else 'ok':6}  {claim}" for name, claim in INVARIANTS.items()),
            "",
        ]
        if self.ok:
            return "\n".join([*lines, f"All {len(INVARIANTS)} invariants hold."])
        found = "finding" if len(self.findings) == 1 else "findings"
        return "\n".join([*lines, *map(str, self.findings), "", f"{len(self.findings)} {found}."])


def verify(chart: tuple[Row, ...] = CHART) -> Report:
    """Everything there is to know about `chart`: the counts and the findings."""
    edges = edges_of(chart)
    explored, walked = _walk(edges)
    return Report(
        findings=(*_shape(chart, edges), *_ways(edges), *walked, *_meaning(edges), *_exits(edges)),
        states=len(State),
        triggers=len({row.trigger for row in chart}),
        rows=len(chart),
        edges=len(edges),
        explored=explored,
    )


def check_chart(chart: tuple[Row, ...] = CHART) -> list[Finding]:
    """The broken invariants of `chart`; an empty list when all hold."""
    return list(verify(chart).findings)


def edges_of(chart: Iterable[Row]) -> list[Edge]:
    """The rows of `chart`, one edge for each source state."""
    return [
        Edge(source, row.trigger, row.target, row.emits, row.actors) for row in chart for source in row.sources
    ]


def paths(edges: list[Edge]) -> dict[State, tuple[Step, ...]]:
    """The shortest history from idle to each state that can be reached."""
    found: dict[State, tuple[Step, ...]] = {State.IDLE: ()}
    queue = deque(found)
    while queue:
        here = queue.popleft()
        for edge in edges:
            if edge.source is here and edge.target not in found:
                found[edge.target] = (*found[here], edge.step)
                queue.append(edge.target)
    return found


def _shape(chart: tuple[Row, ...], edges: list[Edge]) -> Iterator[Finding]:
    way = paths(edges)
    first: dict[tuple[State, Trigger], Edge] = {}
    for edge in edges:
        if (edge.source, edge.trigger) in first:
            other = first[edge.source, edge.trigger]
            text = f"{edge.trigger} from {edge.source} stands twice: to {other.target} and to {edge.target}."
            yield Finding("unique", text, (*way.get(edge.source, ()), edge.step))
        first.setdefault((edge.source, edge.trigger), edge)
    for row in chart:
        if not row.actors or not row.sources:
            lacks = "source state" if row.actors else "actor"
            yield Finding("fired", f"{row.trigger} to {row.target} has no {lacks}: nobody can fire it.")


def _ways(edges: list[Edge]) -> Iterator[Finding]:
    way = paths(edges)
    for state in State:
        if state not in way:
            into = sorted({str(edge.source) for edge in edges if edge.target is state} - {str(state)})
            by = f"only from {', '.join(into)}, unreachable as well" if into else "no row leads there"
            yield Finding("reachable", f"{state} cannot be reached: {by}.")
        elif not any(edge.source is state and edge.target is not state for edge in edges):
            yield Finding("not dead", f"{state} is dead: no row leads out of it.", way[state])
    for trigger in Trigger:
        sources = [edge.source for edge in edges if edge.trigger is trigger]
        if not sources:
            yield Finding("triggers", f"{trigger} stands in no row.")
        elif not any(source in way for source in sources):
            names = ", ".join(map(str, sources))
            yield Finding("triggers", f"{trigger} can never happen: {names} cannot be reached.")


def _walk(edges: list[Edge]) -> tuple[int, list[Finding]]:
    """Visits every pair of state and last word; gives how many there are and what broke on the way."""
    start = (State.IDLE, False)
    seen: dict[tuple[State, bool], tuple[Step, ...]] = {start: ()}
    findings: dict[tuple[str, Edge], Finding] = {}
    queue = deque([start])
    while queue:
        state, told = queue.popleft()
        for edge in edges:
            if edge.source is not state:
                continue
            path = (*seen[state, told], edge.step)
            now = edge.emits in ENTERS or (told and edge.emits not in LEAVES)

            if edge.emits in ENTERS and told:
                text = f"{edge} emits {edge.emits} although a session was announced and has not ended."
                findings.setdefault(("alternate", edge), Finding("alternate", text, path))
            if edge.emits in LEAVES and not told:
                text = f"{edge} emits {edge.emits} although no session was announced."
                findings.setdefault(("alternate", edge), Finding("alternate", text, path))
            if edge.target.live is not now:
                lives = "is live" if edge.target.live else "is not live"
                text = f"{edge}: the session {lives}, the last signal said otherwise."
                findings.setdefault(("live", edge), Finding("live", text, path))
                now = edge.target.live  # said once, here; what follows is judged as if it had been right

            if (edge.target, now) not in seen:
                seen[edge.target, now] = path
                queue.append((edge.target, now))
    return len(seen), list(findings.values())


def _meaning(edges: list[Edge]) -> Iterator[Finding]:
    way = paths(edges)
    for edge in edges:
        path = (*way.get(edge.source, ()), edge.step)
        if edge.source.live is not edge.target.live and edge.emits not in ENTERS | LEAVES:
            what = "starts" if edge.target.live else "ends"
            yield Finding("heard", f"{edge} {what} a session and tells nobody.", path)
        if edge.target is State.REFRESHING and edge.source is not State.AUTHENTICATED:
            yield Finding("refreshing", f"{edge}: only an authenticated session can be refreshed.", path)

        if edge.emits is None:
            if edge.target is State.AUTHENTICATED:
                yield Finding("signals", f"{edge} has no signal: why the session is good is not told.", path)
        elif edge.emits not in MEANING:
            yield Finding("signals", f"{edge} emits {edge.emits}, which is no signal of authflow.", path)
        elif edge.source not in MEANING[edge.emits][0] or edge.target not in MEANING[edge.emits][1]:
            yield Finding("signals", f"{edge} emits {edge.emits}, which is not true there.", path)


def _exits(edges: list[Edge]) -> Iterator[Finding]:
    way = paths(edges)
    for actor in (Actor.CLOCK, Actor.USER):
        rest = _comes_to_rest(edges, actor)
        for state in State:
            if state.waiting and state not in rest:
                text = f"{state} has no way to rest by the {actor} alone: a login could hang there."
                yield Finding(f"{actor} exit", text, way.get(state, ()))


def _comes_to_rest(edges: list[Edge], actor: Actor) -> set[State]:
    """The states from which rows of `actor` alone lead to a state that waits for nobody."""
    rest = {state for state in State if not state.waiting}
    while True:
        more = {edge.source for edge in edges if actor in edge.actors and edge.target in rest} - rest
        if not more:
            return rest
        rest |= more

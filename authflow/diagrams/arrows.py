"""The rows of a chart as arrows to draw: what goes the same way, for the same reason, is one arrow.

`fail`, `cancel` and `time_out` all lead from authorizing to idle and say on_login_failed: one arrow with
three names. `logout` and `expire` go the same way too, but one is the user's wish and one is not: two.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ..chart import ENTERS, LEAVES, Actor, Row, State, Trigger


class Tone(StrEnum):
    """What an arrow means to whoever looks at it."""

    PLAIN = "plain"
    ENTER = "enter"  # now there is a session
    FAIL = "fail"  # something went wrong, or the session ended without the user asking for it


class Edge(NamedTuple):
    """One transition: a trigger in one state."""

    source: State
    trigger: Trigger
    target: State


class Arrow(NamedTuple):
    """One arrow of the drawing."""

    source: State
    target: State
    triggers: tuple[Trigger, ...]
    emits: str | None
    tone: Tone

    @property
    def route(self) -> tuple[State, State, Tone]:
        """What a drawing knows an arrow by."""
        return (self.source, self.target, self.tone)

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(Edge(self.source, trigger, self.target) for trigger in self.triggers)

    @property
    def text(self) -> str:
        """`fail · cancel · time_out`"""
        return " · ".join(self.triggers)


def tone_of(row: Row) -> Tone:
    if row.emits in ENTERS:
        return Tone.ENTER
    if row.emits is not None and row.emits.endswith("_failed"):
        return Tone.FAIL
    return Tone.FAIL if row.emits in LEAVES and Actor.USER not in row.actors else Tone.PLAIN


def arrows(chart: tuple[Row, ...]) -> tuple[Arrow, ...]:
    """The arrows of `chart`: by source state as the states are listed, then in the order of the rows."""
    grouped: dict[tuple[State, State, str | None, Tone], list[Trigger]] = {}
    for state in State:
        for row in chart:
            if state in row.sources:
                grouped.setdefault((state, row.target, row.emits, tone_of(row)), []).append(row.trigger)
    return tuple(
        Arrow(source, target, tuple(triggers), emits, tone)
        for (source, target, emits, tone), triggers in grouped.items()
    )


def edges(chart: tuple[Row, ...]) -> tuple[Edge, ...]:
    """Every transition of `chart`, in the order of its rows."""
    return tuple(Edge(source, row.trigger, row.target) for row in chart for source in row.sources)


def states(chart: tuple[Row, ...]) -> tuple[State, ...]:
    """The states that `chart` speaks of, in their own order."""
    found = {state for edge in edges(chart) for state in (edge.source, edge.target)}
    return tuple(state for state in State if state in found)


def kind_of(state: State) -> str:
    """How a state is drawn: `start`, `busy` (it waits for somebody), `good` (signed in) or `end`."""
    if state.waiting:
        return "busy"
    if state.live:
        return "good"
    return "start" if state is State.IDLE else "end"

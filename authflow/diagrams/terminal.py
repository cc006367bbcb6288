"""The chart in characters, for a terminal of 80 columns: the states as boxes, a line for each way between two of them.

Lines that lead to the same state run together, so no label stands on them: whoever shows it tells the arrows that
begin at the present state beside it. `↻` in a box is a way from a state to itself. A way that has no road here (in a
chart that somebody changed) stands below the drawing in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from ..chart import CHART, Row, State
from .arrows import Edge, arrows, kind_of, states

WIDTH: Final = 76
HEIGHT: Final = 12

S = State


class Run(NamedTuple):
    """Characters of one line that look the same: `way`, `walked`, `current`, or a kind of state (`start`, `busy`,
    `good`, `end`)."""

    text: str
    look: str


class _Box(NamedTuple):
    left: int
    top: int
    inner: int


_BOXES: Final[dict[State, _Box]] = {
    S.IDLE: _Box(0, 6, 6),
    S.AUTHORIZING: _Box(10, 6, 13),
    S.EXCHANGING: _Box(28, 6, 12),
    S.AUTHENTICATED: _Box(45, 6, 15),
    S.REFRESHING: _Box(46, 1, 13),
    S.LOGGED_OUT: _Box(64, 6, 10),
}

# The corners of each road, (column, row): it begins at the edge of one box, and its head stands before another.
_ROADS: Final[dict[tuple[State, State], tuple[tuple[int, int], ...]]] = {
    (S.IDLE, S.AUTHORIZING): ((8, 7), (9, 7)),
    (S.AUTHORIZING, S.EXCHANGING): ((25, 7), (27, 7)),
    (S.EXCHANGING, S.AUTHENTICATED): ((42, 7), (44, 7)),
    (S.AUTHENTICATED, S.LOGGED_OUT): ((62, 7), (63, 7)),
    (S.AUTHENTICATED, S.REFRESHING): ((51, 5), (51, 4)),
    (S.REFRESHING, S.AUTHENTICATED): ((57, 4), (57, 5)),
    (S.REFRESHING, S.LOGGED_OUT): ((61, 2), (67, 2), (67, 5)),
    (S.LOGGED_OUT, S.AUTHORIZING): ((72, 5), (72, 0), (14, 0), (14, 5)),
    (S.IDLE, S.AUTHENTICATED): ((4, 5), (4, 4), (48, 4), (48, 5)),
    (S.AUTHORIZING, S.AUTHENTICATED): ((21, 5), (21, 4), (48, 4), (48, 5)),
    (S.LOGGED_OUT, S.AUTHENTICATED): ((67, 9), (67, 10), (56, 10), (56, 9)),
    (S.AUTHORIZING, S.IDLE): ((17, 9), (17, 11), (3, 11), (3, 9)),
    (S.EXCHANGING, S.IDLE): ((35, 9), (35, 11), (3, 11), (3, 9)),
    (S.LOGGED_OUT, S.IDLE): ((71, 9), (71, 11), (3, 11), (3, 9)),
}

_UP, _RIGHT, _DOWN, _LEFT = 1, 2, 4, 8
_LINES: Final = " │─╰││╭├─╯─┴╮┤┬┼"  # by the sum of where a cell's lines go
_HEADS: Final = {_UP: "▲", _RIGHT: "▶", _DOWN: "▼", _LEFT: "◀"}


def render(chart: tuple[Row, ...] = CHART, *, current: State | None = None, path: Sequence[Edge] = ()) -> str:
    """The drawing as plain text. The present state stands in a double frame."""
    lines = draw(chart, current=current, path=path)
    return "\n".join("".join(run.text for run in line).rstrip() for line in lines) + "\n"


def draw(
    chart: tuple[Row, ...] = CHART, *, current: State | None = None, path: Sequence[Edge] = ()
) -> list[list[Run]]:
    """The lines of the drawing, each as runs of characters with one look; `path`: the ways that were walked."""
    paper = _Paper()
    ways = list(dict.fromkeys((arrow.source, arrow.target) for arrow in arrows(chart)))
    walked = {(edge.source, edge.target) for edge in path}
    for way in sorted(ways, key=lambda way: way in walked):  # what was walked lies on top
        if way in _ROADS:
            paper.road(_ROADS[way], "walked" if way in walked else "way")
    for state in states(chart):
        look = "current" if state is current else "walked" if any(state in way for way in walked) else kind_of(state)
        turns = " ↻" if (state, state) in ways else ""
        paper.box(_BOXES[state], f"{state.value}{turns}", look, double=state is current)
    more = [f"{one} → {other}" for one, other in ways if one is not other and (one, other) not in _ROADS]
    return [*paper.lines(), *([Run(line, "way")] for line in more)]


class _Paper:
    """A grid of characters, each with its look."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], tuple[str, str]] = {}
        self._joints: dict[tuple[int, int], int] = {}

    def road(self, corners: tuple[tuple[int, int], ...], look: str) -> None:
        cells = [corners[0]]
        for (x, y), (to_x, to_y) in pairwise(corners):
            step_x, step_y = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
            cells += [(x + step_x * i, y + step_y * i) for i in range(1, abs(to_x - x) + abs(to_y - y) + 1)]
        for one, other in pairwise(cells):
            there = _direction(one, other)
            self._joints[one] = self._joints.get(one, 0) | there
            self._joints[other] = self._joints.get(other, 0) | _direction(other, one)
        first = _direction(cells[1], cells[0])  # the line begins at the box, not in the middle of its first cell
        self._joints[cells[0]] |= first
        for cell in cells:
            self._cells[cell] = (_LINES[self._joints[cell]], look)
        self._cells[cells[-1]] = (_HEADS[_direction(cells[-2], cells[-1])], look)

    def box(self, box: _Box, name: str, look: str, *, double: bool) -> None:
        corners, across, down = ("╔╗╚╝", "═", "║") if double else ("╭╮╰╯", "─", "│")
        rows = (
            f"{corners[0]}{across * box.inner}{corners[1]}",
            f"{down}{name.center(box.inner)}{down}",
            f"{corners[2]}{across * box.inner}{corners[3]}",
        )
        for y, text in enumerate(rows, box.top):
            for x, ch in enumerate(text, box.left):
                self._cells[x, y] = (ch, look)

    def lines(self) -> list[list[Run]]:
        found = []
        for y in range(HEIGHT):
            cells = [self._cells.get((x, y), (" ", "")) for x in range(WIDTH)]
            found.append(
                [Run("".join(ch for ch, _ in group), look) for look, group in groupby(cells, key=lambda cell: cell[1])]
            )
        return found


def _direction(one: tuple[int, int], other: tuple[int, int]) -> int:
    if one[0] == other[0]:
        return _DOWN if other[1] > one[1] else _UP
    return _RIGHT if other[0] > one[0] else _LEFT

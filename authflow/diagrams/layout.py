"""Where everything of the drawing stands. Coordinates are data, in the SVG's own units; y grows downwards.

The login goes from left to right in one row. Above it: what leads into a session, and the refresh. Below it:
what leads back to idle, the nearest way first, so that no two arrows cross. Everything inside the panel is a
live session. An arrow that has no route here (a chart somebody changed) gets a line of its own at the bottom.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

from ..chart import State
from .arrows import Arrow, Tone
from .text import Box, width

WIDTH: Final = 1372
HEIGHT: Final = 550
LINE: Final = 17  # from one line of a label to the next
LABEL: Final = 13.5  # font size of a trigger
SIGNAL: Final = 11.5  # of a signal
NAME: Final = 15.5  # of a state


class Route(NamedTuple):
    """The corners an arrow goes by, and where its label's first line is centred."""

    points: tuple[tuple[float, float], ...]
    label: tuple[float, float]
    stacked: bool = False  # one trigger a line
    split: float = 0  # from the triggers to the signal, where the line runs between them
    beside: bool = False  # the label begins at its place instead of being centred there


class Text(NamedTuple):
    """One line of text, centred on (x, y), or beginning there; `over` when its own arrow runs through it."""

    x: float
    y: float
    text: str
    size: float
    begins: bool = False
    over: bool = False

    @property
    def box(self) -> Box:
        wide, half = width(self.text, self.size), self.size * 0.6
        left = self.x if self.begins else self.x - wide / 2
        return Box(left, self.y - half, left + wide, self.y + half)


def _box(x: float, y: float, wide: float = 150, high: float = 50) -> Box:
    return Box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


ROW: Final = 300.0

BOXES: Final[dict[State, Box]] = {
    State.IDLE: _box(125, ROW),
    State.AUTHORIZING: _box(373, ROW),
    State.EXCHANGING: _box(603, ROW),
    State.AUTHENTICATED: _box(908, ROW, 216),
    State.REFRESHING: _box(908, 118, 216),
    State.LOGGED_OUT: _box(1276, ROW),
}

PANEL: Final = Box(782, 62, 1086, 426)  # session.live
LOW_PANEL: Final = Box(782, 208, 1086, 426)  # the same when nothing is ever renewed
BADGE: Final = 15.0  # how high the number on an arrow is

S = State

ROUTES: Final[dict[tuple[State, State, Tone], Route]] = {
    # along the row
    (S.IDLE, S.AUTHORIZING, Tone.PLAIN): Route(((200, ROW), (298, ROW)), (246, ROW - 16)),
    (S.AUTHORIZING, S.EXCHANGING, Tone.PLAIN): Route(((448, ROW), (528, ROW)), (486, ROW - 16)),
    (S.EXCHANGING, S.AUTHENTICATED, Tone.ENTER): Route(((678, ROW), (800, ROW)), (730, ROW - 16), split=31),
    (S.AUTHENTICATED, S.LOGGED_OUT, Tone.PLAIN): Route(((1016, 289), (1201, 289)), (1142, 261)),
    (S.AUTHENTICATED, S.LOGGED_OUT, Tone.FAIL): Route(((1016, 311), (1201, 311)), (1142, 327)),
    # above it
    (S.AUTHORIZING, S.AUTHORIZING, Tone.PLAIN): Route(
        ((355, 275), (355, 248), (391, 248), (391, 275)), (373, 220), stacked=True
    ),
    (S.AUTHORIZING, S.AUTHENTICATED, Tone.ENTER): Route(
        ((427, 275), (427, 228), (820, 228), (820, 275)), (603, 216), split=26
    ),
    (S.AUTHENTICATED, S.REFRESHING, Tone.PLAIN): Route(((842, 275), (842, 143)), (842, 186)),
    (S.REFRESHING, S.AUTHENTICATED, Tone.FAIL): Route(((908, 143), (908, 275)), (908, 202)),
    (S.REFRESHING, S.AUTHENTICATED, Tone.PLAIN): Route(
        ((974, 143), (974, 275)), (984, 184), stacked=True, beside=True
    ),
    (S.REFRESHING, S.LOGGED_OUT, Tone.PLAIN): Route(((1016, 107), (1278, 107), (1278, 275)), (1156, 79)),
    (S.REFRESHING, S.LOGGED_OUT, Tone.FAIL): Route(((1016, 129), (1240, 129), (1240, 275)), (1156, 145)),
    (S.LOGGED_OUT, S.AUTHORIZING, Tone.PLAIN): Route(((1316, 275), (1316, 34), (319, 34), (319, 275)), (695, 34)),
    # below it
    (S.AUTHENTICATED, S.AUTHENTICATED, Tone.PLAIN): Route(
        ((890, 325), (890, 352), (926, 352), (926, 325)), (908, 368), stacked=True
    ),
    (S.LOGGED_OUT, S.AUTHENTICATED, Tone.ENTER): Route(
        ((1254, 325), (1254, 396), (986, 396), (986, 325)), (1160, 384), split=26
    ),
    (S.AUTHORIZING, S.IDLE, Tone.FAIL): Route(
        ((373, 325), (373, 378), (170, 378), (170, 325)), (272, 366), split=26
    ),
    (S.EXCHANGING, S.IDLE, Tone.FAIL): Route(
        ((603, 325), (603, 426), (140, 426), (140, 325)), (440, 414), split=26
    ),
    (S.IDLE, S.AUTHENTICATED, Tone.ENTER): Route(
        ((110, 325), (110, 474), (830, 474), (830, 325)), (440, 462), split=26
    ),
    (S.LOGGED_OUT, S.IDLE, Tone.PLAIN): Route(((1296, 325), (1296, 522), (80, 522), (80, 325)), (440, 522)),
}

def label(arrow: Arrow, route: Route) -> tuple[Text, ...]:
    """The lines of an arrow's label: its triggers, then the signal in small."""
    names = arrow.triggers if route.stacked else (arrow.text,)
    x, y = route.label
    lines = [Text(x, y + LINE * index, name, LABEL, route.beside) for index, name in enumerate(names)]
    if arrow.emits:
        lines.append(Text(x, lines[-1].y + (route.split or LINE - 1), arrow.emits, SIGNAL, route.beside))
    return tuple(line._replace(over=crosses(route, line.box)) for line in lines)


def badge(text: str, route: Route, taken: Iterable[Box]) -> Box:
    """Where the number on an arrow stands: on its line, as near to its beginning as nothing else is."""
    half = max(BADGE, width(text, 10, bold=True) + 9) / 2
    obstacles = tuple(taken)
    first: Box | None = None
    for (ax, ay), (bx, by) in pairwise(route.points):
        length = abs(bx - ax) + abs(by - ay)
        for step in range(3, int(length / 4) - 2):
            part = step * 4 / length
            x, y = ax + (bx - ax) * part, ay + (by - ay) * part
            box = Box(x - half, y - BADGE / 2, x + half, y + BADGE / 2)
            first = first or box
            if not any(box.meets(other) for other in obstacles):
                return box
    return first or Box(*route.points[0], *route.points[0])


def strokes(route: Route) -> tuple[Box, ...]:
    """The straight pieces of an arrow, as thin boxes. Arrows go along the axes only."""
    return tuple(
        Box(min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1)
        for a, b in pairwise(route.points)
    )


def crosses(route: Route, box: Box) -> bool:
    """Whether the arrow runs through `box`."""
    return any(stroke.meets(box) for stroke in strokes(route))


def routes(drawn: Iterable[Arrow]) -> tuple[dict[Arrow, Route], float]:
    """The route of every arrow, and how high the drawing is."""
    found: dict[Arrow, Route] = {}
    taken: set[tuple[State, State, Tone]] = set()
    height = float(HEIGHT)
    for arrow in drawn:
        if arrow.route in ROUTES and arrow.route not in taken:
            found[arrow] = ROUTES[arrow.route]
            taken.add(arrow.route)
            continue
        start, end = BOXES[arrow.source], BOXES[arrow.target]
        shift = 8.0 * (len(found) - len(taken) + 1)
        out, into = start.left + shift, end.right - shift
        points = ((out, start.bottom), (out, height), (into, height), (into, end.bottom))
        found[arrow] = Route(points, ((out + into) / 2, height))
        height += 48
    return found, height

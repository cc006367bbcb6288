"""The chart as a picture: plain SVG, drawn from the rows and the coordinates of `layout`.

On top of the chart it can show one walk through it (`path`: every step numbered, the rest pale) or how often each
transition was taken (`counts`: the more often, the darker; what nobody took is dotted).

`data-state` and `data-edge` are there for a page that lights them up; `data-steps` are the numbers of a walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..chart import CHART, Row, State
from .arrows import Arrow, Edge, Tone, arrows, kind_of, states
from .layout import (
    BOXES,
    LOW_PANEL,
    NAME,
    PANEL,
    SIGNAL,
    WIDTH,
    Route,
    Text,
    badge,
    label,
    routes,
    strokes,
)
from .paint import Paint, Theme, clean, n
from .text import Box, width

LEGEND: Final = (
    (Tone.ENTER, "", "a session begins"),
    (Tone.FAIL, "6 4", "it failed, or it ended unasked"),
)
PALE: Final = "0.4"
HEATS: Final = 5
NOTES: Final = 58  # how high the line of notes is
_SIGNS: Final = {  # drawn, not written: not every font has them
    True: ("good", "enter", "enter-text", "l3.5 3.5 l6.5 -7.5", 0.5),
    False: ("band-bad", "fail", "fail-text", "l8 -8 m0 8 l-8 -8", 4),
    None: ("start", "plain", "muted", "h9", 0),
}


def render(
    chart: tuple[Row, ...] = CHART,
    *,
    theme: Theme = "light",
    current: State | None = None,
    title: str = "A login",
    id: str = "authflow",
    path: Sequence[Edge] = (),
    counts: Mapping[Edge, int] | None = None,
    notes: Sequence[tuple[str, bool | None]] = (),
) -> str:
    """The chart as one SVG element. `notes` stand below it, each with a ✓, a ✗ or a dash. `id` must be
    unique on the page, and is made of letters, digits, `-` or `_`.

    Raises `ValueError` for another theme or id.
    """
    return _Drawing(chart, Paint(theme, id), current, title, path, counts, notes).text()


def heat_of(count: int, most: int) -> str:
    """The colour of what was taken `count` times, when the busiest was taken `most` times. By magnitude: once and
    twice differ as a hundred and two hundred do."""
    if count < 1:
        return "missed"
    step = (count.bit_length() - 1) * HEATS // most.bit_length()
    return f"heat-{min(step, HEATS - 1) + 1}"


class _Drawing:
    def __init__(
        self,
        chart: tuple[Row, ...],
        paint: Paint,
        current: State | None,
        title: str,
        path: Sequence[Edge],
        counts: Mapping[Edge, int] | None,
        notes: Sequence[tuple[str, bool | None]],
    ) -> None:
        self.states = states(chart)
        self.arrows = arrows(chart)
        self.routes, self.height = routes(self.arrows)
        self.paint = paint
        self.id = paint.id
        self.current = current
        self.title = title
        self.path = path
        self.counts = counts
        self.notes = notes
        self.foot = self.height
        self.height += NOTES if notes else 0
        self.most = max((counts or {}).values(), default=0)
        self.steps = {arrow: [i for i, edge in enumerate(path, 1) if edge in arrow.edges] for arrow in self.arrows}
        self.passed = {state for edge in path for state in (edge.source, edge.target)}
        self.panel = PANEL if State.REFRESHING in self.states else LOW_PANEL

    def text(self) -> str:
        parts = [*self._head(), *self._panel(), *self._halo(), *self._start(), *self._legend()]
        for arrow in self.arrows:
            parts += self._line(arrow)
        for arrow in self.arrows:
            parts += self._label(arrow)
        for state in self.states:
            parts += self._state(state)
        return "\n".join([*parts, *self._badges(), *self._notes(), "</svg>"]) + "\n"

    def _head(self) -> list[str]:
        told = "; ".join(f"{arrow.source} to {arrow.target}: {', '.join(arrow.triggers)}" for arrow in self.arrows)
        if self.path:
            told = ", ".join(f"{i}. {edge.trigger} to {edge.target}" for i, edge in enumerate(self.path, 1))
        parts = self.paint.head(WIDTH, self.height, self.title, f"{told}.")
        heads = [tone.value for tone in Tone]
        if self.path:
            heads += ["hot"]
        if self.counts is not None:
            heads += ["missed", *(f"heat-{step + 1}" for step in range(HEATS))]
        parts.append("<defs>")
        parts += [self.paint.marker(head, size=15 if head == "hot" or head[:4] == "heat" else 13.5) for head in heads]
        parts.append("</defs>")
        parts.append(f'<rect width="{WIDTH}" height="{n(self.height)}" {self.paint("fill", "page")}/>')
        return parts

    def _panel(self) -> list[str]:
        box = self.panel
        place = _frame(box)
        return [
            f'<g><rect {place} rx="18" {self.paint("fill", "panel")}/>'
            f'<rect {place} rx="18" fill="none" {self.paint("stroke", "panel-line")}/>'
            f'<text x="{n(box.right - 18)}" y="{n(box.top + 17)}" dy="0.35em" text-anchor="end" font-size="12" '
            f'font-weight="600" {self.paint("fill", "enter-text")}>session.live</text></g>'
        ]

    def _halo(self) -> list[str]:
        if self.current is None:
            return []
        box = BOXES[self.current]
        return [
            f'<rect x="{n(box.left - 8)}" y="{n(box.top - 8)}" width="{n(box.right - box.left + 16)}" '
            f'height="{n(box.bottom - box.top + 16)}" rx="19" fill-opacity="0.3" '
            f'{self.paint("fill", "current")}/>'
        ]

    def _start(self) -> list[str]:
        box = BOXES[State.IDLE]
        return [
            f'<circle cx="{n(box.left - 34)}" cy="{n(box.y)}" r="6" {self.paint("fill", "ink")}/>',
            f'<path d="M{n(box.left - 28)} {n(box.y)} H{n(box.left - 1)}" fill="none" stroke-width="1.6" '
            f'marker-end="url(#{self.id}-{Tone.PLAIN})" {self.paint("stroke", Tone.PLAIN)}/>',
        ]

    def _legend(self) -> list[str]:
        rows = [(tone.value, dashes, 1.8, text) for tone, dashes, text in LEGEND]
        if self.counts is not None:
            rows = [("heat-1", "", 1.8, "seldom"), ("heat-5", "", 4.2, "often"), ("missed", "2 4", 1.8, "never taken")]
        elif self.path:
            rows = [("hot", "", 3, "the way that was taken")]
        parts = []
        for index, (ink, dashes, thick, text) in enumerate(rows):
            y = 30 + 22 * index
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            head = "" if thick > 4 else f' marker-end="url(#{self.id}-{ink})"'
            parts.append(
                f'<path d="M22 {y} H58" fill="none" stroke-width="{n(thick)}"{dashed}{head} '
                f'{self.paint("stroke", ink)}/><text x="68" y="{y}" dy="0.35em" font-size="12.5" '
                f'{self.paint("fill", "muted")}>{text}</text>'
            )
        return parts

    def _stroke(self, arrow: Arrow) -> tuple[str, float, str]:
        """The colour, the width and the dashes of an arrow's line."""
        if self.counts is not None:
            taken = max(self.counts.get(edge, 0) for edge in arrow.edges)
            heat = heat_of(taken, self.most)
            return (heat, 1.8, "2 4") if heat == "missed" else (heat, 1.2 + 0.6 * int(heat[-1]), "")
        if self.steps[arrow]:
            return "fail" if arrow.tone is Tone.FAIL else "hot", 3, ""
        return arrow.tone.value, 1.8, "6 4" if arrow.tone is Tone.FAIL else ""

    def _pale(self, arrow: Arrow) -> str:
        return f' opacity="{PALE}"' if self.path and not self.steps[arrow] else ""

    def _line(self, arrow: Arrow) -> list[str]:
        ink, thick, dashes = self._stroke(arrow)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        names = " ".join(arrow.triggers)
        said = f" ({arrow.emits})" if arrow.emits else ""
        told = f"{arrow.source} → {arrow.target}: {', '.join(arrow.triggers) + said}"
        if self.counts is not None:
            told += "; " + ", ".join(f"{edge.trigger} {self.counts.get(edge, 0)} times" for edge in arrow.edges)
        steps = f' data-steps="{" ".join(map(str, self.steps[arrow]))}"' if self.steps[arrow] else ""
        return [
            f'<g data-edge="{names}" data-source="{arrow.source}" data-target="{arrow.target}" '
            f'data-tone="{arrow.tone}" data-signal="{arrow.emits or ""}"{steps}{self._pale(arrow)}>'
            f"<title>{clean(told)}</title>"
            f'<path d="{_path(self.routes[arrow])}" fill="none" stroke-width="{n(thick)}"{dashed} '
            f'marker-end="url(#{self.id}-{ink})" {self.paint("stroke", ink)}/></g>'
        ]

    def _label(self, arrow: Arrow) -> list[str]:
        lines = label(arrow, self.routes[arrow])
        steps = f' data-steps="{" ".join(map(str, self.steps[arrow]))}"' if self.steps[arrow] else ""
        parts = [f'<g data-label="{" ".join(arrow.triggers)}"{steps}>']
        for line in lines:
            if line.over:  # a gap in the line, so that the text can be read
                box = line.box
                under = "panel" if self.panel.holds(line.x, line.y) else "page"
                parts.append(
                    f'<rect x="{n(box.left - 5)}" y="{n(box.top - 1)}" width="{n(box.right - box.left + 10)}" '
                    f'height="{n(box.bottom - box.top + 2)}" {self.paint("fill", under)}/>'
                )
        for line in lines:
            small = line.size == SIGNAL
            ink = "text" if not small else "muted" if arrow.tone is Tone.PLAIN else f"{arrow.tone}-text"
            anchor = "" if line.begins else ' text-anchor="middle"'
            told = clean(line.text) if small else self._names(arrow, line)
            parts.append(
                f'<text x="{n(line.x)}" y="{n(line.y)}" dy="0.35em"{anchor} font-size="{n(line.size)}" '
                f'font-weight="{400 if small else 500}"{self._pale(arrow)} {self.paint("fill", ink)}>{told}</text>'
            )
        return ["".join([*parts, "</g>"])]

    def _names(self, arrow: Arrow, line: Text) -> str:
        """The triggers of one line; each with a colour of its own where it matters which of them was taken."""
        if self.counts is None and not self.steps[arrow]:
            return clean(line.text)
        shown = []
        for edge in arrow.edges:
            if edge.trigger not in line.text.split(" · "):
                continue
            if self.counts is not None:
                never = not self.counts.get(edge, 0)
                looks = f'{self.paint("fill", "missed")} font-style="italic"' if never else self.paint("fill", "ink")
            else:
                hot = "fail-text" if arrow.tone is Tone.FAIL else "hot"
                looks = f'{self.paint("fill", hot)} font-weight="700"' if edge in self.path else ""
                looks = looks or f'{self.paint("fill", "muted")} font-weight="400"'
            shown.append(f"<tspan {looks}>{clean(edge.trigger)}</tspan>")
        return " · ".join(shown)

    def _state(self, state: State) -> list[str]:
        box, kind = BOXES[state], kind_of(state)
        place = f'{_frame(box)} rx="12"'
        pale = f' opacity="{PALE}"' if self.path and state not in self.passed else ""
        parts = [f'<g data-state="{state}"><title>{state}</title>']
        parts.append(f'<rect {place} {self.paint("fill", kind)}/>')
        lit = state is self.current
        line = f'stroke-width="{3.5 if lit else 2}" {self.paint("stroke", "current" if lit else f"{kind}-line")}'
        parts.append(f'<rect {place} fill="none"{pale} {line}/>')
        if kind == "end":
            parts.append(
                f'<rect x="{n(box.left + 5)}" y="{n(box.top + 5)}" width="{n(box.right - box.left - 10)}" '
                f'height="{n(box.bottom - box.top - 10)}" rx="8" fill="none" stroke-width="1.2"{pale} '
                f'{self.paint("stroke", f"{kind}-line")}/>'
            )
        parts.append(
            f'<text x="{n(box.x)}" y="{n(box.y)}" dy="0.35em" text-anchor="middle" font-size="{n(NAME)}" '
            f'font-weight="600"{pale} {self.paint("fill", "ink")}>{state}</text></g>'
        )
        return ["".join(parts)]

    def _badges(self) -> list[str]:
        """The numbers of the walk, each on its arrow, where nothing else stands."""
        parts: list[str] = []
        taken = [*BOXES.values(), *(line.box for arrow in self.arrows for line in label(arrow, self.routes[arrow]))]
        for arrow in self.arrows:
            if not self.steps[arrow]:
                continue
            text = numbers(self.steps[arrow])
            lines = [stroke for other in self.arrows if other is not arrow for stroke in strokes(self.routes[other])]
            box = badge(text, self.routes[arrow], [*taken, *lines])
            taken.append(box)
            parts.append(
                f'<g data-badge="{" ".join(map(str, self.steps[arrow]))}"><rect {_frame(box)} '
                f'rx="{n((box.bottom - box.top) / 2)}" {self.paint("fill", self._stroke(arrow)[0])}/>'
                f'<text x="{n(box.x)}" y="{n(box.y)}" dy="0.35em" text-anchor="middle" font-size="10" '
                f'font-weight="700" {self.paint("fill", "on-hot")}>{text}</text></g>'
            )
        return parts

    def _notes(self) -> list[str]:
        parts: list[str] = []
        left = 22.0
        y = self.foot + NOTES / 2 - 4
        for text, has in self.notes:
            told = text if has is not None else f"{text}: see its metadata"
            fill, line, ink, sign, drop = _SIGNS[has]
            wide = width(told, 12.5, bold=True) + 42
            parts.append(
                f'<g data-note="{clean(text)}"><rect x="{n(left)}" y="{n(y - 14)}" width="{n(wide)}" height="28" '
                f'rx="14" {self.paint("fill", fill)}/><path d="M{n(left + 13)} {n(y + drop)} {sign}" fill="none" '
                f'stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {self.paint("stroke", line)}/>'
                f'<text x="{n(left + 30)}" y="{n(y)}" dy="0.35em" font-size="12.5" font-weight="600" '
                f'{self.paint("fill", ink)}>{clean(told)}</text></g>'
            )
            left += wide + 10
        return parts


def numbers(steps: Sequence[int]) -> str:
    """`4 6`; of many the first two and the last."""
    shown = [str(step) for step in steps]
    return " ".join(shown) if len(shown) <= 4 else f"{shown[0]} {shown[1]} … {shown[-1]}"


def _frame(box: Box) -> str:
    return f'x="{n(box.left)}" y="{n(box.top)}" width="{n(box.right - box.left)}" height="{n(box.bottom - box.top)}"'


def _path(route: Route, radius: float = 16) -> str:
    """The corners as a path with round corners, ending a hair before the target."""
    points = route.points
    drawn = [f"M{n(points[0][0])} {n(points[0][1])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        back, on = _towards(here, before, radius), _towards(here, after, radius)
        drawn.append(f"L{n(back[0])} {n(back[1])} Q{n(here[0])} {n(here[1])} {n(on[0])} {n(on[1])}")
    end = _towards(points[-1], points[-2], 2)
    return " ".join([*drawn, f"L{n(end[0])} {n(end[1])}"])


def _towards(here: tuple[float, float], there: tuple[float, float], far: float) -> tuple[float, float]:
    """The point `far` on the way from here to there, at most half-way."""
    dx, dy = there[0] - here[0], there[1] - here[1]
    length = (dx * dx + dy * dy) ** 0.5
    part = min(far, length / 2) / length if length else 0
    return here[0] + dx * part, here[1] + dy * part

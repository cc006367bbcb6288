"""The chart as a picture: plain SVG, drawn from the rows and the coordinates of `layout`.

Rule 1: every colour, radius and offset is a literal attribute, so that every viewer shows the same picture.
Rule 2: all ids begin with the drawing's own, so that two drawings can stand on one page.

`theme="auto"` is for an SVG that is put into a page: the light colours, and a style that changes them when
the reader prefers dark. `data-state` and `data-edge` are there for a page that lights them up.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final, Literal

from ..chart import CHART, Row, State
from .arrows import Arrow, Tone, arrows, kind_of
from .layout import BOXES, NAME, PANEL, SIGNAL, WIDTH, Route, label, routes

Theme = Literal["light", "dark", "auto"]

FONT: Final = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"

# What each part is called, and its colour in light and in dark.
PALETTE: Final[dict[str, tuple[str, str]]] = {
    "page": ("#ffffff", "#0d1117"),
    "ink": ("#0f172a", "#e6edf3"),
    "text": ("#334155", "#c3cdd9"),
    "muted": ("#64748b", "#8b98a9"),
    "panel": ("#f4fbf8", "#0c1d1a"),
    "panel-line": ("#bfe8d6", "#1d4a3d"),
    "start": ("#f8fafc", "#161d29"),
    "start-line": ("#94a3b8", "#64748b"),
    "busy": ("#eff6ff", "#13233f"),
    "busy-line": ("#2563eb", "#60a5fa"),
    "good": ("#d9f7ea", "#07352a"),
    "good-line": ("#059669", "#34d399"),
    "end": ("#f8fafc", "#161d29"),
    "end-line": ("#94a3b8", "#64748b"),
    "plain": ("#8492a6", "#75839a"),
    "enter": ("#059669", "#34d399"),
    "fail": ("#dc2626", "#f87171"),
    "current": ("#f59e0b", "#fbbf24"),
}

LEGEND: Final = (
    (Tone.ENTER, "", "a session begins"),
    (Tone.FAIL, "6 4", "it failed, or it ended unasked"),
)


def render(
    chart: tuple[Row, ...] = CHART,
    *,
    theme: Theme = "light",
    current: State | None = None,
    title: str = "A login",
    id: str = "authflow",
) -> str:
    """The chart as one SVG element. `id` must be unique on the page, and is made of letters, digits, `-` or `_`.

    Raises `ValueError` for another theme or id.
    """
    if theme not in ("light", "dark", "auto"):
        raise ValueError(f"unknown theme {theme!r}; there are light, dark and auto")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", id):
        raise ValueError(f"an id is a letter and then letters, digits, '-' or '_', not {id!r}")
    return _Drawing(chart, theme, current, title, id).text()


class _Drawing:
    def __init__(self, chart: tuple[Row, ...], theme: Theme, current: State | None, title: str, id: str) -> None:
        self.arrows = arrows(chart)
        self.routes, self.height = routes(self.arrows)
        self.theme = theme
        self.current = current
        self.title = title
        self.id = id

    def text(self) -> str:
        parts = [*self._head(), *self._panel(), *self._halo(), *self._start(), *self._legend()]
        for arrow in self.arrows:
            parts += self._line(arrow)
        for arrow in self.arrows:
            parts += self._label(arrow)
        for state in State:
            parts += self._state(state)
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _paint(self, attribute: str, part: str) -> str:
        """The attribute with its colour; in `auto` also the class by which the style finds it."""
        light, dark = PALETTE[part]
        colour = dark if self.theme == "dark" else light
        hook = f' class="{attribute[0]}-{part}"' if self.theme == "auto" else ""
        return f'{attribute}="{colour}"{hook}'

    def _head(self) -> list[str]:
        told = "; ".join(f"{arrow.source} to {arrow.target}: {', '.join(arrow.triggers)}" for arrow in self.arrows)
        size = f'viewBox="0 0 {WIDTH} {_n(self.height)}" width="{WIDTH}" height="{_n(self.height)}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{self.id}" {size} role="img" '
            f'aria-labelledby="{self.id}-title {self.id}-desc" font-family="{FONT}">',
            f'<title id="{self.id}-title">{escape(self.title)}</title>',
            f'<desc id="{self.id}-desc">{escape(told)}.</desc>',
        ]
        if self.theme == "auto":
            parts.append(self._style())
        parts.append("<defs>")
        for tone in Tone:
            parts.append(
                f'<marker id="{self.id}-{tone}" viewBox="0 0 10 10" refX="8.6" refY="5" markerWidth="7.5" '
                f'markerHeight="7.5" orient="auto"><path d="M0.4 1.1 L9.2 5 L0.4 8.9 Z" '
                f'{self._paint("fill", tone)}/></marker>'
            )
        parts.append("</defs>")
        parts.append(f'<rect width="{WIDTH}" height="{_n(self.height)}" {self._paint("fill", "page")}/>')
        return parts

    def _style(self) -> str:
        rules = "".join(
            f"#{self.id} .f-{part}{{fill:{dark}}}#{self.id} .s-{part}{{stroke:{dark}}}"
            for part, (_, dark) in PALETTE.items()
        )
        return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"

    def _panel(self) -> list[str]:
        box = PANEL
        return [
            f'<g><rect x="{_n(box.left)}" y="{_n(box.top)}" width="{_n(box.right - box.left)}" '
            f'height="{_n(box.bottom - box.top)}" rx="18" {self._paint("fill", "panel")}/>'
            f'<rect x="{_n(box.left)}" y="{_n(box.top)}" width="{_n(box.right - box.left)}" '
            f'height="{_n(box.bottom - box.top)}" rx="18" fill="none" {self._paint("stroke", "panel-line")}/>'
            f'<text x="{_n(box.left + 18)}" y="{_n(box.top + 17)}" dy="0.35em" font-size="12" font-weight="600" '
            f'{self._paint("fill", "enter")}>session.live</text></g>'
        ]

    def _halo(self) -> list[str]:
        if self.current is None:
            return []
        box = BOXES[self.current]
        return [
            f'<rect x="{_n(box.left - 8)}" y="{_n(box.top - 8)}" width="{_n(box.right - box.left + 16)}" '
            f'height="{_n(box.bottom - box.top + 16)}" rx="19" fill-opacity="0.3" '
            f'{self._paint("fill", "current")}/>'
        ]

    def _start(self) -> list[str]:
        box = BOXES[State.IDLE]
        return [
            f'<circle cx="{_n(box.left - 34)}" cy="{_n(box.y)}" r="6" {self._paint("fill", "ink")}/>',
            f'<path d="M{_n(box.left - 28)} {_n(box.y)} H{_n(box.left - 1)}" fill="none" stroke-width="1.6" '
            f'marker-end="url(#{self.id}-{Tone.PLAIN})" {self._paint("stroke", Tone.PLAIN)}/>',
        ]

    def _legend(self) -> list[str]:
        parts = []
        for index, (tone, dashes, text) in enumerate(LEGEND):
            y = 30 + 22 * index
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            parts.append(
                f'<path d="M22 {y} H58" fill="none" stroke-width="1.8"{dashed} marker-end="url(#{self.id}-{tone})" '
                f'{self._paint("stroke", tone)}/><text x="68" y="{y}" dy="0.35em" font-size="12.5" '
                f'{self._paint("fill", "muted")}>{text}</text>'
            )
        return parts

    def _line(self, arrow: Arrow) -> list[str]:
        dashes = ' stroke-dasharray="6 4"' if arrow.tone is Tone.FAIL else ""
        names = " ".join(arrow.triggers)
        said = f" ({arrow.emits})" if arrow.emits else ""
        return [
            f'<g data-edge="{names}" data-source="{arrow.source}" data-target="{arrow.target}" '
            f'data-tone="{arrow.tone}" data-signal="{arrow.emits or ""}">'
            f"<title>{arrow.source} → {arrow.target}: {escape(', '.join(arrow.triggers) + said)}</title>"
            f'<path d="{_path(self.routes[arrow])}" fill="none" stroke-width="1.8"{dashes} '
            f'marker-end="url(#{self.id}-{arrow.tone})" {self._paint("stroke", arrow.tone)}/></g>'
        ]

    def _label(self, arrow: Arrow) -> list[str]:
        lines = label(arrow, self.routes[arrow])
        parts = [f'<g data-label="{" ".join(arrow.triggers)}">']
        for line in lines:
            if line.over:  # a gap in the line, so that the text can be read
                box = line.box
                under = "panel" if PANEL.holds(line.x, line.y) else "page"
                parts.append(
                    f'<rect x="{_n(box.left - 5)}" y="{_n(box.top - 1)}" width="{_n(box.right - box.left + 10)}" '
                    f'height="{_n(box.bottom - box.top + 2)}" {self._paint("fill", under)}/>'
                )
        for line in lines:
            small = line.size == SIGNAL
            ink = "text" if not small else "muted" if arrow.tone is Tone.PLAIN else arrow.tone.value
            anchor = "" if line.begins else ' text-anchor="middle"'
            parts.append(
                f'<text x="{_n(line.x)}" y="{_n(line.y)}" dy="0.35em"{anchor} font-size="{_n(line.size)}" '
                f'font-weight="{400 if small else 500}" {self._paint("fill", ink)}>{escape(line.text)}</text>'
            )
        return ["".join([*parts, "</g>"])]

    def _state(self, state: State) -> list[str]:
        box, kind = BOXES[state], kind_of(state)
        frame = f'height="{_n(box.bottom - box.top)}" rx="12"'
        place = f'x="{_n(box.left)}" y="{_n(box.top)}" width="{_n(box.right - box.left)}" {frame}'
        parts = [f'<g data-state="{state}"><title>{state}</title>']
        parts.append(f'<rect {place} {self._paint("fill", kind)}/>')
        lit = state is self.current
        line = f'stroke-width="{3.5 if lit else 2}" {self._paint("stroke", "current" if lit else f"{kind}-line")}'
        parts.append(f'<rect {place} fill="none" {line}/>')
        if kind == "end":
            parts.append(
                f'<rect x="{_n(box.left + 5)}" y="{_n(box.top + 5)}" width="{_n(box.right - box.left - 10)}" '
                f'height="{_n(box.bottom - box.top - 10)}" rx="8" fill="none" stroke-width="1.2" '
                f'{self._paint("stroke", f"{kind}-line")}/>'
            )
        parts.append(
            f'<text x="{_n(box.x)}" y="{_n(box.y)}" dy="0.35em" text-anchor="middle" font-size="{_n(NAME)}" '
            f'font-weight="600" {self._paint("fill", "ink")}>{state}</text></g>'
        )
        return ["".join(parts)]


def _n(value: float) -> str:
    """A number as short as it can be written."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _path(route: Route, radius: float = 16) -> str:
    """The corners as a path with round corners, ending a hair before the target."""
    points = route.points
    drawn = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        back, on = _towards(here, before, radius), _towards(here, after, radius)
        drawn.append(f"L{_n(back[0])} {_n(back[1])} Q{_n(here[0])} {_n(here[1])} {_n(on[0])} {_n(on[1])}")
    end = _towards(points[-1], points[-2], 2)
    return " ".join([*drawn, f"L{_n(end[0])} {_n(end[1])}"])


def _towards(here: tuple[float, float], there: tuple[float, float], far: float) -> tuple[float, float]:
    """The point `far` on the way from here to there, at most half-way."""
    dx, dy = there[0] - here[0], there[1] - here[1]
    length = (dx * dx + dy * dy) ** 0.5
    part = min(far, length / 2) / length if length else 0
    return here[0] + dx * part, here[1] + dy * part

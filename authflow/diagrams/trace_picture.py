"""A trace as one picture: several stories on one axis of time; then for each its name and its end, the way through the
chart, and the messages."""

from __future__ import annotations

import re
from typing import Final

from ..chart import CHART
from ..trace.story import Trace
from ..trace.table import moment
from . import axis, lanes, svg, traced
from .layout import WIDTH as CHART_WIDTH
from .paint import Paint, Theme, clean, n
from .text import cut, width
from .traced import seconds

MOST_STORIES: Final = 12  # in one picture; the latest are shown
_HEAD: Final = 92.0
_SIDE: Final = 24.0
_INKS: Final = {"good": "enter-text", "bad": "fail-text", "busy": "hot", "end": "muted"}


def render(trace: Trace, *, theme: Theme = "light", id: str = "trace") -> str:
    """The picture as one SVG element."""
    paint = Paint(theme, id)
    parts: list[str] = []
    top, wide = 0.0, CHART_WIDTH + 2 * _SIDE
    stories = trace.stories[-MOST_STORIES:]
    if len(stories) > 1:
        inner, high = _inside(axis.render(stories, theme=theme, id=f"{id}-axis"), _SIDE, 18, wide - 2 * _SIDE)
        parts.append(inner)
        top = high + 30
    for index, story in enumerate(stories, 1):
        drawn = traced.draw(story)
        told, kind = traced.ending(story)
        facts = [story.host or story.provider, story.flow, moment(story.began), f"{seconds(story.seconds)} in all"]
        title = cut(drawn.title, wide - 400, 22, bold=True)
        parts += [
            f'<text x="{n(_SIDE)}" y="{n(top + 38)}" dy="0.35em" font-size="22" font-weight="700" '
            f'{paint("fill", "ink")}>{clean(title)}</text>',
            f'<text x="{n(_SIDE + width(title, 22, bold=True) + 20)}" y="{n(top + 39)}" dy="0.35em" font-size="15" '
            f'font-weight="700" {paint("fill", _INKS[kind])}>{clean(told)}</text>',
            f'<text x="{n(_SIDE)}" y="{n(top + 68)}" dy="0.35em" font-size="14" {paint("fill", "muted")}>'
            f"{clean(cut(' · '.join(fact for fact in facts if fact), wide - 2 * _SIDE, 14))}</text>",
        ]
        top += _HEAD
        for drawing in (
            svg.render(CHART, theme=theme, title=drawn.title, id=f"{id}-{index}-chart", path=drawn.path),
            lanes.render(drawn.sequence, theme=theme, id=f"{id}-{index}-talk"),
        ):
            inner, high = _inside(drawing, _SIDE, top, wide - 2 * _SIDE)
            parts.append(inner)
            top += high + 18
    top = max(top, _HEAD)
    said = "; ".join(f"{traced.title_of(story)}: {traced.ending(story)[0]}" for story in stories) or "nothing"
    head = paint.head(wide, top, said, said)
    return "\n".join(
        [*head, f'<rect width="{n(wide)}" height="{n(top)}" {paint("fill", "page")}/>', *parts, "</svg>"]
    ) + "\n"


def _inside(drawing: str, x: float, y: float, wide: float) -> tuple[str, float]:
    """A drawing at its place in a larger one, and how high it is there."""
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', drawing)
    own, high = (float(size[1]), float(size[2])) if size else (wide, 0.0)
    shown = wide if own > wide else own
    scaled = high * shown / own
    at = x + (wide - shown) / 2
    placed = f'x="{n(at)}" y="{n(y)}" width="{n(shown)}" height="{n(scaled)}"'
    return drawing.replace(size[0], placed, 1) if size else drawing, scaled

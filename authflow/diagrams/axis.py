"""All stories of a trace on one axis of time: a row for each session, a bar for each story.

Rule 1: where something happens the axis runs with the clock. A time in which nothing did is a gap of its own, as wide
        as what it says of how long it was: a login of 200 ms and a renewal an hour later can both be seen.
Rule 2: nothing overlaps. A bar is wide enough to be seen and pointed at; one that would lie on the bar before it
        stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ..trace.story import Story
from ..trace.table import moment
from . import traced
from .paint import Paint, Theme, clean, n
from .text import Box, cut, width

WIDTH: Final = 1120.0
LEFT: Final = 226.0  # where the axis begins
RIGHT: Final = 26.0
TOP: Final = 44.0
ROW: Final = 38.0
BAR: Final = 18.0
LEAST: Final = 12.0  # how wide a bar is at least
_SMALL: Final = 11.0
_GAP: Final = 0.35  # of the time in which something happened: an idle time that is longer is cut out
_INKS: Final = {"good": "good-line", "bad": "fail", "busy": "busy-line", "end": "end-line"}


class Bar(NamedTuple):
    """One story: its number in the trace from 1, the row it is in, and where it stands."""

    number: int
    story: Story
    row: int
    box: Box


class Gap(NamedTuple):
    """A time in which nothing happened: where it is, and how long it was ("" where that does not fit)."""

    left: float
    right: float
    told: str


class Page(NamedTuple):
    """Where everything stands."""

    rows: tuple[str, ...]
    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]
    height: float


class _Stretch(NamedTuple):
    """A time in which something happened, and its place on the axis."""

    began: float
    ended: float
    left: float
    right: float

    def at(self, moment: float) -> float:
        whole = self.ended - self.began
        return self.left + (self.right - self.left) * ((moment - self.began) / whole if whole > 0 else 0.0)


def place(stories: Sequence[Story]) -> Page:
    """Reckons the whole picture of some stories, the earliest first."""
    rows: dict[tuple[str, str, str], str] = {}
    for story in stories:
        rows.setdefault(_session(story), _name(story))
    keys = list(rows)
    stretches, gaps = _axis([(story.began, story.began + max(story.seconds, 0.0)) for story in stories])
    bars: list[Bar] = []
    ends: dict[int, float] = {}
    for number, story in enumerate(stories, 1):
        row = keys.index(_session(story))
        on = next(one for one in stretches if one.began <= story.began <= one.ended)
        left = max(on.at(story.began), ends.get(row, 0.0))
        right = max(on.at(min(story.began + max(story.seconds, 0.0), on.ended)), left + LEAST)
        y = TOP + ROW * row + (ROW - BAR) / 2
        bars.append(Bar(number, story, row, Box(left, y, right, y + BAR)))
        ends[row] = right + 2
    over = max((bar.box.right for bar in bars), default=0.0) - (WIDTH - RIGHT)
    if over > 0:  # so many stood beside each other that there is no room
        squeeze = (WIDTH - RIGHT - LEFT) / (WIDTH - RIGHT - LEFT + over)
        bars = [bar._replace(box=_squeezed(bar.box, squeeze)) for bar in bars]
        gaps = tuple(Gap(_at(gap.left, squeeze), _at(gap.right, squeeze), gap.told) for gap in gaps)
    return Page(tuple(rows.values()), tuple(bars), gaps, TOP + ROW * len(keys) + 14)


def _squeezed(box: Box, squeeze: float) -> Box:
    return Box(_at(box.left, squeeze), box.top, _at(box.right, squeeze), box.bottom)


def _at(x: float, squeeze: float) -> float:
    return LEFT + (x - LEFT) * squeeze


def _session(story: Story) -> tuple[str, str, str]:
    return story.provider, story.account, story.session


def _name(story: Story) -> str:
    account = f" ({story.account})" if story.account else ""
    return f"{story.label or story.provider}{account}"


def _axis(times: Sequence[tuple[float, float]]) -> tuple[tuple[_Stretch, ...], tuple[Gap, ...]]:
    """The times in which something happened, drawn as long as they were; between them gaps."""
    merged: list[list[float]] = []
    for began, ended in sorted(times):
        if merged and began <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], ended)
        else:
            merged.append([began, ended])
    busy = sum(ended - began for began, ended in merged)
    parts: list[list[float]] = []
    for began, ended in merged:
        if parts and began - parts[-1][1] <= busy * _GAP:
            parts[-1][1] = ended
        else:
            parts.append([began, ended])
    idle = [traced.seconds(after[0] - before[1]) for before, after in pairwise(parts)]
    whole = WIDTH - LEFT - RIGHT
    wide = [width(told, _SMALL) + 18 for told in idle]
    least = 2 * LEAST
    if sum(wide) + least * len(parts) > whole * 0.6:
        idle, wide = [""] * len(idle), [min(10.0, whole * 0.2 / len(idle))] * len(idle)
    free = whole - sum(wide)
    least = min(least, free / max(len(parts), 1))
    scale = max(free - least * len(parts), 0.0) / (sum(ended - began for began, ended in parts) or 1.0)
    stretches: list[_Stretch] = []
    gaps: list[Gap] = []
    left = LEFT
    for index, (began, ended) in enumerate(parts):
        right = left + least + (ended - began) * scale
        stretches.append(_Stretch(began, ended, left, right))
        if index < len(idle):
            gaps.append(Gap(right, right + wide[index], idle[index]))
            right += wide[index]
        left = right
    return tuple(stretches), tuple(gaps)


def render(stories: Sequence[Story], *, theme: Theme = "light", id: str = "axis", links: Sequence[str] = ()) -> str:
    """The picture as one SVG element. `links`: for each story where on the page it is told, "" for nowhere."""
    paint, page = Paint(theme, id), place(stories)
    told = "; ".join(f"{traced.title_of(one)} {traced.ending(one)[0]} at {moment(one.began)}" for one in stories)
    parts = paint.head(WIDTH, page.height, "All stories on one axis of time", f"{told}.")
    if any(links):  # what can be pointed at is no part of an image
        parts[0] = parts[0].replace('role="img"', 'role="group"')
    parts.append(f'<rect width="{n(WIDTH)}" height="{n(page.height)}" {paint("fill", "page")}/>')
    bottom = page.height - 14
    for row, name in enumerate(page.rows):
        y = TOP + ROW * row
        if row % 2 == 0:
            parts.append(
                f'<rect x="8" y="{n(y)}" width="{n(WIDTH - 16)}" height="{n(ROW)}" rx="9" '
                f'{paint("fill", "band-start")}/>'
            )
        parts.append(
            f'<text x="22" y="{n(y + ROW / 2)}" dy="0.35em" font-size="13.5" font-weight="600" '
            f'{paint("fill", "ink")}>{clean(cut(name, LEFT - 44, 13.5, bold=True))}</text>'
        )
    for gap in page.gaps:
        middle = (gap.left + gap.right) / 2
        parts.append(
            f'<path d="M{n(middle)} {n(TOP)} V{n(bottom)}" fill="none" stroke-width="1.4" stroke-dasharray="2 5" '
            f'{paint("stroke", "line")}/><text x="{n(middle)}" y="{n(TOP - 12)}" dy="0.35em" text-anchor="middle" '
            f'font-size="{n(_SMALL)}" {paint("fill", "muted")}>{clean(gap.told)}</text>'
        )
    for bar, link in zip(page.bars, links or [""] * len(page.bars), strict=True):
        drawn = _bar(bar, paint)
        name = clean(_told(bar))
        parts.append(f'<a href="{clean(link)}" aria-label="{name}">{drawn}</a>' if link else drawn)
    if stories:
        parts.append(
            f'<text x="22" y="{n(TOP - 12)}" dy="0.35em" font-size="{n(_SMALL)}" {paint("fill", "muted")}>'
            f"{clean(moment(stories[0].began))}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _told(bar: Bar) -> str:
    ending = traced.ending(bar.story)[0]
    return f"{bar.number}. {traced.title_of(bar.story)}: {ending}, {traced.seconds(bar.story.seconds)}"


def _bar(bar: Bar, paint: Paint) -> str:
    kind = traced.ending(bar.story)[1]
    box = bar.box
    return (
        f'<g data-story="{bar.number}"><title>{clean(_told(bar))}</title><rect x="{n(box.left)}" y="{n(box.top)}" '
        f'width="{n(box.right - box.left)}" height="{n(box.bottom - box.top)}" rx="5" '
        f'{paint("fill", _INKS[kind])}/></g>'
    )

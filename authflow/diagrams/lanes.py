"""A sequence as a picture: lanes from left to right, time downwards, a number on every message.

Rule 1: nothing overlaps. What a message says is broken into lines that fit between the lanes that it joins; what is
        too long is cut, and is there in full for who points at it (`<title>`).
Rule 2: the height follows from what is said. `place` reckons where everything stands, `render` only paints it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .paint import MONO, Paint, Theme, clean, n
from .sequence import BANDS, Check, Lane, Message, Sequence, bands, tell
from .text import Box, cut, fixed_width, width, wrap_fixed

WIDTH: Final = 1120.0
SIDE: Final = 176.0  # from the edge of the picture to the first and the last lane
HEAD: Final = 34.0
TOP: Final = 66.0  # where the first message begins
SAID: Final = 13.0  # font size of a message
DETAIL: Final = 11.0  # of what it carries
LINE: Final = 15.0
NUMBER: Final = 9.5  # radius of the number
CHIP: Final = 19.0
_GAP: Final = 6.0
AGAIN: Final = 1600.0  # a page that is higher says so often again whose lane is whose


class Words(NamedTuple):
    """One piece of text, at the middle of its height: where it begins, ends or is centred (`anchor`)."""

    x: float
    y: float
    text: str
    size: float
    anchor: str = "middle"
    kind: str = "said"  # said, detail, took, time, band, lane, pass, fail

    @property
    def box(self) -> Box:
        fixed = self.kind == "detail"
        wide = fixed_width(self.text, self.size) if fixed else width(self.text, self.size, bold=self.kind != "time")
        left = {"start": self.x, "middle": self.x - wide / 2, "end": self.x - wide}[self.anchor]
        return Box(left, self.y - self.size * 0.55, left + wide, self.y + self.size * 0.55)


class Placed(NamedTuple):
    """One message on the page: the height of its arrow, its words, and where it begins and ends."""

    message: Message
    top: float
    y: float
    bottom: float
    words: tuple[Words, ...]


class Page(NamedTuple):
    """Where everything stands."""

    lanes: dict[str, float]
    rows: tuple[Placed, ...]
    width: float
    height: float
    heads: tuple[float, ...] = (10.0,)  # the upper edges of the names of the lanes


def place(sequence: Sequence) -> Page:
    """Reckons the whole page."""
    count = len(sequence.lanes)
    wide = WIDTH if count < 4 else WIDTH + 140 * (count - 3)
    step = (wide - 2 * SIDE) / max(count - 1, 1)
    lanes = {lane.key: SIDE + step * index for index, lane in enumerate(sequence.lanes)}
    rows: list[Placed] = []
    top = TOP
    band = None
    heads = [10.0]
    for message in sequence.messages:
        if message.band != band:
            top += 12.0 if band is not None else 0.0
            band = message.band
        if top - heads[-1] > AGAIN:
            heads.append(top + 8.0)
            top += HEAD + 12.0
        row = _place(message, lanes, wide, top)
        rows.append(row)
        top = row.bottom
    return Page(lanes, tuple(rows), wide, top + 20, tuple(heads))


def _place(message: Message, lanes: dict[str, float], wide: float, top: float) -> Placed:
    start, end = lanes[message.source], lanes[message.target]
    alone = start == end
    x, room, anchor = _room(start, end, list(lanes.values()), wide)
    y = top + 30.0
    line = y - 11.0
    took = f"  {message.took}" if message.took else ""
    said = cut(message.text, room - width(took, SAID, bold=True), SAID, bold=True)
    words = [Words(x, line, said + took, SAID, anchor)]
    below = y + (6.0 if alone else 13.0)
    for text in wrap_fixed(message.detail, room, DETAIL):
        words.append(Words(x, below, text, DETAIL, anchor, "detail"))
        below += LINE
    if message.checks:
        checked, below = _checks(message.checks, x, below + 2, room, anchor)
        words += checked
    if message.at:
        words.append(Words(wide - 22, line, message.at, 11, "end", "time"))
    return Placed(message, top, y - (9.0 if alone else 0.0), max(below - 2, y + 12), tuple(words))


def _room(start: float, end: float, lanes: list[float], wide: float) -> tuple[float, float, str]:
    """Where the words of a message from `start` to `end` stand, and how much room they have."""
    if start == end:  # to itself: beside its lane, on the side where there is room
        before, after = [lane for lane in lanes if lane < start], [lane for lane in lanes if lane > start]
        if after or not before:
            return start + 46, (after[0] if after else wide - SIDE) - start - 60, "start"
        return start - 46, start - before[-1] - 60, "end"
    # Over several lanes: between the last two, where no lane runs through it.
    between = [lane for lane in lanes if min(start, end) <= lane <= max(start, end)]
    left, right = between[-2], between[-1]
    return (left + right) / 2, right - left - 2 * NUMBER - 16, "middle"


def _checks(
    checks: tuple[Check, ...], x: float, y: float, room: float, anchor: str
) -> tuple[list[Words], float]:
    """The checks in rows of chips, a failed one in a row of its own with what was expected and what came."""
    rows: list[list[Check]] = []
    used = 0.0
    for check in checks:
        need = _chip(check)
        if not check.passed or not rows or not rows[-1][-1].passed or used + need > room:
            rows.append([])
            used = 0.0
        rows[-1].append(check)
        used += need + _GAP
    words: list[Words] = []
    for row in rows:
        if not row[0].passed:
            for text in _failure(row[0], room):
                words.append(Words(x, y + 2, text, SAID - 1, anchor, "fail"))
                y += LINE + 1
            y += 3
            continue
        total = sum(_chip(check) for check in row) + _GAP * (len(row) - 1)
        left = {"start": x, "middle": x - total / 2, "end": x - total}[anchor]
        for check in row:
            words.append(Words(left + 21, y + 3, cut(check.name, room - 34, 11, bold=True), 11, "start", "pass"))
            left += _chip(check) + _GAP
        y += CHIP + 5
    return words, y


def _failure(check: Check, room: float) -> list[str]:
    told = [f"✗ {check.name}"]
    if check.expected or check.got:
        told += [f"expected {check.expected or 'another value'}", f"got {check.got or 'nothing'}"]
    return [cut(text, room, SAID - 1, bold=True) for text in told]


def _chip(check: Check) -> float:
    return width(check.name, 11, bold=True) + 30


def render(sequence: Sequence, *, theme: Theme = "light", id: str = "sequence") -> str:
    """The sequence as one SVG element. `data-message` numbers the messages for a page that replays them."""
    return _Drawing(sequence, Paint(theme, id)).text()


class _Drawing:
    def __init__(self, sequence: Sequence, paint: Paint) -> None:
        self.sequence = sequence
        self.paint = paint
        self.id = paint.id
        self.page = place(sequence)

    def text(self) -> str:
        told = "; ".join(
            f"{index}. {message.source} to {message.target}: {message.text}"
            for index, message in enumerate(self.sequence.messages, 1)
        )
        page = self.page
        parts = self.paint.head(page.width, page.height, self.sequence.title, f"{told}.")
        parts.append("<defs>" + "".join(self.paint.marker(ink, size=12) for ink in ("ink", "fail")) + "</defs>")
        parts.append(f'<rect width="{n(page.width)}" height="{n(page.height)}" {self.paint("fill", "page")}/>')
        parts += self._bands()
        parts += self._lanes()
        parts += self._calls()
        for index, row in enumerate(page.rows, 1):
            parts.append(self._row(index, row))
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _bands(self) -> list[str]:
        parts = []
        for band, first, after in bands(self.sequence.messages):
            if not band:
                continue
            top, bottom = self.page.rows[first].top, self.page.rows[after - 1].bottom
            kind = BANDS.get(band, "start")
            ink = {"good": "enter-text", "bad": "fail-text"}.get(kind, "muted")
            parts.append(
                f'<g><rect x="8" y="{n(top + 2)}" width="{n(self.page.width - 16)}" height="{n(bottom - top + 4)}" '
                f'rx="12" {self.paint("fill", f"band-{kind}")}/><text x="24" y="{n(top + 19)}" dy="0.35em" '
                f'font-size="11.5" font-weight="700" {self.paint("fill", ink)}>{clean(band)}</text></g>'
            )
        return parts

    def _lanes(self) -> list[str]:
        parts = []
        for lane in self.sequence.lanes:
            x = self.page.lanes[lane.key]
            heads = "".join(self._head(lane, x, top) for top in self.page.heads)
            parts.append(
                f'<g data-lane="{lane.key}"><path d="M{n(x)} {n(HEAD + 12)} V{n(self.page.height - 8)}" fill="none" '
                f'stroke-width="1.4" stroke-dasharray="2 5" {self.paint("stroke", "line")}/>{heads}</g>'
            )
        return parts

    def _head(self, lane: Lane, x: float, top: float) -> str:
        place = f'x="{n(x - 104)}" y="{n(top)}" width="208" height="{n(HEAD)}" rx="10"'
        # Further down the lane must not run through it.
        under = f'<rect {place} {self.paint("fill", "page")}/>' if top > self.page.heads[0] else ""
        return (
            f'{under}<rect {place} stroke-width="1.4" fill="none" {self.paint("stroke", "start-line")}/>'
            f'<text x="{n(x)}" y="{n(top + HEAD / 2)}" dy="0.35em" text-anchor="middle" font-size="13.5" '
            f'font-weight="600" {self.paint("fill", "ink")}>'
            f"{clean(cut(lane.label, 190, 13.5, bold=True))}</text>"
        )

    def _calls(self) -> list[str]:
        """A bar where somebody works on an answer: from the request to its reply."""
        parts = []
        for index, row in enumerate(self.page.rows):
            asked = row.message
            if asked.reply or asked.source == asked.target:
                continue
            for later in self.page.rows[index + 1 :]:
                answer = later.message
                if answer.reply and (answer.source, answer.target) == (asked.target, asked.source):
                    x = self.page.lanes[asked.target]
                    parts.append(
                        f'<rect x="{n(x - 4)}" y="{n(row.y)}" width="8" height="{n(later.y - row.y)}" rx="3" '
                        f'fill-opacity="0.35" {self.paint("fill", "busy-line")}/>'
                    )
                    break
                if (answer.source, answer.target) == (asked.source, asked.target):
                    break
        return parts

    def _row(self, index: int, row: Placed) -> str:
        message = row.message
        start, end = self.page.lanes[message.source], self.page.lanes[message.target]
        ink = "fail" if message.failed else "ink"
        dashed = ' stroke-dasharray="5 4"' if message.reply else ""
        if start == end:
            side = 1 if row.words[0].anchor == "start" else -1
            line = f"M{n(start)} {n(row.y)} h{30 * side} v16 h{-24 * side}"
        else:
            line = f"M{n(start)} {n(row.y)} H{n(end - 5 if end > start else end + 5)}"
        said = f"{message.text}{', ' + message.took if message.took else ''}"
        told = "; ".join([said, *message.detail, *(tell(check) for check in message.checks)])
        parts = [
            f'<g data-message="{index}" data-from="{message.source}" data-to="{message.target}" '
            f'data-band="{clean(message.band)}"><title>{clean(told)}</title>',
            f'<path d="{line}" fill="none" stroke-width="1.7"{dashed} marker-end="url(#{self.id}-{ink})" '
            f'{self.paint("stroke", ink)}/>',
            *(self._words(words, message) for words in row.words),
            f'<circle cx="{n(start)}" cy="{n(row.y)}" r="{n(NUMBER)}" {self.paint("fill", ink)}/>'
            f'<text x="{n(start)}" y="{n(row.y)}" dy="0.35em" text-anchor="middle" '
            f'font-size="{10 if index < 100 else 8}" font-weight="700" {self.paint("fill", "page")}>{index}</text></g>',
        ]
        return "".join(parts)

    def _words(self, words: Words, message: Message) -> str:
        anchor = "" if words.anchor == "start" else f' text-anchor="{words.anchor}"'
        place = f'x="{n(words.x)}" y="{n(words.y)}" dy="0.35em"{anchor} font-size="{n(words.size)}"'
        if words.kind == "detail":
            return f'<text {place} font-family="{MONO}" {self.paint("fill", "muted")}>{clean(words.text)}</text>'
        if words.kind == "time":
            return f'<text {place} {self.paint("fill", "muted")}>{clean(words.text)}</text>'
        if words.kind == "fail":
            return self._failed(words)
        if words.kind == "pass":
            return self._passed(words, place)
        ink = "fail-text" if message.failed else "ink"
        said = clean(words.text.removesuffix(f"  {message.took}") if message.took else words.text)
        took = f' <tspan {self.paint("fill", "hot")}>{clean(message.took)}</tspan>' if message.took else ""
        return f'<text {place} font-weight="600" {self.paint("fill", ink)}>{said}{took}</text>'

    def _failed(self, words: Words) -> str:
        """A line of a failed check; its sign is drawn too."""
        sign, text, left, y = "", words.text, words.box.left, words.y
        if text.startswith("✗ "):
            text = text.removeprefix("✗ ")
            sign = (
                f'<path d="M{n(left + 1)} {n(y + 4)} l8 -8 m0 8 l-8 -8" fill="none" stroke-width="2" '
                f'stroke-linecap="round" {self.paint("stroke", "fail")}/>'
            )
            left += 15
        return (
            f'{sign}<text x="{n(left)}" y="{n(y)}" dy="0.35em" font-size="{n(words.size)}" font-weight="700" '
            f'{self.paint("fill", "fail-text")}>{clean(text)}</text>'
        )

    def _passed(self, words: Words, place: str) -> str:
        """A chip: its sign is drawn, not written, so that no font need have it."""
        left, wide = words.x - 21, words.box.right - words.x + 30
        return (
            f'<g><rect x="{n(left)}" y="{n(words.y - CHIP / 2)}" width="{n(wide)}" height="{n(CHIP)}" '
            f'rx="{n(CHIP / 2)}" {self.paint("fill", "good")}/><path d="M{n(left + 8)} {n(words.y + 0.5)} l3 3 l5.5 '
            f'-6.5" fill="none" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" '
            f'{self.paint("stroke", "enter")}/><text {place} font-weight="600" '
            f'{self.paint("fill", "enter-text")}>{clean(words.text)}</text></g>'
        )

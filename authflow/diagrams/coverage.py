"""How often each transition of the chart was taken: in a test run, or in a deployment.

    from authflow.diagrams.coverage import TransitionCounter

    counter = TransitionCounter()
    manager.on_transition.connect(counter)      # a deployment
    counter.save("coverage.svg")                # the chart, the more often the darker; .json, .txt

Rule: it counts transitions and knows no session: nobody can be recognised in a coverage.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ..chart import CHART, Row, State, Trigger
from ..errors import InvalidCall, NotSupported
from ..events import AuthEvent
from . import png, svg
from .arrows import Edge, edges
from .layout import WIDTH
from .paint import Paint, Theme, clean, n

_COLUMNS: Final = 3
_LINE: Final = 25.0
_SUFFIXES: Final = (".svg", ".png", ".json", ".txt")
_KNOWN: Final = frozenset(edges(CHART))


class Count(msgspec.Struct, frozen=True):
    """One transition, and how often it was taken."""

    source: State
    trigger: Trigger
    target: State
    count: int


class TransitionCounter:
    """Counts the transitions that it is told of, from any thread. Connect it to `on_transition`."""

    def __init__(self, counts: Mapping[Edge, int] | None = None) -> None:
        self._counts: Counter[Edge] = Counter(counts or {})
        self._mutex = threading.Lock()

    def __call__(self, session: object, event: AuthEvent) -> None:
        self.count(event)

    def count(self, event: AuthEvent) -> None:
        """Counts `event`, if it is a transition of the chart."""
        try:
            edge = Edge(State(event.source), Trigger(event.trigger), State(event.target))
        except ValueError:  # `current`, `on_expiring`: nothing moved
            return
        if edge in _KNOWN:
            with self._mutex:
                self._counts[edge] += 1

    @property
    def counts(self) -> dict[Edge, int]:
        """How often each was taken; those that were not are left out."""
        with self._mutex:
            return dict(self._counts)

    @property
    def missed(self) -> tuple[Edge, ...]:
        """The transitions of the chart that nobody took."""
        counts = self.counts
        return tuple(edge for edge in edges(CHART) if not counts.get(edge))

    def save(self, path: str | Path) -> Path:
        """Writes the coverage in the format that the name's end says: `.svg`, `.png`, `.json` or `.txt`."""
        target = Path(path)
        target.write_bytes(self.content(target))
        return target

    def content(self, target: Path) -> bytes:
        """What `save` writes there. Raises `NotSupported` for another format, `ConfigurationError` for a `.png` where
        the extra is missing."""
        suffix = target.suffix.lower()
        if suffix not in _SUFFIXES:
            raise NotSupported(
                f"A coverage cannot be saved as {target.name!r}.", hint=f"End the name with {', '.join(_SUFFIXES)}."
            )
        if suffix == ".png":
            return png.render(render(self.counts))
        if suffix == ".json":
            return self.to_json().encode()
        return (table(self.counts) if suffix == ".txt" else render(self.counts)).encode()

    def to_json(self) -> str:
        """The counts, in the chart's order; what `from_json` reads."""
        counts = self.counts
        told = [Count(*edge, counts[edge]) for edge in edges(CHART) if counts.get(edge)]
        return msgspec.json.format(msgspec.json.encode(told), indent=1).decode() + "\n"

    @classmethod
    def from_json(cls, *texts: str | bytes) -> TransitionCounter:
        """Reads what `to_json` wrote; several are added up. Raises `InvalidCall`."""
        counts: Counter[Edge] = Counter()
        for text in texts:
            try:
                for one in msgspec.json.decode(text, type=list[Count]):
                    counts[Edge(one.source, one.trigger, one.target)] += max(0, one.count)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise InvalidCall(
                    f"This is no coverage: {str(error)[:200]}.", hint="Pass what save('….json') wrote."
                ) from None
        return cls(counts)


def summary(counts: Mapping[Edge, int], chart: tuple[Row, ...] = CHART) -> str:
    """`26 of 29 transitions taken`"""
    whole = edges(chart)
    return f"{sum(1 for edge in whole if counts.get(edge))} of {len(whole)} transitions taken"


def table(counts: Mapping[Edge, int], chart: tuple[Row, ...] = CHART) -> str:
    """Every transition with its count, as text; what was not taken has none."""
    rows = [(f"{edge.source} → {edge.target}", edge.trigger.value, counts.get(edge, 0)) for edge in edges(chart)]
    wide = max(len(way) for way, _, _ in rows)
    lines = [f"{way:<{wide}}  {name:<14}  {count or '–':>8}" for way, name, count in rows]
    return "\n".join([*lines, "", f"{summary(counts, chart)}."]) + "\n"


def render(
    counts: Mapping[Edge, int],
    chart: tuple[Row, ...] = CHART,
    *,
    theme: Theme = "light",
    title: str = "Transitions taken",
    id: str = "coverage",
) -> str:
    """The chart as a heat map, and every transition with its count below it, as one SVG element."""
    paint = Paint(theme, id)
    drawing = svg.render(chart, theme=theme, title=title, id=f"{id}-chart", counts=counts)
    high = float(drawing.split('height="', 1)[1].split('"', 1)[0])
    whole = edges(chart)
    per = -(-len(whole) // _COLUMNS)
    top = high + 66.0
    wide = WIDTH / _COLUMNS
    most = max(counts.values(), default=0)
    parts = [
        *paint.head(WIDTH, top + per * _LINE + 20, title, table(counts, chart)),
        f'<rect width="{WIDTH}" height="{n(top + per * _LINE + 20)}" {paint("fill", "page")}/>',
        drawing,
        f'<text x="30" y="{n(high + 26)}" dy="0.35em" font-size="17" font-weight="700" {paint("fill", "ink")}>'
        f"{clean(summary(counts, chart))}</text>",
    ]
    for index, edge in enumerate(whole):
        x, y = 30 + (index // per) * wide, top + (index % per) * _LINE
        count = counts.get(edge, 0)
        heat, ink = svg.heat_of(count, most), "text" if count else "missed"
        parts.append(
            f'<g data-count="{count}"><rect x="{n(x)}" y="{n(y - 6)}" width="12" height="12" rx="4" '
            f'{paint("fill", heat)}/><text x="{n(x + 22)}" y="{n(y)}" dy="0.35em" font-size="13" {paint("fill", ink)}>'
            f'<tspan font-weight="600">{edge.trigger}</tspan>  {edge.source} → {edge.target}</text>'
            f'<text x="{n(x + wide - 54)}" y="{n(y)}" dy="0.35em" text-anchor="end" font-size="13" font-weight="600" '
            f'{paint("fill", ink)}>{count or "–"}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def missing(counts: Mapping[Edge, int]) -> Iterable[str]:
    """What nobody took, in words."""
    return (f"{edge.trigger} ({edge.source} → {edge.target})" for edge in edges(CHART) if not counts.get(edge))

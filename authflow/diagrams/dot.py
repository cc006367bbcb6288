"""The chart in Graphviz' language, for whoever lays diagrams out with `dot`."""

from __future__ import annotations

from typing import Final

from ..chart import CHART, Row, State
from .arrows import Tone, arrows, kind_of, states

FILL: Final = {"start": "#f8fafc", "busy": "#eff6ff", "good": "#ecfdf5", "end": "#f8fafc"}
LINE: Final = {"start": "#94a3b8", "busy": "#2563eb", "good": "#059669", "end": "#94a3b8"}
EDGE: Final = {
    Tone.PLAIN: 'color="#64748b"',
    Tone.ENTER: 'color="#059669"',
    Tone.FAIL: 'color="#dc2626", style="dashed"',
}


def quote(text: str) -> str:
    """`text` as a quoted string: `\\` and `"` escaped, a line end written as Graphviz' `\\n`."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def render(chart: tuple[Row, ...] = CHART, *, current: State | None = None, title: str = "A login") -> str:
    """The chart as a `digraph`; `current` is drawn with a thick line."""
    lines = [
        "digraph authflow {",
        f'    graph [label={quote(title)}, labelloc="t", rankdir="LR", fontname="Helvetica", nodesep="0.6"]',
        '    node [shape="box", style="rounded,filled", fontname="Helvetica", fontcolor="#0f172a"]',
        '    edge [fontname="Helvetica", fontsize="10", fontcolor="#475569"]',
        '    start [shape="point", label=""]',
    ]
    for state in states(chart):
        kind = kind_of(state)
        looks = [f"fillcolor={quote(FILL[kind])}", f"color={quote(LINE[kind])}"]
        looks += ['peripheries="2"'] if kind == "end" else []
        looks += ['penwidth="3"'] if state is current else []
        lines.append(f"    {quote(state)} [{', '.join(looks)}]")
    lines.append(f"    start -> {quote(State.IDLE)}")
    for arrow in arrows(chart):
        label = arrow.text + (f"\n{arrow.emits}" if arrow.emits else "")
        ends = f"{quote(arrow.source)} -> {quote(arrow.target)}"
        lines.append(f"    {ends} [label={quote(label)}, {EDGE[arrow.tone]}]")
    return "\n".join([*lines, "}"]) + "\n"

"""The chart as Mermaid text (`stateDiagram-v2`), for Markdown that draws it by itself.

Every name is escaped: Mermaid reads `;`, `#`, `:`, quotes, `<` and line ends as its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ..chart import CHART, Row, State
from .arrows import Edge, Tone, arrows, kind_of, states
from .text import printable

STYLES: Final = {
    "start": "fill:#f8fafc,stroke:#94a3b8,color:#0f172a",
    "busy": "fill:#eff6ff,stroke:#2563eb,color:#0f172a",
    "good": "fill:#ecfdf5,stroke:#059669,color:#0f172a",
    "end": "fill:#f8fafc,stroke:#94a3b8,color:#0f172a",
    "current": "fill:#fef3c7,stroke:#d97706,color:#0f172a,stroke-width:3px",
}

# The line of a step, of a step that failed, and of a way that was not taken.
_LINES: Final = (
    "stroke:#1d4ed8,stroke-width:3px,color:#1d4ed8",
    "stroke:#dc2626,stroke-width:3px,color:#b91c1c",
    "stroke:#cbd5e1,stroke-width:1px,color:#94a3b8",
)

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./,()·→")


def escape(text: str) -> str:
    """`text` for a label: what Mermaid could take for its own becomes an entity, `#58;` for a colon."""
    return "".join(ch if ch in _PLAIN else f"#{ord(ch)};" for ch in printable(text))


def flowchart(chart: tuple[Row, ...], path: Sequence[Edge], *, title: str = "A login") -> str:
    """The chart as a Mermaid flowchart with the way that was taken: every step numbered, its line thick. (Mermaid
    paints single lines in flowcharts only.)"""
    drawn = arrows(chart)
    passed = {state for edge in path for state in (edge.source, edge.target)}
    lines = ["---", f"title: {json.dumps(title)}", "---", "flowchart LR", ""]
    lines += [f'    {state}["{escape(state)}"]' for state in states(chart)]
    taken: list[int] = []
    failed: list[int] = []
    for index, arrow in enumerate(drawn):
        steps = [f"{number} {edge.trigger}" for number, edge in enumerate(path, 1) if edge in arrow.edges]
        if steps:
            (failed if arrow.tone is Tone.FAIL else taken).append(index)
        lines.append(f'    {arrow.source} -->|"{escape(", ".join(steps) or arrow.text)}"| {arrow.target}')
    rest = [index for index in range(len(drawn)) if index not in taken and index not in failed]
    for indexes, style in zip((taken, failed, rest), _LINES, strict=True):
        if indexes:
            lines.append(f"    linkStyle {','.join(map(str, indexes))} {style}")
    # "end" is a word of flowcharts: a class must not be called that.
    lines += ["", *(f"    classDef is_{kind} {style}" for kind, style in STYLES.items())]
    last = path[-1].target if path else None
    for state in states(chart):
        if state in passed:
            lines.append(f"    class {state} is_{'current' if state is last else kind_of(state)}")
    return "\n".join(lines) + "\n"


def render(chart: tuple[Row, ...] = CHART, *, current: State | None = None, title: str = "A login") -> str:
    """The chart as a Mermaid state diagram; `current` is lit."""
    lines = ["---", f"title: {json.dumps(title)}", "---", "stateDiagram-v2", "    direction LR", ""]
    lines += [f'    state "{escape(state)}" as {state}' for state in states(chart)]
    lines += ["", f"    [*] --> {State.IDLE}"]
    for arrow in arrows(chart):
        label = arrow.text + (f" / {arrow.emits}" if arrow.emits else "")
        lines.append(f"    {arrow.source} --> {arrow.target} : {escape(label)}")
    lines += ["", *(f"    classDef {kind} {style}" for kind, style in STYLES.items())]
    lines += [f"    class {state} {'current' if state is current else kind_of(state)}" for state in states(chart)]
    return "\n".join(lines) + "\n"

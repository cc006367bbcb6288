"""The chart as Mermaid text (`stateDiagram-v2`), for Markdown that draws it by itself.

Every name is escaped: Mermaid reads `;`, `#`, `:`, quotes, `<` and line ends as its own.
"""

from __future__ import annotations

import json
from typing import Final

from ..chart import CHART, Row, State
from .arrows import arrows, kind_of, states
from .text import printable

STYLES: Final = {
    "start": "fill:#f8fafc,stroke:#94a3b8,color:#0f172a",
    "busy": "fill:#eff6ff,stroke:#2563eb,color:#0f172a",
    "good": "fill:#ecfdf5,stroke:#059669,color:#0f172a",
    "end": "fill:#f8fafc,stroke:#94a3b8,color:#0f172a",
    "current": "fill:#fef3c7,stroke:#d97706,color:#0f172a,stroke-width:3px",
}

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./,()·→")


def escape(text: str) -> str:
    """`text` for a label: what Mermaid could take for its own becomes an entity, `#58;` for a colon."""
    return "".join(ch if ch in _PLAIN else f"#{ord(ch)};" for ch in printable(text))


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

"""A trace in every form that somebody may want: to keep, to mail, to look at, to paste.

    from authflow.diagrams.exports import export
    export(trace, "html")       # a page of its own, with a replay
    trace.save("failed.svg")    # the same, by the name's end

Rule: the same trace gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..chart import CHART
from ..errors import NotSupported
from ..trace import table
from ..trace.story import Trace
from . import mermaid, png, sequence, trace_page, trace_picture, traced


def _messages(trace: Trace) -> str:
    """Mermaid draws one diagram of a text: the last story's."""
    return sequence.mermaid(traced.draw(trace.stories[-1]).sequence) if trace.stories else "sequenceDiagram\n"


def _way(trace: Trace) -> str:
    drawn = traced.draw(trace.stories[-1]) if trace.stories else None
    return mermaid.flowchart(CHART, drawn.path if drawn else (), title=drawn.title if drawn else "A login")


EXPORTS: Final[dict[str, Callable[[Trace], str | bytes]]] = {
    "json": Trace.to_json,
    "html": trace_page.render,
    "svg": trace_picture.render,
    "png": lambda trace: png.render(trace_picture.render(trace), zoom=1.5),
    "mermaid": _messages,
    "flowchart": _way,
    "text": table.render,
}
_BY_SUFFIX: Final = {
    ".json": "json", ".html": "html", ".htm": "html", ".svg": "svg", ".png": "png", ".mmd": "mermaid",
    ".txt": "text",
}  # fmt: skip


def export(trace: Trace, format: str) -> str | bytes:
    """`trace` as `format`: `json`, `html`, `svg`, `png` (bytes; the extra `png`), `mermaid` (the messages of the last
    story), `flowchart` (its way through the chart, as Mermaid) or `text` (a line for each step). Raises
    `NotSupported`, `ConfigurationError`."""
    if format not in EXPORTS:
        raise NotSupported(f"There is no trace format {format!r}.", hint=f"Formats: {', '.join(EXPORTS)}.")
    return EXPORTS[format](trace)


def save(trace: Trace, path: str | Path) -> Path:
    """Writes `trace` in the format that the name's end says; `….flow.mmd` is the flowchart. Returns the path.
    Raises `NotSupported` for another end, `OSError` where nothing can be written."""
    target = Path(path)
    format = _BY_SUFFIX.get(target.suffix.lower())
    if format is None:
        raise NotSupported(
            f"A trace cannot be saved as {target.name!r}.", hint=f"End the name with {', '.join(_BY_SUFFIX)}."
        )
    if target.name.lower().endswith(".flow.mmd"):
        format = "flowchart"
    content = export(trace, format)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return target

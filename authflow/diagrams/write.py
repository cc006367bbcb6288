"""The files of the folder `diagrams/`: what is in them, and whether they are what they should be.

They are generated and committed, so that a change to the chart shows its picture in the same change.
"""

from __future__ import annotations

from pathlib import Path

from ..chart import CHART, Row
from . import dot, mermaid, svg

TITLE = "A login, as authflow sees it"


def render_all(chart: tuple[Row, ...] = CHART) -> dict[str, bytes]:
    """Every file of the folder, by its path in it. The same chart gives the same bytes."""
    texts = {
        "chart.mmd": mermaid.render(chart, title=TITLE),
        "chart.dot": dot.render(chart, title=TITLE),
        "chart-light.svg": svg.render(chart, theme="light", title=TITLE, id="authflow-light"),
        "chart-dark.svg": svg.render(chart, theme="dark", title=TITLE, id="authflow-dark"),
        "README.md": _readme(chart),
    }
    return {path: text.encode() for path, text in texts.items()}


def write(folder: Path, chart: tuple[Row, ...] = CHART) -> list[str]:
    """Writes what is missing or different; returns those paths. Raises `OSError` where it cannot write."""
    stale = check(folder, chart)
    folder.mkdir(parents=True, exist_ok=True)
    files = render_all(chart)
    for path in stale:
        (folder / path).write_bytes(files[path])
    return stale


def check(folder: Path, chart: tuple[Row, ...] = CHART) -> list[str]:
    """The paths whose bytes are not those of the chart; a missing file is one of them. Nothing is written."""
    return [path for path, content in render_all(chart).items() if _read(folder / path) != content]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _readme(chart: tuple[Row, ...]) -> str:
    lines = [
        "# The chart of a login",
        "",
        "Made from `authflow/chart.py` by `authflow diagram write`; do not edit.",
        "",
        "<picture>",
        '  <source media="(prefers-color-scheme: dark)" srcset="chart-dark.svg">',
        '  <img alt="The six states of a login and every way from one to the next" src="chart-light.svg">',
        "</picture>",
        "",
        "| trigger | from | to | signal | fired by | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for row in chart:
        signal = f"**{row.emits}**" if row.emits else "–"
        cells = [f"`{row.trigger}`", ", ".join(row.sources), row.target, signal, ", ".join(row.actors), row.meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "Every row also emits **on_transition**. The same as text: [Mermaid](chart.mmd), [Graphviz](chart.dot).",
    ]
    return "\n".join(lines) + "\n"

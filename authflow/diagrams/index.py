"""The two pages that show every drawing: README.md for who reads the repository, index.html for who opens a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..chart import Row
from ..providers.base import Provider
from . import lanes, svg
from .abilities import abilities, chart_of
from .flows import Flow
from .page import page
from .paint import clean

_MADE: Final = (
    "Made by `authflow diagram write` from `authflow/chart.py`, `authflow/diagrams/flows.py` and the providers;\n"
    "do not edit."
)

STYLE: Final = """
nav{display:flex;flex-wrap:wrap;gap:6px 18px;margin:14px 0 0;font-size:14px}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{margin-top:30px}
section>p{margin-top:2px}
.spec{color:var(--muted);font-size:13.5px}
"""


def table(chart: tuple[Row, ...]) -> list[tuple[str, ...]]:
    """The rows for a reader: trigger, from, to, signal, fired by, meaning."""
    return [
        (row.trigger, ", ".join(row.sources), row.target, row.emits or "–", ", ".join(row.actors), row.meaning)
        for row in chart
    ]


_COLUMNS: Final = ("trigger", "from", "to", "signal", "fired by", "meaning")


def index_readme(chart: tuple[Row, ...], flows: Sequence[Flow], providers: Sequence[Provider]) -> str:
    lines = [
        "# The chart of a login",
        "",
        _MADE,
        "",
        "<picture>",
        '  <source media="(prefers-color-scheme: dark)" srcset="chart-dark.svg">',
        '  <img alt="The six states of a login and every way from one to the next" src="chart-light.svg">',
        "</picture>",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|---|---|---|---|",
    ]
    for trigger, sources, target, signal, actors, meaning in table(chart):
        told = f"**{signal}**" if signal != "–" else signal
        cells = [f"`{trigger}`", sources, target, told, actors, meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "Every row also emits **on_transition**. The same as text: [Mermaid](chart.mmd), [Graphviz](chart.dot); as",
        "a [picture](chart.png); everything on [one page](index.html).",
        "",
        "# What goes over the wire",
    ]
    for flow in flows:
        title = flow.sequence.title
        lines += ["", f"## {title}", "", flow.about, f"{flow.specified}. [Mermaid](flows/{flow.name}.mmd)", ""]
        lines.append(f"![{title}: the messages in their order](flows/{flow.name}.svg)")
    lines += [
        "",
        "# The chart of each provider",
        "",
        "What cannot happen there is left out. Below each chart: what the provider can do, as far as its data says;",
        "a dash where only its metadata can tell.",
    ]
    for provider in providers:
        name, preset = provider.name, type(provider).__name__
        lines += ["", f"## {provider.label}", "", f"`{preset}` · [Mermaid](providers/{name}.mmd)", ""]
        lines.append(f"![The chart of a login at {provider.label}](providers/{name}.svg)")
    return "\n".join(lines) + "\n"


def index_page(chart: tuple[Row, ...], flows: Sequence[Flow], providers: Sequence[Provider]) -> str:
    parts = [
        "<main>",
        "<h1>The chart of a login, and what goes over the wire</h1>",
        "<nav>",
        '<a href="#chart">The chart</a>',
        *(f'<a href="#{flow.name}">{clean(flow.sequence.title)}</a>' for flow in flows),
        *(f'<a href="#at-{provider.name}">{clean(provider.label)}</a>' for provider in providers),
        "</nav>",
        '<section id="chart"><h2>The chart</h2>',
        f'<div class="card">{svg.render(chart, theme="page", title="A login", id="d-chart")}</div>',
        '<div class="wide" tabindex="0" role="group" aria-label="The rows of the chart">',
        "<table><thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS) + "</tr></thead><tbody>",
        *("<tr>" + "".join(f"<td>{clean(cell)}</td>" for cell in row) + "</tr>" for row in table(chart)),
        "</tbody></table></div></section>",
        "<h2>What goes over the wire</h2>",
    ]
    for flow in flows:
        drawing = lanes.render(flow.sequence, theme="page", id=f"d-{flow.name}")
        parts.append(
            f'<section id="{flow.name}"><h3>{clean(flow.sequence.title)}</h3><p>{clean(flow.about)} '
            f'<span class="spec">{clean(flow.specified)}</span></p><div class="card">{drawing}</div></section>'
        )
    parts.append("<h2>The chart of each provider</h2>")
    for provider in providers:
        drawing = svg.render(
            chart_of(provider, chart),
            theme="page",
            title=f"A login at {provider.label}",
            id=f"d-at-{provider.name}",
            notes=abilities(provider),
        )
        parts.append(
            f'<section id="at-{provider.name}"><h3>{clean(provider.label)}</h3>'
            f'<div class="card">{drawing}</div></section>'
        )
    return page("authflow: the chart of a login", "\n".join([*parts, "</main>"]), style=STYLE)

"""The chart as text and as a picture, made from its rows and from nothing else.

    from authflow import diagrams
    diagrams.draw("svg", theme="auto")             # to put into a page
    diagrams.draw("mermaid", state=session.state)  # to put into Markdown, the present state lit

Rule 1: what is drawn is what the table says; a renderer adds looks, never an arrow.
Rule 2: the same chart gives the same bytes, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from ..chart import CHART, Row, State
from . import dot, mermaid, svg

Format = Literal["svg", "mermaid", "dot"]

RENDERERS: Final[dict[str, Callable[..., str]]] = {"svg": svg.render, "mermaid": mermaid.render, "dot": dot.render}


def draw(
    format: Format = "svg",
    *,
    state: State | None = None,
    chart: tuple[Row, ...] = CHART,
    title: str = "A login",
    **looks: Any,
) -> str:
    """The chart as `format`, with the present `state` lit.

    `svg` also takes `theme` ("light", "dark", or "auto", which follows the reader's) and `id` (unique on the
    page). Raises `KeyError` for a format there is no renderer for.
    """
    return RENDERERS[format](chart, current=state, title=title, **looks)

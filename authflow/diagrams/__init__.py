"""The chart as text and as a picture, made from its rows and from nothing else.

    from authflow import diagrams
    diagrams.draw("svg", theme="auto")             # to put into a page
    diagrams.draw("mermaid", state=session.state)  # to put into Markdown, the present state lit

Rule 1: what is drawn is what the table says; a renderer adds looks, never an arrow.
Rule 2: the same chart gives the same bytes, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, overload

from ..chart import CHART, Row, State
from . import dot, mermaid, page, png, svg

Format = Literal["svg", "mermaid", "dot", "html", "png"]


def _png(chart: tuple[Row, ...], **looks: Any) -> bytes:
    return png.render(svg.render(chart, **looks))


RENDERERS: Final[dict[str, Callable[..., str | bytes]]] = {
    "svg": svg.render,
    "mermaid": mermaid.render,
    "dot": dot.render,
    "html": page.render,
    "png": _png,
}


@overload
def draw(
    format: Literal["svg", "mermaid", "dot", "html"] = "svg",
    *,
    state: State | None = None,
    chart: tuple[Row, ...] = CHART,
    title: str = "A login",
    **looks: Any,
) -> str: ...


@overload
def draw(
    format: Literal["png"],
    *,
    state: State | None = None,
    chart: tuple[Row, ...] = CHART,
    title: str = "A login",
    **looks: Any,
) -> bytes: ...


def draw(
    format: Format = "svg",
    *,
    state: State | None = None,
    chart: tuple[Row, ...] = CHART,
    title: str = "A login",
    **looks: Any,
) -> str | bytes:
    """The chart as `format`, with the present `state` lit. `png` is bytes, and needs the extra `png`.

    `svg` and `png` also take `theme` ("light", "dark", or "auto", which follows the reader's) and `id` (unique on
    the page), and what to show on the chart: see `svg.render`. Raises `KeyError` for a format there is no renderer
    for, `ConfigurationError` for a picture without the extra.
    """
    return RENDERERS[format](chart, current=state, title=title, **looks)

"""What all drawings share: the colours, the fonts, and how a part is painted in each theme.

Rule 1: every colour, radius and offset is a literal attribute, so that every viewer shows the same picture.
Rule 2: all ids begin with the drawing's own, so that two drawings can stand on one page.

A drawing has one of four themes. `light` and `dark` are for files. `auto` is for an SVG that is put into a page:
the light colours, and a style that changes them when the reader prefers dark. `page` is the same without the
style, for a page whose own style has the rules (`dark_rules`): a strict policy admits one style by its hash.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final, Literal

from .text import printable

Theme = Literal["light", "dark", "auto", "page"]

FONT: Final = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
MONO: Final = "ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"

# What each part is called, and its colour in light and in dark.
PALETTE: Final[dict[str, tuple[str, str]]] = {
    "page": ("#ffffff", "#0d1117"),
    "ink": ("#0f172a", "#e6edf3"),
    "text": ("#334155", "#c3cdd9"),
    "muted": ("#64748b", "#8b98a9"),
    "line": ("#cbd5e1", "#303b4b"),
    "panel": ("#f4fbf8", "#0c1d1a"),
    "panel-line": ("#bfe8d6", "#1d4a3d"),
    "start": ("#f8fafc", "#161d29"),
    "start-line": ("#94a3b8", "#64748b"),
    "busy": ("#eff6ff", "#13233f"),
    "busy-line": ("#2563eb", "#60a5fa"),
    "good": ("#d9f7ea", "#07352a"),
    "good-line": ("#059669", "#34d399"),
    "end": ("#f8fafc", "#161d29"),
    "end-line": ("#94a3b8", "#64748b"),
    "plain": ("#8492a6", "#75839a"),
    "enter": ("#059669", "#34d399"),
    "fail": ("#dc2626", "#f87171"),
    "enter-text": ("#047857", "#34d399"),
    "fail-text": ("#b91c1c", "#f87171"),
    "current": ("#f59e0b", "#fbbf24"),
    "hot": ("#1d4ed8", "#60a5fa"),
    "on-hot": ("#ffffff", "#0b1220"),
    "missed": ("#b45309", "#f0a04b"),
    "band-start": ("#f8fafc", "#121925"),
    "band-busy": ("#f3f8ff", "#0f1a2e"),
    "band-good": ("#effaf5", "#0a221c"),
    "band-bad": ("#fef4f4", "#281317"),
    # how often, from seldom to most
    "heat-1": ("#a5c8fd", "#1e4a9c"),
    "heat-2": ("#6fa6fb", "#2b66d4"),
    "heat-3": ("#3b82f6", "#4b8df8"),
    "heat-4": ("#1d55d8", "#82b4fd"),
    "heat-5": ("#172f85", "#c7dffe"),
}


class Paint:
    """The colours of one drawing. Raises `ValueError` for an unknown theme or an id that would break a page."""

    def __init__(self, theme: Theme, id: str) -> None:
        if theme not in ("light", "dark", "auto", "page"):
            raise ValueError(f"unknown theme {theme!r}; there are light, dark, auto and page")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", id):
            raise ValueError(f"an id is a letter and then letters, digits, '-' or '_', not {id!r}")
        self.theme = theme
        self.id = id

    def __call__(self, attribute: Literal["fill", "stroke"], part: str) -> str:
        """The attribute with its colour, and the class by which a style finds it."""
        light, dark = PALETTE[part]
        colour = dark if self.theme == "dark" else light
        hook = f' class="{attribute[0]}-{part}"' if self.theme in ("auto", "page") else ""
        return f'{attribute}="{colour}"{hook}'

    def style(self) -> str:
        """The style element of `auto`; nothing for the other themes."""
        if self.theme != "auto":
            return ""
        return f"<style>@media (prefers-color-scheme:dark){{{dark_rules(f'#{self.id}')}}}</style>"

    def marker(self, part: str, *, size: float = 13.5) -> str:
        """An arrow's head in the colour of `part`; its id is `{id}-{part}`."""
        return (
            f'<marker id="{self.id}-{part}" viewBox="0 0 10 10" refX="8.6" refY="5" markerWidth="{n(size)}" '
            f'markerHeight="{n(size)}" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0.4 1.1 L9.2 5 L0.4 8.9 Z" {self("fill", part)}/></marker>'
        )

    def head(self, wide: float, high: float, title: str, description: str) -> list[str]:
        """The opening tag, the title and the description for who cannot see it, and the style."""
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{self.id}" viewBox="0 0 {n(wide)} {n(high)}" '
            f'width="{n(wide)}" height="{n(high)}" role="img" '
            f'aria-labelledby="{self.id}-title {self.id}-desc" font-family="{FONT}">',
            f'<title id="{self.id}-title">{clean(title)}</title>',
            f'<desc id="{self.id}-desc">{clean(description)}</desc>',
            *([self.style()] if self.theme == "auto" else []),
        ]


def dark_rules(scope: str) -> str:
    """The rules that turn a drawing of theme `page` or `auto` dark, for whatever matches `scope`."""
    return "".join(
        f"{scope} .f-{part}{{fill:{dark}}}{scope} .s-{part}{{stroke:{dark}}}" for part, (_, dark) in PALETTE.items()
    )


def n(value: float) -> str:
    """A number as short as it can be written."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def clean(text: str) -> str:
    """`text` for XML: printable, and escaped."""
    return escape(printable(text))

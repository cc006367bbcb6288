"""What the commands print with: colour and tables on a terminal, the same words as plain lines in a pipe.

Rule: what comes from a provider is made printable here, whoever wrote it: no control character reaches a terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..chart import CHART, State
from ..errors import printable

if TYPE_CHECKING:
    from ..events import AuthEvent
    from ..manager import SessionManager

STYLES: Final = {
    "idle": "bright_black",
    "authorizing": "blue",
    "exchanging": "blue",
    "authenticated": "green",
    "refreshing": "cyan",
    "logged_out": "bright_black",
    "signal": "magenta",
    "good": "green",
    "bad": "red",
    "head": "bold",
    "dim": "bright_black",
}

NAME: Final = 9  # columns for who a line is about
_WIDEST: Final = 2 * max(len(state) for state in State)

Piece = str | tuple[str, str]


class Screen:
    """Prints to standard output, or `err`, line by line. `terminal` tells whether a human looks on."""

    def __init__(self, *, err: bool = False) -> None:
        self.console = Console(highlight=False, soft_wrap=True, stderr=err)
        self._stream = sys.stderr if err else sys.stdout
        self.terminal = self.console.is_terminal
        self._start = time.monotonic()

    def line(self, *pieces: Piece) -> None:
        """One line; a piece is text, or text and the name of its style."""
        text = Text()
        for piece in pieces:
            words, style = (piece, "") if isinstance(piece, str) else piece
            text.append(_clean(words), STYLES.get(style, ""))
        if self.terminal:
            self.console.print(text)
        else:
            self._stream.write(f"{text.plain.rstrip()}\n")
            self._stream.flush()

    def headline(self, text: str) -> None:
        self.line("")
        self.line((text, "head"))

    def moment(self, *pieces: Piece) -> None:
        """A line of the timeline: the seconds since the start, then the pieces."""
        self.line((f"{time.monotonic() - self._start:7.2f} s  ", "dim"), *pieces)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Aligned columns; on a terminal with lines around them."""
        rows = [[_clean(cell) for cell in row] for row in rows]
        if self.terminal:
            table = Table(*heads, header_style="bold", border_style="bright_black")
            for row in rows:
                table.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
            self.console.print(table)
            return
        widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            self.line("  ", "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


    def transition(self, event: AuthEvent) -> None:
        """`acme  authorizing → exchanging  callback`, each state in its colour."""
        gap = " " * max(0, _WIDEST - len(event.source) - len(event.target))
        way: tuple[Piece, ...] = ((event.source, event.source), " → ", (event.target, event.target))
        self.moment(name(event.provider), *way, gap, "  ", event.trigger)

    def signal(self, event: AuthEvent, signal: str) -> None:
        """`acme  on_login  live`"""
        live: Piece = ("live", "good") if event.live else ("not live", "dim")
        self.moment(name(event.provider), "  ", (signal, "signal"), "  ", live)

    def watch(self, manager: SessionManager, heard: Callable[[str, str], None] | None = None) -> None:
        """Prints every transition and signal of `manager` as it happens; `heard(provider, what)` gets it too."""

        def moved(session: object, event: AuthEvent) -> None:
            if heard is not None:
                heard(event.provider, event.trigger)
            self.transition(event)

        def told_by(signal: str) -> Callable[..., None]:
            def receive(session: object, event: AuthEvent) -> None:
                if heard is not None:
                    heard(event.provider, signal)
                self.signal(event, signal)

            return receive

        manager.on_transition.connect(moved)
        for signal in dict.fromkeys(row.emits for row in CHART if row.emits):
            getattr(manager, signal).connect(told_by(signal))


def name(who: str) -> Piece:
    """Who a line is about, as its first column."""
    return (f"{who:{NAME}}", "head")


def _clean(text: str) -> str:
    return text if text.isprintable() else "".join(ch if ch.isprintable() else " " for ch in text)


def told(text: object, limit: int = 60) -> str:
    """What somebody else wrote, in one printable line."""
    return printable(text, limit)

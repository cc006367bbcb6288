"""The screen of `authflow top`, driven by Textual's pilot: keys go in, what stands in the cells comes out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot

from authflow.tui.app import Top
from authflow.tui.cells import COLUMNS

SECONDS = 20.0


class Seen:
    """What a human sees of a `Top`."""

    def __init__(self, app: Top, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    def rows(self) -> list[dict[str, str]]:
        table = self.app._table
        return [dict(zip(COLUMNS, map(str, table.get_row_at(at)), strict=True)) for at in range(table.row_count)]

    def row(self, name: str) -> dict[str, str]:
        (found,) = [row for row in self.rows() if row["session"] == name]
        return found

    def text(self, name: str) -> str:
        content = (self.app._head if name == "head" else self.app._parts[name]).content
        return content.plain if isinstance(content, Text) else str(content)

    def everything(self) -> str:
        return "\n".join([*(cell for row in self.rows() for cell in row.values()),
                          *map(self.text, ("head", "about", "facts", "chart", "story"))])  # fmt: skip

    def offered(self) -> dict[str, str]:
        """The keys that do something now, and what."""
        bindings = self.app.screen.active_bindings.values()
        return {one.binding.key: one.binding.description for one in bindings if one.enabled and one.binding.show}

    def notices(self) -> list[str]:
        return [note.message for note in self.app._notifications]

    async def until(self, holds: Callable[[], Any]) -> None:
        """Goes on when it holds; fails when it does not within a real deadline."""
        end = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > end:
                pytest.fail(f"it never came: {self.everything()}")
            await self.pilot.pause(0.01)

    async def at(self, name: str) -> None:
        """Moves the cursor to a session."""
        names = [row["session"] for row in self.rows()]
        table = self.app._table
        for _ in range(len(names)):
            await self.pilot.press("up")
        for _ in range(names.index(name)):
            await self.pilot.press("down")
        await self.until(lambda: table.cursor_row == names.index(name))

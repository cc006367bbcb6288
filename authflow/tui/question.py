"""Asks whether something is meant that cannot be taken back."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Label


class Question(ModalScreen[bool]):
    """`text`, a button that says `yes`, and one to leave it. Escape leaves it; so does Enter, unless moved."""

    DEFAULT_CSS = """
    Question { align: center middle; }
    Question > Vertical {
        width: 60; max-width: 96%; height: auto; padding: 1 2; border: round $warning; background: $surface;
    }
    Question Label { width: 100%; }
    Question Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
    Question Button { margin-left: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "leave", "Leave it"), ("y", "mean", "Yes"), ("n", "leave", "No")
    ]  # fmt: skip

    def __init__(self, text: str, yes: str) -> None:
        super().__init__()
        self._text = text
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self._text), expand=True)
            with Horizontal():
                yield Button("Leave it", id="leave", compact=True)
                yield Button(self._yes, id="mean", variant="warning", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "mean")

    def action_leave(self) -> None:
        self.dismiss(False)

    def action_mean(self) -> None:
        self.dismiss(True)

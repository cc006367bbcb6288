"""Textual: a sign-in in a terminal application, on its own screen, over SSH too.

    from authflow.integrations.textual import agent_on_screen

    class Mail(App):
        @work(thread=True)
        def action_sign_in(self):
            session.login(agent=agent_on_screen(self, session))

It is the browser where one can be shown. Elsewhere a dialog shows a code for another screen where the provider has
that, or else an address to open on another machine and a line to paste the answer into.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from queue import SimpleQueue
from typing import Any, ClassVar

from ..errors import MissingExtra

try:
    from textual.app import App, ComposeResult
    from textual.binding import BindingType
    from textual.containers import Horizontal, Vertical, VerticalScroll
    from textual.content import Content
    from textual.screen import ModalScreen
    from textual.widgets import Button, Input, Label
except ImportError as missing:
    if missing.name is None or missing.name.partition(".")[0] not in ("textual", "rich"):
        raise
    raise MissingExtra(
        f"This bridge needs {missing.name}, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[textual]'",
    ) from missing

from .. import AsyncSession, AuthEvent, Session, State
from ..agents import Agent, DeviceCode, Loopback, Paste, surroundings
from ..agents.choosing import can_browse

_WAITING = (State.AUTHORIZING, State.EXCHANGING)


def agent_on_screen(app: App[Any], session: Session | AsyncSession, *, device: bool | None = None) -> Agent:
    """How the human of `app` is reached for a login of `session`.

    `device`: whether the provider has sign-in by a code (RFC 8628); by default, whether its settings say so.
    """
    here = surroundings()
    if can_browse(here):
        return Loopback()
    dialog = Elsewhere(session)
    why = f"{here.reason}." if not here.display else "No browser is installed here."
    if session.provider.device_authorization_endpoint is not None if device is None else device:
        return _Code(app, dialog, why)
    return Paste(dialog.ask, _Opened(app, dialog).show, notice=why)


class _Opened:
    """Puts the dialog on the screen when there is something to tell: from any thread."""

    def __init__(self, app: App[Any], dialog: Elsewhere) -> None:
        self._app = app
        self._dialog = dialog
        self._there = False

    def show(self, text: str) -> None:
        self._dialog.tell(text)
        if not self._there:
            self._there = True
            self._app.call_later(self._app.push_screen, self._dialog)


class _Code(DeviceCode):
    """A code for another screen, told in the dialog; the provider's own logout page, told in a notice."""

    def __init__(self, app: App[Any], dialog: Elsewhere, notice: str) -> None:
        opened = _Opened(app, dialog)
        super().__init__(lambda told: opened.show(told.text), notice=notice)
        self._app = app

    def open(self, url: str) -> object:
        self._app.call_later(
            self._app.notify, f"To sign out of the provider as well, open {url}", timeout=60, markup=False
        )
        return None


class Elsewhere(ModalScreen[None]):
    """What to do on another screen, until the login of `session` has come to rest. Escape cancels it."""

    DEFAULT_CSS = """
    Elsewhere { align: center middle; }
    Elsewhere > Vertical {
        width: 78; max-width: 96%; height: auto; max-height: 96%; padding: 1 2; border: round $accent;
        background: $surface;
    }
    Elsewhere VerticalScroll { height: auto; max-height: 16; }
    Elsewhere Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
    Elsewhere Input { display: none; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "cancel", "Cancel")]

    def __init__(self, session: Session | AsyncSession) -> None:
        super().__init__()
        self._session = session
        self._told = ""
        self._asked = False
        self._pasted: SimpleQueue[str] = SimpleQueue()

    def compose(self) -> ComposeResult:
        with Vertical():
            with VerticalScroll(can_focus=False):
                yield Label(Content(self._told), id="told", expand=True)
            yield Input(placeholder="Paste the address here")
            with Horizontal():
                yield Button("Cancel", compact=True)

    def on_mount(self) -> None:
        self._session.on_transition.connect(self._heard)
        self._paint()
        if self._session.state not in _WAITING and self._session.attempt is None:
            self._leave()  # it came to rest before this was on the screen

    def on_unmount(self) -> None:
        self._session.on_transition.disconnect(self._heard)
        self._pasted.put("")

    # ── from any thread ──

    def tell(self, text: str) -> None:
        """Adds a paragraph."""
        self._told = f"{self._told}\n\n{text}".strip()
        if self.is_mounted:
            self.call_later(self._paint)

    def ask(self, prompt: str) -> str:
        """Waits for a line. Raises `EOFError` when the dialog has gone."""
        self._asked = True
        if self.is_mounted:
            self.call_later(self._paint)
        line = self._pasted.get()
        if not line:
            self._pasted.put("")
            raise EOFError
        return line

    def _heard(self, session: Session | AsyncSession, event: AuthEvent) -> None:
        if event.target not in _WAITING:
            self.call_later(self._leave)

    # ── on the application's own ──

    def _leave(self) -> None:
        if self.is_attached:
            self.dismiss()

    def _paint(self) -> None:
        self.query_one("#told", Label).update(Content(self._told))
        line = self.query_one(Input)
        if self._asked and not line.display:
            line.display = True
            line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._pasted.put(event.value)
            event.input.clear()

    def on_button_pressed(self) -> None:
        self.action_cancel()

    def action_cancel(self) -> None:
        """Ends the login; that ends the dialog."""
        self.run_worker(self._session.cancel, thread=not iscoroutinefunction(self._session.cancel), exit_on_error=False)

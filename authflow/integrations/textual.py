"""Textual: a session in the widgets of a terminal application, over SSH too.

    class Mail(App):
        def compose(self):
            yield UserCard(github)                       # who is signed in, and what went wrong
            yield SignInButton(github)                   # Sign in with GitHub · Cancel · Sign out
            yield Protected(github, Label("your mail"))  # shown to whoever is signed in, and to nobody else

        def on_sign_in_button_changed(self, message):    # at each change: message.card, message.session
            self.title = message.card.status

The browser is opened where one can be shown. Elsewhere a dialog shows a code for another screen where the provider has
that, or else an address to open on another machine and a line to paste the answer into: `agent=OnScreen(app, session)`
for a login of your own. Sessions of both colours are taken; an async one lives on the loop of the application.

`pip install 'authflow-sessions[textual]'`
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from queue import SimpleQueue
from typing import Any, ClassVar

from ..errors import MissingExtra, printable

try:
    from textual.app import App, ComposeResult
    from textual.binding import BindingType
    from textual.containers import Container, Horizontal, Vertical, VerticalScroll
    from textual.content import Content
    from textual.message import Message
    from textual.screen import ModalScreen
    from textual.widget import Widget
    from textual.widgets import Button, Input, Label
except ImportError as missing:
    if missing.name is None or missing.name.partition(".")[0] not in ("textual", "rich"):
        raise
    raise MissingExtra(
        f"This bridge needs {missing.name}, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[textual]'",
    ) from missing

from .. import AsyncSession, AuthEvent, Session, State
from ..agents import Agent, DeviceCode, Loopback, Paste, Suitable, Surroundings
from .live import Card, Live

_WAITING = (State.AUTHORIZING, State.EXCHANGING)


class _Shown(Widget):
    """What the widgets have in common: while one is mounted, its session is shown by `_show`."""

    session: Session | AsyncSession
    _live: Live | None = None

    def on_mount(self) -> None:
        self._live = Live(self.session, self._show, post=self.call_later)

    def on_unmount(self) -> None:
        if self._live is not None:
            self._live.close()

    def _show(self, card: Card) -> None:
        raise NotImplementedError


class SignInButton(Button, _Shown):
    """Signs in, cancels a sign-in under way, or signs out; it says which. `arguments` are those of `session.login`."""

    class Changed(Message):
        """The session is another than it was: `card` is what there is to show of it."""

        def __init__(self, session: Session | AsyncSession, card: Card) -> None:
            super().__init__()
            self.session = session
            self.card = card

    def __init__(self, session: Session | AsyncSession, *, id: str | None = None, **arguments: Any) -> None:
        super().__init__(" ", id=id)
        self.session = session
        self._arguments = arguments

    def _show(self, card: Card) -> None:
        self.label = Content(card.button)
        self.variant = "default" if card.live or card.pending else "primary"
        self.post_message(self.Changed(self.session, card))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if self._live is None:
            return
        if self._live.card.live or self._live.card.pending:
            self._live.press()
        else:
            self._live.sign_in(**_with_agent(self._arguments, self.app, self.session))


class UserCard(Vertical, _Shown):
    """The signed-in user, or that nobody is, with a sentence about what went wrong."""

    DEFAULT_CSS = """
    UserCard { height: auto; padding: 0 1; }
    UserCard Label { width: 1fr; }
    UserCard .name { text-style: bold; }
    UserCard .line { color: $text-muted; }
    UserCard .note { color: $text-error; }
    UserCard .note.calm { color: $text-muted; }
    """

    def __init__(self, session: Session | AsyncSession, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.session = session
        self._who, self._line, self._trouble = (Label(classes=name) for name in ("name", "line", "note"))

    def compose(self) -> ComposeResult:
        yield from (self._who, self._line, self._trouble)

    def _show(self, card: Card) -> None:
        line = " · ".join(part for part in (card.email, card.label) if part and part != card.name)
        for label, text in ((self._who, card.name or card.status), (self._line, line), (self._trouble, card.note)):
            label.update(Content(printable(text)))
            label.display = bool(text)
        self._trouble.set_class(card.calm, "calm")


class Protected(Container, _Shown):
    """`content` for whoever is signed in; for everybody else the card and the button."""

    DEFAULT_CSS = "Protected { height: auto; } Protected > Vertical { height: auto; }"

    def __init__(
        self, session: Session | AsyncSession, *content: Widget, id: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(id=id)
        self.session = session
        self._gate = Vertical(UserCard(session), SignInButton(session, **arguments))
        self._content = Vertical(*content)
        self._content.display = False

    def compose(self) -> ComposeResult:
        yield from (self._gate, self._content)

    def _show(self, card: Card) -> None:
        self._gate.display, self._content.display = not card.live, card.live


def _with_agent(arguments: dict[str, Any], app: App[Any], session: Session | AsyncSession) -> dict[str, Any]:
    if {"open_url", "agent", "saved_token"} & set(arguments):
        return arguments
    return {**arguments, "agent": OnScreen(app, session)}


class OnScreen(Suitable):
    """How the human of a terminal application is reached: `app` shows the dialog for a login of `session`."""

    def __init__(self, app: App[Any], session: Session | AsyncSession) -> None:
        super().__init__()
        self._app = app
        self._session = session

    def choose(self, here: Surroundings, *, browser: bool, device: bool) -> Agent:
        if browser:
            return Loopback()
        dialog = Elsewhere(self._session)
        why = f"{here.reason}." if not here.display else "No browser is installed here."
        if device:
            return _Code(self._app, dialog, why)
        return Paste(dialog.ask, _Opened(self._app, dialog).show, notice=why)


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
        width: 78; max-width: 96%; height: auto; max-height: 96%; padding: 0 2; border: round $accent;
        background: $surface;
    }
    Elsewhere VerticalScroll { height: auto; max-height: 70%; scrollbar-size: 1 1; }
    Elsewhere Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
    Elsewhere Label { width: 100%; }
    Elsewhere Input { display: none; margin-top: 1; }
    Elsewhere Button { margin-left: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "cancel", "Cancel")]

    def __init__(self, session: Session | AsyncSession) -> None:
        super().__init__()
        self._session = session
        self._told = ""
        self._asked = False
        self._label = Label(id="told", expand=True)
        self._line = Input(placeholder="Paste the address here", compact=True)
        self._pasted: SimpleQueue[str] = SimpleQueue()

    def compose(self) -> ComposeResult:
        with Vertical():
            with VerticalScroll():
                yield self._label
            yield self._line
            with Horizontal():
                yield Button("Copy the address", id="copy", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

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
        self._label.update(Content(self._told))
        if self._asked and not self._line.display:
            self._line.display = True
            self._line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._pasted.put(event.value)
            event.input.clear()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "cancel":
            self.action_cancel()
            return
        address = next((word for word in self._told.split() if word.startswith(("https://", "http://"))), "")
        self.app.copy_to_clipboard(address)  # by the terminal, which is where the human sits

    def action_cancel(self) -> None:
        """Ends the login; that ends the dialog."""
        self.run_worker(self._session.cancel, thread=not iscoroutinefunction(self._session.cancel), exit_on_error=False)

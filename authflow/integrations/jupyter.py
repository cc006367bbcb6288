"""Jupyter: a session in a notebook, as a widget under a cell.

    panel = SignIn(manager["github"])                     # manager is of either colour; as a cell's last line
    panel                                                 # card and button: Sign in with GitHub · Cancel · Sign out
    panel.protected(lambda session: widgets.Label(…))     # built when somebody signs in, gone when the session ends

A press returns at once; the card is right while cells run, too. Where the kernel is on the human's machine, the system
browser opens. Where it is not, nothing hangs: the panel shows a code for another screen (RFC 8628) if the provider has
that, or takes the address that the browser ended on. In a cell, `session.login(agent=panel.agent)` shows the same.

A panel lives until `panel.close()`, as every widget does.

`pip install 'authflow-sessions[jupyter]'`
"""

from __future__ import annotations

import queue
import re
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from html import escape
from typing import Any

from .. import AsyncSession, Session
from ..agents import Agent, DeviceCode, Instructions, Loopback, Paste, Suitable, Surroundings
from ..errors import MissingExtra
from .live import Card, Live
from .markup import card_html

try:
    import ipywidgets as widgets
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs ipywidgets, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[jupyter]'",
    ) from missing

_URL = re.compile(r"https?://[!-~]+")
_TOLD = "max-width:28rem;margin:.25rem 0;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere"
_CODE = "font:600 1.5rem ui-monospace,monospace;letter-spacing:.08em"


class SignIn(widgets.VBox):
    """A session's card and its button. `loop`: where an `AsyncSession` acts; the kernel's own unless told."""

    def __init__(self, session: Session | AsyncSession, *, loop: AbstractEventLoop | None = None) -> None:
        self.card_view = widgets.HTML()
        self.button = widgets.Button(layout={"width": "max-content"})
        self.told = widgets.HTML()  # what to do on another screen, while a sign-in waits for it
        self.pasted = widgets.Text(placeholder="The whole address that the browser ended on", continuous_update=False)
        self.agent = InNotebook(self)
        self._asking: _Asking | None = None
        self._turn = threading.RLock()  # who paints: widgets are set from whichever thread there is
        self._protected: list[tuple[widgets.VBox, Callable[[Any], Any]]] = []
        super().__init__([self.card_view, self.told, self.pasted, self.button])
        self.button.on_click(lambda _: self.press())
        self.pasted.observe(self._submit, "value")
        self.live = Live(session, self._show, post=self._post, owner=self, loop=loop)

    @property
    def session(self) -> Session | AsyncSession:
        return self.live.session

    @property
    def card(self) -> Card:
        """What was shown last."""
        return self.live.card

    def press(self) -> None:
        """Does what the button says, and returns at once."""
        if self.card.live or self.card.pending:
            self.live.press()
        else:
            self.sign_in()

    def sign_in(self, **arguments: Any) -> None:
        """`session.login(…)`, by the way that suits this kernel unless another is given."""
        if not {"open_url", "agent", "saved_token"} & set(arguments):
            arguments["agent"] = self.agent
        self.live.sign_in(**arguments)

    def sign_out(self) -> None:
        self.live.sign_out()

    def protected(self, build: Callable[[Any], Any]) -> Any:
        """A widget with what `build(session)` gives (a widget), while somebody is signed in; empty otherwise."""
        box = widgets.VBox()
        with self._turn:
            self._protected.append((box, build))
            self._fill(self.card)
        return box

    def close(self) -> None:
        """Ends it, and what it protects. The session goes on."""
        live = self.__dict__.get("live")
        if live is not None:
            live.close()
            self._ask(None)
            for box, _ in self._protected:
                _empty(box)
                box.layout.close()
                box.close()
            for part in (self.card_view, self.button, self.told, self.pasted):
                for whole in (part.style, part.layout, part):  # ipywidgets keeps each until it is closed
                    whole.close()
            self.layout.close()
        super().close()

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────

    def _post(self, paint: Callable[[], None]) -> None:
        with self._turn:
            paint()

    def _show(self, card: Card) -> None:
        self._fill(card)
        self.card_view.value = card_html(card)
        if not card.pending:
            self._ask(None)
        self.button.description = card.button

    def _fill(self, card: Card) -> None:
        for box, build in self._protected:
            if card.live and not box.children:
                box.children = (build(self.session),)
            elif not card.live:
                _empty(box)

    # ── another screen ───────────────────────────────────────────────────────────────────────────────

    def _tell(self, html: str) -> None:
        with self._turn:
            self.told.value = f'<div style="{_TOLD}">{html}</div>' if html else ""
            self.told.layout.display = "" if html else "none"
            self.pasted.layout.display = "" if self._asking else "none"

    def _show_code(self, told: Instructions) -> None:
        link, code = _link(told.verification_uri or ""), escape(told.user_code or "")
        self._tell(f'{escape(told.notice)}\nOpen {link} and enter\n<span style="{_CODE}">{code}</span>')

    def _ask(self, asking: _Asking | None) -> None:
        """Takes pasted lines for this one from now on; None: for nobody."""
        with self._turn:
            before, self._asking = self._asking, asking
            self._tell("")
        if before is not None:
            before.lines.put(None)

    def _submit(self, change: Any) -> None:
        asking, line = self._asking, change["new"]
        if asking is not None and line:
            asking.lines.put(line)
            self.pasted.value = ""


class InNotebook(Suitable):
    """The browser of this machine where there is one; the panel otherwise."""

    def __init__(self, panel: SignIn) -> None:
        super().__init__()
        self._panel = panel

    def choose(self, here: Surroundings, *, browser: bool, device: bool) -> Agent:
        if browser and not here.remote_kernel:
            return Loopback()
        why = here.reason if not here.display else "No browser is installed here"
        if device:
            return DeviceCode(self._panel._show_code, notice=f"{why}, so you sign in on another screen.")
        asking = _Asking(self._panel)
        self._panel._ask(asking)
        return Paste(asking.ask, asking.show, notice=f"{why}, so use the browser that you sit at.")


class _Asking:
    """One sign-in that waits for an address to be pasted."""

    def __init__(self, panel: SignIn) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._panel = panel
        self._task = ""

    def ask(self, prompt: str) -> str:
        """One line, waited for on the agent's own thread. Raises `EOFError` when the sign-in has ended."""
        line = self.lines.get()
        if line is None:
            raise EOFError
        return line

    def show(self, text: str) -> None:
        """What is to be done, or, below it, what was wrong with the line that came."""
        if self._panel._asking is not self:
            return  # how it ended is on the card
        found = _URL.search(text)
        if found is not None and not self._task:
            self._task = escape(text[: found.start()]) + _link(found[0]) + escape(text[found.end() :])
            text = ""
        self._panel._tell(f"{self._task}\n\n{escape(text)}".rstrip())


def _empty(box: Any) -> None:
    """What is protected leaves the page, and ends."""
    gone, box.children = box.children, ()
    for one in gone:
        one.close()


def _link(url: str) -> str:
    """It looks like one: JupyterLab takes colour and line from links in widgets."""
    style = "color:inherit;text-decoration:underline"
    return f'<a href="{escape(url)}" target="_blank" rel="noopener" style="{style}">{escape(url)}</a>'

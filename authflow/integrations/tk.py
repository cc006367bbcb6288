"""tkinter: a session in the widgets of a window.

    window = tkinter.Tk()
    UserCard(window, github).pack()                      # who is signed in, and what went wrong
    button = SignInButton(window, github)                # Sign in with GitHub · Cancel · Sign out
    button.pack()
    inside = Protected(window, github)                   # shown to whoever is signed in, and to nobody else
    ttk.Label(inside.content, text="your mail").pack()
    inside.pack()
    button.bind("<<SessionChanged>>", lambda event: window.title(button.card.status))

The system browser opens, and the redirect arrives at 127.0.0.1. Widgets are made in the thread of the window. An
`AsyncSession` needs to be told where it lives: `loop=`, of a loop that runs on a thread of its own.

Rule: no other thread ever calls Tk, which may wait for ever or end the program. What they have to say lies in a queue
      that the window looks into, 33 times a second.
"""

from __future__ import annotations

import asyncio
import queue
import tkinter
from collections.abc import Callable
from tkinter import ttk
from typing import Any, Final

from .. import AsyncSession, Session
from ..agents import Loopback
from ..errors import printable
from .live import Card, Live

LOOK_EVERY: Final = 30  # milliseconds
_PUMP: Final = "_authflow_pump"


class _Shown:
    """What the widgets have in common: a `Live` that ends with the widget."""

    _live: Live

    @property
    def session(self) -> Session | AsyncSession:
        return self._live.session

    @property
    def card(self) -> Card:
        """What was shown last."""
        return self._live.card


class SignInButton(ttk.Button, _Shown):
    """Signs in, cancels a sign-in under way, or signs out; it says which. `arguments` are those of `session.login`.

    `<<SessionChanged>>` is generated on it at each change; `card` is then what there is to show.
    """

    def __init__(
        self,
        master: tkinter.Misc,
        session: Session | AsyncSession,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(master, command=self._pressed)
        self._arguments = arguments
        self._live = _live(self, session, self._show, loop)

    def _show(self, card: Card) -> None:
        self.configure(text=card.button)
        self.event_generate("<<SessionChanged>>")

    def _pressed(self) -> None:
        if self.card.live or self.card.pending:
            self._live.press()
        elif {"open_url", "agent", "saved_token"} & set(self._arguments):
            self._live.sign_in(**self._arguments)
        else:
            self._live.sign_in(agent=Loopback(), **self._arguments)  # no terminal stands behind a window


class UserCard(ttk.Frame, _Shown):
    """The signed-in user, or that nobody is, with a sentence about what went wrong."""

    def __init__(
        self,
        master: tkinter.Misc,
        session: Session | AsyncSession,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(master, padding=8)
        self._labels = tuple(ttk.Label(self, wraplength=420, justify="left") for _ in range(3))
        self._labels[0].configure(font="TkHeadingFont")
        self._live = _live(self, session, self._show, loop)

    def _show(self, card: Card) -> None:
        line = " · ".join(part for part in (card.email, card.label) if part and part != card.name)
        for label, text in zip(self._labels, (card.name or card.status, line, card.note), strict=True):
            label.pack_forget()
            label.configure(text=printable(text))
            if text:
                label.pack(anchor="w")


class Protected(ttk.Frame, _Shown):
    """`content`, a frame of yours to fill, for whoever is signed in; for everybody else the card and the button."""

    def __init__(
        self,
        master: tkinter.Misc,
        session: Session | AsyncSession,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(master)
        self.content = ttk.Frame(self)
        self._gate = ttk.Frame(self)
        UserCard(self._gate, session, loop=loop).pack(anchor="w")
        SignInButton(self._gate, session, loop=loop, **arguments).pack(anchor="w", padx=8)
        self._live = _live(self, session, self._show, loop)

    def _show(self, card: Card) -> None:
        shown, hidden = (self.content, self._gate) if card.live else (self._gate, self.content)
        hidden.pack_forget()
        shown.pack(fill="both", expand=True)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────


class _Pump:
    """One for each window program: runs in its thread what other threads have put into the queue."""

    def __init__(self, root: tkinter.Misc) -> None:
        self._root = root
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._next = root.after(LOOK_EVERY, self._drain)
        root.bind("<Destroy>", self._end, add="+")

    def post(self, job: Callable[[], None]) -> None:
        """From any thread."""
        self._jobs.put(job)

    def _drain(self) -> None:
        self._next = self._root.after(LOOK_EVERY, self._drain)
        for _ in range(self._jobs.qsize()):
            self._jobs.get_nowait()()

    def _end(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if event.widget is self._root:
            self._root.after_cancel(self._next)


def _live(
    widget: tkinter.Misc,
    session: Session | AsyncSession,
    show: Callable[[Card], None],
    loop: asyncio.AbstractEventLoop | None,
) -> Live:
    root = widget.nametowidget(".")
    pump: _Pump = vars(root).setdefault(_PUMP, None) or _Pump(root)
    setattr(root, _PUMP, pump)
    live = Live(session, show, post=pump.post, loop=loop)
    show(live.card)

    def end(event: tkinter.Event[tkinter.Misc]) -> None:
        if event.widget is widget:
            live.close()

    widget.bind("<Destroy>", end, add="+")
    return live

"""`Live`: one session on a screen. It posts to the framework's own thread, and ends with the widget that shows it.

    live = Live(manager["github"], self.paint, post=loop.call_soon_threadsafe)     # paint(card), now and at each change
    live.press()                                                                   # what card.button says; back at once

`Card` is what there is to show: plain values, nothing secret, and in what a provider says of a user nothing that moves
a terminal's cursor. `look(session)` makes one, for what polls.

Rule 1: a receiver only posts. It runs on whichever thread committed the change; `show` runs where `post` runs it.
Rule 2: at most one paint waits, with the newest card, so a screen that stands still holds no queue.
Rule 3: a widget is held weakly. When it is gone, or `close()` was called, nothing is shown any more.

This file knows no framework: `post` is all of it that there is here.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from .. import AsyncSession, AuthEvent, AuthflowError, Session, State
from ..errors import AlreadyAuthenticated, ConfigurationError, LoginFailed, LoginInProgress, Recovery, printable

if TYPE_CHECKING:
    from ..providers import Provider

LONGEST_NAME = 320  # an address of e-mail may have as many characters

Post: TypeAlias = Callable[[Callable[[], None]], object]
Show: TypeAlias = Callable[["Card"], object]

_STATUS: dict[str, str] = {
    State.AUTHORIZING: "Waiting for you in the browser",
    State.EXCHANGING: "Signing you in",
    "": "It cannot be read whether you are signed in",
}


class Card(msgspec.Struct, frozen=True):
    """What a screen shows of one session.

    `state` is a chart's word, empty while the session cannot be read. `pending`: a sign-in is under way, so the button
    cancels. `note` is a sentence for the human when something did not go well; `calm` when it was their own wish.
    """

    provider: str
    label: str
    state: str
    live: bool = False
    pending: bool = False
    name: str = ""
    email: str = ""
    picture: str = ""
    note: str = ""
    calm: bool = False
    seq: int = 0

    @property
    def button(self) -> str:
        """What pressing does now."""
        if self.pending:
            return "Cancel"
        if self.live:
            return "Sign out"
        return f"Sign in with {self.label}" if self.label else "Sign in"

    @property
    def status(self) -> str:
        """One line for the human: who is signed in, or what is awaited. What went wrong is the note's."""
        if self.live:
            return f"Signed in as {self.name}" if self.name else "Signed in"
        return _STATUS.get(self.state, "Not signed in")

    @property
    def initials(self) -> str:
        """At most two letters, in place of a picture."""
        words = [word for word in self.name.replace("@", " ").split() if word[0].isalnum()]
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()


def look(session: Session | AsyncSession, event: AuthEvent | None = None) -> Card:
    """The session as it is now. `event`: what has just happened to it. Never raises for a store that cannot be read."""
    provider, seq = session.provider, 0 if event is None else event.seq
    try:
        state, user = session.state, session.user
        note, calm = _note(session, state, event)
    except AuthflowError as error:
        return Card(provider=provider.name, label=provider.label, state="", note=str(error), seq=seq)
    return Card(
        provider=provider.name,
        label=provider.label,
        state=state.value,
        live=state in (State.AUTHENTICATED, State.REFRESHING),
        pending=state in (State.AUTHORIZING, State.EXCHANGING),
        name="" if user is None else printable(user.name or user.email or user.id, LONGEST_NAME),
        email="" if user is None else printable(user.email or "", LONGEST_NAME),
        picture="" if user is None else user.picture or "",
        note=note,
        calm=calm,
        seq=seq,
    )


def nobody(provider: Provider | None = None) -> Card:
    """What a visitor sees who is signed in nowhere; `provider`: with whom to sign in, when it is known."""
    return Card(
        provider="" if provider is None else provider.name,
        label="" if provider is None else provider.label,
        state=State.IDLE.value,
    )


def _note(session: Session | AsyncSession, state: State, event: AuthEvent | None) -> tuple[str, bool]:
    error = session.error
    if error is None and event is not None and event.attempt is not None:
        error = event.error  # a step-up that failed leaves the session as it was
    if error is not None:
        return str(error), error.recovery == Recovery.USER_CANCELLED.value
    if state is State.LOGGED_OUT and session.reason != "user":
        return "Your session has ended. Sign in again.", False
    return "", False


class Live:
    """A session, shown by `show(card)` through `post` until its owner is gone.

    `post(fn)` has the framework call `fn` soon, on the thread that may touch the screen; it is called on any thread.
    `owner`: the widget, page or client that this belongs to, held weakly; that of a bound method is its object. Without
    one it lives until `close()`. `loop`: the event loop of an `AsyncSession`; the running one unless told.

    Raises `ConfigurationError` for an `AsyncSession` without a loop.
    """

    def __init__(
        self,
        session: Session | AsyncSession,
        show: Show,
        *,
        post: Post,
        owner: object | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.session = session
        self.card = look(session)
        self._loop = _loop_of(session, loop)
        self._post = post
        self._show, owner = _weakly(show, owner)
        self._owner = None if owner is None else weakref.ref(owner, self._owner_gone)
        self._mutex = threading.Lock()
        self._next: Card | None = None  # what the paint that was posted will show
        self._seq = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        session.on_transition.connect(self._receive)
        self._look_again()

    # ── showing ──────────────────────────────────────────────────────────────────────────────────────

    def _receive(self, session: Session | AsyncSession, event: AuthEvent) -> None:
        if self.closed:
            return
        card = look(session, event)
        with self._mutex:
            if event.seq <= self._seq:
                return
            self._seq = event.seq
            waits, self._next = self._next is not None, card
        if not waits:
            self._post_paint()

    def _look_again(self, note: str = "") -> None:
        """Shows the present, unless an event did so meanwhile: what was read before it is old by then."""
        while not self.closed:
            seq, card = self._seq, look(self.session)
            if note:
                card = msgspec.structs.replace(card, note=note, calm=False)
            with self._mutex:
                if seq != self._seq:
                    continue
                waits, self._next = self._next is not None, card
            if not waits:
                self._post_paint()
            return

    def _post_paint(self) -> None:
        try:
            self._post(self._paint)
        except BaseException:
            self._next = None  # so the next event tries again
            raise

    def _paint(self) -> None:
        with self._mutex:
            card, self._next = self._next, None
        show = self._show()
        if card is None or show is None or self.closed:
            return
        self.card = card
        show(card)

    # ── acting: each returns at once; how it ended is shown ──────────────────────────────────────────

    def press(self, **arguments: Any) -> None:
        """Does what `card.button` says: signs in (`arguments` are those of `session.login`), cancels, or signs out."""
        if self.card.pending:
            self.cancel()
        elif self.card.live:
            self.sign_out()
        else:
            self.sign_in(**arguments)

    def sign_in(self, **arguments: Any) -> None:
        """`session.login(…)`, beside the thread that paints."""
        self._begin("login", arguments)

    def sign_out(self, **arguments: Any) -> None:
        """`session.logout(…)`, likewise."""
        self._begin("logout", arguments)

    def cancel(self) -> None:
        """`session.cancel()`, likewise."""
        self._begin("cancel", {})

    def _begin(self, name: str, arguments: dict[str, Any]) -> None:
        act = partial(getattr(self.session, name), **arguments)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._spawn, act)
            return
        # A daemon: a human who never comes back must not keep the program. cancel() ends it, and the manager's close().
        threading.Thread(target=self._run, args=(act,), name=f"authflow-{name}", daemon=True).start()

    def _spawn(self, act: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.ensure_future(self._run_async(act))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except AuthflowError as error:
            self._tell(error)

    async def _run_async(self, act: Callable[[], Awaitable[object]]) -> None:
        try:
            await act()
        except AuthflowError as error:
            self._tell(error)

    def _tell(self, error: AuthflowError) -> None:
        """Shows what no event told. A login that failed was heard of; to press twice needs no words."""
        if not isinstance(error, (LoginFailed, LoginInProgress, AlreadyAuthenticated)):
            self._look_again(str(error))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Shows nothing any more. What was begun goes on: the session is not the widget's. Idempotent, any thread."""
        self.closed = True
        self._owner = None
        self.session.on_transition.disconnect(self._receive)

    def _owner_gone(self, _: object) -> None:
        self.close()


def _weakly(show: Show, owner: object | None) -> tuple[Callable[[], Show | None], object | None]:
    """How to get at `show`, and whose it is. A method must not keep its object."""
    if not inspect.ismethod(show):
        return lambda: show, owner
    return weakref.WeakMethod(show), show.__self__ if owner is None else owner


def _loop_of(
    session: Session | AsyncSession, loop: asyncio.AbstractEventLoop | None
) -> asyncio.AbstractEventLoop | None:
    """Where an async session acts. Raises `ConfigurationError`."""
    if isinstance(session, Session):
        return None
    try:
        return loop or asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "An AsyncSession acts on its event loop, and none runs here.",
            hint="Pass loop=, or show a session of a SessionManager.",
        ) from None

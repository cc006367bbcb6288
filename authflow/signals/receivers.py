"""A receiver and its subscription: what it is, to whom it listens, and how it is called.

Rule 1: what a receiver is gets decided once, when it is connected; dispatch asks nothing.
Rule 2: `ident` and `filter` are values (blinker's own identity for receivers, a key for senders), never the
        address of a session: a session that left memory and came back is still heard, a stranger is not.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Any, TypeAlias

from blinker import ANY

from ..errors import InvalidCall
from .mailbox import Mailbox

Receiver: TypeAlias = Callable[..., Any]
EVERYBODY = ""  # the filter that every key passes; no key and no owner's prefix is empty


class Way(IntEnum):
    """How a receiver is called."""

    INLINE = 0  # here and now
    AWAITED = 1  # by the manager's own task, in order, with a limit
    POSTED = 2  # put into a mailbox that a thread or a task of its own empties


def ident_of(receiver: Receiver) -> Hashable:
    """The same for two bound methods of the same object and function, as blinker has it."""
    if inspect.ismethod(receiver):
        return id(receiver.__func__), id(receiver.__self__)
    return id(receiver)


def filter_of(sender: object) -> str:
    """The filter that `sender=` means: everybody, one key, or all keys of an owner (`owner/`).

    Raises `InvalidCall` for what could never be heard.
    """
    if sender is ANY:
        return EVERYBODY
    text = sender if isinstance(sender, str) else str(getattr(sender, "key", ""))
    if text.count("/") == 2 or (text.count("/") == 1 and text.endswith("/")):
        return text
    raise InvalidCall(
        f"A {type(sender).__name__} cannot be the sender of a signal, or it is no whole key.",
        hint="Pass a session, or its key as text: owner/provider/account (str(session.key)).",
    )


def owner_filter(key: str) -> str:
    """The filter of everything that the owner of `key` has."""
    return key[: key.find("/") + 1]


def is_async(receiver: Receiver) -> bool:
    """Whether calling it gives something to await. Raises `InvalidCall` for what no call would run."""
    function: Any = receiver
    while isinstance(function, functools.partial):
        function = function.func
    if not callable(function):
        raise InvalidCall(
            f"A {type(function).__name__} cannot receive a signal.", hint="Pass a function: receiver(session, event)."
        )
    if not (inspect.isfunction(function) or inspect.ismethod(function) or inspect.iscoroutinefunction(function)):
        function = type(function).__call__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidCall(
            "A generator function cannot receive a signal: calling it runs none of its lines.",
            hint="Use a function without yield.",
        )
    return inspect.iscoroutinefunction(function)


def check_takes_event(receiver: Receiver, signal: str) -> None:
    """Raises `InvalidCall` for a receiver that no event could be given to; what has no signature passes."""
    facts = {"event", "error", "receiver", "signal"} if signal == "on_receiver_error" else {"event"}
    try:
        signature = inspect.signature(receiver)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, **dict.fromkeys(facts))
    except TypeError as error:
        more = ", **facts" if len(facts) > 1 else ""
        raise InvalidCall(
            f"{name_of(receiver)} cannot receive {signal}: {error}.",
            hint=f"Define it as f(session, event{more}); all but the session is given by these names.",
        ) from None


def name_of(receiver: Receiver) -> str:
    """A name for a log line. Not its repr: a partial would show its arguments."""
    function: Any = receiver
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


class Subscription:
    """One receiver, listening to one filter of one signal."""

    __slots__ = ("_floors", "_held", "_late", "_ref", "came_late", "filter", "ident", "mailbox", "number", "way")

    def __init__(
        self,
        receiver: Receiver,
        filter: str,
        number: int,
        way: Way,
        *,
        mailbox: Mailbox | None = None,
        forget: Callable[[Subscription], None] | None = None,
    ) -> None:
        self.ident = ident_of(receiver)
        self.filter = filter
        self.number = number
        self.way = way
        self.mailbox = mailbox
        self._held: Receiver | None = receiver
        self._ref: weakref.ref[Receiver] | None = None
        self.came_late = False  # connected with replay=True
        self._late: Latecomer | None = None
        self._floors: dict[int, tuple[weakref.ref[object], int]] | None = None
        if forget is not None:
            gone: Callable[[Subscription], None] = forget
            kind = weakref.WeakMethod if inspect.ismethod(receiver) else weakref.ref
            self._ref = kind(receiver, lambda _: gone(self))
            self._held = None

    @property
    def receiver(self) -> Receiver | None:
        """The receiver, or None when it was connected weakly and nobody else holds it any more."""
        return self._held if self._ref is None else self._ref()

    @property
    def reference(self) -> Receiver | weakref.ref[Receiver]:
        """What blinker keeps in `signal.receivers`."""
        return self._held if self._ref is None and self._held is not None else self._ref  # type: ignore[return-value]

    def hears(self, key: str) -> bool:
        """Whether an event of `key` passes the filter."""
        return self.filter in (EVERYBODY, owner_filter(key), key)

    # ── replay ───────────────────────────────────────────────────────────────────────────────────────

    def come_late(self) -> Latecomer:
        """From now on events wait, until the present state of all sessions was told first."""
        self.came_late = True
        self._late = Latecomer()
        return self._late

    def told_present(self, session: object, seq: int) -> None:
        """What `session` did up to `seq` is contained in the present state: it is not told again."""
        try:
            reference = weakref.ref(session)
        except TypeError:  # such a session is no manager's
            return
        self._floors = {} if self._floors is None else self._floors
        self._floors[id(session)] = (reference, seq)

    def caught_up(self) -> None:
        self._late = None

    def defers(self, call: Call) -> bool:
        """True when `call` shall not be made now: it waits behind the present state, or is contained in it."""
        late = self._late
        if late is not None and late.keep(call):
            return True
        return bool(self._floors) and self.is_old(call)

    def is_old(self, call: Call) -> bool:
        """Whether the present state that was told contains this event."""
        floors, session = self._floors or {}, call[3]
        floor = floors.get(id(session))
        if floor is None:
            return False
        if floor[0]() is session and call[4]["event"].seq <= floor[1]:
            return True
        floors.pop(id(session), None)
        return False


# One call to make: signal, key, subscription, session, and the arguments by name.
Call: TypeAlias = tuple[str, str, Subscription, object, dict[str, Any]]


class Latecomer:
    """The events that wait for a subscriber who is being told the present state."""

    __slots__ = ("_calls", "_lock", "over")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self.over = False

    def keep(self, call: Call) -> bool:
        with self._lock:
            if not self.over:
                self._calls.append(call)
            return not self.over

    def take(self) -> list[Call]:
        """What has waited, oldest first. When nothing has, it is over: from then on `keep` says no."""
        with self._lock:
            calls, self._calls = self._calls, []
            self.over = not calls
            return calls

    def end(self) -> None:
        with self._lock:
            self.over = True
            self._calls.clear()

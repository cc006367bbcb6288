"""`AuthSignal`: a blinker signal that keeps its receivers in order, and filters by key instead of by address.

What blinker's documentation says of connecting holds, with these differences: strong by default, in the order of
connecting, safe between threads and from within receivers, `sender=` is a session or its key as text, and
receivers may be async. Delivery is the outbox's (`outbox.py`): nobody here calls a receiver.

Rule: what dispatch reads (`receivers_of`) takes no lock. Buckets are replaced, never changed; a merged answer is
kept with the version it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from blinker import ANY, NamedSignal

from .receivers import EVERYBODY, Receiver, Subscription, Way, check_takes_event, filter_of, ident_of, owner_filter

if TYPE_CHECKING:
    from .hub import Signals

F = TypeVar("F", bound=Receiver)
_MOST_MERGED = 1024  # merged answers kept: about one for each session that somebody listens to by name


class AuthSignal(NamedSignal):
    """One of a manager's signals."""

    def __init__(self, name: str, signals: Signals, doc: str | None = None) -> None:
        super().__init__(name, doc)
        self._signals = signals
        self._buckets: dict[str, dict[Hashable, Subscription]] = {}
        self._filters: dict[Hashable, frozenset[str]] = {}
        self._version = 0
        self._count = 0
        self._everybody: tuple[Subscription, ...] = ()
        self._only_everybody = True
        self._merged: dict[str, tuple[int, tuple[Subscription, ...]]] = {}

    # ── connecting ───────────────────────────────────────────────────────────────────────────────────

    def connect(  # type: ignore[override]
        self, receiver: F, sender: object = ANY, *, weak: bool = False, replay: bool = False, background: bool = False
    ) -> F:
        """Calls `receiver(session, event=event)` from now on; returns it, so this is a decorator too.

        `sender`: a session, its key as text, or `"owner/"` for all sessions of an owner; default: all sessions.
        `weak=True` forgets the receiver when nobody else holds it. `replay=True` first tells it the present state
        of every session, as an event whose trigger is `current`. `background=True` calls it on a thread of its
        own (an async one in a task of its own), where 256 events may wait.

        Connecting a receiver again to the same sender changes its options and keeps its place. Raises
        `InvalidCall` for an async receiver where nobody could await it, for one that does not take
        `(session, event)`, and for a sender that is none.
        """
        signals = self._signals
        way, mailbox = signals.way_of(receiver, background)
        check_takes_event(receiver, self.name)
        subscription = Subscription(
            receiver,
            filter_of(sender),
            signals.next_number(),
            way,
            mailbox=mailbox,
            forget=self._forget if weak else None,
        )
        late = subscription.come_late() if replay else None
        signals.change(partial(self._add, subscription))
        if late is not None:
            signals.replay(self.name, subscription, late)
        if "receiver_connected" in self.__dict__ and self.receiver_connected.receivers:
            self.receiver_connected.send(self, receiver=receiver, sender=sender, weak=weak)
        return receiver

    def connect_via(  # type: ignore[override]
        self, sender: object, *, weak: bool = False, replay: bool = False, background: bool = False
    ) -> Callable[[F], F]:
        """`connect` as a decorator with arguments: `@manager.on_login.connect_via(session)`."""

        def decorate(receiver: F) -> F:
            return self.connect(receiver, sender, weak=weak, replay=replay, background=background)

        return decorate

    @contextmanager
    def connected_to(self, receiver: Receiver, sender: object = ANY) -> Generator[None, None, None]:
        """Connects for the length of a `with` block."""
        self.connect(receiver, sender)
        try:
            yield None
        finally:
            self.disconnect(receiver, sender)

    def disconnect(self, receiver: Receiver, sender: object = ANY) -> None:
        """No longer calls `receiver` for `sender`; by default for nobody. One that is not connected is no error.

        An event that is being delivered at this moment may still reach it.
        """
        wanted = None if sender is ANY else filter_of(sender)
        self._signals.change(partial(self._drop, ident_of(receiver), wanted))
        if "receiver_disconnected" in self.__dict__ and self.receiver_disconnected.receivers:
            self.receiver_disconnected.send(self, receiver=receiver, sender=sender)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def receivers_of(self, key: str) -> tuple[Subscription, ...]:
        """The subscriptions that hear an event of `key`, in the order of connecting, each receiver once."""
        if self._only_everybody:
            return self._everybody
        version = self._version
        known = self._merged.get(key)
        if known is not None and known[0] == version:
            return known[1]
        merged = self._merge(key)
        if len(self._merged) >= _MOST_MERGED:
            self._merged = {}
        self._merged[key] = (version, merged)
        return merged

    def receivers_for(self, sender: object) -> Generator[Receiver, None, None]:
        """blinker's word for the receivers themselves."""
        found = self._everybody if sender is ANY else self.receivers_of(filter_of(sender))
        for subscription in found:
            receiver = subscription.receiver
            if receiver is not None:
                yield receiver

    def has_receivers_for(self, sender: object) -> bool:
        """Whether anybody would hear an event of `sender`."""
        return any(True for _ in self.receivers_for(sender))

    def _merge(self, key: str) -> tuple[Subscription, ...]:
        found: dict[Hashable, Subscription] = {}
        for wanted in (EVERYBODY, owner_filter(key), key):
            for ident, subscription in self._buckets.get(wanted, {}).items():
                other = found.get(ident)
                if other is None or subscription.number < other.number:
                    found[ident] = subscription
        return tuple(sorted(found.values(), key=lambda subscription: subscription.number))

    # ── changing: called by `Signals.change`, one at a time ──────────────────────────────────────────

    def _add(self, new: Subscription) -> None:
        bucket = self._buckets.get(new.filter, {})
        old = bucket.get(new.ident)
        if old is not None:
            new.number = old.number
            if old.way is new.way is Way.POSTED:
                new.mailbox = old.mailbox
            elif old.mailbox is not None:
                old.mailbox.end(drop=False)
        self._buckets[new.filter] = {**bucket, new.ident: new}
        self._filters[new.ident] = self._filters.get(new.ident, frozenset()) | {new.filter}
        self.receivers[new.ident] = new.reference
        self._changed(new.filter, 1 if old is None else 0)

    def _drop(self, ident: Hashable, wanted: str | None) -> None:
        for filter in self._filters.get(ident, frozenset()) if wanted is None else (wanted,):
            subscription = self._buckets.get(filter, {}).get(ident)
            if subscription is not None:
                self._take_out(subscription)

    def _forget(self, subscription: Subscription) -> None:
        """A receiver that was held weakly is gone. Called by the collector, on any thread, at any time."""
        self._signals.change(partial(self._take_out, subscription))

    def _take_out(self, gone: Subscription, *, for_good: bool = True) -> None:
        bucket = self._buckets.get(gone.filter, {})
        if bucket.get(gone.ident) is not gone:
            return  # connected anew meanwhile, perhaps by another object at the same address
        rest = {ident: subscription for ident, subscription in bucket.items() if ident != gone.ident}
        if rest:
            self._buckets[gone.filter] = rest
        else:
            del self._buckets[gone.filter]
        filters = self._filters.pop(gone.ident) - {gone.filter}
        if filters:
            self._filters[gone.ident] = filters
        else:
            self.receivers.pop(gone.ident, None)
        if gone.mailbox is not None and for_good:
            gone.mailbox.end()
        self._merged.pop(gone.filter, None)
        self._changed(gone.filter, -1)

    def rename(self, old: str, new: str) -> None:
        """Subscriptions to the key `old` become ones to `new`. Within `Signals.change` only."""
        for subscription in tuple(self._buckets.get(old, {}).values()):
            self._take_out(subscription, for_good=False)
            if subscription.ident not in self._buckets.get(new, {}):
                subscription.filter = new
                self._add(subscription)
            elif subscription.mailbox is not None:
                subscription.mailbox.end(drop=False)

    def _changed(self, filter: str, more: int) -> None:
        if filter == EVERYBODY:
            # Nothing is ever renamed into this bucket, so its own order is that of connecting.
            self._everybody = tuple(self._buckets.get(EVERYBODY, {}).values())
        self._only_everybody = len(self._buckets) == (EVERYBODY in self._buckets)
        self._version += 1
        if self._only_everybody:
            self._merged = {}
        self._count += more
        self._signals.subscriptions += more

    def _clear_state(self) -> None:
        for ident in tuple(self._filters):
            self._signals.change(partial(self._drop, ident, None))

    def __len__(self) -> int:
        """How many subscriptions there are."""
        return self._count

    def __bool__(self) -> bool:
        return True


class SignalView:
    """One signal, heard for one session or one owner only."""

    __slots__ = ("_filter", "_signal")

    def __init__(self, signal: AuthSignal, filter: str) -> None:
        self._signal = signal
        self._filter = filter

    @property
    def name(self) -> str:
        return self._signal.name

    def connect(self, receiver: F, *, weak: bool = False, replay: bool = False, background: bool = False) -> F:
        """As `AuthSignal.connect`, for this session or owner."""
        return self._signal.connect(receiver, self._filter, weak=weak, replay=replay, background=background)

    def disconnect(self, receiver: Receiver) -> None:
        """As `AuthSignal.disconnect`, for this session or owner."""
        self._signal.disconnect(receiver, self._filter)

    @contextmanager
    def connected_to(self, receiver: Receiver) -> Generator[None, None, None]:
        """Connects for the length of a `with` block."""
        with self._signal.connected_to(receiver, self._filter):
            yield None

    @property
    def receivers(self) -> tuple[Receiver, ...]:
        """Who listens to this session or owner in particular."""
        found = self._signal._buckets.get(self._filter, {}).values()
        return tuple(receiver for receiver in (one.receiver for one in found) if receiver is not None)

    def __repr__(self) -> str:
        # The filter names the owner, and a browser's owner id is as good as its cookie.
        return f"<SignalView {self._signal.name!r}>"


class SignalsView:
    """All signals of a manager, heard for one session or one owner only. Made anew for each use: it is cheap."""

    __slots__ = ("_filter", "_signals")

    on_transition: SignalView
    on_login: SignalView
    on_login_failed: SignalView
    on_logout: SignalView
    on_refresh: SignalView
    on_refresh_failed: SignalView
    on_restore: SignalView
    on_live_changed: SignalView
    on_expiring: SignalView
    on_step_up_required: SignalView
    on_receiver_error: SignalView

    def __init__(self, signals: Signals, filter: str) -> None:
        self._signals = signals
        self._filter = filter

    def __getattr__(self, name: str) -> Any:
        signal = None if name.startswith("_") else self._signals.by_name.get(name)
        if signal is None:
            raise AttributeError(f"there is no signal {name!r}")
        return SignalView(signal, self._filter)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._signals.by_name]

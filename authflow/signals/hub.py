"""`Signals`: all signals of one manager, and whoever delivers for it.

    signals.on_login.connect(receiver)
    outbox = signals.outbox()            # one for each session object

Rule: what is started here (delivery thread, tasks, mailboxes of receivers) is held here, and ended by `close()`
or `aclose()`.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from blinker import Namespace

from ..clock import Clock, SystemClock
from ..errors import InvalidCall, whereabouts
from ..events import AuthEvent
from ..forks import Renewed, mind_forks
from ..threads import begin
from .mailbox import BACKGROUND_CAPACITY, LOOP_CAPACITY, Mailbox, TaskMailbox, ThreadMailbox
from .outbox import Outbox, ReplayOutbox, within_receiver
from .receivers import Call, Latecomer, Receiver, Subscription, Way, filter_of, is_async
from .signal import AuthSignal, SignalsView

if TYPE_CHECKING:
    import asyncio

SIGNALS = (
    "on_transition",
    "on_login",
    "on_login_failed",
    "on_logout",
    "on_refresh",
    "on_refresh_failed",
    "on_restore",
    "on_live_changed",
    "on_expiring",
    "on_step_up_required",
    "on_receiver_error",
)
LONGEST_DRAIN = 1.0  # seconds that closing waits for what is still to be delivered
_REMEMBERED_MOVES = 256  # keys that sessions were moved away from, for events that were posted before the move


def _nobody() -> Iterable[tuple[object, str, AuthEvent]]:
    return ()


class Signals(Renewed):
    """All signals of one manager.

    `loop`: where a sync manager has async receivers run. `asynchronous`: this is an async manager's, it awaits
    them itself. `async_limit`: seconds that an async receiver may take. `present`, set by the manager, gives
    (session, key, event) for each session there is; the event has the trigger `current` and the session's last
    `seq`.
    """

    log = logging.getLogger("authflow.signals")

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        async_limit: float = 10.0,
        clock: Clock | None = None,
        asynchronous: bool = False,
    ) -> None:
        self.async_limit = async_limit
        self.clock: Clock = SystemClock() if clock is None else clock
        self.present: Callable[[], Iterable[tuple[object, str, AuthEvent]]] = _nobody
        self.subscriptions = 0
        self.mailboxes: set[Mailbox] = set()
        self._asynchronous = asynchronous
        self._loop = loop
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._changing = 0
        self._changes: list[Callable[[], None]] = []
        self._moved: dict[str, None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._delivery: threading.Thread | None = None
        self._handed: queue.SimpleQueue[Outbox | None] = queue.SimpleQueue()
        self._closed = False  # nothing more is handed over
        self._sealed = False  # nothing more is started: what was handed over has been told, or took too long
        self.by_name = {name: AuthSignal(name, self) for name in SIGNALS}
        self.namespace = Namespace(self.by_name)
        self.on_transition = self.by_name["on_transition"]
        self.on_login = self.by_name["on_login"]
        self.on_login_failed = self.by_name["on_login_failed"]
        self.on_logout = self.by_name["on_logout"]
        self.on_refresh = self.by_name["on_refresh"]
        self.on_refresh_failed = self.by_name["on_refresh_failed"]
        self.on_restore = self.by_name["on_restore"]
        self.on_live_changed = self.by_name["on_live_changed"]
        self.on_expiring = self.by_name["on_expiring"]
        self.on_step_up_required = self.by_name["on_step_up_required"]
        self.on_receiver_error = self.by_name["on_receiver_error"]
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._changing != threading.get_ident():
            self._changing, self._changes = 0, []
        # What was handed to the thread is the parent's to deliver.
        self._delivery, self._handed = None, queue.SimpleQueue()
        for mailbox in tuple(self.mailboxes):
            mailbox.renew()

    # ── for the session and the manager ──────────────────────────────────────────────────────────────

    def outbox(self, told: int = 0) -> Outbox:
        """A new outbox. One for each session object: it keeps that session's events in order. `told`: up to
        which event there was nobody to tell."""
        return Outbox(self, told)

    def view(self, prefix_or_key: str) -> SignalsView:
        """The same signals, heard for one key only, or for all keys of an owner (`"owner/"`)."""
        return SignalsView(self, filter_of(prefix_or_key))

    def rename(self, old_key: str, new_key: str) -> None:
        """A session was moved: whoever listened to it by name goes on hearing it. Make views of it anew."""
        if old_key == new_key:
            return
        self.change(partial(self._rename, old_key, new_key))

    def _rename(self, old_key: str, new_key: str) -> None:
        self._moved[old_key] = None
        if len(self._moved) > _REMEMBERED_MOVES:
            del self._moved[next(iter(self._moved))]
        for signal in self.by_name.values():
            signal.rename(old_key, new_key)

    # ── for the signals ──────────────────────────────────────────────────────────────────────────────

    def next_number(self) -> int:
        return next(self._numbers)

    def way_of(self, receiver: Receiver, background: bool) -> tuple[Way, Mailbox | None]:
        """How `receiver` will be called. Raises `InvalidCall` when nobody could."""
        if not is_async(receiver):
            if background:
                return Way.POSTED, ThreadMailbox(self, BACKGROUND_CAPACITY)
            return Way.INLINE, None
        if self._asynchronous and not background:
            return Way.AWAITED, None
        if not self._asynchronous and self._loop is None:
            raise InvalidCall(
                "An async receiver was connected to a manager that has no event loop to run it on.",
                hint="Pass loop= to SessionManager, or use AsyncSessionManager.",
            )
        return Way.POSTED, TaskMailbox(self, BACKGROUND_CAPACITY if background else LOOP_CAPACITY, self._loop)

    def change(self, change: Callable[[], None]) -> None:
        """Runs `change` while nobody else changes subscriptions.

        The collector may run a finalizer amidst a change on this very thread; what that asks for is done after.
        """
        if self._changing == threading.get_ident():
            self._changes.append(change)
            return
        with self._lock:
            self._changing = threading.get_ident()
            try:
                change()
                while self._changes:
                    self._changes.pop(0)()
            finally:
                self._changing = 0

    def replay(self, name: str, subscription: Subscription, late: Latecomer) -> None:
        """Tells one subscriber the present state of all sessions that it listens to."""
        calls: list[Call] = []
        try:
            for session, key, event in self.present():
                if subscription.hears(key):
                    subscription.told_present(session, event.seq)
                    calls.append((name, key, subscription, session, {"event": event}))
        finally:
            # Even if the present could not be learned: what has waited for it must be told.
            ReplayOutbox(self, subscription, late, calls).replay()

    # ── for the outboxes ─────────────────────────────────────────────────────────────────────────────

    def calls(self, names: tuple[str, ...], session: object, key: str, facts: dict[str, Any]) -> list[Call]:
        """All calls to make for one event, last first. This is the snapshot: later changes do not alter it."""
        if self._moved and key in self._moved:
            # Posted before the session was moved. Another session may live under the old key by now.
            key = str(getattr(session, "key", key))
        calls: list[Call] = []
        for name in names:
            signal = self.by_name[name]
            if signal.receivers and not signal.is_muted:
                calls += [(name, key, subscription, session, facts) for subscription in signal.receivers_of(key)]
        calls.reverse()
        return calls

    def deliver(self, outbox: Outbox) -> None:
        """Has the manager's own thread or task drain `outbox`."""
        if self._closed:
            return
        if self._asynchronous:
            self._deliver_on_loop(outbox)
            return
        with self._lock:
            if self._closed:
                return
            self._handed.put(outbox)  # before the thread is begun: Ctrl-C may strike while it is
            if self._delivery is None:
                begin("authflow-delivery", self._deliver, partial(setattr, self, "_delivery"))

    def _deliver_on_loop(self, outbox: Outbox) -> None:
        running = self.running_loop()
        if running is not None and self._loop in (None, running):
            self._loop = running
            self.spawn(outbox.adrain())
        elif self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self.deliver, outbox)
            except RuntimeError:  # the loop is closed: nobody is left to tell
                return

    def _deliver(self) -> None:
        while (outbox := self._handed.get()) is not None:
            try:
                outbox.drain()
            except BaseException as error:  # this thread is ours alone: nobody above could handle it
                self.log.error("events could not be delivered: %s", whereabouts(error))
            del outbox  # a thread that waits holds no session

    def owns_thread(self) -> bool:
        """Whether this thread is ours: what a receiver raises here has nobody to go to."""
        me = threading.current_thread()
        return me is self._delivery or any(mailbox.here for mailbox in tuple(self.mailboxes))

    def gave_up(self) -> bool:
        """Closing took too long: the delivery thread stops after the present call."""
        return self._sealed and threading.current_thread() is self._delivery

    # ── asyncio ──────────────────────────────────────────────────────────────────────────────────────

    def running_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that runs on this thread, if any."""
        import asyncio

        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return None

    def home_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that async receivers run on."""
        if self._loop is None:
            self._loop = self.running_loop()
        return self._loop

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task on the running loop, held until it has ended."""
        import asyncio

        loop = asyncio.get_running_loop()
        if self._asynchronous:
            self._loop = loop
        task = loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def spawn_if_open(self, function: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
        """The same, unless the manager is closed or no loop runs here: then None."""
        if self._sealed or self.running_loop() is None:
            return None
        return self.spawn(function())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: whoever waits for the task has it, and asyncio need not complain

    async def within(self, task: asyncio.Future[Any], seconds: float) -> bool:
        """Waits until `task` is done, at most `seconds` of the manager's clock. True when it is."""
        import asyncio

        if isinstance(self.clock, SystemClock):
            await asyncio.wait({task}, timeout=seconds)
            return task.done()
        nap = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait({task, nap}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
        return task.done()

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────

    def admit(self, mailbox: Mailbox) -> bool:
        """Lets a mailbox start its thread or task; not after closing."""
        if self._sealed:
            return False
        self.mailboxes.add(mailbox)
        return True

    def close(self) -> None:
        """Ends delivery: what was handed over is delivered for at most 1 s, the rest is dropped.

        Signals stay connectable and sessions still tell plain receivers where they stand. A receiver that never
        returns keeps its (daemon) thread; a log record says so. May be called from within a receiver.
        """
        until = self._begin_end()
        self._end(until)
        if self._asynchronous and not within_receiver():
            for task in tuple(self._tasks):
                try:
                    task.get_loop().call_soon_threadsafe(task.cancel)
                except RuntimeError:  # the loop is closed, and the task with it
                    continue

    async def aclose(self) -> None:
        """`close` for a manager on asyncio: it also waits for its tasks."""
        import asyncio

        until = self._begin_end()
        await asyncio.sleep(0)  # tasks that were about to be started are there now
        # Within a receiver the task to wait for would be the caller's own: that one ends by itself.
        if not within_receiver():
            while (tasks := self._tasks - {asyncio.current_task()}) and (left := until - time.monotonic()) > 0:
                await asyncio.wait(tasks, timeout=left)
            self._sealed = True
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=LONGEST_DRAIN / 4)
        if any(isinstance(mailbox, ThreadMailbox) for mailbox in tuple(self.mailboxes)):
            await asyncio.to_thread(self._end, until)
        else:
            self._end(until)

    def _begin_end(self) -> float:
        """Takes no more. Returns until when (monotonic) closing may wait."""
        with self._lock:
            self._closed = True
        self._handed.put(None)
        return time.monotonic() + LONGEST_DRAIN

    def _end(self, until: float) -> None:
        # In this order: what the delivery thread still tells may go into a mailbox.
        left = 0
        delivery = self._delivery
        if delivery is not None and delivery is not threading.current_thread():
            delivery.join(max(0.0, until - time.monotonic()))
            left += delivery.is_alive()
        self._sealed = True
        mailboxes = tuple(self.mailboxes)
        for mailbox in mailboxes:
            mailbox.end(drop=False)
        for mailbox in mailboxes:
            if mailbox.here:
                mailbox.end()
            elif not mailbox.wait_ended(max(0.0, until - time.monotonic())):
                mailbox.end()
                mailbox.cut()
                left += 1
        if left:
            self.log.warning("%d receivers had not returned when the manager was closed", left)

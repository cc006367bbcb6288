"""The two drivers: what makes an operation run, in either colour.

An *operation* is a generator that yields effects (`effects.py`). `SyncShell` performs them on the calling thread,
`AsyncShell` awaits them on the running loop. So every login, refresh and logout is written once, and both colours
take the same steps in the same order.

Rule 1: only a shell touches the network, a clock, a thread or a loop.
Rule 2: work that must outlive its caller (a refresh, an exchange) is launched as a `Flight` that the shell
        owns; whoever waits for it may be cancelled, or struck by Ctrl-C, without ending it. `close()` ends
        them all.
"""

from __future__ import annotations

import inspect
import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import httpx

from .clock import Clock
from .effects import Delivered, Do, Expect, Flight, Join, Op, Own, Tell
from .errors import AuthflowError, InvalidCall, ManagerClosed
from .forks import Renewed, mind_forks
from .http import AsyncHttp, Http
from .protocol.step import Call, Fresh, Moment, Wait
from .signals import Outbox
from .threads import Crew

if TYPE_CHECKING:
    import asyncio

    from .engine import Facts
    from .engine import Step as Planned
    from .events import AuthEvent
    from .protocol.callback import CallbackParams
    from .protocol.witness import Checked
    from .records import Key, SessionRecord
    from .trace.story import Trace

T = TypeVar("T")

ABOUT = "authflow.about"  # of a request: the session and the story that it belongs to, when somebody records
REFRESH = "refresh"  # the story of a renewal
_log = logging.getLogger("authflow.drive")


class Asked(NamedTuple):
    """A request, what came of it, and how long that took (seconds)."""

    request: httpx.Request
    answer: httpx.Response | Exception
    seconds: float


class Recorder:
    """Who wants to see what sessions do; by itself it sees nothing. Subclass it and take what you want to hear.

    Called inline, from any thread: it must be quick and must not raise. `story` names what a call belongs to: an
    attempt's id, `refresh`, `logout`, or "" when whoever called did not say. What comes in holds secrets: keep none.
    """

    def attach(self, process: str, providers: Mapping[str, Any]) -> None:
        """A manager has taken it: the name of this process, and the providers by name."""

    def detach(self) -> None:
        """The manager was closed: nothing more comes in."""

    def event(self, key: Key, event: AuthEvent, planned: Planned) -> None:
        """One transition, after it was published; `planned` has the records before and after, and the facts."""

    def dropped(self, key: Key, trigger: str, facts: Facts, record: SessionRecord) -> None:
        """A trigger came too late for what the session is by now; nothing was made of it."""

    def request(self, key: Key, story: str, asked: Asked) -> None:
        """One call to the provider."""

    def decision(self, key: Key, question: str, move: str, facts: Mapping[str, object]) -> None:
        """One decision of a renewal: a function of `renewal.py`, what it said, and what it judged by (the policy
        among it). No secret is among the facts."""

    def checks(self, key: Key, story: str, checked: Sequence[Checked]) -> None:
        """What a rule checked (`state`, `iss`, `nonce`, …) between two requests, in its order."""

    def left(self, key: Key, story: str, url: str) -> None:
        """The human is on the way to `url`."""

    def came_back(self, key: Key, story: str, redirect_uri: str, params: CallbackParams, bound: bool) -> None:
        """The human is back, with these parameters: the state was that of this login, and, when it is `bound` to the
        browser that began it, the binding too."""

    def begin(self, key: Key, story: str) -> None:
        """A renewal begins."""

    def end(self, key: Key, story: str) -> None:
        """It is over."""

    def foretell(self, key: Key, story: str, planned: Planned, url: str) -> bytes | None:
        """What `carry` will give when this login has begun, as `planned`, and the human is on the way to `url`."""

    def carry(self, key: Key, story: str) -> bytes | None:
        """What another process needs to go on with a story; it travels in a sealed record."""

    def resume(self, key: Key, story: str, data: bytes) -> None:
        """What another process has carried here."""

    def moved(self, old: Key, new: Key) -> None:
        """A session has another key now."""

    def trace(self, key: Key | None = None, story: str | None = None) -> Trace | None:
        """What was kept of one session (only `story` of it), or of all."""

    def last_attempt(self, key: Key) -> Trace | None:
        """What was kept of the login of a session that ended last, or else began last."""


class Told:
    """What an operation on another thread has to tell, for the thread that waits for it; once that has left, for the
    manager's delivery thread. Neither waits for the other: a receiver may close the manager."""

    __slots__ = ("_left", "_mutex", "_outboxes")

    def __init__(self) -> None:
        self._outboxes: SimpleQueue[Outbox | None] = SimpleQueue()
        self._mutex = threading.Lock()
        self._left = False

    def put(self, outbox: Outbox) -> None:
        """On the operation's thread."""
        with self._mutex:
            if not self._left:
                self._outboxes.put(outbox)
                return
        outbox.hand_over()

    def end(self, _: object) -> None:
        """The operation is over."""
        self._outboxes.put(None)

    def tell(self) -> None:
        """Tells, until it is over."""
        while (outbox := self._outboxes.get()) is not None:
            outbox.drain()

    def leave(self) -> None:
        """Nobody waits any more."""
        with self._mutex:
            self._left = True
        while not self._outboxes.empty():
            outbox = self._outboxes.get()
            if outbox is not None:
                outbox.hand_over()


def _let_go(_: object) -> None:
    """Nobody will ask for it."""


class SyncShell(Renewed):
    """Performs effects on the calling thread; launches flights on threads of its own."""

    def __init__(self, http: Http, clock: Clock, recorder: Recorder | None) -> None:
        self.http = http
        self.clock = clock
        self.recorder = recorder
        self._mutex = threading.Lock()
        self._crew: Crew | None = None
        self._closed = False
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._mutex, self._crew = threading.Lock(), None

    def run(self, key: str, operation: Op[T], told: Told | None = None) -> T:
        """Drives `operation` to its end and returns what it returns. `told`: who tells its events, if another."""
        failed: BaseException | None = None
        try:
            step = next(operation)
            while True:
                answer = None
                try:
                    answer = self._perform(key, step, told)
                except BaseException as error:
                    failed = error
                # Thrown in out here: otherwise `failed`, whatever is in it, would be the context of all that the
                # operation raises in its place.
                step = operation.send(answer) if failed is None else operation.throw(failed)
                failed = None
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            failed = None

    def _perform(self, key: str, step: Any, told: Told | None) -> Any:
        kind = type(step)
        if kind is Do:
            return step.fn()
        if kind is Tell:
            return step.outbox.drain() if told is None else told.put(step.outbox)
        if kind is httpx.Request:
            return self._send(step)
        if kind is Join:
            return step.flight.future.result()
        if kind is Own:
            if told is not None or threading.current_thread() is not threading.main_thread():
                return self.run(key, step.operation, told)
            return self._run_beside(key, step.operation)
        if kind is Expect:
            return step.mailbox.wait(self.clock, step.seconds)
        if kind is Delivered:
            return step.outbox.wait_delivered(step.seq, step.seconds)
        if kind is Wait:
            return self.clock.wait(threading.Event(), step.seconds)
        if kind is Call:
            return _refuse_awaitable(step.fn())
        if kind is Fresh:
            return fresh_moment(self.clock)
        raise TypeError(f"an operation yielded {kind.__name__}, which no shell performs")

    def _send(self, request: httpx.Request) -> httpx.Response:
        recorder, about = self.recorder, request.extensions.get(ABOUT)
        if recorder is None or about is None:
            return self.http.send(request)
        key, story = about
        since = self.clock.monotonic()
        try:
            response = self.http.send(request)
        except AuthflowError as error:
            recorder.request(key, story, Asked(request, error, self.clock.monotonic() - since))
            raise
        recorder.request(key, story, Asked(request, response, self.clock.monotonic() - since))
        return response

    def _run_beside(self, key: str, operation: Op[T]) -> T:
        """Runs what must not be cut off on another thread: Ctrl-C strikes the main thread, and only that one. Receivers
        are called here all the same."""
        told = Told()
        kept: list[Flight[T]] = []
        try:
            self.launch(key, operation, kept.append, told)
            kept[0].future.add_done_callback(told.end)
            told.tell()
            return kept[0].future.result()
        finally:
            told.leave()
            kept.clear()  # an error that it brings would hold itself

    def launch(
        self, key: str, operation: Op[T], keep: Callable[[Flight[T]], object] = _let_go, told: Told | None = None
    ) -> None:
        """Runs `operation` on a thread of this shell, whatever becomes of the caller. `keep(flight)` is called before
        it begins: afterwards Ctrl-C may strike."""
        with self._mutex:
            if self._closed:
                operation.close()
                raise closed_error()
            if self._crew is None:
                self._crew = Crew()
            work = partial(copy_context().run, self.run, key, operation, told)
            self._crew.take_on(work, lambda future: keep(Flight(future)))

    def close(self) -> None:
        """Waits for the flights (each has a total deadline) and closes the connections."""
        with self._mutex:
            self._closed = True
            crew, self._crew = self._crew, None
        if crew is not None:
            crew.close()
        self.http.close()


class AsyncShell:
    """Awaits effects on the running loop; launches flights as tasks of its own."""

    def __init__(self, http: AsyncHttp, clock: Clock, recorder: Recorder | None) -> None:
        self.http = http
        self.clock = clock
        self.recorder = recorder
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def run(self, key: str, operation: Op[T]) -> T:
        """Drives `operation` to its end and returns what it returns."""
        self._bind()
        failed: BaseException | None = None
        try:
            step = next(operation)
            while True:
                answer = None
                try:
                    answer = await self._perform(key, step)
                except BaseException as error:
                    failed = error
                # Thrown in out here: otherwise `failed`, whatever is in it, would be the context of all that the
                # operation raises in its place.
                step = operation.send(answer) if failed is None else operation.throw(failed)
                failed = None
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            failed = None

    async def _perform(self, key: str, step: Any) -> Any:
        import asyncio

        kind = type(step)
        if kind is Do:
            return await asyncio.to_thread(step.fn) if step.blocking else step.fn()
        if kind is Tell:
            return await step.outbox.adrain()
        if kind is httpx.Request:
            return await self._send(step)
        if kind is Join:
            return await asyncio.shield(cast("asyncio.Task[Any]", step.flight.future))
        if kind is Own:
            kept: list[Flight[Any]] = []
            self.launch(key, step.operation, kept.append)
            return await asyncio.shield(cast("asyncio.Task[Any]", kept.pop().future))
        if kind is Expect:
            return await step.mailbox.wait_async(self.clock, step.seconds)
        if kind is Delivered:
            return await step.outbox.await_delivered(step.seq, step.seconds)
        if kind is Wait:
            return await self.clock.sleep(step.seconds)
        if kind is Call:
            answer = await asyncio.to_thread(step.fn) if step.blocking else step.fn()
            return await answer if inspect.isawaitable(answer) else answer
        if kind is Fresh:
            return fresh_moment(self.clock)
        raise TypeError(f"an operation yielded {kind.__name__}, which no shell performs")

    async def _send(self, request: httpx.Request) -> httpx.Response:
        recorder, about = self.recorder, request.extensions.get(ABOUT)
        if recorder is None or about is None:
            return await self.http.send(request)
        key, story = about
        since = self.clock.monotonic()
        try:
            response = await self.http.send(request)
        except AuthflowError as error:
            recorder.request(key, story, Asked(request, error, self.clock.monotonic() - since))
            raise
        recorder.request(key, story, Asked(request, response, self.clock.monotonic() - since))
        return response

    def launch(self, key: str, operation: Op[T], keep: Callable[[Flight[T]], object] = _let_go) -> None:
        """Runs `operation` as a task of this shell, whatever becomes of the caller. `keep(flight)` is called before it
        begins. On the loop's thread only."""
        if self._closed:
            operation.close()
            raise closed_error()
        self._bind()
        import asyncio

        loop = asyncio.get_running_loop()
        # Whoever launches may hold the session's mutex: an eager task (Python 3.12) must not begin within that.
        begin = self.run if loop.get_task_factory() is None else self._run_soon
        task = loop.create_task(begin(key, operation))
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        keep(Flight(task))

    async def _run_soon(self, key: str, operation: Op[T]) -> T:
        import asyncio

        await asyncio.sleep(0)
        return await self.run(key, operation)

    def _landed(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # taken, so that asyncio does not complain when the one who waited was cancelled

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that it belongs to; None before its first use."""
        return self._loop

    def _bind(self) -> None:
        """A manager belongs to the loop that first used it."""
        import asyncio

        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ManagerClosed(
                "This AsyncSessionManager belongs to another event loop.", hint="Make one manager per event loop."
            )

    async def close(self) -> None:
        """Waits for the flights (each has a total deadline) and closes the connections."""
        import asyncio

        self._closed = True
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self.http.aclose()


def fresh_moment(clock: Clock) -> Moment:
    """The time, and 128 random bits as text."""
    return Moment(now=clock.time(), jti=secrets.token_urlsafe(16))


def closed_error() -> ManagerClosed:
    """What every call gets after `close()`."""
    return ManagerClosed("This manager was closed.", hint="Make a new one; stored sessions come back by restore().")


def _refuse_awaitable(answer: object) -> object:
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise InvalidCall(
            "A coroutine function was given to a sync manager.", hint="Use AsyncSessionManager, or a plain function."
        )
    return answer

"""What the tests of sessions stand on: a strict provider over loopback, a clock to turn, managers of one colour.

`World` is one colour. A test awaits `go(…)` of whatever a session or manager returns, so it reads the same for
both. Nobody sleeps: time passes by `world.pass_time`, and what happens on another thread is waited for by
`Heard.until`.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import StoreError
from authflow.events import AuthEvent
from authflow.records import Token
from authflow.stores import Conflict, MemoryStore
from authflow.testing import DevProvider, VirtualClock

REDIRECT_URI = "https://app.example/callback"
KEY = bytes(range(32))
PATIENCE = 30.0  # real seconds until a test that waits for another thread fails

ALL_SIGNALS = (
    "on_login", "on_login_failed", "on_logout", "on_refresh", "on_refresh_failed", "on_restore", "on_live_changed",
    "on_expiring",
)  # fmt: skip


_threads = ThreadPoolExecutor(48, thread_name_prefix="test")


async def on_thread(call: Callable[..., Any], *given: Any) -> Any:
    """`call` on a thread of its own; asyncio's own pool may have no thread left for whoever ends the wait."""
    return await asyncio.get_running_loop().run_in_executor(_threads, call, *given)


async def go(what: Any) -> Any:
    """What a sync call returned, or what an async one comes to."""
    return await what if inspect.isawaitable(what) else what


class Heard:
    """Everything that a manager tells, in order."""

    def __init__(self, manager: Any) -> None:
        self.told: list[tuple[str, AuthEvent]] = []
        self.sessions: list[Any] = []
        self._changed = threading.Condition()
        for name in ALL_SIGNALS:
            getattr(manager, name).connect(self._listener(name))
        self.transitions: list[AuthEvent] = []
        manager.on_transition.connect(self._moved)

    def _listener(self, name: str) -> Callable[..., None]:
        def hear(session: Any, event: AuthEvent) -> None:
            with self._changed:
                self.told.append((name, event))
                self.sessions.append(session)
                self._changed.notify_all()

        return hear

    def _moved(self, session: Any, event: AuthEvent) -> None:
        with self._changed:
            self.transitions.append(event)
            self._changed.notify_all()

    @property
    def names(self) -> list[str]:
        """The signals, without `on_live_changed`, which goes beside others."""
        return [name for name, _ in list(self.told) if name != "on_live_changed"]

    def events(self, name: str) -> list[AuthEvent]:
        return [event for told, event in list(self.told) if told == name]

    def last(self, name: str) -> AuthEvent:
        return self.events(name)[-1]

    @property
    def triggers(self) -> list[str]:
        return [event.trigger for event in list(self.transitions)]

    def forget(self) -> None:
        with self._changed:
            self.told.clear()
            self.transitions.clear()

    async def until(self, true: Callable[[], object]) -> None:
        """Returns when `true()` holds; looked at after each signal. Fails after `PATIENCE`."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: bool(true()), PATIENCE)

        if not await on_thread(wait):
            raise AssertionError(f"not within {PATIENCE:g} s; heard: {self.names}, {self.triggers}")

    async def until_told(self, name: str, times: int = 1) -> None:
        await self.until(lambda: len(self.events(name)) >= times)


class ProviderClock:
    """The provider's wall clock: it runs with the client's, and stays right when the client's is set wrong."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.wrong = 0.0

    def time(self) -> float:
        return self._clock.time() - self.wrong


class World:
    """A provider, time, and managers of one colour; `close` ends them all."""

    def __init__(self, colour: str, provider: DevProvider, clock: VirtualClock, its_clock: ProviderClock) -> None:
        self.colour = colour
        self.provider = provider
        self.clock = clock
        self._its_clock = its_clock
        self._managers: list[Any] = []

    @property
    def is_async(self) -> bool:
        return self.colour == "async"

    # ── managers and logins ──────────────────────────────────────────────────────────────────────────

    def settings(self, name: str = "acme", **settings: Any) -> Any:
        return self.provider.settings(name, **{"redirect_uri": REDIRECT_URI, "timeout": 5.0, **settings})

    def manager(self, *providers: Any, **settings: Any) -> Any:
        """A manager of this world's colour; ended with the test."""
        kind = AsyncSessionManager if self.is_async else SessionManager
        settings = {"clock": self.clock, "single_user": True, "sealing_key": KEY, **settings}
        made = kind(providers or [self.settings()], **settings)
        self._managers.append(made)
        return made

    async def callback(self, session: Any, user: str = "ada", **arguments: Any) -> tuple[str, str]:
        """Begins a login and walks a browser through it; gives the callback URL and the binding."""
        request = await go(session.begin(**arguments))
        return self.walk(request.url, user), request.binding

    def walk(self, url: str, user: str = "ada") -> str:
        """Where the provider sends the browser of a user who agrees to everything."""
        self.provider.auto = user
        answer = _browser().get(url)
        return str(answer.headers["location"])

    async def sign_in(self, session: Any, user: str = "ada", **arguments: Any) -> Any:
        """A whole login; the requests that it took are forgotten."""
        url, binding = await self.callback(session, user, **arguments)
        await go(session.complete(url, binding=binding))
        self.provider.forget_requests()
        return session

    async def signed_in(self, **settings: Any) -> Any:
        """A session of a manager of its own, live."""
        return await self.sign_in(self.manager(**settings)["acme"])

    async def saved(self, **settings: Any) -> Token:
        """The token of a session that nobody else uses any more."""
        manager = self.manager(**settings)
        session = await self.sign_in(manager["acme"])
        token: Token = await go(session.token())
        await go(manager.close())
        return token

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────

    async def pass_time(self, seconds: float) -> None:
        """Time passes, here and at the provider; every deadline fires."""
        if self.is_async:
            await self.clock.aadvance(seconds)
        else:
            await on_thread(self.clock.advance, seconds)

    async def through_pauses(self, call: Callable[[], Any]) -> Any:
        """`call()`, while time passes whenever it pauses for a second or less."""
        calling = self.start(call)
        while not calling.done():
            due = self.clock.next_due
            pause = None if due is None else due - self.clock.monotonic()
            if pause is not None and pause <= 1.0:
                await self.pass_time(pause)
            else:
                await asyncio.sleep(0)
        return await calling

    def set_clock(self, seconds: float) -> None:
        """Somebody sets this machine's clock wrong; the provider's stays right."""
        self.clock.jump(seconds)
        self._its_clock.wrong += seconds

    def sleep_for(self, seconds: float) -> None:
        """The lid is closed; the provider goes on."""
        self.clock.suspend(seconds)

    # ── calls that wait ──────────────────────────────────────────────────────────────────────────────

    def start(self, call: Callable[[], Any]) -> asyncio.Task[Any]:
        """`call()` on its way: a task of the loop, or a thread that a task waits for."""
        if self.is_async:
            return asyncio.ensure_future(go(call()))
        return asyncio.ensure_future(on_thread(call))

    @contextmanager
    def hold(self, endpoint: str, *, after: bool = False) -> Iterator[Any]:
        with self.provider.hold(endpoint, after=after) as held:
            yield held

    async def arrived(self, held: Any) -> None:
        """A request stands at the provider."""
        await on_thread(held.wait)

    async def joined(self, session: Any, count: int) -> None:
        """`count` callers wait for the session's renewal, or for its way back."""
        if self.is_async:
            for _ in range(50):
                await asyncio.sleep(0)
        else:
            await self.eventually(lambda: _waiters(session) >= count)

    async def eventually(self, true: Callable[[], object]) -> None:
        """For what no signal tells: yields to whoever works until `true()` holds."""
        until = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > until:
                raise AssertionError(f"not within {PATIENCE:g} s")
            await asyncio.sleep(0)

    # ── what a test counts ───────────────────────────────────────────────────────────────────────────

    @property
    def refreshes(self) -> int:
        return len(self.provider.token_requests("refresh_token"))

    async def close(self) -> None:
        self.provider._gate.release_all()
        for manager in self._managers:
            await go(manager.close())


class FaultyStore(MemoryStore):
    """A store whose next calls fail, or are preceded by something that another process does."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(time=clock.time)
        self.fails: Callable[[str, str], bool] = lambda call, key: False
        self.before: Callable[[str, str], None] | None = None
        self.calls: list[tuple[str, str]] = []

    def load(self, key: str) -> tuple[bytes, int] | None:
        self._maybe_fail("load", key)
        return super().load(key)

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        self._maybe_fail("swap", key)
        return super().swap(key, expected, data, ttl)

    def _maybe_fail(self, call: str, key: str) -> None:
        self.calls.append((call, key))
        before, self.before = self.before, None
        if before is not None:
            self.before = before
            before(call, key)
        if self.fails(call, key):
            raise StoreError("The disk is gone.", hint="Plug it in.")

    def break_down(self, call: str | None = None, prefix: str = "") -> None:
        """From now on calls fail; only `call`, only keys that begin with `prefix`."""
        self.fails = lambda one, key: call in (None, one) and key.startswith(prefix)

    def break_after(self, good: int, call: str, prefix: str = "") -> None:
        """The call after `good` such calls fails, and all that follow."""
        left = [good]

        def fails(one: str, key: str) -> bool:
            if one != call or not key.startswith(prefix):
                return False
            left[0] -= 1
            return left[0] < 0

        self.fails = fails

    def fail_once(self, call: str, prefix: str = "", after: int = 0) -> None:
        """One call fails, the one after that many good ones."""
        left = [after]

        def fails(one: str, key: str) -> bool:
            if one != call or not key.startswith(prefix):
                return False
            left[0] -= 1
            return left[0] == -1

        self.fails = fails

    def mend(self) -> None:
        self.fails = lambda call, key: False


class Process:
    """One process's view of a shared store: its notices can be withheld."""

    blocking = False

    def __init__(self, shared: Any) -> None:
        self.shared = shared
        self.deaf = False
        self.before_swap: Callable[[str], None] | None = None
        self._missed: list[str] = []
        self._notice: Callable[[str], None] | None = None

    def load(self, key: str) -> tuple[bytes, int] | None:
        found: tuple[bytes, int] | None = self.shared.load(key)
        return found

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        before, self.before_swap = self.before_swap, None
        if before is not None:
            before(key)
        made: int | Conflict = self.shared.swap(key, expected, data, ttl)
        return made

    def lock(self, key: str, timeout: float) -> Any:
        return self.shared.lock(key, timeout)

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(list(self.shared.keys(prefix)))

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        self._notice = notice
        stop: Callable[[], None] = self.shared.watch(self._told)
        return stop

    def _told(self, key: str) -> None:
        if self.deaf:
            self._missed.append(key)
        elif self._notice is not None:
            self._notice(key)

    def listen(self) -> None:
        """From now on it hears again, first what it missed."""
        self.deaf = False
        missed, self._missed = self._missed, []
        for key in missed:
            self._told(key)

    def close(self) -> None:
        return


def _waiters(session: Any) -> int:
    """Threads that wait for what the session has under way."""
    flight = session._flight if session._restoring is None else session._restoring.flight
    return 0 if flight is None else len(flight.future._condition._waiters)


_shared: list[httpx.Client] = []


def _browser() -> httpx.Client:
    # One for the whole run: the provider signs its `auto` user in without a cookie.
    if not _shared:
        _shared.append(httpx.Client(verify=False, trust_env=False, follow_redirects=False))
    client = _shared[0]
    client.cookies.clear()
    return client

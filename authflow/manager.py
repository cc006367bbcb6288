"""`SessionManager` and `AsyncSessionManager`: the sessions of many providers, keyed by provider.

A manager is a mapping: `manager["github"]` is the one session of a program with one user, and
`manager["google", "work"]` a second account. A program with many users works on `manager.owner(key)`.

Rule: a manager owns what runs: the scheduler, the flights, the delivery. `close()` ends them all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import httpx

from . import operations
from .chart import PENDING
from .clock import Clock, clock_for
from .core import SessionCore
from .drive import AsyncShell, SyncShell
from .effects import Op
from .errors import AuthflowError, ManagerClosed, StoreError
from .http import AsyncHttp, Http
from .managing import ManagerCore, RestoreReport, look_at, renew_ahead
from .operations import Completion, LogoutResult
from .providers.base import Provider
from .reception import AsyncReception, Reception
from .records import Key
from .registering import AsyncRegistrations, Registrations
from .sealing import KeyRing
from .session import AsyncSession, Session, refuse_when_closed
from .signals import Signals
from .sources import AsyncTokenSource, Sources, TokenSource
from .stores import Store
from .trace.recorder import TraceSetting, recorder_for

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from .protocol.messages import ServerMetadata
    from .scheduler import AsyncScheduler, Scheduler

LOOK_AGAIN = 1.0  # seconds, after a store could not be read

T = TypeVar("T")


class SessionManager(ManagerCore[Session], Sources[TokenSource], Reception, Registrations):
    """The sessions of many providers.

    `store`: where sessions are kept (default: this process's memory). `single_user`: this program has one
    user, so a web login needs no owner. `http`: an `httpx.Client` or transport of yours. `clock`: injected
    time. `trace`: True keeps the last stories of each session, "all" every one, False none; or a `Recording`,
    or a `Recorder` of yours. `loop`: where async receivers run.
    `sealing_key`: 32 bytes or a `KeyRing`, for `dump()` and for a store that outlives the process; such a store
    without any key raises `SealingKeyRequired`, unless `store_tokens_in_plaintext`. `expiring_notice`: seconds
    before a token's end that `on_expiring` is told. `session_lifetime`: seconds after which a session ends in any case.
    """

    _kind = Session
    _source_kind = TokenSource

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        store: Store | None = None,
        single_user: bool = False,
        http: httpx.Client | httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        trace: TraceSetting = True,
        loop: AbstractEventLoop | None = None,
        sealing_key: bytes | KeyRing | None = None,
        store_tokens_in_plaintext: bool = False,
        expiring_notice: float = 60.0,
        session_lifetime: float | None = None,
    ) -> None:
        clock = clock_for(clock)
        recorder = recorder_for(trace, clock, self._later)
        self._scheduler: Scheduler | None = None
        super().__init__(
            providers,
            SyncShell(Http(http), clock, recorder),
            Signals(loop=loop, clock=clock),
            store=store,
            single_user=single_user,
            clock=clock,
            recorder=recorder,
            sealing_key=sealing_key,
            store_tokens_in_plaintext=store_tokens_in_plaintext,
            expiring_notice=expiring_notice,
            session_lifetime=session_lifetime,
        )

    def login(self, name: str, **arguments: Any) -> Session:
        """`self[name].login(…)`."""
        return self[name].login(**arguments)

    def logout(self, name: str, **arguments: Any) -> LogoutResult:
        """`self[name].logout(…)`."""
        return self[name].logout(**arguments)

    def logout_all(self, **arguments: Any) -> dict[Key, LogoutResult | AuthflowError]:
        """Signs every session out, in memory or stored, of all owners; one that fails does not keep the rest.

        Raises `StoreError`, after those in memory were signed out, when it cannot be read which are stored.
        """
        results: dict[Key, LogoutResult | AuthflowError] = {}
        for keys in (self._present_keys, self._stored_keys):
            for key in keys():
                if key not in results:
                    results[key] = self._sign_out(key, arguments)
        return results

    def _sign_out(self, key: Key, arguments: dict[str, Any]) -> LogoutResult | AuthflowError:
        try:
            return self._find(key).logout(**arguments)
        except AuthflowError as error:
            return error

    def complete(self, callback: str | Mapping[str, str], *, binding: str | None = None) -> Completion:
        """Finishes the login that a callback belongs to, whichever session and process began it.

        `callback`: the redirect URL as it arrived, or the parameters of a `form_post`. `binding`: from the
        cookie that was set from `request.binding`. The same callback again within 60 s gives the same
        outcome. Raises `CallbackRejected`, `CallbackAlreadyUsed`, `BindingRequired`, `LoginFailed`.
        """
        return self._do(operations.complete(self._house, callback, binding, None))

    def discover(self, name: str) -> ServerMetadata:
        """The endpoints and abilities of a provider: its settings, over what its issuer publishes.

        Raises `UnknownProvider`, `ConfigurationError`, `ProviderError`, `WireError`.
        """
        return self._do(operations.discover(self[name]))

    def find_issuer_by_webfinger(self, identifier: str, *, allow_insecure_loopback: bool = False) -> str:
        """The issuer of an address that a human typed (`ada@example.com`), for an `OpenIDConnect(issuer, …)`.

        Whoever types it chooses the server that is asked, and the page that the browser will show: offer it only where
        that is meant. No private address is asked. RFC 7033, OpenID Connect Discovery 1.0 §2. Raises `InvalidCall`,
        `InsecureURL`, `ResponseInvalid`, `WireError`.
        """
        return self._do(
            operations.find_issuer_by_webfinger(identifier, allow_insecure_loopback=allow_insecure_loopback)
        )

    def stored(self) -> list[Session]:
        """The sessions that the store has, of every owner and account; no provider is asked for anything."""
        return [self._find(key) for key in self._stored_keys()]

    def restore(self) -> list[RestoreReport]:
        """Brings every stored session back, and revokes what a logout could not; never raises for one of them."""
        reports = []
        for key in self._stored_keys():
            try:
                found = self._do(operations.restore_stored(self._find(key)))
                reports.append(RestoreReport(key, found))
            except AuthflowError as error:
                reports.append(RestoreReport(key, self._find(key)._run.record.state.live, error.info))
        return reports

    def close(self) -> None:
        """Cancels what is pending, ends every thread of this manager, keeps what is stored.

        A web login that lies in a durable store goes on: another process completes it.
        """
        if self._closed:
            return
        self._closed = self._house.closed = True
        self._unwatch()
        try:
            for session in self._house.sessions.all():
                if session._run.record.state in PENDING or session._beside is not None:
                    with suppress(StoreError):
                        self._run(operations.close(session))
                session._run.ledger.persist()
        finally:
            if self._scheduler is not None:
                self._scheduler.close()
            cast(SyncShell, self._house.shell).close()
            self._house.detach()
            self._house.signals.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _do(self, operation: Op[T]) -> T:
        refuse_when_closed(self._house, operation)
        return self._run(operation)

    def _run(self, operation: Op[T]) -> T:
        return cast(SyncShell, self._house.shell).run("", operation)

    def _arm(self, session: SessionCore) -> None:
        self._keep(session)
        with self._mutex:  # who came first with an older record must not set the alarm last
            due = 0.0 if session._stale else self._due_at(session)
            if due is None or self._closed:
                if self._scheduler is not None:
                    self._scheduler.cancel(session._key)
                return
            self._alarms().at(session._key, due)

    def _alarms(self) -> Scheduler:
        if self._scheduler is None:
            from .scheduler import Scheduler

            self._scheduler = Scheduler(self._house.clock, self._fire)
        return self._scheduler

    def _later(self, act: Callable[[], object], seconds: float) -> bool:
        with self._mutex:
            if not self._closed:
                self._alarms().at(act, self._house.monotonic() + seconds)
            return not self._closed

    def _fire(self, key: Hashable) -> None:
        if callable(key):
            key()
            return
        session = self._house.sessions.get(cast(Key, key))
        if session is None:
            return  # it was moved, or has left: nothing is due
        readable = look_at(session)
        renew_ahead(session)
        self._tidy(session)
        session._outbox.hand_over()
        if readable:
            self._arm(session)
        elif self._scheduler is not None:
            self._scheduler.at(session._key, self._house.clock.monotonic() + LOOK_AGAIN)


class AsyncSessionManager(ManagerCore[AsyncSession], Sources[AsyncTokenSource], AsyncReception, AsyncRegistrations):
    """The twin of `SessionManager` for asyncio. It belongs to the event loop that first uses it."""

    _kind = AsyncSession
    _source_kind = AsyncTokenSource

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        store: Store | None = None,
        single_user: bool = False,
        http: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        trace: TraceSetting = True,
        sealing_key: bytes | KeyRing | None = None,
        store_tokens_in_plaintext: bool = False,
        expiring_notice: float = 60.0,
        session_lifetime: float | None = None,
    ) -> None:
        clock = clock_for(clock)
        recorder = recorder_for(trace, clock, self._later)
        self._scheduler: AsyncScheduler | None = None
        self._loop: AbstractEventLoop | None = None
        self._seen_loop: AbstractEventLoop | None = None  # where a session was asked for
        self._thread = 0
        super().__init__(
            providers,
            AsyncShell(AsyncHttp(http), clock, recorder),
            Signals(clock=clock, asynchronous=True),
            store=store,
            single_user=single_user,
            clock=clock,
            recorder=recorder,
            sealing_key=sealing_key,
            store_tokens_in_plaintext=store_tokens_in_plaintext,
            expiring_notice=expiring_notice,
            session_lifetime=session_lifetime,
        )

    async def login(self, name: str, **arguments: Any) -> AsyncSession:
        """`await self[name].login(…)`."""
        return await self[name].login(**arguments)

    async def logout(self, name: str, **arguments: Any) -> LogoutResult:
        """`await self[name].logout(…)`."""
        return await self[name].logout(**arguments)

    async def logout_all(self, **arguments: Any) -> dict[Key, LogoutResult | AuthflowError]:
        """See `SessionManager.logout_all`."""
        results: dict[Key, LogoutResult | AuthflowError] = {}
        for keys in (self._present_keys, self._stored_keys):
            for key in await self._beside_loop(keys):
                if key not in results:
                    results[key] = await self._sign_out(key, arguments)
        return results

    async def _sign_out(self, key: Key, arguments: dict[str, Any]) -> LogoutResult | AuthflowError:
        try:
            return await self._find(key).logout(**arguments)
        except AuthflowError as error:
            return error

    async def complete(self, callback: str | Mapping[str, str], *, binding: str | None = None) -> Completion:
        """See `SessionManager.complete`."""
        return await self._do(operations.complete(self._house, callback, binding, None))

    async def discover(self, name: str) -> ServerMetadata:
        """See `SessionManager.discover`."""
        return await self._do(operations.discover(self[name]))

    async def find_issuer_by_webfinger(self, identifier: str, *, allow_insecure_loopback: bool = False) -> str:
        """See `SessionManager.find_issuer_by_webfinger`."""
        return await self._do(
            operations.find_issuer_by_webfinger(identifier, allow_insecure_loopback=allow_insecure_loopback)
        )

    async def stored(self) -> list[AsyncSession]:
        """See `SessionManager.stored`."""
        return [self._find(key) for key in await self._beside_loop(self._stored_keys)]

    async def restore(self) -> list[RestoreReport]:
        """See `SessionManager.restore`."""
        reports = []
        for key in await self._beside_loop(self._stored_keys):
            try:
                found = await self._do(operations.restore_stored(self._find(key)))
                reports.append(RestoreReport(key, found))
            except AuthflowError as error:
                reports.append(RestoreReport(key, self._find(key)._run.record.state.live, error.info))
        return reports

    async def _beside_loop(self, act: Callable[[], T]) -> T:
        """Runs what may wait for a disk or a network on a thread, so that the loop goes on."""
        import asyncio

        return await asyncio.to_thread(act) if self._house.store.blocking else act()

    async def aclose(self) -> None:
        """Cancels what is pending, ends every task of this manager, keeps what is stored. A web login that lies in
        a durable store goes on: another process completes it.

        Raises `ManagerClosed` on another event loop than the manager's: what it began lives on that one.
        """
        if self._closed:
            return
        if self._loop is not None and not self._on_loop():
            raise ManagerClosed(
                "This AsyncSessionManager belongs to another event loop, and can be closed there only.",
                hint="Write async with AsyncSessionManager(…) as manager: inside the coroutine that asyncio.run runs.",
            )
        self._closed = self._house.closed = True
        self._unwatch()
        try:
            for session in self._house.sessions.all():
                if session._run.record.state in PENDING or session._beside is not None:
                    with suppress(StoreError):
                        await self._run(operations.close(session))
                if session._run.ledger.unsaved is not None:
                    await self._beside_loop(session._run.ledger.persist)
        finally:
            if self._scheduler is not None:
                await self._scheduler.aclose()
            await cast(AsyncShell, self._house.shell).close()
            self._house.detach()
            await self._house.signals.aclose()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _do(self, operation: Op[T]) -> T:
        refuse_when_closed(self._house, operation)
        return await self._run(operation)

    async def _run(self, operation: Op[T]) -> T:
        return await cast(AsyncShell, self._house.shell).run("", operation)

    def _on_loop(self) -> bool:
        """Whether this is the manager's own loop and thread; the first loop seen becomes that."""
        import asyncio

        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._loop is None:
            self._loop = running
        return self._loop is running

    def _find(self, key: Key) -> AsyncSession:
        if self._loop is None:
            # Who only reads, on threads because the store blocks, never comes to the loop: alarms are kept here then.
            import asyncio

            with suppress(RuntimeError):
                self._seen_loop = asyncio.get_running_loop()
        return super()._find(key)

    def _arm(self, session: SessionCore) -> None:
        self._keep(session)
        self._on_home_loop(self._set_alarm, session)

    def _on_home_loop(self, act: Callable[..., object], *given: object) -> bool:
        """Has something done on the manager's loop; False when there is none."""
        if self._on_loop():
            act(*given)
            return True
        loop = self._loop or cast(AsyncShell, self._house.shell).loop or self._seen_loop
        if loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(act, *given)
        return True

    def _set_alarm(self, session: SessionCore) -> None:
        due = 0.0 if session._stale else self._due_at(session)
        if due is None or self._closed:
            if self._scheduler is not None:
                self._scheduler.cancel(session._key)
            return
        self._alarms().at(session._key, due)

    def _alarms(self) -> AsyncScheduler:
        if self._scheduler is None:
            from .scheduler import AsyncScheduler

            self._scheduler = AsyncScheduler(self._house.clock, self._fire)
        return self._scheduler

    def _later(self, act: Callable[[], object], seconds: float) -> bool:
        return not self._closed and self._on_home_loop(self._act_at, act, self._house.monotonic() + seconds)

    def _act_at(self, act: Callable[[], object], due: float) -> None:
        if not self._closed:
            self._alarms().at(act, due)

    async def _fire(self, key: Hashable) -> None:
        import asyncio

        if callable(key):
            key()
            return
        session = self._house.sessions.get(cast(Key, key))
        if session is None:
            return  # it was moved, or has left: nothing is due
        if self._house.store.blocking:
            readable = await asyncio.to_thread(look_at, session)
        else:
            readable = look_at(session)
        renew_ahead(session)
        self._tidy(session)
        session._outbox.hand_over()
        if readable:
            self._keep(session)
            self._set_alarm(session)
        elif self._scheduler is not None:
            self._scheduler.at(session._key, self._house.clock.monotonic() + LOOK_AGAIN)

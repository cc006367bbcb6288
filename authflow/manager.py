"""`SessionManager` and `AsyncSessionManager`: the sessions of many providers, keyed by provider.

A manager is a mapping: `manager["github"]` is the one session of a program with one user, and
`manager["google", "work"]` a second account. A program with many users works on `manager.owner(key)`.

Rule 1: a manager owns what runs: the scheduler, the flights, the delivery. `close()` ends them all.
Rule 2: the store is the truth between processes. A notice that something changed is a reason to read again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import msgspec

from . import operations
from .chart import PENDING
from .clock import Clock, SystemClock
from .core import SessionCore
from .drive import AsyncShell, Op, Recorder, SyncShell, closed_error
from .engine import next_deadline
from .errors import AuthflowError, ConfigurationError, ErrorInfo, ManagerClosed, StoreError, UnknownProvider
from .events import AuthEvent, Origin
from .explaining import explain
from .house import SESSION, House
from .http import AsyncHttp, Http
from .operations import Completion, LogoutResult
from .providers.base import Provider
from .reading import ReadableSession
from .reception import AsyncReception, Reception
from .records import Key, decode_profile
from .registering import AsyncRegistrations, Registrations
from .sealing import KeyRing, Sealer, keys_and_vault
from .session import AsyncSession, Session, refuse_when_closed
from .signals import SIGNALS, AuthSignal, Signals
from .sources import AsyncTokenSource, Sources, TokenSource
from .stores import MemoryStore, Store
from .trace.recorder import TraceSetting, recorder_for

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from .protocol.messages import ServerMetadata
    from .scheduler import AsyncScheduler, Scheduler
    from .trace.story import Trace

LOOK_AGAIN = 1.0  # seconds, after a store could not be read

S = TypeVar("S", bound=ReadableSession)
T = TypeVar("T")


class RestoreReport(msgspec.Struct, frozen=True):
    """What became of one stored session. `error` says why it is not fully back."""

    key: Key
    restored: bool
    error: ErrorInfo | None = None


class _Sessions(Mapping[str, S], Generic[S]):
    """A mapping from provider name to session, for one owner."""

    _house: House
    _owner = ""

    def __getitem__(self, name: str | tuple[str, str]) -> S:
        provider, account = (name, "") if isinstance(name, str) else _two_names(name)
        return cast(S, self._house.find(Key(self._owner, provider, account)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._house.providers)

    def __len__(self) -> int:
        return len(self._house.providers)

    def __contains__(self, name: object) -> bool:
        return (name if isinstance(name, str) else name[0] if isinstance(name, tuple) else "") in self._house.providers

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def account(self, name: str, label: str) -> S:
        """A further account of one provider; the same as `[name, label]`."""
        return self[name, label]

    def sessions(self) -> list[S]:
        """The sessions of this owner that are in memory, and one for each provider."""
        found = dict.fromkeys([Key(self._owner, name, "") for name in self._house.providers])
        found.update({key: None for key in self._house.sessions.all_keys() if key.owner == self._owner})
        return [cast(S, self._house.find(key)) for key in found]


class Owner(_Sessions[S]):
    """The sessions of one user of a web application, with their signals only."""

    def __init__(self, house: House, owner: str) -> None:
        self._house = house
        self._owner = owner
        self._view = house.signals.view(str(Key(owner, "", "")).split("/", 1)[0] + "/")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return getattr(self._view, name)
        raise AttributeError(f"'Owner' object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Owner of {len(self)} providers>"


class _Manager(_Sessions[S]):
    """The part of a manager that has no colour."""

    on_transition: AuthSignal
    on_login: AuthSignal
    on_login_failed: AuthSignal
    on_logout: AuthSignal
    on_refresh: AuthSignal
    on_refresh_failed: AuthSignal
    on_restore: AuthSignal
    on_live_changed: AuthSignal
    on_expiring: AuthSignal
    on_step_up_required: AuthSignal
    on_receiver_error: AuthSignal

    _kind: type[S]

    def __init__(
        self,
        providers: Iterable[Provider],
        shell: SyncShell | AsyncShell,
        signals: Signals,
        *,
        store: Store | None,
        single_user: bool,
        clock: Clock,
        recorder: Recorder | None,
        sealing_key: bytes | KeyRing | None,
        store_tokens_in_plaintext: bool,
        expiring_notice: float,
        session_lifetime: float | None,
    ) -> None:
        if store is not None and not hasattr(store, "swap"):
            raise ConfigurationError(
                f"A {type(store).__name__} is no store.", hint="Pass one of authflow.stores, or leave store= away."
            )
        store = store if store is not None else MemoryStore(time=clock.time)
        ring, vault = keys_and_vault(store, sealing_key, plaintext=store_tokens_in_plaintext)
        self._mutex = threading.RLock()
        self._closed = False
        self._house = House(
            by_name(providers),
            store=store,
            clock=clock,
            signals=signals,
            shell=shell,
            recorder=recorder,
            sealer=None if ring is None else Sealer(ring),
            vault=vault,
            single_user=single_user,
            expiring_notice=expiring_notice,
            session_lifetime=session_lifetime,
            arm=self._arm,
        )
        self._by_scope: dict[Any, Any] = {}
        self._house.find = self._find
        signals.present = self._present
        for name in SIGNALS:
            setattr(self, name, getattr(signals, name))
        self._unwatch = self._house.store.watch(self._noticed)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._house.providers)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} is neither copied nor pickled: make one in each process.")

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers by name."""
        return dict(self._house.providers)

    @property
    def store(self) -> Store:
        return self._house.store

    @property
    def trace(self) -> Trace | None:
        """What was recorded of all sessions, on one time axis. None: nothing was."""
        recorder = self._house.recorder
        return None if recorder is None else recorder.trace()

    def owner(self, owner: str) -> Owner[S]:
        """The sessions of one user: `owner` is a key that nobody can guess (a random id in a cookie)."""
        if not isinstance(owner, str) or not owner:
            raise ConfigurationError("An owner must be a non-empty string.", hint="Use a random 128-bit id.")
        return Owner(self._house, owner)

    def sessions(self) -> list[S]:
        """Every session in memory, of all owners, and one for each provider."""
        for name in self._house.providers:
            if not any(key.provider == name for key in self._house.sessions.all_keys()):
                self[name]
        return [cast(S, session) for session in self._house.sessions.all()]

    def snapshot(self) -> list[dict[str, Any]]:
        """Plain data for a dashboard, a dict per session. No token: an 8-character fingerprint of it.

        A session whose record cannot be read has a row too: what was known of it last, and the `error`.
        """
        return [snapshot_of(session) for session in self.sessions()]

    def keep_fresh(self) -> None:
        """From now on tokens are renewed ahead of their end, without anybody asking."""
        self._house.fresh_ahead = True
        for session in self.sessions():
            session._recache()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    def _find(self, key: Key) -> S:
        found = self._house.sessions.get(key)
        if found is None:
            if key.provider not in self._house.providers:
                known = ", ".join(self._house.providers) or "none"
                raise UnknownProvider(
                    f"There is no provider named {key.provider!r}.", hint=f"Configured providers: {known}."
                )
            found = self._house.sessions.find(key, partial(self._kind, self._house, key))
        return cast(S, found)

    def _present(self) -> list[tuple[object, str, AuthEvent]]:
        return [(session, str(session.key), session._current_event()) for session in self._house.sessions.all()]

    def _present_keys(self) -> list[Key]:
        return [session.key for session in self.sessions()]

    def _stored_keys(self) -> list[Key]:
        if self._house.closed:
            raise closed_error()
        keys = [key_of(name) for name in self._house.store.keys(SESSION)]
        return [key for key in keys if key is not None and key.provider in self._house.providers]

    def _due_at(self, session: SessionCore) -> float | None:
        """The alarm of a session on the monotonic clock."""
        alarm = session._alarm()
        if alarm is None:
            return None
        return self._house.clock.monotonic() + max(0.0, alarm - session._run.ledger.now())

    def _noticed_session(self, store_key: str) -> SessionCore | None:
        """The session in memory that a store's notice is about, unless it is writing that very change."""
        key = key_of(store_key)
        session = None if key is None else self._house.sessions.get(key)
        return None if session is None or session._run.ledger.writing == threading.get_ident() else session

    def _keep(self, session: SessionCore) -> None:
        """After every change: whether it must stay in memory."""
        self._house.sessions.keep(session._key, session, rests=session._rests(), version=session._run.ledger.seen)

    def _tidy(self, session: SessionCore) -> None:
        if session._run.ledger.orphans:
            self._house.shell.launch(str(session.key), operations.revoke_orphans(session))

    def _arm(self, session: SessionCore) -> None:
        raise TypeError("a manager has a colour")

    def _noticed(self, store_key: str) -> None:
        raise TypeError("a manager has a colour")


class SessionManager(_Manager[Session], Sources[TokenSource], Reception, Registrations):
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
        clock = clock or SystemClock()
        recorder = recorder_for(trace, clock)
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
        """Brings every stored session back; never raises for one of them."""
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
            if self._scheduler is None:
                from .scheduler import Scheduler

                self._scheduler = Scheduler(self._house.clock, self._fire)
            self._scheduler.at(session._key, due)

    def _fire(self, key: Hashable) -> None:
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

    def _noticed(self, store_key: str) -> None:
        session = self._noticed_session(store_key)
        if session is not None and not self._closed:
            session._stale = True  # from now on it stays until it was looked at
            self._arm(session)


class AsyncSessionManager(_Manager[AsyncSession], Sources[AsyncTokenSource], AsyncReception, AsyncRegistrations):
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
        clock = clock or SystemClock()
        recorder = recorder_for(trace, clock)
        self._scheduler: AsyncScheduler | None = None
        self._loop: AbstractEventLoop | None = None
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

    def _arm(self, session: SessionCore) -> None:
        self._keep(session)
        if self._on_loop():
            self._set_alarm(session)
            return
        loop = self._loop or cast(AsyncShell, self._house.shell).loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._set_alarm, session)

    def _set_alarm(self, session: SessionCore) -> None:
        due = 0.0 if session._stale else self._due_at(session)
        if due is None or self._closed:
            if self._scheduler is not None:
                self._scheduler.cancel(session._key)
            return
        if self._scheduler is None:
            from .scheduler import AsyncScheduler

            self._scheduler = AsyncScheduler(self._house.clock, self._fire)
        self._scheduler.at(session._key, due)

    async def _fire(self, key: Hashable) -> None:
        import asyncio

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

    def _noticed(self, store_key: str) -> None:
        session = self._noticed_session(store_key)
        if session is not None and not self._closed:
            session._stale = True  # from now on it stays until it was looked at
            self._arm(session)


def _two_names(name: object) -> tuple[str, str]:
    """(provider, account). Raises `UnknownProvider`, a `KeyError`, for what no session is found by."""
    if isinstance(name, tuple) and len(name) == 2 and all(isinstance(one, str) for one in name):
        return name
    raise UnknownProvider(
        f"{name!r} is no name of a session.",
        hint='Use manager["name"], or manager["name", "account"] for a further account.',
    )


def by_name(providers: Iterable[Provider]) -> dict[str, Provider]:
    """The providers by name. Raises `ConfigurationError` for two of one name, or for what is no provider."""
    found: dict[str, Provider] = {}
    if isinstance(providers, Provider) or not isinstance(providers, Iterable):
        raise ConfigurationError(
            "A manager takes a list of providers.", hint="Write SessionManager([GitHub.from_env(), …])."
        )
    for provider in providers:
        if not isinstance(provider, Provider):
            raise ConfigurationError(
                f"{type(provider).__name__} is no provider.", hint="Pass instances, such as GitHub.from_env()."
            )
        if provider.name in found:
            raise ConfigurationError(
                f"Two providers are named {provider.name!r}.", hint="Give one of them another name=…."
            )
        found[provider.name] = provider
    return found


def key_of(store_key: str) -> Key | None:
    """The session that a store's key belongs to; None for a key of another kind, or of another's making."""
    if not store_key.startswith(SESSION):
        return None
    try:
        return Key.parse(store_key.removeprefix(SESSION))
    except ValueError:
        return None


def look_at(session: SessionCore) -> bool:
    """What the clock or a notice of the store demands. False: the store could not be read; look again."""
    try:
        if session._stale:
            session._stale = False
            session._run.ledger.catch_up()
        session._tick()
    except StoreError:
        session._stale = True
        return False
    return True


def renew_ahead(session: SessionCore) -> None:
    """`keep_fresh()`: begins a renewal when it is due."""
    record, now = session._run.record, session._run.ledger.now()
    due = session._renew_ahead_at()
    if due is not None and now >= due:
        session._asked = (record.epoch, record.generation, record.failures, now)
        operations.launch_renewal(session, Origin.CLOCK, record)


def snapshot_of(session: ReadableSession) -> dict[str, Any]:
    """One session as plain data (JSON types only)."""
    trouble: ErrorInfo | None = None
    try:
        record = session._settled()
    except AuthflowError as error:
        record, trouble = session._run.record, error.info
    error_now = trouble or record.error
    user = decode_profile(record.profile)
    token = record.token
    issuer = session.provider.issuer or session.provider.authorization_endpoint or ""
    granted = () if token is None else token.scope
    return {
        "owner": session.owner,
        "provider": session.provider.name,
        "label": session.provider.label,
        "issuer": urlsplit(issuer).hostname or "",
        "account": session.account,
        "state": record.state.value,
        "since": record.since,
        "live": record.state.live,
        "deadline": next_deadline(record),
        "user": None if user is None else user.name or user.id,
        "fingerprint": None if token is None else hashlib.sha256(token.access_token.encode()).hexdigest()[:8],
        "token_type": None if token is None else token.token_type,
        "expires_at": record.expires_at,
        "lifetime": None if token is None else token.expires_in,
        "renewable": record.renewable,
        "signed_in_at": record.signed_in_at,
        "refreshed_at": record.refreshed_at,
        "retry_at": record.retry_at,
        "failures": record.failures,
        "refreshed_here": None if record.refresher is None else record.refresher == session._house.process,
        "scopes": list(granted),
        "scopes_missing": [] if token is None else list(session.provider.missing_scopes(record.scope, granted)),
        "epoch": record.epoch,
        "generation": record.generation,
        "revision": session._run.ledger.version,
        "store": type(session._house.store).__name__,
        "saved": session._run.ledger.unsaved is None,
        "reason": record.reason,
        "recoverable": record.recoverable,
        "error": None if error_now is None else msgspec.to_builtins(error_now),
        "explanation": explain(record, session.provider, session._run.ledger.now(), session._renewal()),
    }

"""The part of a manager that has no colour: which sessions there are, in memory and stored, and what wakes them.

Rule: the store is the truth between processes. A notice that something changed is a reason to read again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

import msgspec

from . import operations
from .clock import Clock
from .core import SessionCore
from .drive import AsyncShell, Recorder, SyncShell, closed_error
from .errors import ConfigurationError, ErrorInfo, StoreError, UnknownProvider
from .events import AuthEvent, Origin
from .forks import Renewed, mind_forks
from .house import SESSION, House, key_of
from .owners import Owner, S, Sessions
from .providers.base import Provider
from .records import Key
from .sealing import KeyRing, Sealer, keys_and_vault
from .signals import SIGNALS, AuthSignal, Signals
from .snapshot import snapshot_of
from .stores import MemoryStore, Store

if TYPE_CHECKING:
    from .trace.story import Trace


class RestoreReport(msgspec.Struct, frozen=True):
    """What became of one stored session. `error` says why it is not fully back."""

    key: Key
    restored: bool
    error: ErrorInfo | None = None


class ManagerCore(Renewed, Sessions[S]):
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
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._mutex = threading.RLock()
        self._house.renew()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._house.providers) or 'without providers'}>"

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

    def _noticed(self, store_key: str) -> None:
        """A store's notice: the session is looked at, if it is in memory and not writing that very change."""
        key = key_of(store_key)
        session = None if key is None else self._house.sessions.get(key)
        if session is None or self._closed or session._run.ledger.writing == threading.get_ident():
            return
        session._stale = True  # from now on it stays until it was looked at
        self._arm(session)

    def _keep(self, session: SessionCore) -> None:
        """After every change: whether it must stay in memory."""
        self._house.sessions.keep(session._key, session, rests=session._rests(), version=session._run.ledger.seen)

    def _tidy(self, session: SessionCore) -> None:
        if session._run.ledger.orphans:
            self._house.shell.launch(str(session.key), operations.revoke_orphans(session))

    def _arm(self, session: SessionCore) -> None:
        raise TypeError("a manager has a colour")


def by_name(providers: Iterable[Provider]) -> dict[str, Provider]:
    """The providers by name. Raises `ConfigurationError` for two of one name, or for what is no provider."""
    found: dict[str, Provider] = {}
    if isinstance(providers, Provider) or not isinstance(providers, Iterable):
        raise ConfigurationError(
            "A manager takes a list of providers.", hint="Write SessionManager([GitHub.from_env(), …])."
        )
    for provider in providers:
        if not isinstance(provider, Provider):
            what = f"The class {provider.__name__}" if isinstance(provider, type) else type(provider).__name__
            raise ConfigurationError(f"{what} is no provider.", hint="Pass instances, such as GitHub.from_env().")
        if provider.name in found:
            raise ConfigurationError(
                f"Two providers are named {provider.name!r}.", hint="Give one of them another name=…."
            )
        found[provider.name] = provider
    return found


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

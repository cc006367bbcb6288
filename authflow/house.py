"""`House`: what all sessions of one manager share, and where in the store they lie."""

from __future__ import annotations

import random
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .clock import Clock, SystemClock
from .events import AuthEvent
from .flows import Directory
from .presence import Presence
from .providers.base import Provider
from .records import Key
from .sealing import Sealer, Vault
from .signals import Signals
from .stores import Store

if TYPE_CHECKING:
    from .core import SessionCore
    from .drive import AsyncShell, Recorder, SyncShell
    from .protocol.registration import ClientInformation

SESSION = "session/"
ATTEMPT = "attempt/"
PENDING_PREFIX = "pending/"
SURE_SECONDS = 0.1  # so long the wall clock is not asked again whether a token is still good

# Who sees every event of every session in this process, for tests that ask what was walked. Called inline.
OBSERVERS: list[Callable[[AuthEvent], object]] = []


def key_of(store_key: str) -> Key | None:
    """The session that a store's key belongs to; None for a key of another kind, or of another's making."""
    if not store_key.startswith(SESSION):
        return None
    try:
        return Key.parse(store_key.removeprefix(SESSION))
    except ValueError:
        return None


class House:
    """What the sessions of one manager share: providers, store, clock, signals, shell."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        *,
        store: Store,
        clock: Clock,
        signals: Signals,
        shell: SyncShell | AsyncShell,
        recorder: Recorder | None,
        sealer: Sealer | None,
        vault: Vault,
        single_user: bool,
        expiring_notice: float,
        session_lifetime: float | None,
        arm: Callable[[SessionCore], None],
    ) -> None:
        self.providers = dict(providers)
        self.store = store
        self.clock = clock
        self.time = clock.time
        self.monotonic = clock.monotonic
        self.sure_seconds = SURE_SECONDS if type(clock) is SystemClock else 0.0
        self.signals = signals
        self.shell = shell
        self.recorder = recorder
        self.sealer = sealer
        self.vault = vault
        self.single_user = single_user
        self.expiring_notice = expiring_notice
        self.session_lifetime = session_lifetime
        self.arm = arm
        self.directory = Directory()
        # For a session's quick changes. Shared by a few, because 100,000 locks are 9 MB; nothing waits within one.
        self.mutexes = _mutexes()
        # By provider and issuer: what became of a provider whose issuer or client was not known at the beginning.
        self.enrolled: dict[tuple[str, str], tuple[Provider, ClientInformation]] = {}
        self.trusted: dict[str, frozenset[str]] = {}  # by provider: the hosts that may be private
        self.told = signals.outbox(told=sys.maxsize)  # stands for the outbox of every session that has none
        self.process = secrets.token_hex(4)
        if recorder is not None:
            recorder.attach(self.process, self.providers)
        self.random = random.SystemRandom()
        self.fresh_ahead = False
        self.closed = False
        self.sessions: Presence[SessionCore] = Presence()
        self.find: Callable[[Key], SessionCore]

    def detach(self) -> None:
        """The manager has been closed."""
        if self.recorder is not None:
            self.recorder.detach()

    def renew(self) -> None:
        """In a forked child: to all others it is another process, and it waits for no thread of the parent."""
        self.process = secrets.token_hex(4)
        if self.recorder is not None:
            self.recorder.attach(self.process, self.providers)
        self.mutexes = _mutexes()
        self.told.renew()
        self.sessions.renew()
        for session in self.sessions.all():
            session._renew()


def _mutexes() -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(64))

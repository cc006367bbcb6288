"""The ledger of one session: its present record, and the only way to change it.

    plan → save → publish

`commit` plans a step on the record (engine), saves it by compare-and-swap (store), and only then makes it
visible and posts its event. If another process was faster, what it did is read, told, and the step is
planned again on that.

Rule 1: nothing is visible before it is durable. The exceptions are the ways *out* (failure, cancel, logout):
        they hold in memory at once, and their writing is made up for later.
Rule 2: one commit at a time per session; the turn is never held while a human, a provider or a receiver is
        waited for. Reading `record` needs no lock: it is one pointer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from . import engine
from .chart import LIVE, State, Trigger
from .clock import Clock
from .engine import Facts, StaleTrigger, Step
from .errors import InvalidTransition, StoreError
from .events import AuthEvent
from .observing import observe
from .records import BLANK, RECORD_FORMAT, Key, SessionRecord, Token, unpack
from .sealing import Vault
from .sealing.vault import PlaintextVault, first_version, rolled_back
from .stores import Conflict, MemoryStore, Store

UNUSED_SECONDS: Final = 2 * 86_400.0  # a record that never was a session; longer than any login may wait
_MOST_RACES: Final = 64
_WAYS_OUT: Final = frozenset(
    {Trigger.FAIL, Trigger.CANCEL, Trigger.TIME_OUT, Trigger.LOGOUT, Trigger.REVOKE, Trigger.EXPIRE, Trigger.DEFER}
)
_ENDS_ATTEMPT: Final = frozenset({Trigger.FAIL, Trigger.CANCEL, Trigger.TIME_OUT})


class Teller(Protocol):
    """Whom a ledger tells what it has changed: its session. It numbers the event and gives it back."""

    def _publish(self, event: AuthEvent, signals: tuple[str, ...], planned: Step | None = None) -> AuthEvent: ...

    def _publish_beside(self, event: AuthEvent, signals: tuple[str, ...], planned: Step) -> AuthEvent: ...

    def _dropped(self, trigger: Trigger, facts: Facts, record: SessionRecord) -> None: ...

    def _found(self) -> None: ...


class Ledger:
    """Blocking and thread-safe; a shell decides on which thread it is called."""

    __slots__ = (
        "_ahead", "_foreign", "_loaded", "_own", "_store", "_teller", "_turn", "_vault", "beside", "clock", "key",
        "orphans", "record", "seen", "spares", "store_key", "unsaved", "version", "writing",
    )  # fmt: skip

    def __init__(
        self,
        key: Key,
        prefix: str,
        store: Store,
        clock: Clock,
        teller: Teller,
        vault: Vault,
        *,
        beside: bool = False,
        seen: int = 0,
    ) -> None:
        self.key = key
        self.store_key = prefix + str(key)
        self.clock = clock
        self.record: SessionRecord = BLANK
        self.version = 0
        self.beside = beside  # the walk of an attempt beside the live session; its events name the attempt
        self.unsaved: StoreError | None = None
        self.writing = 0  # the thread that writes: a notice that comes on it is about our own change
        self.orphans: tuple[Token, ...] = ()  # tokens that another process stored and this one ended: to be revoked
        self.spares = False  # the last logout was to leave the tokens to whoever has them
        self._ahead = clock.time() - clock.monotonic()  # of the wall clock, at the last change
        self._store = store
        self._teller = teller
        self._vault = vault
        self.seen = seen  # the highest sealed version that was read or written under this key
        self._turn = threading.RLock()
        self._loaded = False
        self._own: str | None = None  # the attempt whose code this process exchanges
        self._foreign: tuple[SessionRecord, int] | None = None

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def loaded(self) -> bool:
        """The store was read; before that `record` says nothing."""
        return self._loaded

    @property
    def label(self) -> str | None:
        """The attempt that events name now; None on the session's own walk."""
        return self._label(Facts(now=0.0))

    @property
    def exchanges_here(self) -> bool:
        """The code of the attempt that is exchanged arrived in this process."""
        return self._own is not None and self._own == self.record.attempt

    def renew(self) -> bool:
        """In a forked child. True when another thread of the parent was at work: then the store is read again."""
        if self._turn.acquire(blocking=False):
            self._turn.release()
            return False
        self._turn, self.writing, self._loaded = threading.RLock(), 0, False
        return True

    def now(self) -> float:
        """Seconds since the epoch, by whichever of the two clocks is ahead since the last change: a suspended
        machine stops the one, an administrator sets back the other."""
        return max(self.clock.time(), self.clock.monotonic() + self._ahead)

    def load(self, *, announce: bool = False) -> bool:
        """Reads the store the first time; True if a live session was found there.

        A session that is found is taken as it is, without a transition, unless `announce`: then a live one
        is a `restore`.
        """
        with self._turn:
            if self._loaded:
                return self.record.state in LIVE
            stored, version = self._read()
            self._loaded = True
            if announce and stored.state in LIVE:
                self._tell(stored, version)
            else:
                self._take(stored, version)
                self._teller._found()
            return stored.state in LIVE

    def catch_up(self) -> None:
        """Reads the store again and tells what other processes did."""
        with self._turn:
            if self.unsaved is not None:
                self.persist()  # what ended here has ended, whatever the store still says
                return
            stored, version = self._read()
            self._loaded = True
            if version != self.version:
                self._tell(stored, version)

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────

    def commit(
        self, trigger: Trigger, facts: Facts, still: Callable[[SessionRecord], bool] | None = None
    ) -> AuthEvent:
        """One transition, saved and published. Raises `InvalidTransition`, `StaleTrigger`, `StoreError`.

        `still` is asked of the record before each plan: what was right for the one the caller saw may be wrong
        for what another process or thread has made of it. No: `StaleTrigger`.
        """
        with self._turn:
            self.load()
            if trigger is Trigger.REJECT:
                return self._take_step(engine.step(self.key, self.record, trigger, facts, attempt=self._label(facts)))
            for _ in range(_MOST_RACES):
                planned = self._plan(trigger, facts, still)
                if self._foreign is not None and trigger in _ENDS_ATTEMPT:
                    return self._yield_to_foreign(planned)
                try:
                    saved = self._write(planned.record)
                    found = self._read() if isinstance(saved, Conflict) else None
                except StoreError as error:
                    if trigger not in _WAYS_OUT:
                        raise
                    self.unsaved = error
                    return self._take_step(planned)
                if not isinstance(saved, Conflict):
                    self.version = saved
                    self.unsaved = None
                    if self._foreign is not None and self._foreign[0].token is not None:
                        self.orphans = (*self.orphans, self._foreign[0].token)  # the login that this one has replaced
                    self._foreign = None
                    self._own = planned.record.attempt
                    return self._take_step(planned)
                if found is not None:
                    self._learn(*found)
            raise self._too_many_writers()

    def _plan(self, trigger: Trigger, facts: Facts, still: Callable[[SessionRecord], bool] | None) -> Step:
        """The transition on the present record. One that comes too late is told to whoever records, and raised."""
        try:
            if still is not None and not still(self.record):
                raise StaleTrigger(f"{trigger} of {self.key.provider!r} came too late; it was dropped.")
            return engine.step(self.key, self.record, trigger, facts, attempt=self._label(facts))
        except InvalidTransition:
            self._teller._dropped(trigger, facts, self.record)
            raise

    def annotate(self, change: Callable[[SessionRecord], SessionRecord]) -> None:
        """Saves a remark on the present record (a claim): no transition, no event.

        `change` raises what the caller should see when the record is no longer the one it knew.
        """
        with self._turn:
            for _ in range(_MOST_RACES):
                marked = change(self.record)
                saved = self._write(marked)
                if not isinstance(saved, Conflict):
                    self.version = saved
                    self._take(marked, saved)
                    return
                self._tell(*self._read())
            raise self._too_many_writers()

    def fence(self, trigger: Trigger, facts: Facts) -> SessionRecord:
        """A logout: it holds in memory before anything is written. `persist()` writes the tombstone.

        Gives the record that it ended. Raises `InvalidTransition` when there was nothing to end.
        """
        with self._turn:
            ended = self.record
            planned = engine.step(self.key, ended, trigger, facts, attempt=self._label(facts))
            self.unsaved = StoreError("The tombstone was not written yet.")
            self._take_step(planned)
            return ended

    def persist(self) -> bool:
        """Writes a record that holds in memory only; True when the store has it. Raises nothing."""
        with self._turn:
            if self.unsaved is None:
                return True
            try:
                for _ in range(_MOST_RACES):
                    saved = self._write(self.record)
                    if not isinstance(saved, Conflict):
                        self.version = saved
                        self.unsaved = None
                        return True
                    stored, version = self._read()
                    if stored.epoch >= self.record.epoch:
                        self.unsaved = None
                        self._tell(stored, version)
                        return True
                    self._learn(stored, version)
            except StoreError as error:
                self.unsaved = error
            return False

    def drop(self) -> None:
        """Removes the record from memory and store, without a transition: an attempt that is over.

        Where the store cannot be written it stays there, and has a time to live.
        """
        with self._turn:
            version, self.version, self.record, self.unsaved = self.version, 0, BLANK, None
            if version:
                with suppress(StoreError):
                    self._store.swap(self.store_key, version, None)

    def move(self, old: Key, key: Key, prefix: str) -> None:
        """Moves the record from `old`, where it must still be, to another key: stored there first, then removed."""
        with self._turn:
            self.load()
            if self.key != old:
                raise StoreError("The session was moved elsewhere meanwhile.", hint="Look for it there.")
            new_key = prefix + str(key)
            data, sealed = self._pack(new_key, self.record, 0)
            made = self._store.swap(new_key, 0, data)
            if isinstance(made, Conflict):
                raise StoreError(
                    "There is a session under the new key already.", hint="Move to a fresh owner, or forget that one."
                )
            try:
                self._remove_stored()
            except StoreError:
                # Nobody may find it under both keys: it stays where it was.
                with suppress(StoreError):
                    self._store.swap(new_key, made, None)
                raise
            self.key, self.store_key, self.version, self.seen = key, new_key, made, sealed

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────

    def _remove_stored(self) -> None:
        if self.version and isinstance(self._store.swap(self.store_key, self.version, None), Conflict):
            raise StoreError("The session was changed by another process meanwhile.", hint="Move it again.")

    def _write(self, record: SessionRecord) -> int | Conflict:
        self.writing = threading.get_ident()
        try:
            store = self._own_memory()
            if store is not None:
                return store.swap(self.store_key, self.version, record, UNUSED_SECONDS if record.epoch == 0 else None)
            data, sealed = self._pack(self.store_key, record, self.version)
            # Whoever never signed in here, and attempts that are over, are not kept for ever.
            saved = self._store.swap(self.store_key, self.version, data, UNUSED_SECONDS if record.epoch == 0 else None)
            if not isinstance(saved, Conflict):
                self.seen = sealed
            return saved
        finally:
            self.writing = 0

    def _too_many_writers(self) -> StoreError:
        return StoreError(
            f"The record of {self.key.provider!r} kept changing under this process.",
            hint="Too many writers share one session; give each its own account or owner.",
        )

    def _own_memory(self) -> MemoryStore | None:
        """The store, if it can keep a record as the object that it is here: then there is one copy of it."""
        if type(self._store) is MemoryStore and type(self._vault) is PlaintextVault:
            return self._store
        return None

    def _read(self) -> tuple[SessionRecord, int]:
        memory = self._own_memory()
        kept = None if memory is None else memory.load_as_kept(self.store_key)
        if kept is not None and isinstance(kept[0], SessionRecord):
            return kept[0], kept[1]
        found = self._store.load(self.store_key)
        if found is None:
            return BLANK, 0
        data, sealed = self._vault.unpack(self.store_key, found[0])
        if 0 < sealed < self.seen:
            raise rolled_back(self.key.provider)
        record = decode_record(data, self.key)
        self.seen = sealed
        return record, found[1]

    def _pack(self, store_key: str, record: SessionRecord, version: int) -> tuple[bytes, int]:
        """The record for the store, and the version sealed into it: above all that this process has seen."""
        sealed = max(self.seen, version or first_version(self.clock.time())) + 1
        return self._vault.pack(store_key, msgspec.msgpack.encode(record), sealed), sealed

    def _take(self, record: SessionRecord, version: int) -> None:
        self.record = record
        self.version = version
        self._ahead = self.clock.time() - self.clock.monotonic()

    def _take_step(self, planned: Step) -> AuthEvent:
        self._take(planned.record, self.version)
        tell = self._teller._publish_beside if self.beside else self._teller._publish
        return tell(msgspec.structs.replace(planned.event, revision=self.version), planned.signals, planned)

    def _label(self, facts: Facts) -> str | None:
        if not self.beside:
            return None
        if facts.attempt is not None:
            return facts.attempt
        if facts.pending is not None:
            return facts.pending.attempt
        record = self.record
        return record.attempt or (record.pending[-1].attempt if record.pending else "")

    def _learn(self, stored: SessionRecord, version: int) -> None:
        """`_tell`, unless this process has ended that very login and could not write it: then it stays ended."""
        if self.unsaved is None or stored.epoch >= self.record.epoch:
            self._tell(stored, version)
            return
        if stored.token is not None and not self.spares:
            self.orphans = (*self.orphans, stored.token)
        self.version = version

    def _tell(self, stored: SessionRecord, version: int) -> None:
        """Takes over what another process stored, one row of the chart at a time."""
        if self.record.state is State.EXCHANGING and stored.state in LIVE and self.record.attempt == self._own:
            # Another process signed in while this one exchanges its own code. This one goes on: if it
            # succeeds, its login is the newer one; if it fails, the other's stands.
            self._foreign = (stored, version)
            self.version = version
            self.record = msgspec.structs.replace(self.record, epoch=stored.epoch, generation=stored.generation)
            return
        self.version = version
        if self.record.state is State.AUTHORIZING and stored.state is State.EXCHANGING:
            # Another process exchanges a code of this login. Here it goes on waiting until that has an outcome:
            # from exchanging, only the process that exchanges can become live.
            return
        if self.record.state is State.EXCHANGING and stored.state in LIVE:
            self.record = msgspec.structs.replace(self.record, state=State.AUTHORIZING)  # it was found exchanging
        for _ in range(len(State)):
            seen = observe(self.record, stored, self.clock.time())
            if not seen:
                break
            for trigger, facts in seen:
                self._take_step(engine.step(self.key, self.record, trigger, facts, attempt=self._label(facts)))
        self._take(stored, version)

    def _yield_to_foreign(self, planned: Step) -> AuthEvent:
        event = self._take_step(planned)
        foreign, self._foreign = self._foreign, None
        if foreign is not None:
            self._tell(*foreign)
        return event


def decode_record(data: bytes, key: Key) -> SessionRecord:
    """A stored record. Raises `StoreError` for one that cannot be read; it is then left as it is."""
    record = unpack(data, SessionRecord)
    if record is None:
        raise StoreError(
            f"The stored session of {key.provider!r} cannot be read.",
            hint="It was left as it is; another version of authflow may have written it.",
        )
    if record.format > RECORD_FORMAT:
        raise StoreError(
            f"The stored session of {key.provider!r} was written by a newer version of authflow.",
            hint="Update authflow; the record was left as it is.",
        )
    return record

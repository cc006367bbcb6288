"""A store in one SQLite file: for many sessions on one machine, shared by its processes.

Who can read it: this user (the file, its -wal and -shm and the lock files 0600, the folder 0700) and root. After a
crash of any process: the last committed record. After a power cut: the file is whole; with `durable="process"` the
last swaps may be missing, with `durable="power"` none is. Processes of one machine may share it; a network file
system will not do (SQLite's own rule for its write-ahead log).

Rule 1: only a swap opens a transaction, by BEGIN IMMEDIATE: one that begins by reading and then wants to write is
        refused at once when another process wrote in between, and no busy timeout helps.
Rule 2: no connection lives through a fork: SQLite's knowledge of its own file locks would be wrong in the child.
Rule 3: each change takes the next number of the table `changes`. That number is the key's version, so none ever
        comes back, and whoever watches reads the numbers after the last one that it knows.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, Literal

from ..errors import ConfigurationError, StoreError
from ..forks import mind_forks
from . import disk
from .base import Conflict, key_bytes
from .locks import LockFiles, key_lock_name
from .notices import Look, Notices

SCHEMA: Final = 1
_OURS: Final = 0x41464C57  # application_id: "AFLW"
_SYNCHRONOUS: Final = {"process": "NORMAL", "power": "FULL"}  # by what the data survive
_MOST_CONNECTIONS: Final = 8
_CHANGES_KEPT: Final = 10_000  # a watcher that slept through more is told every key
_SWEEP_EVERY: Final = 256
_ASK_AGAIN: Final = 0.001  # seconds
_FORK_WAIT: Final = 2.0  # seconds that a fork waits for transactions of other threads
_NO_HIGHER: Final = b"\xff"  # no UTF-8 text begins with it, so prefix + this is above every key with the prefix

_TABLES: Final = (
    "CREATE TABLE entries (key BLOB NOT NULL PRIMARY KEY, version INTEGER NOT NULL, expires REAL, data BLOB NOT NULL)",
    "CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL",
    "CREATE TABLE changes (version INTEGER PRIMARY KEY, key BLOB NOT NULL)",
    f"PRAGMA application_id = {_OURS}",
    f"PRAGMA user_version = {SCHEMA}",
)
_LOAD: Final = "SELECT data, version FROM entries WHERE key = ? AND (expires IS NULL OR expires > ?)"
_VERSION: Final = "SELECT version FROM entries WHERE key = ? AND (expires IS NULL OR expires > ?)"
_KEYS: Final = "SELECT key FROM entries WHERE key >= ? AND key < ? AND (expires IS NULL OR expires > ?)"
_LOG: Final = "INSERT INTO changes (key) VALUES (?)"
_MAKE: Final = "INSERT OR REPLACE INTO entries (key, version, expires, data) VALUES (?, ?, ?, ?)"
_CHANGE: Final = (
    "UPDATE entries SET version = ?, expires = ?, data = ?"
    " WHERE key = ? AND version = ? AND (expires IS NULL OR expires > ?)"
)

Execute = Callable[..., sqlite3.Cursor]

# Connections that a fork caught in the middle of a transaction: in the child they are neither used nor closed.
_abandoned: list[sqlite3.Connection] = []


class SQLiteStore:
    """Sessions in the SQLite file `path`; file and folder are made if they are missing.

    `durable`: what a committed swap survives, the death of all processes (`"process"`) or a power cut too
    (`"power"`, slower). `busy_timeout`: seconds until a call gives up on a file that another process writes.
    `watch_every`: seconds between two looks at what other processes changed. `time` is for the time to live only.
    Raises `StoreError` if the file is no store of ours, a newer one, damaged, or if others may write it.
    """

    blocking = True
    durable = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durable: Literal["process", "power"] = "process",
        busy_timeout: float = 10.0,
        watch_every: float = 0.25,
        time: Callable[[], float] = time.time,
    ) -> None:
        self.path = disk.full_path(path, "SQLiteStore", "sessions.db")
        if durable not in _SYNCHRONOUS:
            raise ConfigurationError(f"durable={durable!r} is none of its words.", hint='Pass "process" or "power".')
        self._synchronous = _SYNCHRONOUS[durable]
        self._busy_timeout = busy_timeout
        self._time = time
        self._lock_folder = self.path.with_name(self.path.name + ".locks")
        self._locks = LockFiles(self._lock_folder, lambda: disk.check_folder(self._lock_folder))
        self._notices = Notices(self._start_looking, every=watch_every)
        self._name = str(self.path)
        # Eight places for connections, the last used on top; None: not opened yet. Whoever finds none waits.
        self._places: list[_Connection | None] = [None] * _MOST_CONNECTIONS
        self._place_free = threading.Condition()
        self._waiting = 0
        self._used: set[_Connection] = set()
        self._writing = threading.Lock()
        self._held_for_fork = 0
        self._closed = False
        self._swaps = 0
        disk.make_private_folder(self.path.parent)
        disk.make_private_folder(self._lock_folder)
        self._file = (0, 0)  # device and inode
        self._file = self._prepare()
        mind_forks(self)

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def load(self, key: str) -> tuple[bytes, int] | None:
        name = key_bytes(key)
        with self._connection() as connection:
            found: tuple[bytes, int] | None = connection.patiently(_LOAD, (name, self._time())).fetchone()
        return found

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        name = key_bytes(key)
        # Threads of this process queue here and not in SQLite's busy handler, which sleeps and looks again.
        writing = self._writing
        if not writing.acquire(timeout=self._busy_timeout):
            raise self._busy()
        try:
            with self._connection() as connection:
                connection.patiently("BEGIN IMMEDIATE")
                made = self._swap(connection.execute, name, expected, data, ttl)
        finally:
            writing.release()
        if not isinstance(made, Conflict):
            self._notices.tell(key)
        return made

    def _swap(
        self, execute: Execute, name: bytes, expected: int, data: bytes | None, ttl: float | None
    ) -> int | Conflict:
        now = self._time()
        expires = None if ttl is None else now + ttl
        made = execute(_LOG, (name,)).lastrowid or 0
        changed = (
            data is not None
            and expected != 0
            and execute(_CHANGE, (made, expires, data, name, expected, now)).rowcount == 1
        )
        if not changed:
            found = execute(_VERSION, (name, now)).fetchone()
            version: int = 0 if found is None else found[0]
            if version != expected:
                execute("ROLLBACK")
                return Conflict(version)
            if data is None:
                execute("DELETE FROM entries WHERE key = ?", (name,))
            else:
                execute(_MAKE, (name, made, expires, data))
        if self._swaps % _SWEEP_EVERY == 0:
            execute("DELETE FROM entries WHERE expires <= ?", (now,))
            execute("DELETE FROM changes WHERE version <= ?", (made - _CHANGES_KEPT,))
        execute("COMMIT")
        self._swaps += 1
        return 0 if data is None else made

    def lock(self, key: str, timeout: float) -> AbstractContextManager[bool]:
        key_bytes(key)
        return self._locks.hold(key_lock_name(key), timeout)

    def keys(self, prefix: str) -> Iterator[str]:
        start = key_bytes(prefix)
        with self._connection() as connection:
            found = connection.patiently(_KEYS, (start, start + _NO_HIGHER, self._time())).fetchall()
        return iter([name.decode() for (name,) in found])

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return self._notices.add(notice)

    def close(self) -> None:
        self._notices.close()
        self._closed = True
        self._close_free()

    # ── connections ──────────────────────────────────────────────────────────────────────────────────

    def _connection(self) -> _Borrowed:
        """One of at most eight connections, for this thread alone, until the block ends."""
        return _Borrowed(self)

    def _borrow(self) -> _Connection:
        if self._closed:
            raise StoreError("The store was closed.", hint="Open it again; the data is there.")
        try:
            file = os.stat(self._name)
        except OSError as error:
            raise disk.disk_error(f"The database {self.path} cannot be read", error) from error
        if (file.st_dev, file.st_ino) != self._file:
            self._file = self._prepare()
        try:
            connection = self._places.pop()
        except IndexError:
            connection = self._wait_for_place(self._busy_timeout)
        if connection is not None and connection.file != self._file:
            # Writes to a file that lost its name would be lost with it.
            self._close_quietly(connection)
            connection = None
        if connection is None:
            try:
                connection = self._connect()
            except BaseException:
                self._give_back(None)
                raise
        return connection

    def _wait_for_place(self, seconds: float) -> _Connection | None:
        until = time.monotonic() + seconds
        with self._place_free:
            self._waiting += 1
            try:
                while True:
                    try:
                        return self._places.pop()
                    except IndexError:
                        left = until - time.monotonic()
                    if left <= 0:
                        raise self._busy()
                    self._place_free.wait(left)
            finally:
                self._waiting -= 1

    def _give_back(self, connection: _Connection | None) -> None:
        if connection is not None and self._closed:
            self._close_quietly(connection)
            connection = None
        self._places.append(connection)
        if self._waiting:
            with self._place_free:
                self._place_free.notify()
        if self._closed:
            self._close_free()

    def _close_free(self) -> None:
        """Closes what nobody uses; the places stay."""
        for _ in range(_MOST_CONNECTIONS):
            try:
                connection = self._places.pop()
            except IndexError:
                return
            if connection is not None:
                self._close_quietly(connection)
            self._places.insert(0, None)

    @staticmethod
    def _close_quietly(connection: _Connection) -> None:
        with suppress(sqlite3.Error):
            connection.close()

    def _connect(self, *, patient: bool = True) -> _Connection:
        for suffix in ("", "-wal", "-shm"):
            path = self.path.with_name(self.path.name + suffix)
            with suppress(FileNotFoundError):
                disk.check_file(path, os.lstat(path))
        try:
            connection = sqlite3.connect(
                self._name,
                timeout=0.0 if patient else self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
            connection.file = self._file
            connection.patience = self._busy_timeout
        except sqlite3.Error as error:
            raise self._explained(error) from error
        try:
            # The first of them may find the file held: after a kill, somebody recovers the log.
            connection.patiently(f"PRAGMA synchronous = {self._synchronous}")
            connection.patiently("PRAGMA trusted_schema = OFF")
            if self._synchronous == "FULL":
                connection.patiently("PRAGMA fullfsync = ON")  # macOS; elsewhere it says nothing
        except sqlite3.Error as error:
            connection.close()
            raise self._explained(error) from error
        return connection

    def _prepare(self) -> tuple[int, int]:
        """Makes the file and its tables if they are missing; gives which file it is (device, inode)."""
        with self._locks.hold("prepare.lock", self._busy_timeout) as got:
            if not got:
                raise self._busy()
            try:
                disk.make_empty(self.path)
                found = os.lstat(self.path)
                disk.check_file(self.path, found)
                if os.name == "posix" and found.st_mode & 0o077:
                    os.chmod(self.path, 0o600)  # -wal and -shm take their mode from it
            except OSError as error:
                raise disk.disk_error(f"The database {self.path} cannot be made", error) from error
            connection = self._connect(patient=False)
            try:
                self._set_up(connection)
            except sqlite3.Error as error:
                raise self._explained(error) from error
            finally:
                connection.close()
        return found.st_dev, found.st_ino

    def _set_up(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not empty and application != _OURS:
            raise StoreError(
                f"{self.path} is another program's database.", hint="Choose another file. This one is left as it is."
            )
        if schema > SCHEMA:
            raise StoreError(
                f"{self.path} was written by a newer version (schema {schema}, this one knows {SCHEMA}).",
                hint="Update this program, or choose another file. This one is left as it is.",
            )
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(
                    f"{self.path} cannot have a write-ahead log (its journal is {mode!r}).",
                    hint="Put it on a local disk.",
                )
        if empty:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")

    # ── errors ───────────────────────────────────────────────────────────────────────────────────────

    def _busy(self) -> StoreError:
        return StoreError(
            f"The database {self.path} was being written for {self._busy_timeout:g} s.",
            hint="Look for a stopped process that holds it, then try again.",
        )

    def _explained(self, error: sqlite3.Error) -> StoreError:
        match _code(error):
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return self._busy()
            case sqlite3.SQLITE_FULL:
                why, hint = "the disk is full", "Free some space."
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                why, hint = "it is read-only", "Let this user write the file and its folder."
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                why, hint = "it is damaged, or no database", "Restore it from a backup, or move it away to begin anew."
            case sqlite3.SQLITE_IOERR:
                why, hint = "the disk reports errors", "Check the disk."
            case sqlite3.SQLITE_CANTOPEN:
                why, hint = "it cannot be opened", "See that the folder is there and this user may write in it."
            case sqlite3.SQLITE_TOOBIG:
                why, hint = "the record is too large", "SQLite takes a thousand million bytes at most."
            case _:
                why, hint = f"SQLite says {getattr(error, 'sqlite_errorname', type(error).__name__)}", "Try again."
        return StoreError(f"The database {self.path} cannot be used: {why}.", hint=hint)

    # ── what other processes did ─────────────────────────────────────────────────────────────────────

    @contextmanager
    def _start_looking(self) -> Iterator[Look]:
        last = self._last_change()

        def look() -> Iterable[str]:
            nonlocal last
            with self._connection() as connection:
                rows = connection.patiently(
                    "SELECT version, key FROM changes WHERE version > ? ORDER BY version", (last,)
                ).fetchall()
            if not rows:
                return ()
            slept, last = rows[0][0] > last + 1, rows[-1][0]
            changed = dict.fromkeys(name.decode() for _, name in rows)
            if slept:  # the numbers in between were swept away
                changed.update(dict.fromkeys(self.keys("")))
            return changed

        yield look

    def _last_change(self) -> int:
        with self._connection() as connection:
            last: int = connection.patiently("SELECT coalesce(max(version), 0) FROM changes").fetchone()[0]
        return last

    # ── a fork ───────────────────────────────────────────────────────────────────────────────────────

    def before_fork(self) -> None:
        until = time.monotonic() + _FORK_WAIT
        while self._held_for_fork < _MOST_CONNECTIONS:
            try:
                connection = self._wait_for_place(max(0.0, until - time.monotonic()))
            except StoreError:
                break  # that thread's connection is abandoned in the child
            self._held_for_fork += 1
            if connection is not None:
                self._close_quietly(connection)

    def after_fork_in_parent(self) -> None:
        while self._held_for_fork:
            self._held_for_fork -= 1
            self._give_back(None)

    def after_fork_in_child(self) -> None:
        _abandoned.extend(self._used)
        self._used.clear()
        self._places = [None] * _MOST_CONNECTIONS
        self._place_free = threading.Condition()
        self._waiting = 0
        self._writing = threading.Lock()
        self._held_for_fork = 0


class _Connection(sqlite3.Connection):
    """A connection that knows to which file it was opened, and waits in its own way.

    SQLite's busy handler sleeps for longer and longer, up to 0.1 s, and so misses each short gap that a busy
    writer in another process leaves: measured, up to 7 s for one swap. Asking every millisecond finds one.
    """

    file: tuple[int, int]
    patience: float  # seconds

    def patiently(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """`execute` of a statement that may find the file held by another process."""
        until = 0.0
        while True:
            try:
                return self.execute(statement, values)
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                until = until or now + self.patience
                if _code(error) != sqlite3.SQLITE_BUSY or now >= until:
                    raise
            time.sleep(_ASK_AGAIN)

    def __del__(self) -> None:
        # Of a store that nobody closed: from Python 3.13 on that would be a ResourceWarning.
        with suppress(sqlite3.Error):
            self.close()


class _Borrowed:
    """`with` one connection. What SQLite says becomes a `StoreError`, and that connection is not used again."""

    __slots__ = ("_connection", "_store")

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def __enter__(self) -> _Connection:
        self._connection = connection = self._store._borrow()
        self._store._used.add(connection)
        return connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        connection, store = self._connection, self._store
        store._used.discard(connection)
        if error is None:
            store._give_back(connection)
            return
        store._close_quietly(connection)
        store._give_back(None)
        if isinstance(error, sqlite3.Error):
            raise store._explained(error) from error


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code (0: the error is Python's own)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

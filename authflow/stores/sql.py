"""A store in a database, through SQLAlchemy: PostgreSQL, or SQLite where an application has its engine already.

Who can read it: whoever may read the table; the records are sealed. After a crash of any process: the last committed
swap. Any number of processes and machines may share it. (For one machine, `SQLiteStore` needs no server and is
faster than SQLite through SQLAlchemy.)

Rule 1: a swap is one transaction whose first statement writes, with the version in its WHERE.
Rule 2: on PostgreSQL `lock` is an advisory lock in a transaction of its own connection: it ends with the connection,
        so with the process. SQLite has none: `lock` yields True, and the claim guards.
Rule 3: a version is the time in microseconds, or one more than the last. It never comes back, and whoever asks for
        those after a moment gets what changed: on PostgreSQL a NOTIFY says that, on SQLite a look twice a second.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from ..errors import ConfigurationError, StoreError
from ..forks import mind_forks
from .base import Conflict
from .databases import SECONDS, driver_errors, explain, key_named, name_of, open_engine, pool_size, records_table
from .listening import HEAR_SECONDS, listening
from .notices import Look, Notices

# isort: split
import sqlalchemy as sa  # after `databases`, which says what to install where it is missing
from sqlalchemy import exc

_POLL: Final = 0.5
_OVERLAP: Final = 10_000_000  # microseconds: a transaction may commit later than another that began after it
_GONE_KEPT: Final = 3600.0  # seconds that the row of a removed key stays, so that who polls sees it
_SWEEP_EVERY: Final = 256
_MOST_TRIES: Final = 16
_MOST_USES: Final = 8
_FORK_WAIT: Final = 2.0  # seconds that a fork waits for what other threads do in SQLite
_LONGEST_NOTICE: Final = 7900  # bytes; PostgreSQL takes 8,000

# What a fork left of the parent's: in the child it is neither used nor closed.
_abandoned: list[object] = []
_log = logging.getLogger("authflow.stores")


class SQLStore:
    """Sessions in the table `table` of the database at `database`: a URL of SQLAlchemy's, such as
    `postgresql+psycopg://user@host/name`, or an `Engine` of yours. The table is made if it is missing.

    With a URL every statement and connection has a deadline of five seconds; an engine of yours brings its own
    deadlines. `time` (seconds since the epoch) is for versions and the time to live.
    """

    blocking = True
    durable = True

    def __init__(
        self,
        database: str | sa.URL | sa.Engine,
        *,
        table: str = "authflow_records",
        time: Callable[[], float] = time.time,
    ) -> None:
        self._own = not isinstance(database, sa.Engine)
        engine = database if isinstance(database, sa.Engine) else open_engine(database)
        self._engine = engine
        if engine.dialect.name not in ("postgresql", "sqlite"):
            # To MySQL's collations two keys are one if they differ in capitals, or in blanks at their end.
            raise ConfigurationError(
                f"An SQLStore cannot use {engine.dialect.name}.", hint="Use PostgreSQL or SQLite, or a RedisStore."
            )
        self._postgresql = engine.dialect.name == "postgresql"
        if self._postgresql:
            # A stricter level would refuse what here is an ordinary lost race.
            self._engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT") if self._postgresql else engine
        self._table = records_table(table)
        self._time = time
        self._made = False
        self._closed = threading.Event()
        self._swaps = 0
        self._name = secrets.token_hex(8)
        self._channel = f"{table}_changes"
        # A lock holds a connection; half of the pool is left for those who read and write meanwhile.
        self._most_locks = pool_size(engine) // 2
        self._lock_permits = threading.Semaphore(self._most_locks)
        self._uses = None if self._postgresql else threading.Semaphore(_MOST_USES)
        self._held = 0  # of these, by a fork
        if self._postgresql and engine.dialect.driver == "psycopg":
            self._notices = Notices(partial(listening, self._subscribe, partial(self.keys, "")), every=0.01)
        else:
            self._notices = Notices(self._start_polling, every=_POLL)
        mind_forks(self)

    def __repr__(self) -> str:
        return f"SQLStore({self._engine.dialect.name!r}, table={self._table.name!r})"  # a URL may hold a password

    def load(self, key: str) -> tuple[bytes, int] | None:
        table, name = self._table, name_of(key)
        with self._reading() as connection:
            asked = sa.select(table.c.data, table.c.version).where(table.c.key == name, self._present())
            found = connection.execute(asked).first()
        return None if found is None else (bytes(found.data), int(found.version))

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        name = name_of(key)
        for _ in range(_MOST_TRIES):
            try:
                with self._begin() as connection:
                    made = self._swap(connection, name, expected, data, ttl)
                    if not isinstance(made, Conflict) and self._postgresql:
                        self._notify(connection, key)
            except exc.IntegrityError:
                continue  # another made the key between our two statements
            if isinstance(made, Conflict):
                if made.version == expected:
                    continue  # it expired, or went, between our two statements
                return made
            self._notices.tell(key)
            self._swaps += 1
            if self._swaps % _SWEEP_EVERY == 1:
                self._sweep()
            return made
        raise StoreError("A key of the database kept changing under this process.", hint="Try again.")

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        name = name_of(key)
        if not self._postgresql:
            yield True
            return
        until = time.monotonic() + max(0.0, timeout)
        permits = self._lock_permits
        if not permits.acquire(timeout=max(0.0, timeout)):
            yield False
            return
        try:
            connection = self._locked(name, until)
            try:
                yield connection is not None
            finally:
                if connection is not None:
                    with suppress(exc.SQLAlchemyError):  # it broke: then the lock is gone as well
                        connection.close()
        finally:
            self._close_free()
            permits.release()

    def keys(self, prefix: str) -> Iterator[str]:
        table, start = self._table, name_of(prefix)
        with self._reading() as connection:
            asked = sa.select(table.c.key).where(table.c.key.startswith(start, autoescape=True), self._present())
            found = [str(name) for (name,) in connection.execute(asked)]
        return iter([key_named(name) for name in found if name.startswith(start)])  # some LIKE ignores case

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return self._notices.add(notice)

    def close(self) -> None:
        self._closed.set()
        self._notices.close()
        self._close_free()

    def _close_free(self) -> None:
        """After `close()`: closes the connections that nobody uses. Whoever uses one calls this after it."""
        if self._own and self._closed.is_set():
            self._engine.pool.dispose()

    # ── one change ───────────────────────────────────────────────────────────────────────────────────

    def _swap(
        self, connection: sa.Connection, name: str, expected: int, data: bytes | None, ttl: float | None
    ) -> int | Conflict:
        table, now = self._table, self._time()
        made = max(expected + 1, int(now * 1e6))
        kept = {"data": data, "until": now if data is None else None if ttl is None else now + ttl}
        if expected:
            change = sa.update(table).where(table.c.key == name, table.c.version == expected, self._present(now))
            if connection.execute(change.values(version=made, **kept)).rowcount == 1:
                return 0 if data is None else made
        elif data is not None:
            after = sa.case((table.c.version >= made, table.c.version + 1), else_=made)
            again = sa.update(table).where(table.c.key == name, sa.not_(self._present(now)))
            if connection.execute(again.values(version=after, **kept)).rowcount == 1:
                version = connection.execute(sa.select(table.c.version).where(table.c.key == name)).scalar_one()
                return int(version)
        asked = sa.select(table.c.version).where(table.c.key == name, self._present(now))
        found = connection.execute(asked).scalar_one_or_none()
        if found is not None or expected:
            return Conflict(int(found or 0))
        if data is not None:
            connection.execute(sa.insert(table).values(key=name, version=made, **kept))
            return made
        return 0

    def _present(self, now: float | None = None) -> sa.ColumnElement[bool]:
        until = self._table.c.until
        now = self._time() if now is None else now
        return sa.and_(self._table.c.data.is_not(None), sa.or_(until.is_(None), until > now))

    def _sweep(self) -> None:
        try:
            with self._begin() as connection:
                connection.execute(sa.delete(self._table).where(self._table.c.until <= self._time() - _GONE_KEPT))
        except StoreError as error:
            _log.warning("Expired records were not swept away: %s", error.message)

    # ── connections ──────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        """A transaction. What the database says becomes a `StoreError`, except that a key is there already."""
        with self._in_use():
            self._make_table()
            with self._explained(), self._engine.begin() as connection:
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection for one statement, without the two more that a transaction takes."""
        with self._in_use():
            self._make_table()
            with self._explained(), self._reader.connect() as connection:
                yield connection

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """No fork meanwhile: of SQLite, a child inherits what its threads held, and nobody gives it back."""
        uses = self._uses
        if uses is not None and not uses.acquire(timeout=SECONDS):
            raise StoreError(f"The database was busy for {SECONDS:g} s.", hint="Try again.")
        try:
            yield
        finally:
            self._close_free()
            if uses is not None:
                uses.release()

    def _make_table(self) -> None:
        if self._made:
            return
        with self._explained():
            for last in (False, True):
                try:
                    self._table.metadata.create_all(self._engine)
                    break
                except exc.DBAPIError:
                    # Two processes that make it at once: the slower is told that it exists. It looks again.
                    if last:
                        raise
        self._made = True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        if self._closed.is_set():
            raise StoreError("The store was closed.", hint="Open it again; the data is there.")
        try:
            yield
        except exc.IntegrityError:
            raise
        except (exc.SQLAlchemyError, OSError) as error:
            why, hint = explain(error)
            raise StoreError(f"The database cannot be used: {why}.", hint=hint) from None

    # ── the lock of PostgreSQL ───────────────────────────────────────────────────────────────────────

    def _locked(self, name: str, until: float) -> sa.Connection | None:
        """A connection whose transaction holds the lock; None when it was not had in time."""
        number = int.from_bytes(hashlib.sha256(f"{self._table.name}/{name}".encode()).digest()[:8], "big", signed=True)
        with self._explained():
            try:
                connection = self._engine.connect()
            except exc.TimeoutError:
                return None  # every connection of the pool is in use: the lock only saves work
        try:
            with self._explained():
                left = int(max(0.0, until - time.monotonic()) * 1000)
                if left == 0:
                    got = connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(number))).scalar_one()
                else:
                    for setting, value in (("lock_timeout", left), ("statement_timeout", 0)):
                        connection.execute(sa.select(sa.func.set_config(setting, str(value), True)))
                    got = _wait_for(connection, number)
        except BaseException:
            connection.close()
            raise
        if got:
            return connection
        connection.close()
        return None

    # ── what other processes did ─────────────────────────────────────────────────────────────────────

    def _signature(self) -> str:
        """Whose change a notice is about; a forked child is somebody else."""
        return f"{self._name}{os.getpid():x}"

    def _notify(self, connection: sa.Connection, key: str) -> None:
        notice = f"{self._signature()} {name_of(key)}"
        if len(notice.encode()) <= _LONGEST_NOTICE:
            connection.execute(sa.select(sa.func.pg_notify(self._channel, notice)))

    def _subscribe(self) -> _Subscription:
        with self._explained():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # it is kept for long: the pool gets a new one in its place
            subscription = _Subscription(self, connection)
            try:
                quoted = connection.dialect.identifier_preparer.quote(self._channel)
                connection.exec_driver_sql(f"LISTEN {quoted}")
            except BaseException:
                subscription.close()
                raise
        return subscription

    @contextmanager
    def _start_polling(self) -> Iterator[Look]:
        """What was changed in the last seconds is remembered, so that nothing is told twice or left out."""
        seen = self._recent(int(self._time() * 1e6) - _OVERLAP)

        def look() -> Iterable[str]:
            nonlocal seen
            since = max(seen.values(), default=int(self._time() * 1e6)) - _OVERLAP
            recent = self._recent(since)
            changed = [key_named(name) for name, version in recent.items() if seen.get(name) != version]
            seen = recent
            return changed

        yield look

    def _recent(self, since: int) -> dict[str, int]:
        table = self._table
        with self._reading() as connection:
            rows = connection.execute(sa.select(table.c.key, table.c.version).where(table.c.version > since))
            return {str(name): int(version) for name, version in rows}

    # ── a fork ───────────────────────────────────────────────────────────────────────────────────────

    def before_fork(self) -> None:
        if self._uses is None:
            return
        until = time.monotonic() + _FORK_WAIT
        while self._held < _MOST_USES and self._uses.acquire(timeout=max(0.0, until - time.monotonic())):
            self._held += 1
        if self._held == _MOST_USES:
            with suppress(exc.SQLAlchemyError):
                self._engine.dispose()

    def after_fork_in_parent(self) -> None:
        held, self._held = self._held, 0
        if self._uses is not None and held:
            self._uses.release(held)

    def after_fork_in_child(self) -> None:
        """No connection of the parent is used or closed here: the server would hear it as the parent's."""
        _abandoned.append(self._engine.pool)
        self._lock_permits = threading.Semaphore(self._most_locks)
        if self._uses is not None:
            self._uses, self._held = threading.Semaphore(_MOST_USES), 0
        self._engine.dispose(close=False)


class _Subscription:
    """What PostgreSQL notifies of other processes' changes, on a connection of its own."""

    def __init__(self, store: SQLStore, connection: sa.Connection) -> None:
        self._store = store
        self._connection = connection
        # Of a detached connection that broke SQLAlchemy lets go without closing it.
        self._driver: Any = connection.connection.dbapi_connection

    def hear(self) -> Iterable[str]:
        mine = self._store._signature()
        try:
            notices = [notice.payload for notice in self._driver.notifies(timeout=HEAR_SECONDS, stop_after=1)]
        except (driver_errors(self._connection), OSError):
            raise StoreError("The database no longer tells what changes.", hint="Check that it runs.") from None
        return [key_named(told.partition(" ")[2]) for told in notices if told.partition(" ")[0] != mine]

    def close(self) -> None:
        with suppress(exc.SQLAlchemyError):
            self._connection.close()
        with suppress(driver_errors(self._connection), OSError):
            self._driver.close()


def _wait_for(connection: sa.Connection, number: int) -> bool:
    try:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
    except exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", getattr(error.orig, "pgcode", None)) == "55P03":  # lock_not_available
            return False
        raise
    return True

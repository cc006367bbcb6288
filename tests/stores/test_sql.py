"""The store in a database: on a real PostgreSQL, and on SQLite through SQLAlchemy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from authflow.errors import ConfigurationError, MissingExtra, StoreError
from authflow.stores import Conflict, Store
from authflow.stores.sql import SQLStore
from benchmarks.servers import PostgreSQLServer

from .contract import Heard, Opener, ProcessContract, ProcessLockContract, Trouble, eventually, in_threads, made


@pytest.fixture
def table() -> str:
    return f"test_{uuid4().hex}"


@pytest.fixture
def url(postgresql_server: PostgreSQLServer) -> str:
    return postgresql_server.url


@pytest.fixture
def store(url: str, table: str) -> Iterator[SQLStore]:
    opened = SQLStore(url, table=table)
    yield opened
    opened.close()


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(url)
    yield made
    made.dispose()


class TestOnPostgreSQL(ProcessLockContract):
    @pytest.fixture
    def opener(self, url: str, table: str) -> Opener:
        return partial(SQLStore, url, table=table)

    @pytest.fixture
    def trouble(self, postgresql_server: PostgreSQLServer, table: str) -> Trouble:
        @contextmanager
        def read_only() -> Iterator[Store]:
            store = SQLStore(postgresql_server.read_only_url, table=table)
            yield store
            store.close()

        trouble: Callable[[], AbstractContextManager[Store]] = read_only
        return trouble


class TestOnSQLite(ProcessContract):
    @pytest.fixture
    def opener(self, tmp_path: Path, table: str) -> Opener:
        return partial(SQLStore, f"sqlite:///{tmp_path}/app.db", table=table)

    @pytest.fixture
    def trouble(self, tmp_path: Path, table: str) -> Trouble:
        @contextmanager
        def read_only() -> Iterator[Store]:
            store = SQLStore(f"sqlite:///file:{tmp_path}/app.db?mode=ro&uri=true", table=table)
            yield store
            store.close()

        trouble: Callable[[], AbstractContextManager[Store]] = read_only
        return trouble


# ── the table ──


def test_many_that_make_the_table_at_once_all_succeed(url: str, table: str) -> None:
    stores = [SQLStore(url, table=table) for _ in range(8)]
    waiting = iter(stores)
    start = threading.Barrier(8)

    def first_use() -> None:
        store = next(waiting)
        start.wait(30)
        assert store.load("a") is None

    in_threads(8, first_use)
    for store in stores:
        store.close()


def test_nothing_is_asked_of_the_database_before_the_first_use(table: str) -> None:
    store = SQLStore("postgresql+psycopg://nobody@127.0.0.1:1/none", table=table)
    store.close()


def test_the_row_of_a_removed_key_holds_nothing_and_is_swept_away(url: str, table: str, engine: sa.Engine) -> None:
    now = [1_800_000_000.0]
    store = SQLStore(url, table=table, time=lambda: now[0])
    store.swap("a", made(store, "a", b"secret"), None)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT key, data FROM {table}")).all()
    assert rows == [("a", None)]
    now[0] += 3601
    store._sweep()
    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
    store.close()


def test_a_clock_that_was_set_back_gives_no_version_twice(url: str, table: str) -> None:
    now = [1_800_000_000.0]
    store = SQLStore(url, table=table, time=lambda: now[0])
    first = made(store, "a", b"x")
    now[0] -= 3600
    second = store.swap("a", first, b"y")
    assert isinstance(second, int)
    assert second > first
    assert store.swap("a", second, None) == 0
    assert made(store, "a", b"z") > second
    store.close()


# ── PostgreSQL ──


def test_a_stricter_isolation_level_of_the_engine_makes_no_lost_race_an_error(url: str, table: str) -> None:
    engine = sa.create_engine(url, isolation_level="SERIALIZABLE", pool_size=10)
    store = SQLStore(engine, table=table)
    version = made(store, "a", b"x")
    outcomes: list[int | Conflict] = []
    start = threading.Barrier(6)

    def race() -> None:
        start.wait(30)
        outcomes.append(store.swap("a", version, b"y"))

    in_threads(6, race)
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    store.close()
    engine.dispose()


def test_locks_leave_connections_for_those_who_read_and_write(url: str, table: str) -> None:
    engine = sa.create_engine(url, pool_size=4, max_overflow=0, pool_timeout=2)
    store = SQLStore(engine, table=table)
    with store.lock("a", 1) as first, store.lock("b", 1) as second, store.lock("c", 0.05) as third:
        assert (first, second, third) == (True, True, False)
        made(store, "a", b"x")
        assert store.load("a") is not None
    store.close()
    engine.dispose()


def test_a_pool_of_one_connection_has_no_lock_and_still_works(url: str, table: str) -> None:
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_timeout=2)
    store = SQLStore(engine, table=table)
    with store.lock("a", 0.05) as got:
        assert got is False
        made(store, "a", b"x")
    store.close()
    engine.dispose()


def test_after_a_lock_the_connection_has_its_deadlines_again(url: str, table: str) -> None:
    engine = sa.create_engine(url, pool_size=2, max_overflow=0)
    store = SQLStore(engine, table=table)

    def settings() -> list[tuple[str, str]]:
        found = []
        with engine.connect() as one, engine.connect() as two:
            for connection in (one, two):
                row = connection.execute(
                    sa.text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
                ).one()
                found.append((row[0], row[1]))
        return found

    before = settings()
    with store.lock("a", 5) as got:
        assert got
    assert settings() == before
    store.close()
    engine.dispose()


def test_a_lock_whose_connection_the_server_cut_is_had_by_another(store: SQLStore, engine: sa.Engine) -> None:
    with store.lock("a", 1) as got:
        assert got
        cut_all(engine)
        with store.lock("a", 5) as again:
            assert again
    assert store.load("a") is None


def cut_all(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        )


def test_connections_that_the_server_cut_are_made_again(store: SQLStore, engine: sa.Engine) -> None:
    version = made(store, "a", b"x")
    cut_all(engine)
    assert isinstance(store.swap("a", version, b"y"), int)


def test_a_cut_listener_listens_again_and_tells_what_may_have_been_missed(
    store: SQLStore, url: str, table: str, engine: sa.Engine
) -> None:
    made(store, "a", b"x")
    heard = Heard()
    store.watch(heard)
    cut_all(engine)
    assert heard.hears("a", 10.0)
    other = SQLStore(url, table=table)
    made(other, "b", b"x")
    assert heard.hears("b", 10.0)
    other.close()


def test_an_own_change_is_told_once(store: SQLStore, url: str, table: str) -> None:
    heard = Heard()
    store.watch(heard)
    other = SQLStore(url, table=table)
    made(store, "mine", b"x")
    made(other, "its", b"x")
    assert heard.hears("its")
    assert heard.keys == ["mine", "its"]
    other.close()


def test_nobody_listens_after_the_last_watcher_has_stopped(store: SQLStore, engine: sa.Engine) -> None:
    def listening() -> bool:
        with engine.connect() as connection:
            asked = sa.text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN test%'")
            return bool(connection.execute(asked).scalar_one())

    stop = store.watch(Heard())
    assert listening()
    stop()
    assert eventually(lambda: not listening())


def test_a_key_that_is_too_long_for_a_notification_is_written_all_the_same(store: SQLStore) -> None:
    try:
        made(store, "k" * 8000, b"x")  # compressible, so the index takes it
    except StoreError:
        pytest.fail("the notification was too long")


def test_two_tables_do_not_meet(store: SQLStore, url: str, table: str) -> None:
    other = SQLStore(url, table=table + "_b")
    heard = Heard()
    other.watch(heard)
    made(store, "a", b"x")
    assert other.load("a") is None
    made(other, "b", b"x")
    assert heard.hears("b")
    assert heard.keys == ["b"]
    other.close()


def test_a_statement_that_waits_too_long_is_given_up(url: str, table: str, engine: sa.Engine) -> None:
    store = SQLStore(sa.create_engine(url, connect_args={"options": "-c statement_timeout=200"}), table=table)
    made(store, "a", b"x")
    with engine.begin() as blocker:
        blocker.execute(sa.text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreError, match="no answer in time"):
            store.load("a")
    assert store.load("a") is not None
    store.close()
    store._engine.dispose()


def test_a_store_of_a_url_has_deadlines_of_its_own(store: SQLStore) -> None:
    store.load("a")
    with store._engine.connect() as connection:
        assert connection.execute(sa.text("SELECT current_setting('statement_timeout')")).scalar_one() == "5s"


def test_a_server_that_is_away_is_a_store_error_and_comes_back(table: str) -> None:
    if why := PostgreSQLServer.missing():
        pytest.skip(why)
    with PostgreSQLServer() as server:
        store = SQLStore(server.url, table=table)
        made(store, "a", b"x")
        server.stop()
        for call in (lambda: store.load("a"), lambda: store.swap("b", 0, b"x"), lambda: list(store.keys(""))):
            with pytest.raises(StoreError) as caught:
                call()
            assert "no connection" in caught.value.message
        heard = Heard()
        stop = store.watch(heard)  # a program may start before its server
        server.start()
        made(store, "b", b"x")
        assert heard.hears("b", 10.0)
        stop()
        store.close()


# ── what is refused, and what is shown ──


def test_no_password_is_shown_in_repr_or_error(table: str) -> None:
    store = SQLStore("postgresql+psycopg://user:s3cret@127.0.0.1:1/none", table=table)
    with pytest.raises(StoreError) as caught:
        store.load("a")
    assert "s3cret" not in f"{store!r} {caught.value!r} {caught.value.__cause__!r}"
    store.close()


@pytest.mark.parametrize("database", ["", "localhost", "nosuch://x", None])
def test_what_is_no_database_url_is_refused(database: str) -> None:
    with pytest.raises(ConfigurationError):
        SQLStore(database)


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtra, match="driver"):
        SQLStore("postgresql+pg8000://u@h/n")


def test_a_database_that_takes_two_keys_for_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sa.create_engine("sqlite://")
    monkeypatch.setattr(engine.dialect, "name", "mysql")
    with pytest.raises(ConfigurationError, match="mysql"):
        SQLStore(engine)


def test_an_engine_of_the_users_is_not_disposed(engine: sa.Engine, table: str) -> None:
    store = SQLStore(engine, table=table)
    made(store, "a", b"x")
    pool = engine.pool
    store.close()
    assert engine.pool is pool
    with pytest.raises(StoreError, match="closed"):
        store.load("a")


def test_on_sqlite_there_is_no_lock_so_nobody_relies_on_one(tmp_path: Path, table: str) -> None:
    store = SQLStore(f"sqlite:///{tmp_path}/app.db", table=table)
    with store.lock("a", 0) as first, store.lock("a", 0) as second:
        assert (first, second) == (True, True)
    store.close()


# ── connections that nobody would close ──


def test_a_listener_that_is_opened_while_the_store_closes_is_closed_too(
    url: str, table: str, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authflow.stores.notices._JOIN", 0.05)
    store = SQLStore(url, table=table)
    store.watch(Heard())
    waiting, door, opened = threading.Event(), threading.Event(), list[object]()
    real = store._engine.connect

    def connect() -> sa.Connection:
        waiting.set()
        door.wait(30)
        connection = real()
        opened.append(connection.connection.dbapi_connection)
        return connection

    monkeypatch.setattr(store._engine, "connect", connect)
    cut_all(engine)
    assert waiting.wait(30)
    store.close()
    door.set()
    assert eventually(lambda: len(opened) == 1 and all(driver.closed for driver in opened))  # type: ignore[attr-defined]


def test_a_connection_in_use_while_the_store_closes_is_closed_after_it(url: str, table: str) -> None:
    store = SQLStore(url, table=table)
    made(store, "a", b"x")
    with store._begin() as in_use, store.lock("a", 5) as got:
        assert got
        drivers = [in_use.connection.dbapi_connection]
        store.close()
    assert store._engine.pool.checkedin() == 0  # type: ignore[attr-defined]
    assert all(driver is not None and driver.closed for driver in drivers)  # type: ignore[attr-defined]

"""The SQLite store: the contract, its file and its modes, what is refused, a full disk, forks."""

from __future__ import annotations

import functools
import gc
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from authflow.errors import StoreError
from authflow.stores import Conflict, SQLiteStore, Store
from authflow.stores import sqlite as sqlite_module

from .contract import (
    Heard,
    Opener,
    ProcessLockContract,
    Trouble,
    ended_well,
    folder_modes,
    made,
    open_descriptors,
    require,
    spawn,
)


class TestSQLiteStore(ProcessLockContract):
    @pytest.fixture
    def opener(self, path: Path) -> Opener:
        return functools.partial(SQLiteStore, path, watch_every=0.05)

    @pytest.fixture
    def trouble(self, path: Path) -> Trouble:
        @contextmanager
        def written_by_another() -> Iterator[Store]:
            store = SQLiteStore(path, busy_timeout=0.05)
            with held_by_another(path):
                yield store
            store.close()

        return written_by_another


class TestSQLiteStoreThatSurvivesAPowerCut(TestSQLiteStore):
    @pytest.fixture
    def opener(self, path: Path) -> Opener:
        return functools.partial(SQLiteStore, path, durable="power", watch_every=0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    opened = SQLiteStore(path)
    yield opened
    opened.close()


def test_a_store_that_nobody_closed_leaves_no_file_open_and_is_no_fault(path: Path) -> None:
    store = SQLiteStore(path)
    store.swap("key", 0, b"data")
    assert any(str(path) in one for one in open_descriptors()) or not open_descriptors()
    del store
    gc.collect()  # a warning here (Python 3.13) fails the test
    assert not any(str(path) in one for one in open_descriptors())


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def with_each_connection(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Every connection from now on begins with `statement`."""
    connect = SQLiteStore._connect

    def limited(store: SQLiteStore, *, patient: bool = True) -> sqlite3.Connection:
        connection = connect(store, patient=patient)
        connection.execute(statement)
        return connection

    monkeypatch.setattr(SQLiteStore, "_connect", limited)


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


# ── who can read it ──


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_every_file_is_this_users_alone_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = SQLiteStore(path)
        made(store, "a", b"x")
        with store.lock("a", 1.0):
            pass
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert folder_modes(path.parent) == {
        "sessions.db": 0o600,
        "sessions.db-wal": 0o600,
        "sessions.db-shm": 0o600,
        "sessions.db.locks": 0o700,
    }
    assert set(folder_modes(path.parent / "sessions.db.locks").values()) == {0o600}
    store.close()


def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    store = SQLiteStore(path)
    version = made(store, "a", b"x")
    store.close()
    path.chmod(0o644)
    store = SQLiteStore(path)
    assert store.load("a") == (b"x", version)
    made(store, "b", b"x")
    assert {mode & 0o077 for mode in folder_modes(path.parent).values()} == {0}
    store.close()


def refused(path: Path, match: str) -> None:
    """Not opened, and left as it is."""
    before = path.read_bytes()
    with pytest.raises(StoreError, match=match) as caught:
        SQLiteStore(path)
    assert caught.value.hint
    assert path.read_bytes() == before


@pytest.fixture
def made_file(path: Path) -> Path:
    """A database with one record, closed."""
    store = SQLiteStore(path)
    made(store, "a", b"x" * 10_000)
    store.close()
    return path


def test_a_file_that_is_a_link_is_refused(made_file: Path, tmp_path: Path) -> None:
    made_file.rename(tmp_path / "elsewhere")
    made_file.symlink_to(tmp_path / "elsewhere")
    refused(made_file, "symbolic link")


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_planted_link_in_place_of_the_log_is_refused(made_file: Path, tmp_path: Path, suffix: str) -> None:
    made_file.with_name(made_file.name + suffix).symlink_to(tmp_path / "victim")
    refused(made_file, "symbolic link")
    assert not (tmp_path / "victim").exists()


def test_a_file_with_a_second_name_is_refused(made_file: Path, tmp_path: Path) -> None:
    os.link(made_file, tmp_path / "second")
    refused(made_file, "hard link")


def test_a_file_that_others_may_write_is_refused(made_file: Path) -> None:
    made_file.chmod(0o660)
    refused(made_file, "chmod 600")


def test_a_folder_that_others_may_write_in_is_refused(made_file: Path) -> None:
    made_file.parent.chmod(0o777)
    refused(made_file, "chmod go-w")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_another_users_file_is_refused(made_file: Path) -> None:
    os.chown(made_file, 12345, 12345)
    refused(made_file, "another user")


# ── what is no store of ours, or a damaged one ──


def test_garbage_is_refused(made_file: Path) -> None:
    made_file.write_bytes(b"this is not a database at all" * 100)
    refused(made_file, "damaged")


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cookies (name)")
    path.chmod(0o600)
    refused(path, "another program")


def test_a_newer_schema_is_refused(made_file: Path) -> None:
    with closing(sqlite3.connect(made_file)) as newer:
        newer.execute(f"PRAGMA user_version = {sqlite_module.SCHEMA + 1}")
    refused(made_file, "newer version")


def test_a_damaged_page_is_an_error_and_not_no_record(made_file: Path) -> None:
    with open(made_file, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(made_file.stat().st_size - 4096))
    before = made_file.read_bytes()
    store = SQLiteStore(made_file)
    with pytest.raises(StoreError, match="damaged"):
        store.load("a")
    with pytest.raises(StoreError):
        store.swap("a", 0, b"y")
    store.close()
    assert made_file.read_bytes() == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    # What is left when the process that made it was killed at once.
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    store = SQLiteStore(path)
    made(store, "a", b"x")
    store.close()


def test_a_file_that_is_taken_away_is_an_error_and_is_not_made_anew(store: SQLiteStore, path: Path) -> None:
    version = made(store, "a", b"x")
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreError):
        store.load("a")
    with pytest.raises(StoreError):
        store.swap("a", version, b"written where nobody looks")
    assert not path.exists()
    path.with_name("elsewhere").rename(path)
    assert store.load("a") == (b"x", version)


def test_a_file_that_is_replaced_is_opened_again(store: SQLiteStore, path: Path, tmp_path: Path) -> None:
    made(store, "a", b"before")
    backup = SQLiteStore(tmp_path / "backup" / "sessions.db")
    version = made(backup, "a", b"from the backup")
    backup.close()
    os.replace(backup.path, path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    assert store.load("a") == (b"from the backup", version)


# ── what the disk and other writers do ──


def test_a_full_disk_is_an_error_with_its_remedy_and_the_old_record_stays(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = made(store, "a", b"old")
    store.close()
    with monkeypatch.context() as patch:
        with_each_connection(patch, "PRAGMA max_page_count = 10")
        full = SQLiteStore(path)
        with pytest.raises(StoreError, match="Free some space"):
            full.swap("a", version, bytes(1 << 20))
        assert full.load("a") == (b"old", version)
        full.close()
    again = SQLiteStore(path)
    assert again.load("a") == (b"old", version)
    assert isinstance(again.swap("a", version, bytes(1 << 20)), int)
    again.close()


def test_a_read_only_file_is_an_error_with_its_remedy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    version = made(store, "a", b"old")
    store.close()
    with_each_connection(monkeypatch, "PRAGMA query_only = ON")
    store = SQLiteStore(path)
    with pytest.raises(StoreError, match="read-only"):
        store.swap("a", version, b"new")
    assert store.load("a") == (b"old", version)
    store.close()


def test_reading_does_not_wait_for_a_writer(path: Path) -> None:
    store = SQLiteStore(path, busy_timeout=0.05)
    version = made(store, "a", b"x")
    with held_by_another(path):
        assert store.load("a") == (b"x", version)
        assert list(store.keys("")) == ["a"]
        with pytest.raises(StoreError, match="stopped process"):
            store.swap("a", version, b"y")
    assert isinstance(store.swap("a", version, b"y"), int)
    store.close()


def test_a_lost_swap_leaves_no_number_behind(store: SQLiteStore) -> None:
    version = made(store, "a", b"x")
    for _ in range(5):
        assert store.swap("a", 0, b"y") == Conflict(version)
    assert store.swap("a", version, b"y") == version + 1


def test_twenty_threads_share_at_most_eight_connections(store: SQLiteStore) -> None:
    opened = []
    connect = store._connect

    def counted(*, patient: bool = True) -> sqlite3.Connection:
        opened.append(1)
        return connect(patient=patient)

    store._connect = counted  # type: ignore[method-assign]
    start = threading.Barrier(20)

    def work(n: int) -> None:
        start.wait(30)
        for _ in range(10):
            store.load("a")
            list(store.keys(""))
        made(store, f"{n}", b"x")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    assert 1 <= len(opened) <= 8
    assert len(list(store.keys(""))) == 20


def test_a_closed_store_says_so(path: Path) -> None:
    store = SQLiteStore(path)
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.load("a"),
        lambda: store.swap("a", 0, b"x"),
        lambda: store.keys(""),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="closed"):
            call()


# ── time to live, sweeping, watching ──


def test_expired_records_are_swept_and_their_versions_do_not_come_back(path: Path) -> None:
    hand = Hand()
    store = SQLiteStore(path, time=hand)
    version = made(store, "pending", b"x", ttl=600)
    hand.now += 599
    assert store.load("pending") == (b"x", version)
    hand.now += 1
    assert store.load("pending") is None
    store.close()
    store = SQLiteStore(path, time=hand)
    made(store, "its first swap sweeps", b"x")
    with closing(sqlite3.connect(path)) as look:
        assert look.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    assert made(store, "pending", b"y") > version
    store.close()


def test_the_list_of_changes_does_not_grow_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "_CHANGES_KEPT", 10)
    monkeypatch.setattr(sqlite_module, "_SWEEP_EVERY", 4)
    store = SQLiteStore(path)
    version = 0
    for _ in range(100):
        newer = store.swap("a", version, b"x")
        assert isinstance(newer, int)
        assert newer == version + 1
        version = newer
    with closing(sqlite3.connect(path)) as look:
        assert look.execute("SELECT count(*) FROM changes").fetchone()[0] <= 14
    store.close()


def test_who_slept_through_more_changes_than_are_kept_is_told_every_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_CHANGES_KEPT", 2)
    monkeypatch.setattr(sqlite_module, "_SWEEP_EVERY", 2)
    store = SQLiteStore(path)
    with store._start_looking() as look:
        for n in range(10):
            made(store, f"{n}", b"x")
        assert set(look()) == {f"{n}" for n in range(10)}
        assert set(look()) == set()
    store.close()


def test_a_file_that_is_away_for_a_while_does_not_end_the_watching(path: Path) -> None:
    store = SQLiteStore(path, watch_every=0.01)
    heard = Heard()
    store.watch(heard)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreError):
        store.load("a")
    path.with_name("elsewhere").rename(path)
    other = SQLiteStore(path)
    made(other, "a", b"x")
    assert heard.hears("a")
    other.close()
    store.close()


# ── a fork ──


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_goes_on_when_its_parent_has_closed_the_store(path: Path) -> None:
    # SQLite removes the log when it believes that nobody else uses it: an inherited connection would be nobody.
    ended_well(spawn(_parent_closes_first, path))
    store = SQLiteStore(path)
    found = store.load("child")
    assert found is not None
    assert found[0] == b"written after the parent closed"
    store.close()


def _parent_closes_first(path: Path) -> None:
    store = SQLiteStore(path)
    store.swap("parent", 0, b"x")
    mine, its = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            first = store.swap("child", 0, b"written while the parent had it open")
            os.read(mine, 1)
            require(isinstance(first, int))
            if isinstance(first, int):
                store.swap("child", first, b"written after the parent closed")
            store.close()
            code = 0
        finally:
            os._exit(code)
    while store.load("child") is None:
        threading.Event().wait(0.005)
    store.close()
    os.write(its, b"x")
    require(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0)

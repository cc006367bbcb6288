"""The file store: the contract, the folder and its modes, what is refused, and a disk with faults."""

from __future__ import annotations

import errno
import functools
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from authflow.errors import ConfigurationError, StoreError
from authflow.stores import Conflict, FileStore, Store
from authflow.stores import disk as disk_module
from authflow.stores import file as file_module

from .contract import Heard, Opener, ProcessLockContract, Trouble, ended_well, folder_modes, made, require, spawn
from .faults import Disk, failing

OLD, NEW = b"the old record", b"the new record"


class TestFileStore(ProcessLockContract):
    @pytest.fixture
    def opener(self, folder: Path) -> Opener:
        return functools.partial(FileStore, folder, watch_every=0.05)

    @pytest.fixture
    def trouble(self, opener: Opener, folder: Path, tmp_path: Path) -> Trouble:
        @contextmanager
        def unplugged() -> Iterator[Store]:
            store = opener()
            folder.rename(tmp_path / "elsewhere")
            yield store
            (tmp_path / "elsewhere").rename(folder)
            store.close()

        return unplugged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def store(folder: Path) -> Iterator[FileStore]:
    opened = FileStore(folder)
    yield opened
    opened.close()


def record_of(store: FileStore) -> Path:
    """The one record's file."""
    (path,) = store.folder.glob("*.entry")
    return path


def refused(store: FileStore, key: str, path: Path) -> StoreError:
    """Neither read nor written, and left as it is."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        store.load(key)
    for expected in (0, 1):
        for data in (b"x", None):
            with pytest.raises(StoreError):
                store.swap(key, expected, data)
    assert path.read_bytes() == before
    assert caught.value.hint
    return caught.value


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


# ── where it is, and who can read it ──


def test_an_application_has_its_folder_where_the_system_keeps_such_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    store = FileStore.for_app("myapp")
    assert tmp_path in store.folder.parents
    assert store.folder.parts[-2:] == ("myapp", "sessions")
    made(store, "a", b"x")
    again = FileStore.for_app("myapp")
    assert again.load("a") is not None


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", "C:", "a\0b", " x", "x."])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        FileStore.for_app(name)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_every_file_is_this_users_alone_whatever_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = FileStore(folder / "deeper")
        version = made(store, "a", b"x")
        store.swap("a", version, b"y")
        version = made(store, "b", b"x")
        store.swap("b", version, None)
        with store.lock("a", 1.0):
            pass
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert store.folder.stat().st_mode & 0o777 == 0o700
    modes = folder_modes(store.folder)
    assert {name.rpartition(".")[2] for name in modes} == {"entry", "lock", "version"}
    assert set(modes.values()) == {0o600}


def test_no_file_name_tells_the_key(store: FileStore) -> None:
    made(store, "session/ada/github", b"x")
    with store.lock("session/ada/github", 1.0):
        pass
    assert not [name for name in os.listdir(store.folder) if "ada" in name or "github" in name]


def test_a_relative_folder_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("sessions")
    made(store, "a", b"x")
    monkeypatch.chdir("/")
    assert store.load("a") is not None


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(StoreError, match="symbolic link"):
        FileStore(tmp_path / "link")
    assert os.listdir(tmp_path / "real") == []


def test_a_folder_above_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    made(FileStore(tmp_path / "home" / "sessions"), "a", b"x")
    assert (tmp_path / "real" / "sessions").is_dir()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_in_is_refused_with_the_remedy(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(StoreError, match="chmod go-w"):
        FileStore(folder)
    assert folder.stat().st_mode & 0o777 == mode


def test_a_folder_that_others_may_write_in_later_is_refused_then(store: FileStore) -> None:
    version = made(store, "a", b"x")
    store.folder.chmod(0o770)
    for call in (lambda: store.load("a"), lambda: store.swap("a", version, b"y"), lambda: store.keys("")):
        with pytest.raises(StoreError):
            call()
    store.folder.chmod(0o700)
    assert store.load("a") == (b"x", version)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
class TestOwners:
    def test_another_users_folder_is_refused(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        os.chown(folder, 12345, 12345)
        with pytest.raises(StoreError, match="another user"):
            FileStore(folder)

    def test_another_users_record_is_refused(self, store: FileStore) -> None:
        made(store, "a", b"x")
        os.chown(record_of(store), 12345, 12345)
        assert "another user" in str(refused(store, "a", record_of(store)))


def test_a_file_in_place_of_the_folder_is_an_error_with_a_remedy(folder: Path) -> None:
    folder.write_text("no folder")
    with pytest.raises(StoreError) as caught:
        FileStore(folder)
    assert caught.value.hint
    with pytest.raises(StoreError):
        FileStore(folder / "below")


# ── records that are not read ──


def test_a_record_that_is_a_link_is_refused(store: FileStore, tmp_path: Path) -> None:
    made(store, "a", b"x")
    path = record_of(store)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in str(refused(store, "a", path))
    assert path.is_symlink()


def test_a_record_with_a_second_name_is_refused(store: FileStore, tmp_path: Path) -> None:
    made(store, "a", b"x")
    os.link(record_of(store), tmp_path / "second")
    assert "hard link" in str(refused(store, "a", record_of(store)))


def test_a_record_that_others_may_write_is_refused(store: FileStore) -> None:
    made(store, "a", b"x")
    record_of(store).chmod(0o620)
    assert "chmod 600" in str(refused(store, "a", record_of(store)))


def test_a_pipe_in_place_of_a_record_is_refused_and_not_waited_for(store: FileStore) -> None:
    made(store, "a", b"x")
    path = record_of(store)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(StoreError, match="no plain file"):
        store.load("a")


def test_every_torn_record_is_refused(store: FileStore) -> None:
    made(store, "a", b"some bytes")
    path = record_of(store)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError):
            store.load("a")
        assert list(store.keys("")) in ([], ["a"])
    refused(store, "a", path)
    path.write_bytes(whole)
    assert store.load("a") is not None


def test_every_changed_byte_is_noticed(store: FileStore) -> None:
    made(store, "a", b"some bytes")
    path = record_of(store)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(StoreError):
            store.load("a")
        list(store.keys(""))


@pytest.mark.parametrize("garbage", [b"", b"\0" * 4096, b"{}", b"authflow", b"authflow" + b"\xff" * 200])
def test_garbage_is_refused(store: FileStore, garbage: bytes) -> None:
    made(store, "a", b"x")
    record_of(store).write_bytes(garbage)
    refused(store, "a", record_of(store))


def test_a_newer_format_is_refused_and_says_so(store: FileStore) -> None:
    made(store, "a", b"x")
    path = record_of(store)
    whole = bytearray(path.read_bytes())
    struct.pack_into(">B", whole, 8, file_module.FORMAT + 1)
    path.write_bytes(whole)
    assert "newer version" in str(refused(store, "a", path))


def test_another_keys_record_under_this_name_is_refused(store: FileStore) -> None:
    made(store, "a", b"a's")
    path = record_of(store)
    bytes_of_a = path.read_bytes()
    path.unlink()
    made(store, "b", b"b's")
    record_of(store).write_bytes(bytes_of_a)
    assert "another key" in str(refused(store, "b", record_of(store)))
    assert list(store.keys("")) == []


def test_one_broken_record_hides_no_other(store: FileStore, caplog: pytest.LogCaptureFixture) -> None:
    made(store, "broken", b"x")
    path = record_of(store)
    version = made(store, "whole", b"y")
    path.write_bytes(b"torn")
    assert list(store.keys("")) == ["whole"]
    assert store.load("whole") == (b"y", version)
    assert path.name in caplog.text


def test_an_expired_record_that_is_torn_is_not_taken_for_none(folder: Path) -> None:
    hand = Hand()
    store = FileStore(folder, time=hand)
    made(store, "a", b"x", ttl=10)
    path = record_of(store)
    path.write_bytes(path.read_bytes()[:-1])
    hand.now += 20
    refused(store, "a", path)


# ── time to live, sweeping ──


def test_the_time_to_live_is_counted_by_the_clock_that_was_given(folder: Path) -> None:
    hand = Hand()
    store = FileStore(folder, time=hand)
    version = made(store, "a", b"x", ttl=600)
    hand.now += 599
    assert store.load("a") == (b"x", version)
    hand.now += 1
    assert store.load("a") is None
    assert list(store.keys("")) == []


def test_expired_records_are_swept_and_their_versions_are_not_forgotten(folder: Path) -> None:
    hand = Hand()
    store = FileStore(folder, time=hand)
    versions = {f"pending/{n}": made(store, f"pending/{n}", b"x", ttl=600) for n in range(20)}
    made(store, "kept", b"x")
    hand.now += 601
    made(FileStore(folder, time=hand), "another process's first swap", b"x")
    assert len(list(folder.glob("*.entry"))) == 2
    for key, version in versions.items():
        assert made(store, key, b"again") > version


def test_what_a_dead_process_began_is_swept(store: FileStore, folder: Path) -> None:
    left = folder / ("0" * 48 + ".new")
    left.write_bytes(b"half a rec")
    made(FileStore(folder), "a", b"x")
    assert not left.exists()


def test_what_a_dead_process_began_for_this_very_key_is_no_obstacle(store: FileStore) -> None:
    version = made(store, "a", OLD)
    record_of(store).with_suffix(".new").write_bytes(b"half a rec")
    newer = store.swap("a", version, NEW)
    assert store.load("a") == (NEW, newer)
    assert list(store.folder.glob("*.new")) == []


def test_the_number_of_lock_files_is_bounded(store: FileStore) -> None:
    for n in range(40):
        version = made(store, f"pending/{n}", b"x")
        store.swap(f"pending/{n}", version, None)
    assert len(os.listdir(store.folder)) <= 2 * 16


# ── a disk with faults ──


def with_disk(monkeypatch: pytest.MonkeyPatch, disk: Any) -> None:
    monkeypatch.setattr(disk_module, "os", disk)
    monkeypatch.setattr(file_module, "os", disk)


def calls_of(change: str, folder: Path) -> list[str]:
    """What one change of a fresh store asks of the disk, in order."""
    store, version = prepared(folder / "measured", change)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(failing(errno.EIO))
        with_disk(patch, disk)
        done(store, change, version)
    return disk.calls


def prepared(folder: Path, change: str) -> tuple[FileStore, int]:
    store = FileStore(folder)
    made(store, "b", b"its first swap sweeps")
    return store, 0 if change == "make" else made(store, "a", OLD)


def done(store: Store, change: str, version: int) -> int | Conflict:
    return store.swap("a", version, None if change == "remove" else NEW)


@pytest.mark.parametrize("onwards", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["disk full", "input/output error"])
@pytest.mark.parametrize("change", ["make", "change", "remove"])
def test_a_fault_at_any_step_is_a_store_error_and_the_old_record_stays(
    tmp_path: Path, change: str, number: int, onwards: bool
) -> None:
    calls = calls_of(change, tmp_path)
    assert {"fsync", "unlink" if change == "remove" else "replace"} <= set(calls)
    for at, name in enumerate(calls):
        store, version = prepared(tmp_path / str(at), change)
        with pytest.MonkeyPatch.context() as patch:
            with_disk(patch, Disk(failing(number), at=at, onwards=onwards))
            with pytest.raises(StoreError) as caught:
                done(store, change, version)
        assert caught.value.hint, name
        reader = FileStore(store.folder)
        found = reader.load("a")
        if "could not be put back" in str(caught.value):
            # The disk failed when the new record was in place already, and goes on failing.
            assert onwards
            assert name in ("open", "fsync", "close")
            assert found is None or found[0] in (OLD, NEW)
        else:
            assert found == (None if change == "make" else (OLD, version)), f"{name}, call {at}"
        # The disk is well again, and so is the store.
        again = reader.swap("a", 0 if found is None else found[1], b"well again")
        assert isinstance(again, int)
        assert again > version
        assert reader.load("a") == (b"well again", again)


def test_a_version_that_readers_may_have_seen_does_not_come_back_after_it_was_undone(tmp_path: Path) -> None:
    calls = calls_of("change", tmp_path)
    store, version = prepared(tmp_path / "sessions", "change")
    last_fsync = len(calls) - 1 - calls[::-1].index("fsync")
    with pytest.MonkeyPatch.context() as patch:
        with_disk(patch, Disk(failing(errno.EIO), at=last_fsync))
        with pytest.raises(StoreError):
            done(store, "change", version)
    assert store.load("a") == (OLD, version)
    newer = store.swap("a", version, NEW)
    assert isinstance(newer, int)
    assert newer > version + 1


def test_a_fault_while_reading_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = prepared(tmp_path, "change")
    disk = Disk(failing(errno.EIO))
    with_disk(monkeypatch, disk)
    store.load("a")
    for at in range(len(disk.calls)):
        with_disk(monkeypatch, Disk(failing(errno.EIO), at=at))
        with pytest.raises(StoreError):
            store.load("a")


def test_a_short_write_is_continued(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Disk):
        def __getattr__(self, name: str) -> Any:
            if name == "write":
                return lambda descriptor, data: os.write(descriptor, bytes(data)[:7])
            return getattr(os, name)

    with_disk(monkeypatch, Slow(failing(0)))
    version = made(store, "a", bytes(1000))
    assert store.load("a") == (bytes(1000), version)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_kill_at_any_step_leaves_the_old_record_or_the_new_one(tmp_path: Path) -> None:
    ended_well(spawn(_killed_at_every_step, tmp_path))


def _killed_at_every_step(folder: Path) -> None:
    """Runs in a process of its own, which has one thread and can fork."""

    def die(name: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    for change in ("make", "change", "remove"):
        seen = set()
        calls = calls_of(change, folder / change)
        for at in range(len(calls)):
            store, version = prepared(folder / change / str(at), change)
            child = os.fork()
            if child == 0:
                disk: Any = Disk(die, at=at)
                disk_module.os = file_module.os = disk  # type: ignore[attr-defined]
                done(store, change, version)
                os._exit(1)
            require(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL)
            found = FileStore(store.folder).load("a")
            old = None if change == "make" else (OLD, version)
            new = None if change == "remove" else NEW
            require(found == old or (found and found[0]) == new)
            seen.add(found == old)
            after = store.swap("a", 0 if found is None else found[1], b"after")
            require(not isinstance(after, Conflict) and after > version)
        require(seen == {True, False})


# ── notices ──


def test_a_change_within_the_grain_of_the_folders_time_is_told(store: FileStore, folder: Path) -> None:
    def keep_time() -> None:
        os.utime(folder, (1_800_000_000, 1_800_000_000))  # a file system whose times have a grain of two seconds

    first = made(store, "a", b"0")
    with store._start_looking() as look:
        second = store.swap("a", first, b"1")
        keep_time()
        assert set(look()) == {"a"}
        assert isinstance(second, int)
        third = store.swap("a", second, b"2")
        keep_time()
        assert set(look()) == {"a"}
        assert isinstance(third, int)
        store.swap("a", third, None)
        keep_time()
        assert set(look()) == {"a"}
        assert set(look()) == set()


def test_a_broken_record_does_not_end_the_watching(folder: Path) -> None:
    store, other = FileStore(folder, watch_every=0.01), FileStore(folder)
    made(other, "broken", b"x")
    record_of(other).write_bytes(b"torn")
    heard = Heard()
    store.watch(heard)
    made(other, "a", b"x")
    assert heard.hears("a")
    store.close()


def test_a_folder_that_is_away_for_a_while_does_not_end_the_watching(folder: Path, tmp_path: Path) -> None:
    store = FileStore(folder, watch_every=0.01)
    heard = Heard()
    store.watch(heard)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        store.load("a")
    (tmp_path / "elsewhere").rename(folder)
    made(FileStore(folder), "a", b"x")
    assert heard.hears("a")
    store.close()


def test_a_swap_waits_no_longer_than_it_was_told_for_a_stopped_process(folder: Path) -> None:
    store, stopped = FileStore(folder, busy_timeout=0.05), FileStore(folder)
    version = made(store, "a", b"x")
    with stopped._swapping(record_of(store).name), pytest.raises(StoreError, match="stopped process"):
        store.swap("a", version, b"y")
    assert store.load("a") == (b"x", version)

"""Lock files: what is refused, how many there are, and what two names on one file mean."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import SoftFileLock

from authflow.errors import StoreError
from authflow.stores import locks as locks_module
from authflow.stores.locks import KEY_LOCK_FILES, LockFiles, key_lock_name


@pytest.fixture
def locks(tmp_path: Path) -> LockFiles:
    return LockFiles(tmp_path, lambda: None)


def test_a_planted_link_in_place_of_a_lock_file_is_refused(locks: LockFiles, tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError) as caught, locks.hold("a.lock", 1.0):
        raise AssertionError("not reached")
    assert caught.value.hint
    assert not (tmp_path / "victim").exists()


def test_a_folder_in_place_of_a_lock_file_is_an_error_and_not_a_wait(locks: LockFiles, tmp_path: Path) -> None:
    (tmp_path / "a.lock").mkdir()
    with pytest.raises(StoreError), locks.hold("a.lock", 60.0):
        raise AssertionError("not reached")


def test_after_an_error_the_next_one_is_not_kept_out(locks: LockFiles, tmp_path: Path) -> None:
    (tmp_path / "a.lock").mkdir()
    with pytest.raises(StoreError), locks.hold("a.lock", 1.0):
        raise AssertionError("not reached")
    (tmp_path / "a.lock").rmdir()
    with locks.hold("a.lock", 0.0) as got:
        assert got


def test_a_file_system_without_locks_is_refused(locks: LockFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    # What filelock turns into there: a lock that outlives its holder.
    monkeypatch.setattr(locks_module, "FileLock", SoftFileLock)
    with pytest.raises(StoreError, match="local disk"), locks.hold("a.lock", 1.0):
        raise AssertionError("not reached")


def test_the_folder_is_looked_at_before_each_lock(tmp_path: Path) -> None:
    def refuse() -> None:
        raise StoreError("not there")

    with pytest.raises(StoreError, match="not there"), LockFiles(tmp_path, refuse).hold("a.lock", 1.0):
        raise AssertionError("not reached")
    assert os.listdir(tmp_path) == []


def test_a111_a_lock_file_stays_and_is_empty(locks: LockFiles, tmp_path: Path) -> None:
    for _ in range(3):
        with locks.hold("a.lock", 1.0):
            pass
    assert os.listdir(tmp_path) == ["a.lock"]
    assert (tmp_path / "a.lock").read_bytes() == b""


def test_any_number_of_keys_has_a_bounded_number_of_lock_files() -> None:
    names = {key_lock_name(f"session/{n}") for n in range(40_000)}
    assert len(names) <= KEY_LOCK_FILES
    assert all(name.isascii() and "/" not in name for name in names)


def test_nothing_is_remembered_of_locks_that_nobody_holds(locks: LockFiles) -> None:
    start = threading.Barrier(4)

    def hold(n: int) -> None:
        start.wait(30)
        for m in range(5):
            with locks.hold(f"{(n + m) % 3}.lock", 30.0) as got:
                assert got

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(4)))
    assert len(locks._queues) == 0

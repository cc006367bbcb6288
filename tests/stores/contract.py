"""The one contract that every store passes. A store's test file subclasses what the store promises:

    StoreContract           every store: bytes, versions, keys, time to live, notices, threads
    LockContract            `lock` excludes other threads (a store whose lock is only a wish leaves it out)
    ProcessContract         other processes share the store: races, notices, `kill -9`, fork, trouble
    ProcessLockContract     `lock` excludes other processes, and dies with the one that holds it

What a subclass gives: a fixture `opener`, a callable without arguments that opens the same place again each
time (for the process contracts it is picklable: `functools.partial(FileStore, folder)`); for ProcessContract
also a fixture `trouble`, a context manager in which the store it yields cannot be written.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from authflow.errors import StoreError
from authflow.stores import Conflict, Store

Opener = Callable[[], Store]
Trouble = Callable[[], AbstractContextManager[Store]]

# A process of its own, with nothing inherited: what a second program on the machine is.
_SPAWN = multiprocessing.get_context("spawn")
_PATIENCE = 60.0  # seconds until a test gives up on a thread or a process
_NOTICE_WITHIN = 2.0  # seconds until a change is told

HOSTILE_KEYS = {
    "empty": "",
    "climbs out": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "backslashes": "..\\..\\windows",
    "a drive": "C:con",
    "only dots": "..",
    "with NUL": "a\x00b",
    "starts with NUL": "\x00",
    "600 bytes": "k" * 600,
    "600 bytes of emoji": "🔑" * 150,
    "percent": "a%2Fb%00%s%d",
    "wildcards": "a*b?c[d]e_f",
    "quotes": "'; DROP TABLE entries; --\"`",
    "line ends": "a\r\nSET b 1\r\n",
    "spaces": "  a\tb  ",
    "accent in one": "caf\u00e9",
    "accent in two": "cafe\u0301",
    "capitals": "ABC",
    "small": "abc",
    "right to left": "\u202egnp.exe",
    "highest code point": "a\U0010ffff",
    "looks like a temporary file": ".tmp",
}
hostile = pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS.keys())


class Heard:
    """A receiver of notices that can be waited for."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, key: str) -> None:
        with self._changed:
            self.keys.append(key)
            self._changed.notify_all()

    def hears(self, key: str, within: float = _NOTICE_WITHIN) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: key in self.keys, within)

    def forget(self) -> None:
        with self._changed:
            self.keys.clear()


def made(store: Store, key: str, data: bytes, ttl: float | None = None) -> int:
    """The version under which `key` was made; fails if it was there."""
    version = store.swap(key, 0, data, ttl)
    assert isinstance(version, int), f"{key!r} was there already: {version}"
    assert version > 0
    return version


def eventually(claim: Callable[[], bool], within: float = _PATIENCE) -> bool:
    """True as soon as `claim` is; False when it was not `within` seconds. Only for what another clock decides."""
    until = time.monotonic() + within
    pause = threading.Event()
    while not claim():
        if time.monotonic() > until:
            return False
        pause.wait(0.01)
    return True


def count_up(store: Store, key: str, rounds: int) -> None:
    """Adds one to the number under `key`, `rounds` times, against whoever else does."""
    for _ in range(rounds):
        while True:
            found = store.load(key)
            number, version = (0, 0) if found is None else (int(found[0]), found[1])
            if not isinstance(store.swap(key, version, b"%d" % (number + 1)), Conflict):
                break


def in_threads(count: int, work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work) for _ in range(count)]:
            done.result(_PATIENCE)


def open_descriptors() -> set[str]:
    folder = next((place for place in ("/proc/self/fd", "/dev/fd") if os.path.isdir(place)), None)
    if folder is None:
        return set()
    found = set()
    for name in os.listdir(folder):
        try:
            found.add(f"{name} {os.readlink(f'{folder}/{name}')}")
        except OSError:
            continue  # the descriptor of the listing itself
    return found


class StoreContract:
    """What every store keeps."""

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError("a subclass says how its store is opened")

    @pytest.fixture
    def store(self, opener: Opener) -> Iterator[Store]:
        opened = opener()
        yield opened
        opened.close()

    # ── bytes and versions ──

    def test_it_says_whether_it_blocks_and_whether_bytes_leave_the_process(self, store: Store) -> None:
        assert isinstance(store.blocking, bool)
        assert isinstance(store.durable, bool)

    def test_a_key_that_was_never_written_is_none(self, store: Store) -> None:
        assert store.load("nobody") is None
        assert list(store.keys("")) == []

    def test_what_was_written_is_read_with_its_version(self, store: Store) -> None:
        version = made(store, "a", b"first")
        assert store.load("a") == (b"first", version)

    def test_the_version_rises_with_every_write(self, store: Store) -> None:
        version = made(store, "a", b"0")
        for n in range(1, 20):
            newer = store.swap("a", version, b"%d" % n)
            assert isinstance(newer, int)
            assert newer > version
            assert store.load("a") == (b"%d" % n, newer)
            version = newer

    def test_writing_the_same_bytes_is_a_change(self, store: Store) -> None:
        version = made(store, "a", b"same")
        again = store.swap("a", version, b"same")
        assert isinstance(again, int)
        assert again > version

    def test_an_older_version_conflicts_and_changes_nothing(self, store: Store) -> None:
        old = made(store, "a", b"old")
        new = store.swap("a", old, b"new")
        assert store.swap("a", old, b"late") == Conflict(new)  # type: ignore[arg-type]
        assert isinstance(store.swap("a", old, b"late"), Conflict)
        assert store.load("a") == (b"new", new)

    def test_a_version_from_the_future_conflicts(self, store: Store) -> None:
        version = made(store, "a", b"now")
        assert store.swap("a", version + 1, b"later") == Conflict(version)
        assert store.load("a") == (b"now", version)

    def test_making_a_key_that_is_there_conflicts(self, store: Store) -> None:
        version = made(store, "a", b"first")
        assert store.swap("a", 0, b"second") == Conflict(version)
        assert store.load("a") == (b"first", version)

    def test_changing_a_key_that_is_not_there_conflicts_with_zero(self, store: Store) -> None:
        assert store.swap("a", 7, b"x") == Conflict(0)
        assert store.load("a") is None

    def test_keys_do_not_share_their_bytes(self, store: Store) -> None:
        one, two = made(store, "a", b"one"), made(store, "b", b"two")
        store.swap("a", one, None)
        assert store.load("b") == (b"two", two)

    @pytest.mark.parametrize(
        "data", [b"", b"\x00", b"\r\n", bytes(range(256)) * 4], ids=["empty", "NUL", "a line end", "every byte"]
    )
    def test_bytes_come_back_as_they_were(self, store: Store, data: bytes) -> None:
        version = made(store, "a", data)
        found = store.load("a")
        assert found == (data, version)
        assert type(found[0]) is bytes

    def test_a_mebibyte_comes_back_whole(self, store: Store) -> None:
        data = os.urandom(1 << 20)
        version = made(store, "a", data)
        assert store.load("a") == (data, version)
        assert isinstance(store.swap("a", version, b"small again"), int)
        found = store.load("a")
        assert found is not None
        assert found[0] == b"small again"

    # ── removal ──

    def test_a_removed_key_is_gone(self, store: Store) -> None:
        version = made(store, "a", b"x")
        assert store.swap("a", version, None) == 0
        assert store.load("a") is None
        assert list(store.keys("")) == []

    def test_removing_an_older_version_conflicts(self, store: Store) -> None:
        old = made(store, "a", b"x")
        new = store.swap("a", old, b"y")
        assert isinstance(store.swap("a", old, None), Conflict)
        assert store.load("a") == (b"y", new)

    def test_removing_what_is_not_there_is_no_trouble(self, store: Store) -> None:
        assert store.swap("a", 0, None) == 0
        assert store.swap("a", 3, None) == Conflict(0)

    def test_a_version_never_comes_back_after_removal(self, store: Store) -> None:
        first = made(store, "a", b"one login")
        second = store.swap("a", first, b"renewed")
        assert isinstance(second, int)
        assert store.swap("a", second, None) == 0
        again = made(store, "a", b"another login")
        assert again > second
        assert store.swap("a", second, b"a late writer of the first login") == Conflict(again)
        assert store.load("a") == (b"another login", again)

    # ── time to live ──

    def test_a_key_with_time_left_is_there(self, store: Store) -> None:
        version = made(store, "a", b"x", ttl=3600)
        assert store.load("a") == (b"x", version)
        assert list(store.keys("")) == ["a"]

    def test_a_key_past_its_time_is_gone_and_can_be_made_again(self, store: Store) -> None:
        version = made(store, "a", b"x", ttl=0.05)
        assert eventually(lambda: store.load("a") is None)
        assert list(store.keys("")) == []
        assert store.swap("a", version, b"late") == Conflict(0)
        again = made(store, "a", b"y")
        assert again > version
        assert store.load("a") == (b"y", again)

    def test_a_write_without_a_time_to_live_lifts_it(self, store: Store) -> None:
        version = made(store, "a", b"x", ttl=30)
        kept = store.swap("a", version, b"kept")
        made(store, "b", b"x", ttl=0.05)
        assert eventually(lambda: store.load("b") is None)
        assert store.load("a") == (b"kept", kept)

    # ── keys ──

    def test_keys_are_listed_by_their_prefix(self, store: Store) -> None:
        names = ["session/ada/github", "session/ada/google", "session/adam/github", "pending/1", "Session/x"]
        for name in names:
            made(store, name, b"x")
        assert sorted(store.keys("session/ada/")) == ["session/ada/github", "session/ada/google"]
        assert sorted(store.keys("session/ada")) == sorted(n for n in names if n.startswith("session/ada"))
        assert sorted(store.keys("")) == sorted(names)
        assert list(store.keys("session/ada/github/")) == []

    @pytest.mark.parametrize("prefix", ["a%", "a_", "a*", "a?", "a[b", "a\\", "a\x00", "a\U0010ffff", "aé"])
    def test_a_prefix_is_taken_literally(self, store: Store, prefix: str) -> None:
        made(store, prefix + "1", b"x")
        made(store, "abc", b"x")
        made(store, "b", b"x")
        assert list(store.keys(prefix)) == [prefix + "1"]

    @hostile
    def test_a_hostile_key_is_only_a_name(self, store: Store, key: str) -> None:
        version = made(store, key, b"x")
        assert store.load(key) == (b"x", version)
        assert list(store.keys(key)) == [key]
        with store.lock(key, 1.0) as got:
            assert got
        newer = store.swap(key, version, b"y")
        assert isinstance(newer, int)
        assert store.swap(key, newer, None) == 0
        assert store.load(key) is None

    def test_hostile_keys_do_not_touch_each_other(self, store: Store) -> None:
        versions = {key: made(store, key, key.encode()) for key in HOSTILE_KEYS.values()}
        for key, version in versions.items():
            assert store.load(key) == (key.encode(), version)
        assert sorted(store.keys("")) == sorted(versions)

    # ── notices ──

    def test_an_own_change_is_told(self, store: Store) -> None:
        heard = Heard()
        stop = store.watch(heard)
        version = made(store, "a", b"x")
        assert heard.hears("a")
        heard.forget()
        store.swap("a", version, None)
        assert heard.hears("a")
        stop()

    def test_when_a_change_is_told_it_can_be_read(self, store: Store) -> None:
        seen: list[Any] = []
        heard = Heard()

        def read(key: str) -> None:
            seen.append(store.load(key))
            heard(key)

        stop = store.watch(read)
        version = made(store, "a", b"x")
        assert heard.hears("a")
        assert seen[0] == (b"x", version)
        stop()

    def test_a_swap_that_lost_is_not_told_as_a_change(self, store: Store) -> None:
        made(store, "a", b"x")
        heard = Heard()
        stop = store.watch(heard)
        assert isinstance(store.swap("a", 0, b"y"), Conflict)
        made(store, "b", b"x")
        assert heard.hears("b")
        assert "a" not in heard.keys
        stop()

    def test_who_stopped_watching_hears_nothing_and_others_still_do(self, store: Store) -> None:
        first, second = Heard(), Heard()
        stop_first, stop_second = store.watch(first), store.watch(second)
        stop_first()
        stop_first()
        made(store, "a", b"x")
        assert second.hears("a")
        assert first.keys == []
        stop_second()

    def test_one_receiver_can_watch_twice_and_stop_once(self, store: Store) -> None:
        heard = Heard()
        stop_one, stop_two = store.watch(heard), store.watch(heard)
        stop_one()
        made(store, "a", b"x")
        assert heard.hears("a")
        stop_two()

    def test_a_receiver_that_raises_spoils_neither_the_write_nor_the_others(self, store: Store) -> None:
        def broken(key: str) -> None:
            raise RuntimeError("not my day")

        heard = Heard()
        stops = [store.watch(broken), store.watch(heard)]
        version = made(store, "a", b"x")
        assert heard.hears("a")
        assert store.load("a") == (b"x", version)
        for stop in stops:
            stop()

    def test_a_receiver_may_write(self, store: Store) -> None:
        heard = Heard()

        def copy(key: str) -> None:
            if key == "a":
                store.swap("b", 0, b"made by a receiver")
            heard(key)

        stop = store.watch(copy)
        made(store, "a", b"x")
        assert heard.hears("b")
        stop()

    # ── threads, handles, the end ──

    def test_eight_threads_lose_no_update(self, store: Store) -> None:
        in_threads(8, lambda: count_up(store, "n", 25))
        found = store.load("n")
        assert found is not None
        assert found[0] == b"200"

    def test_of_eight_threads_that_make_one_key_one_does(self, store: Store) -> None:
        outcomes: list[int | Conflict] = []
        start = threading.Barrier(8)

        def make() -> None:
            start.wait(_PATIENCE)
            outcomes.append(store.swap("a", 0, b"%d" % threading.get_ident()))

        in_threads(8, make)
        winners = [outcome for outcome in outcomes if not isinstance(outcome, Conflict)]
        assert len(winners) == 1
        found = store.load("a")
        assert found is not None
        assert set(outcomes) == {winners[0], Conflict(found[1])}

    def test_of_eight_threads_that_remove_one_version_one_does(self, store: Store) -> None:
        version = made(store, "a", b"x")
        outcomes: list[int | Conflict] = []
        in_threads(8, lambda: outcomes.append(store.swap("a", version, None)))
        assert sorted(outcomes, key=str) == sorted([0, *[Conflict(0)] * 7], key=str)

    def test_closing_twice_is_no_trouble(self, opener: Opener) -> None:
        store = opener()
        made(store, "a", b"x")
        store.close()
        store.close()

    def test_closing_leaves_no_thread_and_no_descriptor(self, opener: Opener) -> None:
        def use() -> None:
            store = opener()
            store.watch(Heard())
            in_threads(4, lambda: count_up(store, "n", 2))
            with store.lock("n", 1.0):
                list(store.keys(""))
            store.close()

        use()  # what is opened once for the whole process is not the store's
        threads, descriptors = set(threading.enumerate()), open_descriptors()
        use()
        assert eventually(lambda: set(threading.enumerate()) <= threads, 5.0), threading.enumerate()
        assert open_descriptors() <= descriptors


class LockContract(StoreContract):
    """`lock` keeps other threads of this process out."""

    def test_a_free_lock_is_had(self, store: Store) -> None:
        with store.lock("a", 0.0) as got:
            assert got is True

    def test_a_held_lock_is_not_had_within_the_timeout(self, store: Store) -> None:
        with store.lock("a", 1.0), ThreadPoolExecutor(1) as pool:
            assert pool.submit(self._try, store, "a", 0.1).result(_PATIENCE) is False

    def test_the_holder_does_not_get_it_twice(self, store: Store) -> None:
        with store.lock("a", 1.0) as first, store.lock("a", 0.05) as second:
            assert (first, second) == (True, False)

    def test_not_having_got_it_does_not_release_the_holder(self, store: Store) -> None:
        with store.lock("a", 1.0), ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                assert pool.submit(self._try, store, "a", 0.02).result(_PATIENCE) is False

    def test_a_released_lock_is_had_by_another_thread(self, store: Store) -> None:
        with ThreadPoolExecutor(1) as pool:
            for _ in range(3):
                assert pool.submit(self._try, store, "a", 1.0).result(_PATIENCE) is True
                assert self._try(store, "a", 1.0) is True

    def test_a_waiting_thread_gets_it_when_it_is_released(self, store: Store) -> None:
        with ThreadPoolExecutor(1) as pool:
            with store.lock("a", 1.0):
                waiting = pool.submit(self._try, store, "a", _PATIENCE)
            assert waiting.result(_PATIENCE) is True

    def test_an_error_inside_releases_it(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.lock("a", 1.0):
            raise ZeroDivisionError
        assert self._try(store, "a", 0.0) is True

    def test_it_can_be_released_on_another_thread_than_it_was_taken_on(self, store: Store) -> None:
        lock = store.lock("a", 1.0)
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
            assert one.submit(lock.__enter__).result(_PATIENCE) is True
            assert self._try(store, "a", 0.02) is False
            two.submit(lock.__exit__, None, None, None).result(_PATIENCE)
            assert one.submit(self._try, store, "a", 1.0).result(_PATIENCE) is True

    def test_another_key_is_not_held(self, store: Store) -> None:
        with store.lock("a", 1.0), store.lock("b", 0.0) as got:
            assert got is True

    def test_it_guards_nothing_the_bytes_can_be_changed_under_it(self, store: Store) -> None:
        with store.lock("a", 1.0), ThreadPoolExecutor(1) as pool:
            assert pool.submit(made, store, "a", b"x").result(_PATIENCE) > 0

    def test_of_eight_threads_one_at_a_time_is_inside(self, store: Store) -> None:
        inside: list[int] = []

        def enter() -> None:
            for _ in range(5):
                with store.lock("a", _PATIENCE) as got:
                    assert got
                    inside.append(1)
                    assert len(inside) == 1
                    inside.pop()

        in_threads(8, enter)

    @staticmethod
    def _try(store: Store, key: str, timeout: float) -> bool:
        with store.lock(key, timeout) as got:
            return got


class ProcessContract(StoreContract):
    """Processes share the store: each opens it by `opener`."""

    @pytest.fixture
    def trouble(self, opener: Opener) -> Trouble:
        raise NotImplementedError("a subclass says how its store gets into trouble")

    @pytest.fixture
    def other(self, opener: Opener) -> Iterator[Store]:
        """A second handle on the same place."""
        opened = opener()
        yield opened
        opened.close()

    def test_the_bytes_leave_the_process(self, store: Store) -> None:
        assert store.durable is True

    def test_what_was_stored_is_there_when_it_is_opened_again(self, opener: Opener) -> None:
        first = opener()
        version = made(first, "a", b"x")
        first.close()
        again = opener()
        assert again.load("a") == (b"x", version)
        assert list(again.keys("")) == ["a"]
        again.close()

    def test_a_second_handle_sees_each_change_at_once(self, store: Store, other: Store) -> None:
        version = made(store, "a", b"x")
        assert other.load("a") == (b"x", version)
        newer = other.swap("a", version, b"y")
        assert store.load("a") == (b"y", newer)
        assert store.swap("a", version, b"z") == Conflict(newer)  # type: ignore[arg-type]
        assert isinstance(newer, int)
        assert store.swap("a", newer, None) == 0
        assert other.load("a") is None

    def test_a_version_never_comes_back_through_a_second_handle(self, store: Store, other: Store) -> None:
        first = made(store, "a", b"x")
        assert other.swap("a", first, None) == 0
        assert made(other, "a", b"y") > first

    def test_four_processes_lose_no_update(self, opener: Opener, store: Store) -> None:
        workers = [spawn(_count, opener, "n", 50) for _ in range(4)]
        for worker in workers:
            ended_well(worker)
        found = store.load("n")
        assert found is not None
        assert found[0] == b"200"

    def test_another_process_reads_what_this_one_wrote_and_writes_back(self, opener: Opener, store: Store) -> None:
        made(store, "a", b"hello")
        ended_well(spawn(_answer, opener, "a"))
        found = store.load("a")
        assert found is not None
        assert found[0] == b"hello, too"

    def test_another_handles_change_is_told(self, store: Store, other: Store) -> None:
        heard = Heard()
        stop = store.watch(heard)
        version = made(other, "a", b"x")
        assert heard.hears("a")
        heard.forget()
        newer = other.swap("a", version, b"y")
        assert heard.hears("a")
        heard.forget()
        assert isinstance(newer, int)
        other.swap("a", newer, None)
        assert heard.hears("a")
        stop()

    def test_another_processs_change_is_told_within_two_seconds(self, opener: Opener, store: Store) -> None:
        version = made(store, "a", b"hello")
        heard = Heard()
        stop = store.watch(heard)
        worker = spawn(_answer, opener, "a")
        ended_well(worker)
        assert heard.hears("a")
        found = store.load("a")
        assert found is not None
        assert found[1] > version
        stop()

    def test_what_was_there_before_is_not_told_to_who_begins_to_watch(self, store: Store, other: Store) -> None:
        made(other, "old", b"x")
        heard = Heard()
        stop = store.watch(heard)
        made(other, "new", b"x")
        assert heard.hears("new")
        assert "old" not in heard.keys
        stop()

    def test_a_process_killed_while_it_writes_leaves_a_whole_record(self, opener: Opener, store: Store) -> None:
        version = 0
        for _ in range(3):
            worker = spawn(_write_until_killed, opener, "a")
            assert eventually(lambda seen=version: (store.load("a") or (b"", 0))[1] > seen + 3)  # type: ignore[misc]
            kill(worker)
            found = store.load("a")
            assert found is not None
            assert is_whole(found[0])
            assert found[1] > version
            written = store.swap("a", found[1], whole(b"after the kill"))
            assert isinstance(written, int)
            version = written

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_a_forked_child_and_its_parent_both_go_on(self, opener: Opener, store: Store) -> None:
        ended_well(spawn(_fork_and_count, opener, "n"))
        found = store.load("n")
        assert found is not None
        assert found[0] == b"61"

    def test_trouble_is_a_store_error_with_a_remedy_and_changes_nothing(self, opener: Opener, trouble: Trouble) -> None:
        before = opener()
        version = made(before, "a", b"x")
        before.close()
        with trouble() as troubled:
            with pytest.raises(StoreError) as caught:
                troubled.swap("a", version, b"y")
            assert caught.value.hint
            assert caught.value.phase is not None
        after = opener()
        assert after.load("a") == (b"x", version)
        assert isinstance(after.swap("a", version, b"y"), int)
        after.close()


class ProcessLockContract(ProcessContract, LockContract):
    """`lock` keeps other processes out, and the system releases it when its holder dies."""

    def test_another_processs_lock_is_waited_for_and_freed_by_its_death(self, opener: Opener, store: Store) -> None:
        with holder(opener, "a") as worker:
            assert self._try(store, "a", 0.1) is False
            assert self._try(store, "b", 0.0) is True
            kill(worker)
            assert self._try(store, "a", _PATIENCE) is True

    def test_a_lock_held_here_keeps_another_process_out(self, opener: Opener, store: Store) -> None:
        with store.lock("a", 1.0) as got:
            assert got
            ended_well(spawn(_fail_to_lock, opener, "a"))

    def test_a_second_handle_is_kept_out_too(self, store: Store, other: Store) -> None:
        with store.lock("a", 1.0), ThreadPoolExecutor(1) as pool:
            assert pool.submit(self._try, other, "a", 0.05).result(_PATIENCE) is False
        assert self._try(other, "a", 1.0) is True

    def test_of_four_processes_one_at_a_time_is_inside(self, opener: Opener, store: Store) -> None:
        workers = [spawn(_count_under_lock, opener, "n", 10) for _ in range(4)]
        for worker in workers:
            ended_well(worker)
        found = store.load("n")
        assert found is not None
        assert found[0] == b"40"


# ── what runs in the other processes ─────────────────────────────────────────────────────────────────


def whole(data: bytes) -> bytes:
    """`data` behind its checksum: half of it is not whole."""
    return zlib.crc32(data).to_bytes(4, "big") + data


def is_whole(data: bytes) -> bool:
    return zlib.crc32(data[4:]).to_bytes(4, "big") == data[:4]


def spawn(work: Callable[..., None], *args: Any) -> Any:
    worker = _SPAWN.Process(target=work, args=args, daemon=True)
    worker.start()
    return worker


def ended_well(worker: Any) -> None:
    worker.join(_PATIENCE)
    assert worker.exitcode == 0
    worker.close()


def kill(worker: Any) -> None:
    worker.kill()
    worker.join(_PATIENCE)
    assert worker.exitcode is not None


@contextmanager
def holder(opener: Opener, key: str) -> Iterator[Any]:
    """A process that holds the lock of `key` until it is killed."""
    mine, its = _SPAWN.Pipe(duplex=False)
    worker = spawn(_hold, opener, key, its)
    its.close()
    try:
        assert mine.poll(_PATIENCE)
        assert mine.recv() is True
        yield worker
    finally:
        kill(worker)
        mine.close()


def require(claim: bool) -> None:
    """An assert that also counts where pytest has not rewritten it and Python runs with -O."""
    if not claim:
        raise AssertionError("see the line above")


def _count(opener: Opener, key: str, rounds: int) -> None:
    store = opener()
    count_up(store, key, rounds)
    store.close()


def _answer(opener: Opener, key: str) -> None:
    store = opener()
    found = store.load(key)
    require(found is not None and not isinstance(store.swap(key, found[1], found[0] + b", too"), Conflict))
    store.close()


def _write_until_killed(opener: Opener, key: str) -> None:
    store = opener()
    while True:
        found = store.load(key)
        store.swap(key, 0 if found is None else found[1], whole(os.urandom(20_000)))


def _hold(opener: Opener, key: str, told: Any) -> None:
    store = opener()
    with store.lock(key, _PATIENCE) as got:
        told.send(got)
        threading.Event().wait()


def _fail_to_lock(opener: Opener, key: str) -> None:
    store = opener()
    with store.lock(key, 0.1) as got:
        require(not got)
    store.close()


def _count_under_lock(opener: Opener, key: str, rounds: int) -> None:
    store = opener()
    for _ in range(rounds):
        with store.lock(key, _PATIENCE) as got:
            require(got)
            found = store.load(key)
            number, version = (0, 0) if found is None else (int(found[0]), found[1])
            require(not isinstance(store.swap(key, version, b"%d" % (number + 1)), Conflict))
    store.close()


def _fork_and_count(opener: Opener, key: str) -> None:
    """Forks while a lock is held, a watcher watches and other threads write; parent and child go on counting."""
    store = opener()
    heard = Heard()
    store.watch(heard)
    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(count_up, store, key, 10) for _ in range(2)]
        with store.lock(key, _PATIENCE):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    signal.alarm(int(_PATIENCE))
                    count_up(store, key, 20)
                    with store.lock("the child's own", 1.0) as got:
                        require(got)
                    store.close()
                    code = 0
                finally:
                    os._exit(code)
        count_up(store, key, 20)
        for done in busy:
            done.result(_PATIENCE)
    _, status = os.waitpid(child, 0)
    require(os.waitstatus_to_exitcode(status) == 0)
    with store.lock(key, _PATIENCE) as got:
        require(got)
    # The child that ended took nothing of the parent's with it.
    count_up(store, key, 1)
    heard.forget()
    store.swap("told", 0, b"x")
    require(heard.hears("told"))
    store.close()


def folder_modes(folder: Path) -> dict[str, int]:
    """The permission bits of every file in `folder`."""
    return {entry.name: entry.stat(follow_symlinks=False).st_mode & 0o777 for entry in os.scandir(folder)}

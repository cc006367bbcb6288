"""The memory store beyond the contract of all stores: its clock, its tidiness, its notices."""

from __future__ import annotations

import threading

from authflow.stores import Conflict, MemoryStore
from authflow.testing import VirtualClock


def test_a_key_is_gone_once_its_time_is_over() -> None:
    clock = VirtualClock()
    store = MemoryStore(time=clock.time)
    store.swap("key", 0, b"data", ttl=60)
    clock.advance(59)
    assert store.load("key") is not None
    clock.advance(1)
    assert store.load("key") is None
    assert list(store.keys("")) == []


def test_a_key_that_has_expired_can_be_made_anew_and_only_as_a_new_one() -> None:
    clock = VirtualClock()
    store = MemoryStore(time=clock.time)
    old = store.swap("key", 0, b"data", ttl=60)
    clock.advance(60)
    assert isinstance(old, int)
    assert store.swap("key", old, b"late") == Conflict(0)
    new = store.swap("key", 0, b"new")
    assert isinstance(new, int)
    assert new > old


def test_writing_without_a_time_to_live_keeps_the_key_for_ever() -> None:
    clock = VirtualClock()
    store = MemoryStore(time=clock.time)
    first = store.swap("key", 0, b"data", ttl=60)
    assert isinstance(first, int)
    store.swap("key", first, b"data")
    clock.advance(10**6)
    assert store.load("key") is not None


def test_what_nobody_asks_for_any_more_does_not_stay_in_memory() -> None:
    clock = VirtualClock()
    store = MemoryStore(time=clock.time)
    for number in range(5_000):
        store.swap(f"pending/{number}", 0, b"data", ttl=60)
        clock.advance(1)
    assert len(store._entries) < 1_000


def test_stores_share_nothing() -> None:
    one, two = MemoryStore(), MemoryStore()
    one.swap("key", 0, b"data")
    assert two.load("key") is None


def test_it_needs_no_thread_and_no_seal() -> None:
    assert (MemoryStore.blocking, MemoryStore.durable) == (False, False)


def test_a_notice_comes_on_the_thread_that_writes_after_the_change_is_visible() -> None:
    store = MemoryStore()
    seen: list[tuple[int, object]] = []
    store.watch(lambda key: seen.append((threading.get_ident(), store.load(key))))
    version = store.swap("key", 0, b"data")
    assert seen == [(threading.get_ident(), (b"data", version))]


def test_a_watcher_may_write() -> None:
    store = MemoryStore()

    def copy(key: str) -> None:
        if key == "key":
            store.swap("copy", 0, b"data")

    store.watch(copy)
    store.swap("key", 0, b"data")
    assert store.load("copy") is not None


def test_a_conflict_is_no_change_and_no_notice() -> None:
    store = MemoryStore()
    store.swap("key", 0, b"data")
    told: list[str] = []
    store.watch(told.append)
    assert isinstance(store.swap("key", 0, b"other"), Conflict)
    assert told == []


def test_whoever_stops_watching_hears_nothing_more() -> None:
    store = MemoryStore()
    told: list[str] = []
    stop = store.watch(told.append)
    stop()
    stop()
    store.swap("key", 0, b"data")
    assert told == []

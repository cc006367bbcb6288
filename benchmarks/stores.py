"""Save and load of one sealed session, a second, on every store of this machine.

    python benchmarks/stores.py [--rounds 5] [--redis unix:/path/to/socket]

A session is 2.3 KB of MessagePack, sealed as the manager seals it, saved by compare-and-swap under one of 100 keys
and loaded again. Every round runs every store once; the table shows medians, and two ratios: to bare SQLite (the
same bytes through `sqlite3`, one statement each: no version, no check, no list of changes), and to SET and GET on a
Redis through redis-py, if one is named. Only ratios of one run mean something. The processor's share leaves out
waiting for the disk.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from authflow.sealing import KeyRing, SealedVault, generate_key
from authflow.stores import Conflict, FileStore, MemoryStore, SQLiteStore, Store

KEYS = [f"session/owner-{n:03d}/github/" for n in range(100)]
SESSION = os.urandom(2300)
VAULT = SealedVault(KeyRing(generate_key()))
BARE = "bare sqlite3, no versions"
REDIS = "Redis, SET and GET"

Loop = Callable[[int], None]


def save_and_load(store: Store) -> Loop:
    """What a manager does on each commit and each first read."""
    versions = dict.fromkeys(KEYS, 0)

    def once(n: int) -> None:
        key = KEYS[n % len(KEYS)]
        made = store.swap(key, versions[key], VAULT.pack(key, SESSION, n))
        if isinstance(made, Conflict):
            raise RuntimeError("nobody else writes here")
        versions[key] = made
        found = store.load(key)
        if found is None or len(VAULT.unpack(key, found[0])[0]) != len(SESSION):
            raise RuntimeError("what was saved is not there")

    return once


def bare_sqlite(connection: sqlite3.Connection) -> Loop:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE s (k TEXT PRIMARY KEY, v BLOB)")
    save = "INSERT INTO s VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"

    def once(n: int) -> None:
        key = KEYS[n % len(KEYS)]
        connection.execute(save, (key, VAULT.pack(key, SESSION, n)))
        VAULT.unpack(key, connection.execute("SELECT v FROM s WHERE k = ?", (key,)).fetchone()[0])

    return once


def bare_redis(path: str) -> Loop:
    """SET with a time to live, and GET, by redis-py."""
    import redis

    client = redis.Redis(unix_socket_path=path)

    def once(n: int) -> None:
        key = KEYS[n % len(KEYS)]
        client.set(key, VAULT.pack(key, SESSION, n), ex=3600)
        VAULT.unpack(key, client.get(key))

    return once


def measure(loop: Loop, count: int, first: int) -> tuple[float, float]:
    """Seconds and processor seconds of one save and load."""
    wall, cpu = time.perf_counter(), time.process_time()
    for n in range(first, first + count):
        loop(n)
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def contestants(folder: Path, redis: str | None, stack: ExitStack) -> Iterator[tuple[str, Loop, int]]:
    stores: list[tuple[str, Store, int]] = [
        ("MemoryStore", MemoryStore(), 2000),
        ("SQLiteStore", SQLiteStore(folder / "one" / "s.db"), 1000),
        ("SQLiteStore, durable=power", SQLiteStore(folder / "two" / "s.db", durable="power"), 100),
        ("FileStore", FileStore(folder / "files"), 50),
    ]
    for name, store, count in stores:
        stack.enter_context(closing(store))
        yield name, save_and_load(store), count
    yield BARE, bare_sqlite(stack.enter_context(closing(sqlite3.connect(folder / "b.db", isolation_level=None)))), 1000
    if redis is not None:
        yield REDIS, bare_redis(redis), 1000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="save and load of a sealed session, a second")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--redis", metavar="unix:PATH", help="compare with a Redis that listens there")
    chosen = parser.parse_args(arguments)
    redis = None if chosen.redis is None else chosen.redis.removeprefix("unix:")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        loops = list(contestants(Path(folder), redis, stack))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in loops}
        for _, loop, _ in loops:
            measure(loop, len(KEYS), 0)
        for round_ in range(1, chosen.rounds + 1):
            for name, loop, count in loops:
                times[name].append(measure(loop, count, round_ * count))
    medians = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in times.items()}
    print(f"{'save + load, sealed':28s} {'a second':>9s} {'each':>11s} {'processor':>11s}  of bare of Redis")
    for name, (wall, cpu) in sorted(medians.items(), key=lambda item: item[1][0]):
        of_redis = f"x{medians[REDIS][0] / wall:.2f}" if REDIS in medians else "–"
        print(
            f"{name:28s} {1 / wall:9,.0f} {wall * 1e6:8,.1f} us {cpu * 1e6:8,.1f} us "
            f"{'x%.2f' % (medians[BARE][0] / wall):>8s} {of_redis:>8s}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`kill -9` at random moments, on every store that outlives its process.

    python benchmarks/kill_nine.py                        200 kills a store
    python benchmarks/kill_nine.py --quick 40 --seed 7    what the checks run

A warm parent forks workers that swap in a loop, and kills one at a random moment. Then it looks: is every record
whole, is every swap there that the worker saw confirmed, has no version gone back, can the key still be written
and locked at once? Workers change, remove and make again; now and then two of them fight for one key.

It prints what it did and exits with 1 at the first thing that is wrong, after the seed that shows it again.
Times vary between two runs with one seed, so the moment of a kill does, too: the seed fixes what was drawn.
"""

from __future__ import annotations

import argparse
import functools
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authflow.stores import Conflict, FileStore, SQLiteStore, Store

SHARED = "session/shared"
LONGEST_RUN = 0.03  # seconds a worker lives at most
START_WITHIN = 30.0  # seconds
WORKERS = 2
REMOVES_EVERY = 7  # swaps

STORES: dict[str, Callable[[Path], Callable[[], Store]]] = {
    "file": lambda folder: functools.partial(FileStore, folder / "file"),
    "sqlite": lambda folder: functools.partial(SQLiteStore, folder / "sqlite" / "sessions.db"),
    "sqlite, power": lambda folder: functools.partial(SQLiteStore, folder / "power" / "s.db", durable="power"),
}


class Wrong(Exception):
    """A store did what no store may do."""


@dataclass
class Figures:
    """What happened to one store."""

    name: str
    kills: int = 0
    swaps: int = 0
    amid_a_swap: int = 0
    old_found: int = 0
    new_found: int = 0
    seconds: float = 0.0
    slowest_write_after: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)

    def line(self) -> str:
        return (
            f"{self.name:14s} {self.kills:4d} kills, {self.swaps:6d} swaps confirmed, {self.amid_a_swap:4d} kills amid "
            f"a swap (old record found {self.old_found}, new {self.new_found}), 0 torn, 0 lost, 0 back; "
            f"slowest write after a kill {self.slowest_write_after * 1e3:.1f} ms; {self.seconds:.1f} s"
        )


class Diary:
    """What a worker tells before and after each swap, in memory that outlives it: begun, confirmed, its version."""

    _LINE = struct.Struct("=QQQ")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def begin(self, number: int) -> None:
        self._memory[0:8] = number.to_bytes(8, sys.byteorder)

    def confirm(self, number: int, version: int) -> None:
        self._memory[16:24] = version.to_bytes(8, sys.byteorder)
        self._memory[8:16] = number.to_bytes(8, sys.byteorder)

    def read(self) -> tuple[int, int, int]:
        begun, confirmed, version = self._LINE.unpack_from(self._memory)
        return begun, confirmed, version


def record(number: int, size: int) -> bytes:
    """A record that tells its number and whether it is whole."""
    body = struct.pack("=Q", number) + os.urandom(16) * (size // 16)
    return struct.pack("=I", zlib.crc32(body)) + body


def number_in(data: bytes, of: str) -> int:
    if len(data) < 12 or struct.unpack_from("=I", data)[0] != zlib.crc32(data[4:]):
        raise Wrong(f"the record of {of} is torn ({len(data)} bytes)")
    return int(struct.unpack_from("=Q", data, 4)[0])


def is_removal(number: int) -> bool:
    return number % REMOVES_EVERY == 0


def work(opener: Callable[[], Store], key: str, start: int, size: int, diary: Diary) -> None:
    """Swaps until it is killed: its own key, and now and then the shared one."""
    store = opener()
    number = start
    while True:
        number += 1
        found = store.load(key)
        diary.begin(number)
        made = store.swap(key, 0 if found is None else found[1], None if is_removal(number) else record(number, size))
        if isinstance(made, Conflict):
            raise Wrong(f"{key} belongs to one worker, yet it lost a swap")
        diary.confirm(number, made or (0 if found is None else found[1]))
        if number % 3 == 0:
            shared = store.load(SHARED)
            seen = 0 if shared is None else number_in(shared[0], SHARED)
            store.swap(SHARED, 0 if shared is None else shared[1], record(seen + 1, size))


def fork(opener: Callable[[], Store], key: str, start: int, size: int, diary: Diary) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work(opener, key, start, size, diary)
    except BaseException as error:
        print(f"a worker ended by itself: {error!r}", file=sys.stderr)
    finally:
        os._exit(1)


def wait_until_at_work(diary: Diary) -> None:
    until = time.monotonic() + START_WITHIN
    while not diary.read()[0]:
        if time.monotonic() > until:
            raise Wrong(f"a worker did not begin within {START_WITHIN:g} s")
        time.sleep(0.001)


def end(worker: int) -> None:
    """Kills it; wrong if it had ended by itself."""
    os.kill(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise Wrong("a worker ended before it was killed")


def look(store: Store, key: str, start: int, diary: Diary, figures: Figures) -> int:
    """Is what the killed worker left as it should be? Gives the number that the next one starts from."""
    begun, confirmed, version = diary.read()
    begun, confirmed = max(begun, start), max(confirmed, start)
    figures.swaps += confirmed - start
    found = store.load(key)
    if found is None:
        number = begun if is_removal(begun) else confirmed
        if not is_removal(number) and number:
            raise Wrong(f"{key} is gone, though swap {confirmed} was confirmed and {begun} was no removal")
    else:
        number = number_in(found[0], key)
        before = figures.versions.get(key, 0)
        if number not in (confirmed, begun):
            raise Wrong(f"{key} holds swap {number}; {confirmed} was confirmed, {begun} was begun")
        if found[1] < max(version, before) or (number > start and found[1] == before):
            raise Wrong(f"the version of {key} went back: {found[1]} after {before}, {version} confirmed")
        figures.versions[key] = found[1]
    if begun != confirmed:
        figures.amid_a_swap += 1
        if number == begun:
            figures.new_found += 1
        else:
            figures.old_found += 1
    return max(begun, confirmed)


def look_at_shared(store: Store, figures: Figures) -> None:
    found = store.load(SHARED)
    if found is None:
        if SHARED in figures.versions:
            raise Wrong("the shared record is gone")
        return
    number_in(found[0], SHARED)
    if found[1] < figures.versions.get(SHARED, 0):
        raise Wrong(f"the shared version went back: {found[1]} after {figures.versions[SHARED]}")
    figures.versions[SHARED] = found[1]


def write_after(store: Store, key: str, number: int, size: int, figures: Figures) -> int:
    """The dead worker holds up nobody."""
    began = time.perf_counter()
    with store.lock(key, 1.0) as got:
        if not got:
            raise Wrong(f"the lock of {key} is held by a dead process")
        number += 1 + is_removal(number + 1)
        found = store.load(key)
        made = store.swap(key, 0 if found is None else found[1], record(number, size))
    if isinstance(made, Conflict):
        raise Wrong(f"{key} could not be written after the kill")
    if made <= figures.versions.get(key, 0):
        raise Wrong(f"the version of {key} came back: {made} after {figures.versions[key]}")
    figures.versions[key] = made
    figures.slowest_write_after = max(figures.slowest_write_after, time.perf_counter() - began)
    return number


def run(name: str, opener: Callable[[], Store], kills: int, draw: random.Random) -> Figures:
    """`kills` kills on one store. Raises `Wrong`."""
    figures = Figures(name)
    began = time.perf_counter()
    store = opener()
    numbers = dict.fromkeys((f"session/worker {n}" for n in range(WORKERS)), 0)
    while figures.kills < kills:
        size = draw.choice((64, 2_000, 60_000))
        diaries = {key: Diary() for key in numbers}
        workers = {key: fork(opener, key, numbers[key], size, diaries[key]) for key in numbers}
        try:
            for key in draw.sample(sorted(workers), len(workers)):
                wait_until_at_work(diaries[key])
                time.sleep(draw.random() * LONGEST_RUN)
                end(workers.pop(key))
                figures.kills += 1
                numbers[key] = look(store, key, numbers[key], diaries[key], figures)
                look_at_shared(store, figures)
                numbers[key] = write_after(store, key, numbers[key], size, figures)
        finally:
            for worker in workers.values():
                os.kill(worker, signal.SIGKILL)
                os.waitpid(worker, 0)
    store.close()
    figures.seconds = time.perf_counter() - began
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="kill -9 at random moments, on every durable store")
    parser.add_argument("--kills", type=int, default=200, help="how often, a store (200)")
    parser.add_argument("--quick", type=int, metavar="KILLS", help="the same, for a short run")
    parser.add_argument("--seed", type=int, default=None, help="draw the same moments again")
    parser.add_argument("--store", choices=sorted(STORES), action="append", help="only this one")
    chosen = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        print("This needs a system that can fork.")
        return 0
    seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.store or STORES:
            try:
                figures = run(name, STORES[name](Path(folder)), chosen.quick or chosen.kills, random.Random(seed))
            except Wrong as wrong:
                print(f"{name}: WRONG: {wrong} (seed {seed})")
                return 1
            print(figures.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

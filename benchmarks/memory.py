"""What a live session weighs beside its strings, and a visitor who looked and left; a process for each contestant."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc

from .live import make_live, manager, strings

SESSIONS = 5_000


def weigh(what: str) -> None:
    """Prints bytes for each, and milliseconds of one full collection."""
    sessions = manager()
    make_live(sessions.owner("the first")["op"])
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = []
    for number in range(SESSIONS):
        session = sessions.owner(f"{number:032d}")["op"]
        if what == "strings":
            kept.append(strings(number))
        elif what == "sessions":
            make_live(session, number)
        elif session.live:  # a visitor who only looks
            raise RuntimeError("nobody signed in")
    del session
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / SESSIONS
    tracemalloc.stop()
    since = time.process_time()
    gc.collect()
    print(each, (time.process_time() - since) * 1e3, len(kept))
    sessions.close()


def main() -> None:
    print(f"\nmemory of {SESSIONS} live sessions, in this process's own store")
    floor = None
    for what in ("strings", "sessions", "visitors"):
        command = [sys.executable, "-m", "benchmarks.memory", what]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        each, collection = float(told[0]), float(told[1])
        floor = floor or each
        print(
            f"  {what:44} {each:10.0f} B    ×{each / floor:.2f}   {each * 1e5 / 2**30:.2f} GiB per 100,000, "
            f"a full collection {collection:.0f} ms"
        )


if __name__ == "__main__":
    weigh(sys.argv[1]) if sys.argv[1:] else main()

"""What recording adds to a warm login, beside `trace=False`.

A whole login is `session.login()` as a program on a desktop has it: the listener, the browser's way there and back, and
the provider, all in this process. What is measured of it is the time until it returns.

The smallest part of it that could still be called a login is `begin()` and `complete()`: two requests to the fastest
provider there is, in a session of a new owner. A login that goes well is told when it is over, ten seconds later or
when somebody looks, so there are two readings of that:

    trace=True      the login itself, as whoever waits for it pays for it; and all that there is when logins come by the
                    hundred in a second, because then most give way to newer ones untold
    trace="all"     likewise: the same is heard
    looked at       the strictest: with the story, which is told for each login

What is measured of it is CPU time of the thread that signs in, a thread as a web server has: what is told later, on
another one, is in no login's time. Contestants take turns with every single login, because what is to be seen is
smaller than the noise of a second. Beside the median stands the lower quarter: what another program did is seldom in
that.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable

from authflow import SessionManager
from authflow.testing import DevProvider, ScriptedBrowser

from .login import owners, provider, sign_in
from .provider import Browser, running

WARM = 100  # logins, so that every manager has as many stories as it keeps half of
LOGINS = 1_000  # of each


def compare(title: str, logins: dict[str, Callable[[], object]], clock: Callable[[], float]) -> None:
    taken: dict[str, list[float]] = {name: [] for name in logins}
    turns = list(logins)
    for _ in range(LOGINS):
        random.shuffle(turns)
        for name in turns:
            before = clock()
            logins[name]()
            taken[name].append(clock() - before)
    print(f"\n{title}")
    quarters = {name: statistics.quantiles(times, n=4)[:2] for name, times in taken.items()}
    low, middle = next(iter(quarters.values()))
    for name, (quarter, median) in quarters.items():
        print(
            f"  {name:34} {quarter * 1e3:7.2f} ms ×{quarter / low:.3f} (lower quarter) "
            f"{median * 1e3:7.2f} ms ×{median / middle:.3f} (median)"
        )


def whole(title: str) -> None:
    with (
        DevProvider(auto="ada").serve() as served,
        ScriptedBrowser() as browser,
        SessionManager([served.settings("op")], trace=False) as off,
        SessionManager([served.settings("op")]) as on,
    ):

        def log_in(manager: SessionManager) -> None:
            manager.owner(next(owners))["op"].login(open_url=browser)

        for _ in range(WARM):
            log_in(off)
            log_in(on)
        compare(title, {"trace=False": lambda: log_in(off), "trace=True": lambda: log_in(on)}, time.perf_counter)


def part(base: str, title: str) -> None:
    browser = Browser(base)
    with (
        SessionManager([provider(base)], trace=False) as off,
        SessionManager([provider(base)]) as on,
        SessionManager([provider(base)], trace="all") as every,
        SessionManager([provider(base)]) as looked_at,
    ):
        for _ in range(WARM):
            for manager in (off, on, every, looked_at):
                sign_in(manager, browser)
        logins: dict[str, Callable[[], object]] = {
            "trace=False": lambda: sign_in(off, browser),
            "trace=True": lambda: sign_in(on, browser),
            'trace="all"': lambda: sign_in(every, browser),
            "trace=True, looked at": lambda: sign_in(looked_at, browser).trace,
        }
        thread = threading.Thread(target=compare, args=(title, logins, time.thread_time))
        thread.start()
        thread.join()


def main() -> None:
    whole("recording, a whole login: session.login() until it returns")
    for tls in (True, False):
        with running(tls=tls) as base:
            part(base, f"recording, begin() and complete() over http{'s' if tls else ''}, CPU of the thread")


if __name__ == "__main__":
    main()

"""What recording adds to a warm login, beside `trace=False`.

A login is `begin()` and `complete()`: two requests to the provider, in a session of a new owner. A login that goes well
is told when it is over, ten seconds later or when somebody looks, so there are two readings:

    trace=True      the login itself, as whoever waits for it pays for it; and all that there is when logins come by the
                    hundred in a second, because then most give way to newer ones untold
    trace="all"     likewise: the same is heard
    looked at       the strictest: with the story, which is told for each login

What is measured is CPU time of the thread that signs in, a thread as a web server has: what is told later, on another
one, is in no login's time. Contestants take turns with every single login, because what is to be seen is smaller than
the noise of a second. Beside the median stands the lower quarter: what another program did is seldom in that.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable

from authflow import SessionManager

from .login import provider, sign_in
from .provider import Browser, running

WARM = 100  # logins, so that every manager has as many stories as it keeps half of
LOGINS = 1_000  # of each


def compare(title: str, logins: dict[str, Callable[[], object]]) -> None:
    taken: dict[str, list[float]] = {name: [] for name in logins}
    turns = list(logins)
    for _ in range(LOGINS):
        random.shuffle(turns)
        for name in turns:
            before = time.thread_time()
            logins[name]()
            taken[name].append(time.thread_time() - before)
    print(f"\n{title}")
    quarters = {name: statistics.quantiles(times, n=4)[:2] for name, times in taken.items()}
    low, middle = next(iter(quarters.values()))
    for name, (quarter, median) in quarters.items():
        print(
            f"  {name:34} {quarter * 1e3:7.2f} ms ×{quarter / low:.3f} (lower quarter) "
            f"{median * 1e3:7.2f} ms ×{median / middle:.3f} (median)"
        )


def measure(base: str, title: str) -> None:
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
        thread = threading.Thread(target=compare, args=(title, logins))
        thread.start()
        thread.join()


def main() -> None:
    for tls in (True, False):
        with running(tls=tls) as base:
            measure(base, f"recording, a warm login over http{'s' if tls else ''}")


if __name__ == "__main__":
    main()

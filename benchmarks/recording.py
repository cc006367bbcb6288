"""What recording adds to a warm login, beside `trace=False`.

    trace=True     as a server meets it that does nothing else: one login after the other, hundreds in a second
    trace="all"    the whole price of one story: heard, redacted and kept, for every login

Contestants take turns with every second login, because what is to be seen is smaller than the noise of a minute.
"""

from __future__ import annotations

from authflow import SessionManager

from .login import provider, sign_in
from .measure import Run, in_turn, repeat, show
from .provider import Browser, running

WARM = 100  # logins, after which the many that are recorded at once are over


def main() -> None:
    with running() as base:
        browser = Browser(base)
        with (
            SessionManager([provider(base)], trace=False) as off,
            SessionManager([provider(base)]) as on,
            SessionManager([provider(base)], trace="all") as every,
        ):
            for manager in (off, on, every):
                for _ in range(WARM):
                    sign_in(manager, browser)
            logins: dict[str, Run] = {
                "trace=False": repeat(lambda: sign_in(off, browser)),
                "trace=True": repeat(lambda: sign_in(on, browser)),
                'trace="all"': repeat(lambda: sign_in(every, browser)),
            }
            show("recording, a warm login", in_turn(logins, calls=20, rounds=80), unit="ms", digits=3)


if __name__ == "__main__":
    main()

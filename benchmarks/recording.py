"""What recording adds to a warm login: `trace=True`, the default, beside `trace=False`."""

from __future__ import annotations

from authflow import SessionManager

from .login import provider, sign_in
from .measure import Run, in_turn, repeat, show
from .provider import Browser, running


def main() -> None:
    with running() as base:
        browser = Browser(base)
        with SessionManager([provider(base)], trace=False) as off, SessionManager([provider(base)]) as on:
            for manager in (off, on):
                sign_in(manager, browser)
            logins: dict[str, Run] = {
                "trace=False": repeat(lambda: sign_in(off, browser)),
                "trace=True": repeat(lambda: sign_in(on, browser)),
            }
            show("recording, a warm login", in_turn(logins, calls=60, rounds=15), unit="ms")


if __name__ == "__main__":
    main()

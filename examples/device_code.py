"""A program without a browser: the human signs in on any other screen, by a short code (RFC 8628).

Here a scripted person opens the page that the code belongs to. The provider is authflow's own development provider;
put `GitHub.from_env()` in its place for the real one, and leave `show` away for a terminal.
"""

from __future__ import annotations

import os

from authflow import LoginFailed, SessionManager
from authflow.agents import DeviceCode, Instructions
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def main() -> None:
    with (
        DevProvider(label="Acme").serve() as provider,
        ScriptedBrowser(user="ada") as ada,
        SessionManager([provider.settings("acme")]) as manager,
    ):
        provider.other_screen.interval = 1.0
        acme = manager["acme"]

        def show(told: Instructions) -> None:
            print(f"open {told.verification_uri} and enter {told.user_code}")
            ada(told.verification_uri_complete or "")

        try:
            acme.login(agent=DeviceCode(show if HEADLESS else None), timeout=300)
        except LoginFailed as error:
            print(f"not signed in: {error}")
            return
        print(f"hello {acme.user.name if acme.user else 'somebody'}")


if __name__ == "__main__":
    main()

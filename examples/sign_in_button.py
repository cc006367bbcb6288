"""A sign-in button: one subscription, one bit.

It shows `on_live_changed` with `replay=True`: the button is painted at once with the present state, and again at
every change, whoever caused it; and a login on a thread of its own with a cancel button beside it.
"""

from __future__ import annotations

import os
import threading

from authflow import LoginCancelled, LoginFailed, Session, SessionManager
from authflow.events import AuthEvent
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


class Button:
    """Where a user interface would have its own; `paint` must only post to the interface's thread and return."""

    def __init__(self, session: Session) -> None:
        self.session = session
        session.on_live_changed.connect(self.paint, replay=True)

    def paint(self, session: Session, event: AuthEvent) -> None:
        name = session.user.name if event.live and session.user else None
        print(f"[ Sign out {name} ]" if name else f"[ Sign in with {session.provider.label} ]")

    def press(self, **how: object) -> threading.Thread:
        """A login waits for a human: never on the thread that paints."""
        thread = threading.Thread(target=self._sign_in_or_out, kwargs=how)
        thread.start()
        return thread

    def _sign_in_or_out(self, **how: object) -> None:
        if self.session.live:
            self.session.logout()
            return
        try:
            self.session.login(**how)  # type: ignore[arg-type]
        except LoginCancelled:
            print("cancelled")
        except LoginFailed as error:
            print(f"not signed in: {error}")


def main() -> None:
    with (
        DevProvider(label="Acme").serve() as provider,
        ScriptedBrowser(user="ada") as ada,
        ScriptedBrowser(never=True) as undecided,
        SessionManager([provider.settings("acme")]) as manager,
    ):
        session = manager["acme"]
        button = Button(session)

        if HEADLESS:
            waiting = threading.Event()
            session.on_transition.connect(lambda session, event: waiting.set())
            first = button.press(open_url=undecided)
            waiting.wait(10)
            session.cancel()  # the cancel button
            first.join()

        button.press(open_url=ada if HEADLESS else None).join()
        button.press().join()


if __name__ == "__main__":
    main()

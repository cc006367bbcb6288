"""A terminal application with a sign-in: a button, who is signed in, and letters for the signed-in only. Over SSH too.

The provider is authflow's own development provider; put `GitHub.from_env()` in its place for the real one. Where no
browser can be opened, a dialog shows a code for another screen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.widgets import Footer, Header, Label

from authflow import Session, SessionManager
from authflow.integrations.textual import Protected, SignInButton, UserCard
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


class Mail(App[None]):
    TITLE = "Mail"

    def __init__(self, session: Session, open_url: Callable[[str], object] | None = None) -> None:
        super().__init__()
        self.session = session
        self.open_url = {} if open_url is None else {"open_url": open_url}
        self.seen = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Header()
        inside = (UserCard(self.session), Label(" 3 new letters\n"), SignInButton(self.session))
        yield Protected(self.session, *inside, **self.open_url)
        yield Footer()

    def on_sign_in_button_changed(self, message: SignInButton.Changed) -> None:
        self.sub_title = message.card.status
        self.seen.set()


async def by_script(app: Mail) -> None:
    """Presses the button as a human would, and says what is shown."""
    async with app.run_test():
        for awaited in ("Not signed in", "Signed in as Ada Lovelace", "Not signed in"):
            async with asyncio.timeout(20):
                while app.sub_title != awaited:
                    app.seen.clear()
                    await app.seen.wait()
            print(app.sub_title)
            next(button for button in app.query(SignInButton) if button.region).press()


def main() -> None:
    with (
        DevProvider(label="Acme").serve() as acme,
        ScriptedBrowser(user="ada") as ada,
        SessionManager([acme.settings("acme")], single_user=True) as manager,
    ):
        if HEADLESS:
            asyncio.run(by_script(Mail(manager["acme"], open_url=ada)))
        else:
            Mail(manager["acme"]).run()


if __name__ == "__main__":
    main()

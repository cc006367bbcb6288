"""A window on the user's desktop (PySide6): sign in, see who you are, read what is protected, sign out.

It shows `QtAuth` with its three widgets, and a call of the API that leaves the window alive while it waits.
The provider is authflow's own development provider; put `GitHub.from_env()` in its place for the real one.
"""

from __future__ import annotations

import os
import threading

import httpx
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QVBoxLayout, QWidget

from authflow import Session, SessionManager
from authflow.integrations.live import Card
from authflow.integrations.qt import Protected, QtAuth, SignInButton, UserCard
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


class Profile(QWidget):
    """What only a signed-in user sees: the API's own answer, fetched with a token that is always valid."""

    answered = Signal(str)

    def __init__(self, auth: QtAuth, api: str) -> None:
        super().__init__()
        self._session, self._api = auth.session, api
        self.answer = QLabel("Nothing was asked yet.", wordWrap=True)
        ask = QPushButton("Ask the API")
        ask.clicked.connect(self.ask)
        self.answered.connect(self.answer.setText)
        layout = QVBoxLayout(self)
        layout.addWidget(UserCard(auth))
        layout.addWidget(self.answer)
        layout.addWidget(ask)
        layout.addWidget(SignInButton(auth))
        layout.addStretch()

    def ask(self) -> None:
        """On a thread, as everything that waits; a Qt signal brings the answer back."""
        threading.Thread(target=self._ask).start()

    def _ask(self) -> None:
        try:
            told = httpx.get(self._api, auth=self._session.auth)
            self.answered.emit(f"The API answered {told.status_code}.")
        except Exception as error:
            self.answered.emit(f"The API could not be asked: {error}")


class Window(Protected):
    def __init__(self, session: Session, api: str) -> None:
        self.auth = QtAuth(session)
        self.profile = Profile(self.auth, api)
        super().__init__(self.auth, self.profile)
        self.setWindowTitle("authflow and Qt")
        self.resize(420, 260)
        self.auth.changed.connect(self.tell)

    def tell(self, card: Card) -> None:
        print(card.status)


class Script:
    """A person at the window, for the test of this example: signs in, asks, signs out, closes it."""

    def __init__(self, window: Window, app: QApplication, browser: ScriptedBrowser) -> None:
        self.window, self.app = window, app
        window.auth.changed.connect(self.go_on)
        window.profile.answered.connect(self.answered)
        window.auth.sign_in(open_url=browser)

    def go_on(self, card: Card) -> None:
        if card.live:
            self.window.profile.ask()
        elif card.state == "logged_out":
            self.app.quit()

    def answered(self, text: str) -> None:
        print(text)
        self.window.auth.press()


def main() -> None:
    if HEADLESS:
        os.environ |= {"QT_QPA_PLATFORM": "offscreen", "QT_LOGGING_RULES": "default.warning=false"}
    app = QApplication([])
    with (
        DevProvider(label="Acme").serve() as provider,
        ScriptedBrowser(user="ada") as ada,
        SessionManager([provider.settings("acme")]) as manager,
    ):
        window = Window(manager["acme"], f"{provider.url}/api/me")
        window.show()
        script = Script(window, app, ada) if HEADLESS else None
        app.exec()
        del script


if __name__ == "__main__":
    main()

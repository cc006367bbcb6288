"""Qt (PySide6): a session in widgets, painted in the GUI thread whoever changed it.

    auth = QtAuth(manager["github"])                      # made in the GUI thread; manager is of either colour
    layout.addWidget(SignInButton(auth))                  # Sign in with GitHub · Cancel · Sign out
    layout.addWidget(UserCard(auth))                      # who is signed in, and what went wrong
    layout.addWidget(Protected(auth, your_widget))        # shown to whoever is signed in, and to nobody else
    auth.changed.connect(lambda card: print(card.name))   # a Qt signal; auth.press(), sign_in(), sign_out(), cancel()

A login waits on a thread of its own, with a listener on 127.0.0.1; the system browser is opened by Qt. With an
`AsyncSessionManager` it is a task of its loop instead, which may be Qt's own by way of qasync:

    with qasync.QEventLoop(app) as loop:
        loop.run_until_complete(main())                   # QtAuth(session) within main(), or QtAuth(session, loop=loop)

`pip install 'authflow-sessions[qt]'`
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from .. import AsyncSession, Session
from ..errors import ConfigurationError, MissingExtra
from .live import Card, Live

try:
    from PySide6.QtCore import QCoreApplication, QObject, QRectF, Qt, QThread, QUrl, Signal, Slot
    from PySide6.QtGui import QDesktopServices, QPainter, QPaintEvent
    from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs PySide6, which is not installed, or the libraries of the system that it needs.",
        hint="Install it: pip install 'authflow-sessions[qt]' (on Debian also libegl1 libgl1 libxkbcommon-x11-0).",
    ) from missing

OPEN_SECONDS = 5.0  # that a login waits for the GUI thread to open the browser


class QtAuth(QObject):
    """One session, for widgets. `changed` carries the newest `Card`; it is emitted in the GUI thread.

    `loop`: where an `AsyncSession` acts; the running loop unless told. It ends with its parent, with `deleteLater()`,
    or when nothing refers to it any more. Raises `ConfigurationError` outside the GUI thread or before there is one.
    """

    changed = Signal(object)

    def __init__(
        self,
        session: Session | AsyncSession,
        parent: QObject | None = None,
        *,
        loop: AbstractEventLoop | None = None,
    ) -> None:
        post = _poster().post
        super().__init__(parent)
        self._live = Live(session, self._show, post=post, loop=loop)
        self.destroyed.connect(self._live.close)

    @property
    def session(self) -> Session | AsyncSession:
        return self._live.session

    @property
    def card(self) -> Card:
        """What was shown last."""
        return self._live.card

    def _show(self, card: Card) -> None:
        self.changed.emit(card)

    @Slot()
    def press(self) -> None:
        """Does what `card.button` says, and returns at once."""
        if self.card.live or self.card.pending:
            self._live.press()
        else:
            self.sign_in()

    def sign_in(self, **arguments: Any) -> None:
        """`session.login(…)`, which Qt opens the browser for unless `open_url` or `agent` is given."""
        if not {"open_url", "agent", "saved_token"} & set(arguments):
            arguments["open_url"] = open_in_browser
        self._live.sign_in(**arguments)

    @Slot()
    def sign_out(self) -> None:
        self._live.sign_out()

    @Slot()
    def cancel(self) -> None:
        self._live.cancel()


class SignInButton(QPushButton):
    """Signs in, cancels a sign-in under way, or signs out; it says which."""

    def __init__(self, auth: QtAuth, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._auth = auth
        self.clicked.connect(auth.press)
        auth.changed.connect(self._show)
        self._show(auth.card)

    @Slot(object)
    def _show(self, card: Card) -> None:
        self.setText(card.button.replace("&", "&&"))  # a single one would be a shortcut


class UserCard(QFrame):
    """The signed-in user, or that nobody is, with a sentence about what went wrong."""

    def __init__(self, auth: QtAuth, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._face = _Face()
        self._name, self._line, self._note = _text(), _text(), _text()
        font = self._name.font()
        font.setBold(True)
        self._name.setFont(font)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for label in (self._name, self._line, self._note):
            texts.addWidget(label)
        layout = QHBoxLayout(self)
        layout.setSpacing(12)
        layout.addWidget(self._face, alignment=Qt.AlignmentFlag.AlignTop)
        layout.addLayout(texts, 1)
        auth.changed.connect(self._show)
        self._show(auth.card)

    @Slot(object)
    def _show(self, card: Card) -> None:
        self._face.show_initials(card.initials)
        self._name.setText(card.name or card.status)
        self._line.setText(" · ".join(part for part in (card.email, card.label) if part and part != card.name))
        self._note.setText(card.note)
        self._note.setVisible(bool(card.note))
        self.setAccessibleName(f"{card.status}. {card.note}".strip())


class Protected(QStackedWidget):
    """`content` for whoever is signed in; for everybody else the card and the button."""

    def __init__(self, auth: QtAuth, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        gate = QWidget()
        layout = QVBoxLayout(gate)
        layout.addStretch()
        layout.addWidget(UserCard(auth))
        layout.addWidget(SignInButton(auth), alignment=Qt.AlignmentFlag.AlignLeft)
        layout.addStretch()
        self.addWidget(gate)
        self.addWidget(content)
        auth.changed.connect(self._show)
        self._show(auth.card)

    @Slot(object)
    def _show(self, card: Card) -> None:
        self.setCurrentIndex(int(card.live))


def open_in_browser(url: str) -> bool:
    """Opens `url` by Qt, in the GUI thread whichever thread asks: fit for `login(open_url=…)`."""
    opened: Future[bool] = Future()

    def open_it() -> None:
        opened.set_result(QDesktopServices.openUrl(QUrl(url)))

    if _in_gui_thread():
        open_it()
    else:
        _poster().post(open_it)
    return opened.result(OPEN_SECONDS)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────


class _Poster(QObject):
    """Runs in the GUI thread what any thread gives it. One for each application; it ends with that."""

    _job = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._job.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, job: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the application has ended, and this with it: nobody is left to tell
            self._job.emit(job)

    @Slot(object)
    def _run(self, job: Callable[[], None]) -> None:
        job()


def _in_gui_thread() -> bool:
    app = QCoreApplication.instance()
    return app is not None and QThread.currentThread() is app.thread()


def _poster() -> _Poster:
    """The application's. Raises `ConfigurationError` when the first one is asked for where it cannot be made."""
    app = QCoreApplication.instance()
    found = None if app is None else app.findChild(_Poster)
    if found is not None:
        return found
    if app is None or not _in_gui_thread():
        raise ConfigurationError(
            "A QtAuth is made in the GUI thread, when the application is there.",
            hint="Make the QApplication first, and the QtAuth in the same thread.",
        )
    return _Poster(app)


class _Face(QWidget):
    """A circle with initials, in the colours of the palette."""

    _SIZE = 44

    def __init__(self) -> None:
        super().__init__()
        self._initials = ""
        self.setFixedSize(self._SIZE, self._SIZE)

    def show_initials(self, initials: str) -> None:
        self._initials = initials or "–"
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().windowText().color()
        colour.setAlphaF(0.12)
        painter.setBrush(colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QRectF(0, 0, self._SIZE, self._SIZE))
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._initials)
        painter.end()


def _text() -> QLabel:
    """A label that shows text as text, whatever a provider wrote."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label

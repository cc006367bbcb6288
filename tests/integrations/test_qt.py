"""Qt, on a screen that nobody sees: what the widgets show, from threads and from Qt's own event loop."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from authflow import AsyncSessionManager, LoginFailed, SessionManager
from authflow.errors import ConfigurationError, MissingExtra
from authflow.testing import DevProvider, ScriptedBrowser, revoke, signed_in

from .memory import left_behind

os.environ["QT_QPA_PLATFORM"] = "offscreen"
try:
    from authflow.integrations import qt
except MissingExtra as missing:
    pytest.skip(str(missing), allow_module_level=True)

from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QLabel

PATIENCE_MS = 10_000


@pytest.fixture(scope="module")
def app() -> Iterator[QApplication]:
    made = QApplication.instance() or QApplication([])
    assert isinstance(made, QApplication)
    return made


@pytest.fixture
def provider() -> Iterator[DevProvider]:
    with DevProvider(label="Acme & Sons").serve() as served:
        yield served


@pytest.fixture
def manager(app: QApplication, provider: DevProvider) -> Iterator[SessionManager]:
    with SessionManager([provider.settings("acme")]) as made:
        yield made


def until(true: Callable[[], object]) -> None:
    """Lets Qt work until it is so; looked at after each event."""
    late = QTimer(singleShot=True, interval=PATIENCE_MS)
    late.start()
    while not true():
        assert late.isActive(), f"not within {PATIENCE_MS} ms"
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def delete_now(thing: QObject) -> None:
    thing.deleteLater()
    QApplication.sendPostedEvents(thing, QEvent.Type.DeferredDelete.value)


class Screen:
    """Everything that there is, in one window."""

    def __init__(self, session: Any, **how: Any) -> None:
        self.auth = qt.QtAuth(session, **how)
        self.threads: set[int] = set()
        self.auth.changed.connect(lambda card: self.threads.add(threading.get_ident()))
        self.button = qt.SignInButton(self.auth)
        self.card = qt.UserCard(self.auth)
        self.secret = QLabel("the books")
        self.gate = qt.Protected(self.auth, self.secret)

    @property
    def text(self) -> str:
        return " | ".join(label.text() for label in self.card.findChildren(QLabel) if label.text())

    @property
    def open(self) -> bool:
        return self.gate.currentWidget() is self.secret


# ── in and out ───────────────────────────────────────────────────────────────────────────────────────


def test_pressing_signs_in_shows_the_name_and_opens_what_is_protected(
    manager: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedBrowser(user="ada") as ada:
        asked: list[int] = []

        def show(url: Any) -> bool:
            asked.append(threading.get_ident())
            return ada(url.toString())

        monkeypatch.setattr(QDesktopServices, "openUrl", show)
        screen = Screen(manager["acme"])
        assert (screen.button.text(), screen.text, screen.open) == (
            "Sign in with Acme && Sons", "Not signed in | Acme & Sons", False,
        )  # fmt: skip

        screen.button.click()
        until(lambda: screen.open)
    assert (screen.button.text(), screen.text) == ("Sign out", "Ada Lovelace | ada@example.com · Acme & Sons")
    assert asked == [threading.get_ident()]  # Qt opens the browser where Qt lives

    manager["acme"].refresh()
    until(lambda: screen.auth.card.seq == 5)
    assert screen.open

    screen.button.click()
    until(lambda: not screen.open)
    assert screen.text == "Not signed in | Acme & Sons"
    assert screen.threads == {threading.get_ident()}


def test_who_is_signed_out_elsewhere_is_shown_out_and_can_sign_in_again(manager: SessionManager) -> None:
    session = signed_in(manager, "acme", user={"sub": "1", "name": "Ada"})
    screen = Screen(session)
    assert screen.open

    elsewhere = threading.Thread(target=revoke, args=(session,))
    elsewhere.start()
    until(lambda: not screen.open)
    elsewhere.join()
    assert "Your session has ended. Sign in again." in screen.text

    with ScriptedBrowser(user="ada") as ada:
        screen.auth.sign_in(open_url=ada)
        until(lambda: screen.open)
    assert "Ada Lovelace" in screen.text


# ── the truth when it does not go well ───────────────────────────────────────────────────────────────


def test_who_says_no_is_told_what_happened(manager: SessionManager) -> None:
    screen = Screen(manager["acme"])
    with ScriptedBrowser(deny=True) as nobody:
        screen.auth.sign_in(open_url=nobody)
        until(lambda: "access_denied" in screen.text)
    assert (screen.open, screen.button.text()) == (False, "Sign in with Acme && Sons")


def test_the_button_cancels_a_sign_in_that_waits(manager: SessionManager) -> None:
    screen = Screen(manager["acme"])
    with ScriptedBrowser(never=True) as away:
        screen.auth.sign_in(open_url=away)
        until(lambda: screen.button.text() == "Cancel")
        assert "Waiting for you in the browser" in screen.text
        screen.button.click()
        until(lambda: "The sign-in was cancelled." in screen.text)
    assert screen.button.text() == "Sign in with Acme && Sons"


def test_a_deadline_that_passed_is_told(manager: SessionManager) -> None:
    screen = Screen(manager["acme"])
    with ScriptedBrowser(never=True) as away:
        screen.auth.sign_in(open_url=away, timeout=0.2)
        until(lambda: "Nobody came back from the provider in time." in screen.text)
    assert not screen.open


def test_a_provider_that_is_down_is_told(app: QApplication) -> None:
    with DevProvider(label="Acme").serve() as gone:
        settings = gone.settings("acme")
    with SessionManager([settings]) as manager:
        screen = Screen(manager["acme"])
        screen.auth.press()
        until(lambda: "127.0.0.1" in screen.text)
        assert screen.button.text() == "Sign in with Acme"


def test_a_desktop_without_a_browser_is_told(manager: SessionManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: False)
    screen = Screen(manager["acme"])
    screen.button.click()
    until(lambda: "could not open the browser" in screen.text)
    with pytest.raises(LoginFailed):
        manager["acme"].login(open_url=qt.open_in_browser)  # on the GUI thread itself


def test_what_a_provider_calls_a_user_is_text_and_no_markup(manager: SessionManager) -> None:
    session = signed_in(manager, "acme", user={"sub": "1", "name": "<h1>Ada</h1>"})
    screen = Screen(session)
    assert screen.text.startswith("<h1>Ada</h1>")
    assert all(label.textFormat().name == "PlainText" for label in screen.card.findChildren(QLabel))


# ── where it is made, and how it ends ────────────────────────────────────────────────────────────────


def test_it_is_refused_on_another_thread_before_the_gui_thread_has_one(manager: SessionManager) -> None:
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            qt.QtAuth(manager["acme"])
        except ConfigurationError as error:
            errors.append(error)

    for child in QApplication.instance().findChildren(qt._Poster):  # type: ignore[union-attr]
        delete_now(child)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "GUI thread" in str(errors[0])


def test_the_subscription_ends_with_what_holds_it(manager: SessionManager) -> None:
    auth = qt.QtAuth(manager["acme"])
    gone = weakref.ref(auth)
    del auth
    gc.collect()
    assert gone() is None
    assert len(manager.on_transition) == 0


def test_a_window_that_is_closed_for_good_is_told_nothing_more(manager: SessionManager) -> None:
    window = QLabel()
    auth = qt.QtAuth(manager["acme"], window)
    button = qt.SignInButton(auth, window)
    delete_now(window)
    assert len(manager.on_transition) == 0
    signed_in(manager, "acme")
    QApplication.processEvents()
    with pytest.raises(RuntimeError, match="deleted"):
        button.text()


def test_a_card_that_goes_before_its_session_is_painted_no_more(manager: SessionManager) -> None:
    auth = qt.QtAuth(manager["acme"])
    for part in (qt.UserCard(auth), qt.Protected(auth, QLabel())):
        delete_now(part)
    signed_in(manager, "acme")
    until(lambda: auth.card.live)


def test_ten_thousand_windows_leave_no_memory(manager: SessionManager) -> None:
    session = signed_in(manager, "acme")

    def come_and_go(times: int) -> None:
        for _ in range(times):
            window = QLabel()
            auth = qt.QtAuth(session, window)
            qt.SignInButton(auth, window)
            delete_now(window)
        QApplication.processEvents()

    left = left_behind(come_and_go)
    assert len(manager.on_transition) == 0
    assert left < 100_000


# ── asyncio on Qt's own loop ─────────────────────────────────────────────────────────────────────────


def test_an_async_session_runs_on_qts_own_loop(app: QApplication, provider: DevProvider) -> None:
    qasync = pytest.importorskip("qasync", reason="pip install 'authflow-sessions[qt]'")

    async def story() -> None:
        import asyncio

        async with AsyncSessionManager([provider.settings("acme")]) as manager:
            screen = Screen(manager["acme"])
            changed = asyncio.Event()
            screen.auth.changed.connect(lambda card: changed.set())

            async def when(true: Callable[[], object]) -> None:
                while not true():
                    changed.clear()
                    await asyncio.wait_for(changed.wait(), PATIENCE_MS / 1000)

            with ScriptedBrowser(user="ada") as ada:
                screen.auth.sign_in(open_url=ada)
                await when(lambda: screen.open)
            assert "Ada Lovelace" in screen.text
            await manager["acme"].refresh()
            screen.button.click()
            await when(lambda: not screen.open)
            with ScriptedBrowser(never=True) as away:
                screen.auth.sign_in(open_url=away)
                await when(lambda: screen.button.text() == "Cancel")
                screen.button.click()
                await when(lambda: "cancelled" in screen.text)
            assert screen.threads == {threading.get_ident()}

    with qasync.QEventLoop(app) as loop:
        loop.run_until_complete(story())


def test_an_async_session_without_a_loop_is_refused(app: QApplication, provider: DevProvider) -> None:
    made = AsyncSessionManager([provider.settings("acme")])
    with pytest.raises(ConfigurationError, match="loop="):
        qt.QtAuth(made["acme"])

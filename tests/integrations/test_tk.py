"""The tkinter bridge: what a human sees in a window is the truth, whoever changed the session."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from authflow import AsyncSessionManager, Session, SessionManager
from authflow.providers import OpenIDConnect
from authflow.testing import DevProvider, ScriptedBrowser, revoke, signed_in

pytest.importorskip("tkinter", reason="tkinter is needed: apt-get install python3-tk")

import tkinter
from tkinter import ttk

from authflow.integrations.tk import Protected, SignInButton, UserCard

SECONDS = 20.0
# Tcl ends the whole process when a window is collected on another thread than its own: a program has one, for as long
# as it runs, and so these are kept.
WINDOWS: list[tkinter.Tk] = []


@pytest.fixture(scope="module")
def display() -> Iterator[None]:
    """An X server without a screen."""
    if shutil.which("Xvfb") is None:
        pytest.skip("a display is needed: apt-get install xvfb")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as told:
        number = told.readline().strip()
    before = os.environ.get("DISPLAY")
    os.environ["DISPLAY"] = f":{number}"
    yield
    if before is None:
        del os.environ["DISPLAY"]
    else:
        os.environ["DISPLAY"] = before
    server.terminate()
    server.wait()


class Window:
    """A window as one writes it, and what stands in it."""

    def __init__(self, session: Any, **arguments: Any) -> None:
        self.root = tkinter.Tk()
        WINDOWS.append(self.root)
        loop = {"loop": arguments["loop"]} if "loop" in arguments else {}
        self.user = UserCard(self.root, session, **loop)
        self.signing = SignInButton(self.root, session, **arguments)
        self.inside = Protected(self.root, session, **arguments)
        self.letters = ttk.Label(self.inside.content, text="3 new letters")
        self.heard: list[str] = []
        self.signing.bind("<<SessionChanged>>", lambda event: self.heard.append(self.signing.card.status))
        for widget in (self.user, self.signing, self.inside, self.letters):
            widget.pack()
        self.root.update()

    @property
    def button(self) -> str:
        return str(self.signing.cget("text"))

    @property
    def card(self) -> str:
        return "\n".join(str(label.cget("text")) for label in self.user.winfo_children() if label.winfo_ismapped())

    @property
    def mail(self) -> bool:
        return bool(self.letters.winfo_ismapped())

    def until(self, holds: Callable[[], Any]) -> None:
        """Lets the window live until it holds; fails when a real deadline has passed."""
        end = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > end:
                pytest.fail(f"it never came: {self.button!r} {self.card!r}")
            self.root.update()


@pytest.fixture
def window(display: None) -> Iterator[Callable[..., Window]]:
    opened: list[Window] = []

    def make(session: Any, **arguments: Any) -> Window:
        opened.append(Window(session, **arguments))
        return opened[-1]

    yield make
    for one in opened:
        one.root.destroy()


@pytest.fixture
def acme() -> Iterator[DevProvider]:
    with DevProvider(label="Acme").serve() as provider:
        yield provider


@pytest.fixture
def manager(acme: DevProvider) -> Iterator[SessionManager]:
    with SessionManager([acme.settings("acme", scopes=["offline_access"])], single_user=True) as manager:
        yield manager


@pytest.fixture
def session(manager: SessionManager) -> Session:
    return manager["acme"]


def test_a_press_signs_in_and_what_is_protected_opens(session: Session, window: Callable[..., Window]) -> None:
    with ScriptedBrowser(user="ada") as ada:
        shown = window(session, open_url=ada)
        assert (shown.button, shown.card, shown.mail) == ("Sign in with Acme", "Not signed in\nAcme", False)

        shown.signing.invoke()
        shown.until(lambda: shown.button == "Sign out" and shown.mail)
        assert shown.card == "Ada Lovelace\nada@example.com · Acme"
        assert shown.heard[-1] == "Signed in as Ada Lovelace"

        shown.signing.invoke()
        shown.until(lambda: shown.button == "Sign in with Acme" and not shown.mail)


def test_a_renewal_changes_nothing_that_a_human_sees(
    manager: SessionManager, session: Session, window: Callable[..., Window]
) -> None:
    signed_in(manager, "acme", user={"sub": "1", "name": "Ada"})
    shown = window(session)
    before, times = shown.card, len(shown.heard)

    session.refresh()

    shown.until(lambda: len(shown.heard) > times)
    assert (shown.button, shown.card) == ("Sign out", before)


def test_a_session_that_ends_elsewhere_is_shown_ended_and_one_can_sign_in_again(
    manager: SessionManager, session: Session, window: Callable[..., Window]
) -> None:
    signed_in(manager, "acme", user={"sub": "1", "name": "Grace"})
    with ScriptedBrowser(user="ada") as ada:
        shown = window(session, open_url=ada)
        assert shown.mail
        other = threading.Thread(target=revoke, args=(session,))
        other.start()
        shown.until(lambda: "Your session has ended" in shown.card and not shown.mail)
        other.join()
        shown.signing.invoke()
        shown.until(lambda: "Ada Lovelace" in shown.card and shown.mail)


def test_who_says_no_is_told_so(session: Session, window: Callable[..., Window]) -> None:
    with ScriptedBrowser(user="ada", deny=True) as ada:
        shown = window(session, open_url=ada)
        shown.signing.invoke()
        shown.until(lambda: shown.card.count("\n") == 2)
        assert (shown.button, shown.mail) == ("Sign in with Acme", False)


def test_a_sign_in_that_waits_is_cancelled_by_the_same_button(session: Session, window: Callable[..., Window]) -> None:
    shown = window(session, open_url=lambda url: True)
    shown.signing.invoke()
    shown.until(lambda: shown.button == "Cancel")
    shown.signing.invoke()
    shown.until(lambda: shown.button == "Sign in with Acme")


def test_a_deadline_that_passed_is_told(session: Session, window: Callable[..., Window]) -> None:
    shown = window(session, open_url=lambda url: True, timeout=0.2)
    shown.signing.invoke()
    shown.until(lambda: shown.card.count("\n") == 2 and shown.button == "Sign in with Acme")


def test_a_provider_that_is_down_is_told(window: Callable[..., Window]) -> None:
    down = OpenIDConnect("http://127.0.0.1:9", "id", name="down", label="Down", allow_insecure_loopback=True)
    with SessionManager([down], single_user=True) as manager:
        shown = window(manager["down"])
        shown.signing.invoke()
        shown.until(lambda: shown.card.count("\n") == 2)


def test_an_async_session_lives_on_a_loop_of_its_own(acme: DevProvider, window: Callable[..., Window]) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    manager = AsyncSessionManager([acme.settings("acme")], single_user=True)
    try:
        with ScriptedBrowser(user="ada") as ada:
            shown = window(manager["acme"], loop=loop, open_url=ada)
            shown.signing.invoke()
            shown.until(lambda: shown.button == "Sign out" and shown.mail)
            shown.signing.invoke()
            shown.until(lambda: shown.button == "Sign in with Acme")
    finally:
        asyncio.run_coroutine_threadsafe(manager.aclose(), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_widget_that_is_destroyed_is_told_nothing_more(
    manager: SessionManager, session: Session, window: Callable[..., Window]
) -> None:
    shown = window(session)
    before = len(manager.on_transition)

    shown.inside.destroy()

    assert 0 < len(manager.on_transition) < before
    signed_in(manager, "acme", user={"sub": "1", "name": "Ada"})
    shown.until(lambda: "Ada" in shown.card)


def test_a_window_that_is_closed_leaves_no_subscription(
    manager: SessionManager, session: Session, display: None
) -> None:
    Window(session).root.destroy()

    assert len(manager.on_transition) == 0


def test_ten_thousand_widgets_leave_no_memory(
    manager: SessionManager, session: Session, window: Callable[..., Window]
) -> None:
    shown = window(session)
    before = len(manager.on_transition)

    def come_and_go(times: int) -> None:
        for _ in range(times):
            SignInButton(shown.root, session).destroy()
        shown.root.update()

    come_and_go(200)
    gc.collect()
    tracemalloc.start()
    for _ in range(10):
        come_and_go(1_000)
        shown.until(lambda: shown.root.tk.call("after", "info") != "")
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(manager.on_transition) == before
    assert left < 200_000

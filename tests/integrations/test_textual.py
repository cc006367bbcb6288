"""The Textual bridge: what a human sees in a terminal application is the truth, whoever changed the session."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from authflow import AsyncSessionManager, Session, SessionManager
from authflow.providers import OpenIDConnect
from authflow.testing import DevProvider, ScriptedBrowser, revoke, signed_in

pytest.importorskip("textual", reason="pip install 'authflow-sessions[textual]'")

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Label

from authflow.integrations.textual import Elsewhere, Protected, SignInButton, UserCard

SECONDS = 20.0


class Mail(App[None]):
    """An application as one writes it."""

    def __init__(self, session: Any, **arguments: Any) -> None:
        super().__init__()
        self.session = session
        self.arguments = arguments
        self.heard: list[str] = []

    def compose(self) -> ComposeResult:
        yield UserCard(self.session)
        yield SignInButton(self.session, id="button", **self.arguments)
        yield Protected(self.session, Label("3 new letters", id="mail"), **self.arguments)

    def on_sign_in_button_changed(self, message: SignInButton.Changed) -> None:
        self.heard.append(message.card.status)


class Shown:
    """What stands on the screen."""

    def __init__(self, app: Mail, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def button(self) -> str:
        return str(self.app.screen_stack[0].query_one("#button", SignInButton).label)

    @property
    def card(self) -> str:
        labels = self.app.screen_stack[0].query_one(UserCard).query(Label)
        return "\n".join(str(label.content) for label in labels if label.display)

    @property
    def mail(self) -> bool:
        return bool(self.app.screen_stack[0].query_one("#mail").region)

    async def press(self) -> None:
        self.app.screen_stack[0].query_one("#button", SignInButton).press()
        await self.pilot.pause()

    async def until(self, holds: Callable[[], Any]) -> None:
        end = time.monotonic() + SECONDS
        while not holds():
            if time.monotonic() > end:
                pytest.fail(f"it never came: {self.button!r} {self.card!r}")
            await self.pilot.pause(0.01)


@asynccontextmanager
async def mail(session: Any, **arguments: Any) -> AsyncIterator[Shown]:
    app = Mail(session, **arguments)
    async with app.run_test(size=(80, 24)) as pilot:
        shown = Shown(app, pilot)
        await shown.until(lambda: shown.button.strip())
        yield shown


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


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")


async def test_a_press_signs_in_and_what_is_protected_opens(session: Session) -> None:
    with ScriptedBrowser(user="ada") as ada:
        async with mail(session, open_url=ada) as shown:
            assert (shown.button, shown.card, shown.mail) == ("Sign in with Acme", "Not signed in\nAcme", False)

            await shown.press()
            await shown.until(lambda: shown.button == "Sign out")
            await shown.until(lambda: shown.mail)
            assert shown.card == "Ada Lovelace\nada@example.com · Acme"
            assert shown.app.heard[-1] == "Signed in as Ada Lovelace"

            await shown.press()
            await shown.until(lambda: shown.button == "Sign in with Acme" and not shown.mail)


async def test_a_renewal_changes_nothing_that_a_human_sees(manager: SessionManager, session: Session) -> None:
    signed_in(manager, "acme", user={"sub": "1", "name": "Ada"})

    async with mail(session) as shown:
        await shown.until(lambda: shown.button == "Sign out")
        before = shown.card
        await asyncio.to_thread(session.refresh)
        await shown.pilot.pause()
        assert (shown.button, shown.card) == ("Sign out", before)


async def test_a_session_that_ends_elsewhere_is_shown_ended_and_one_can_sign_in_again(
    manager: SessionManager, session: Session
) -> None:
    signed_in(manager, "acme", user={"sub": "1", "name": "Grace"})
    with ScriptedBrowser(user="ada") as ada:
        async with mail(session, open_url=ada) as shown:
            await shown.until(lambda: "Grace" in shown.card and shown.mail)
            await asyncio.to_thread(revoke, session)
            await shown.until(lambda: "Your session has ended" in shown.card and not shown.mail)
            await shown.press()
            await shown.until(lambda: "Ada Lovelace" in shown.card and shown.mail)


async def test_who_says_no_is_told_so(session: Session) -> None:
    with ScriptedBrowser(user="ada", deny=True) as ada:
        async with mail(session, open_url=ada) as shown:
            await shown.press()
            await shown.until(lambda: shown.card.count("\n") == 2)
            assert shown.button == "Sign in with Acme"
            assert not shown.mail


async def test_a_sign_in_that_waits_is_cancelled_by_the_same_button(session: Session) -> None:
    async with mail(session, open_url=lambda url: True) as shown:
        await shown.press()
        await shown.until(lambda: shown.button == "Cancel")
        assert "Waiting for you in the browser" in shown.card
        await shown.press()
        await shown.until(lambda: shown.button == "Sign in with Acme")


async def test_a_deadline_that_passed_is_told(session: Session) -> None:
    async with mail(session, open_url=lambda url: True, timeout=0.2) as shown:
        await shown.press()
        await shown.until(lambda: shown.button == "Sign in with Acme" and shown.card.count("\n") == 2)


async def test_a_provider_that_is_down_is_told() -> None:
    down = OpenIDConnect("http://127.0.0.1:9", "id", name="down", label="Down", allow_insecure_loopback=True)
    with SessionManager([down], single_user=True) as manager:
        async with mail(manager["down"], open_url=lambda url: True) as shown:
            await shown.press()
            await shown.until(lambda: shown.card.count("\n") == 2)
            assert shown.button == "Sign in with Down"


async def test_what_a_provider_calls_a_user_is_text_and_no_markup(manager: SessionManager, session: Session) -> None:
    signed_in(manager, "acme", user={"sub": "1", "name": "[red]Ada[/red]\x1b[2J"})

    async with mail(session) as shown:
        await shown.until(lambda: "[red]Ada[/red] [2J" in shown.card)


async def test_over_ssh_a_code_is_shown_and_the_dialog_goes_when_the_human_is_there(
    session: Session, acme: DevProvider, remote: None
) -> None:
    acme.other_screen.interval = 0.05
    async with mail(session) as shown:
        await shown.press()
        await shown.until(lambda: isinstance(shown.app.screen, Elsewhere))
        told = str(shown.app.screen.query_one("#told", Label).content)
        code = told.partition("enter the code:")[2].split()[0]

        with ScriptedBrowser(user="ada") as ada:
            await asyncio.to_thread(ada.go, f"{acme.url}/device?user_code={code}")
        await shown.until(lambda: not isinstance(shown.app.screen, Elsewhere) and "Ada Lovelace" in shown.card)


async def test_escape_leaves_the_dialog_and_the_sign_in(session: Session, remote: None) -> None:
    async with mail(session) as shown:
        await shown.press()
        await shown.until(lambda: isinstance(shown.app.screen, Elsewhere))
        assert not shown.app.screen.query_one(Input).display
        await shown.pilot.press("escape")
        await shown.until(lambda: not isinstance(shown.app.screen, Elsewhere))
        await shown.until(lambda: shown.button == "Sign in with Acme")


async def test_an_async_session_lives_on_the_applications_own_loop(acme: DevProvider) -> None:
    with ScriptedBrowser(user="ada") as ada:
        async with (
            AsyncSessionManager([acme.settings("acme")], single_user=True) as manager,
            mail(manager["acme"], open_url=ada) as shown,
        ):
            await shown.press()
            await shown.until(lambda: shown.button == "Sign out" and shown.mail)
            await shown.press()
            await shown.until(lambda: shown.button == "Sign in with Acme")


async def test_the_subscriptions_end_with_the_widgets(manager: SessionManager, session: Session) -> None:
    async with mail(session) as shown:
        before = len(manager.on_transition)
        await shown.app.query_one(Protected).remove()
        assert 0 < len(manager.on_transition) < before

    assert len(manager.on_transition) == 0


async def test_ten_thousand_widgets_leave_no_memory(manager: SessionManager, session: Session) -> None:
    async with mail(session) as shown:
        card = shown.app.query_one(UserCard)
        before = len(manager.on_transition)

        def come_and_go(times: int) -> None:
            for _ in range(times):
                card.on_unmount()
                card.on_mount()

        come_and_go(100)
        await shown.pilot.pause()
        gc.collect()
        tracemalloc.start()
        for _ in range(10):
            come_and_go(1_000)
            await shown.pilot.pause()
        gc.collect()
        left, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert len(manager.on_transition) == before
        assert left < 200_000

"""`authflow top`: the table, its keys, and that it is true whoever changed something."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from textual.widgets import Input, Label

from authflow import SessionManager, State
from authflow.integrations.textual import Elsewhere
from authflow.stores import FileStore
from authflow.testing import DevProvider, ScriptedBrowser, expire, fail_next_refresh, signed_in
from authflow.tui.app import Top
from tests.cli.conftest import BROWSER
from tests.cli.test_login_elsewhere import without_codes

from .conftest import Seen

KEY = bytes(range(32))
Open = Callable[..., AbstractAsyncContextManager[Seen]]


@pytest.fixture
def acme() -> Iterator[DevProvider]:
    with DevProvider(label="Acme").serve() as provider:
        yield provider


@pytest.fixture
def manager(acme: DevProvider) -> Iterator[SessionManager]:
    providers = [acme.settings("acme", scopes=["offline_access"]), acme.settings("globex"), acme.settings("octo")]
    with SessionManager(providers, single_user=True) as manager:
        yield manager


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Who sits there: ada; or one who denies, or never comes back."""

    def make(*, deny: bool = False, never: bool = False) -> None:
        script = tmp_path / "browser.py"
        script.write_text(BROWSER.format(deny=deny, wrong_state=False, never=never))
        monkeypatch.setenv("BROWSER", f"{sys.executable} {script}")

    return make


@asynccontextmanager
async def top(
    manager: SessionManager, *, allow_actions: bool = True, size: tuple[int, int] = (150, 45)
) -> AsyncIterator[Seen]:
    app = Top(manager, allow_actions=allow_actions)
    async with app.run_test(size=size) as pilot:
        seen = Seen(app, pilot)
        await seen.until(lambda: len(seen.rows()) >= len(manager))
        yield seen


# ── what stands there ──


async def test_a_row_tells_the_whole_session(manager: SessionManager) -> None:
    signed_in(manager, "acme", user={"sub": "1", "name": "Ada Lovelace"}, scopes=["openid"])

    async with top(manager) as seen:
        row = seen.row("acme")

    assert row["state"].startswith("● authenticated")
    assert row["token"].startswith("████████ ")
    assert (row["user"], row["type"], row["scopes"], row["issuer"]) == ("Ada Lovelace", "Bearer", "1", "127.0.0.1")
    assert len(row["fingerprint"]) == 8
    assert row["store"].startswith("MemoryStore v")


async def test_rows_in_sight_keep_time_and_the_others_have_it_when_they_come_into_sight(
    manager: SessionManager,
) -> None:
    for number in range(60):
        signed_in(manager, ("acme", f"{number:02}"), expires_in=86_400)
    ahead = 0.0
    app = Top(manager, now=lambda: time.time() + ahead)
    async with app.run_test(size=(150, 30)) as pilot:
        seen = Seen(app, pilot)
        await seen.until(lambda: len(seen.rows()) >= 60)

        ahead = 7_200.0
        await seen.until(lambda: " 2 h" in seen.row("acme · 00")["state"])
        assert " 2 h" not in seen.row("acme · 59")["state"]

        app._table.move_cursor(row=len(seen.rows()) - 1)
        await seen.until(lambda: " 2 h" in seen.row("acme · 59")["state"])


async def test_the_scopes_that_were_granted_are_counted(manager: SessionManager, acme: DevProvider) -> None:
    session = signed_in(manager, "acme", scopes=["openid", "email", "profile", "offline_access"])

    async with top(manager) as seen:
        assert seen.row("acme")["scopes"] == str(len(session.scopes))


async def test_the_scopes_that_were_asked_for_and_not_granted_are_named(
    manager: SessionManager, acme: DevProvider
) -> None:
    lie = acme.lie("token_response", lambda answer: {**answer, "scope": "openid"})
    with lie, ScriptedBrowser(user="ada") as ada:
        manager["acme"].login(open_url=ada)

    async with top(manager) as seen:
        assert seen.row("acme")["scopes"] == "1/4 −offline_access −profile −email"


async def test_the_head_counts_states_and_what_needs_a_human(manager: SessionManager) -> None:
    signed_in(manager, "acme")
    expire(signed_in(manager, "globex"))

    async with top(manager) as seen:
        head = seen.text("head")

    assert "1 idle   1 authenticated   1 logged_out   ✗ 1 to look at" in head
    assert "MemoryStore ok" in head
    assert "next refresh in " in head


async def test_what_went_wrong_stands_there_with_its_next_step(manager: SessionManager) -> None:
    session = signed_in(manager, "acme")
    fail_next_refresh(session)
    with pytest.raises(Exception, match="temporarily"):
        session.refresh()

    async with top(manager) as seen:
        assert seen.row("acme")["state"].startswith("▲ authenticated")
        assert "1 failed" in seen.row("acme")["refresh"]
        assert "next step" in seen.text("facts")


async def test_the_detail_has_the_chart_with_the_present_state_in_a_double_frame(manager: SessionManager) -> None:
    signed_in(manager, "acme")

    async with top(manager) as seen:
        await seen.at("acme")

        assert "║authenticated ↻║" in seen.text("chart")
        assert "refresh → refreshing" in seen.text("chart")
        await seen.at("globex")
        await seen.until(lambda: "║ idle ║" in seen.text("chart"))


async def test_the_detail_tells_the_last_story(manager: SessionManager) -> None:
    with ScriptedBrowser(user="ada") as ada:
        await asyncio.to_thread(manager.login, "acme", open_url=ada)

    async with top(manager) as seen:
        await seen.at("acme")

        assert "login of acme" in seen.text("story")
        assert "exchanging → authenticated" in seen.text("story")


async def test_what_a_claim_would_do_to_a_terminal_is_not_done(manager: SessionManager) -> None:
    name = "\x1b[2J\x1b]0;owned\x07A\u202eda\x9b31m"
    signed_in(manager, "acme", user={"sub": "1", "name": name}, scopes=["a\x1b[31mb"])

    async with top(manager) as seen:
        everything = seen.everything()

    assert "[2J ]0;owned A da 31m" in everything
    assert [ch for ch in everything if ch != "\n" and not ch.isprintable()] == []


async def test_no_secret_stands_anywhere(manager: SessionManager, acme: DevProvider) -> None:
    with ScriptedBrowser(user="ada") as ada:
        await asyncio.to_thread(manager.login, "acme", open_url=ada)

    async with top(manager) as seen:
        everything = seen.everything()

    assert [secret for secret in acme.secrets if secret and secret in everything] == []


async def test_eighty_columns_are_enough_for_what_matters(manager: SessionManager) -> None:
    signed_in(manager, "acme")

    words = ("authflow&#160;top", "authenticated", "token", "refresh", "Sign", "Quit", "MemoryStore")
    async with top(manager, size=(80, 24)) as seen:
        await seen.until(lambda: all(word in seen.app.export_screenshot() for word in words))


async def test_the_detail_can_have_the_screen_for_itself(manager: SessionManager) -> None:
    async with top(manager, size=(80, 24)) as seen:
        table = seen.app._table
        await seen.pilot.press("enter")
        await seen.until(lambda: not table.display)
        await seen.pilot.press("escape")
        await seen.until(lambda: table.display and table.has_focus)


# ── live ──


async def test_what_happens_here_is_seen(manager: SessionManager) -> None:
    async with top(manager) as seen:
        session = await asyncio.to_thread(signed_in, manager, "acme")
        await seen.until(lambda: seen.row("acme")["state"].startswith("● authenticated"))
        await asyncio.to_thread(session.logout)
        await seen.until(lambda: seen.row("acme")["state"].startswith("○ logged_out"))


async def test_what_another_process_does_is_seen_and_a_new_account_gets_a_row(
    acme: DevProvider, tmp_path: Path
) -> None:
    def process() -> SessionManager:
        store = FileStore(tmp_path / "store", watch_every=0.05)
        return SessionManager([acme.settings("acme")], store=store, single_user=True, sealing_key=KEY)

    with process() as here, process() as there:
        async with top(here) as seen:
            await asyncio.to_thread(signed_in, there, "acme", user={"sub": "1", "name": "Ada"})
            await seen.until(lambda: seen.row("acme")["user"] == "Ada")

            with ScriptedBrowser(user="grace") as grace:
                await asyncio.to_thread(there["acme", "work"].login, open_url=grace)
            await seen.until(lambda: any(row["session"] == "acme · work" for row in seen.rows()))

            await asyncio.to_thread(there["acme"].logout)
            await seen.until(lambda: seen.row("acme")["state"].startswith("○ logged_out"))
        here.store.close()
        there.store.close()


async def test_a_record_that_cannot_be_read_is_a_row_that_says_so(acme: DevProvider, tmp_path: Path) -> None:
    def process(key: bytes) -> SessionManager:
        store = FileStore(tmp_path / "store")
        return SessionManager([acme.settings("acme")], store=store, single_user=True, sealing_key=key)

    with process(KEY) as before:
        signed_in(before, "acme")
        before.store.close()
    with process(bytes(32)) as manager:
        async with top(manager) as seen:
            assert "cannot be read" in seen.row("acme")["state"]
            assert "1 cannot be read" in seen.text("head")
            assert "s" not in seen.offered()  # a sign-in would be the end of it
        manager.store.close()


# ── the keys ──


async def test_without_permission_nothing_can_be_done(manager: SessionManager) -> None:
    session = signed_in(manager, "acme")

    async with top(manager, allow_actions=False) as seen:
        await seen.at("acme")
        for key in "srcloea":
            await seen.pilot.press(key)
        assert set(seen.offered().values()) == {"Detail", "Quit"}
        assert "read-only" in seen.text("head")

    assert session.state is State.AUTHENTICATED


async def test_only_what_is_possible_now_is_offered(manager: SessionManager) -> None:
    signed_in(manager, "acme")

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.until(lambda: "r" in seen.offered())
        assert {"l", "o", "e", "a"} <= set(seen.offered())
        assert not {"s", "c"} & set(seen.offered())

        await seen.at("globex")
        await seen.until(lambda: "s" in seen.offered())
        assert not {"r", "c", "l", "o", "e"} & set(seen.offered())


async def test_a_sign_in_and_a_renewal_by_key(manager: SessionManager, browser: Callable[..., None]) -> None:
    browser()

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.pilot.press("s")
        await seen.until(lambda: seen.row("acme")["user"] == "Ada Lovelace")
        first = seen.row("acme")["fingerprint"]
        await seen.until(lambda: "r" in seen.offered())
        await seen.pilot.press("r")
        await seen.until(lambda: seen.row("acme")["fingerprint"] not in ("", first))
        assert "here" in seen.row("acme")["last refresh"]


async def test_a_sign_in_that_was_denied_says_so(manager: SessionManager, browser: Callable[..., None]) -> None:
    browser(deny=True)

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.pilot.press("s")
        await seen.until(seen.notices)

        assert "acme" in seen.notices()[0]
        await seen.until(lambda: seen.row("acme")["state"].startswith("○ idle"))


async def test_a_sign_in_that_waits_can_be_cancelled(manager: SessionManager, browser: Callable[..., None]) -> None:
    browser(never=True)

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.pilot.press("s")
        await seen.until(lambda: "c" in seen.offered())
        assert seen.row("acme")["state"].startswith("◐ authorizing")
        await seen.pilot.press("c")
        await seen.until(lambda: seen.row("acme")["state"].startswith("○ idle"))


async def test_a_sign_in_that_waits_ends_with_the_screen(manager: SessionManager, browser: Callable[..., None]) -> None:
    browser(never=True)

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.pilot.press("s")
        await seen.until(lambda: seen.row("acme")["state"].startswith("◐ authorizing"))

    assert manager["acme"].state is State.IDLE


@pytest.mark.parametrize(("key", "there"), [("l", False), ("o", True), ("e", True)])
async def test_the_ways_to_sign_out_reach_ever_further(
    manager: SessionManager, acme: DevProvider, key: str, there: bool
) -> None:
    with ScriptedBrowser(user="ada") as ada:
        session = await asyncio.to_thread(manager.login, "acme", open_url=ada)
        token = session.token().access_token
        shown: list[str] = []
        session._show = shown.append

        async with top(manager) as seen:
            await seen.at("acme")
            await seen.until(lambda: key in seen.offered())
            await seen.pilot.press(key)
            await seen.until(lambda: seen.row("acme")["state"].startswith("○ logged_out"))
            await seen.app.workers.wait_for_complete()

    assert acme.accepts(token) is not there
    assert bool(shown) is (key == "e")


async def test_a_provider_that_cannot_be_told_is_told_to_the_human(manager: SessionManager, acme: DevProvider) -> None:
    with ScriptedBrowser(user="ada") as ada:
        await asyncio.to_thread(manager.login, "acme", open_url=ada)
    acme.fail_next("revoke", 500, "down", times=9)

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.until(lambda: "o" in seen.offered())
        await seen.pilot.press("o")
        await seen.until(seen.notices)

        assert "signed out here" in seen.notices()[0]


async def test_all_is_asked_once_more_before_it_is_done(manager: SessionManager) -> None:
    one, other = signed_in(manager, "acme"), signed_in(manager, "globex")

    async with top(manager) as seen:
        await seen.until(lambda: "a" in seen.offered())
        await seen.pilot.press("a", "escape")
        await seen.pilot.pause()
        assert one.live
        assert other.live

        await seen.pilot.press("a", "y")
        await seen.until(lambda: not one.live and not other.live)


# ── over SSH ──


async def test_without_a_browser_a_code_is_shown_and_the_dialog_ends_with_the_login(
    manager: SessionManager, acme: DevProvider, no_browser: None
) -> None:
    acme.other_screen.interval = 0.05

    async with top(manager) as seen:
        await seen.at("acme")
        await seen.pilot.press("s")
        await seen.until(lambda: isinstance(seen.app.screen, Elsewhere))
        told = str(seen.app.screen.query_one("#told", Label).content)
        assert "This is a remote shell (SSH)" in told
        code = told.partition("enter the code:")[2].split()[0]

        with ScriptedBrowser(user="ada") as ada:
            await asyncio.to_thread(ada.go, f"{acme.url}/device?user_code={code}")
        await seen.until(lambda: seen.row("acme")["user"] == "Ada Lovelace")
        await seen.until(lambda: not isinstance(seen.app.screen, Elsewhere))


async def test_escape_in_the_dialog_cancels_the_sign_in(manager: SessionManager, no_browser: None) -> None:
    async with top(manager) as seen:
        await seen.at("acme")
        await seen.pilot.press("s")
        await seen.until(lambda: isinstance(seen.app.screen, Elsewhere))
        await seen.pilot.press("escape")
        await seen.until(lambda: not isinstance(seen.app.screen, Elsewhere))
        await seen.until(lambda: seen.row("acme")["state"].startswith("○ idle"))


async def test_without_sign_in_by_code_the_address_is_pasted_back(
    acme: DevProvider, no_browser: None, tmp_path: Path
) -> None:
    without_codes(acme)
    provider = acme.settings("plain")
    with SessionManager([provider], single_user=True) as manager:
        async with top(manager) as seen:
            await seen.at("plain")
            await seen.pilot.press("s")
            await seen.until(lambda: isinstance(seen.app.screen, Elsewhere))
            dialog = seen.app.screen
            await seen.until(lambda: dialog.query_one(Input).display)
            told = str(dialog.query_one("#told", Label).content)
            (url,) = [word for word in told.split() if word.startswith(acme.url)]

            with ScriptedBrowser(user="ada") as ada, pytest.raises(httpx.ConnectError) as ended:
                await asyncio.to_thread(ada.go, url)
            dialog.query_one(Input).value = str(ended.value.request.url)
            await seen.pilot.press("enter")
            await seen.until(lambda: seen.row("plain")["user"] == "Ada Lovelace")

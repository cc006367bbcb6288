"""Logins on the loopback agent, by a person with a real Chromium at a certified provider."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authflow import AsyncSessionManager, LoginCancelled, LoginDenied, LoginTimedOut, SessionManager, State
from tests.real.browser import RealBrowser
from tests.real.panva_provider import Panva

Browse = Callable[..., RealBrowser]


def redirect_uri_of(authorization_url: str) -> str:
    return parse_qs(urlsplit(authorization_url).query)["redirect_uri"][0]


def is_closed(redirect_uri: str) -> bool:
    """Nobody listens at the redirect URI any more."""
    try:
        httpx.get(redirect_uri, timeout=5, trust_env=False)
    except httpx.ConnectError:
        return True
    return False


def test_a_person_signs_in_and_reads_so(panva: Panva, browse: Browse) -> None:
    ada = browse("ada")
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=ada)
        assert manager["basic"].user["email"] == "ada@example.test"

    ada.wait()
    assert "signed in" in ada.final_text.lower()
    assert ada.console_errors == []


def test_the_address_bar_keeps_neither_code_nor_state(panva: Panva, browse: Browse) -> None:
    ada = browse("ada")
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=ada)

    assert ada.wait().final_url == redirect_uri_of(ada.url)


def test_the_listener_is_gone_after_the_login(panva: Panva, browse: Browse) -> None:
    ada = browse("ada")
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=ada)
        ada.wait()
        assert is_closed(redirect_uri_of(ada.url))


async def test_a_person_signs_in_to_an_async_manager(panva: Panva, browse: Browse) -> None:
    ada = browse("ada")
    async with AsyncSessionManager([panva.provider("public")], single_user=True) as manager:
        await manager["public"].login(open_url=ada)
        assert manager["public"].user.id == "ada"

    assert "signed in" in ada.wait().final_text.lower()


def test_a_person_says_no_and_reads_that_nobody_is_signed_in(panva: Panva, browse: Browse) -> None:
    ada = browse("ada", deny=True)
    with SessionManager([panva.provider()], single_user=True) as manager:
        with pytest.raises(LoginDenied):
            manager["basic"].login(open_url=ada)
        assert manager["basic"].state is State.IDLE

    assert "not signed in" in ada.wait().final_text.lower()


def test_a_callback_with_a_wrong_state_is_refused_and_the_right_one_still_works(panva: Panva, browse: Browse) -> None:
    ada = browse("ada", detour=lambda url: f"{redirect_uri_of(url)}?code=stolen&state=guessed")
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=ada)
        assert manager["basic"].user.id == "ada"

    ada.wait()
    assert "not accepted" in ada.detour_text.lower()
    assert "signed in" in ada.final_text.lower()


def test_a_login_can_be_cancelled_while_the_browser_waits(panva: Panva, browse: Browse) -> None:
    ada = browse("ada", idle=True)
    opened = threading.Event()

    def open_url(url: str) -> None:
        ada(url)
        opened.set()

    with SessionManager([panva.provider()], single_user=True) as manager, ThreadPoolExecutor(1) as pool:
        session = manager["basic"]
        login = pool.submit(session.login, open_url=open_url)
        assert opened.wait(20)
        ada.wait()
        assert session.cancel()

        with pytest.raises(LoginCancelled):
            login.result(timeout=10)
        assert session.state is State.IDLE
        assert is_closed(redirect_uri_of(ada.url))


async def test_a_cancelled_task_leaves_no_login_and_no_listener_behind(panva: Panva, browse: Browse) -> None:
    ada = browse("ada", idle=True)
    opened = asyncio.Event()

    async def open_url(url: str) -> None:
        ada(url)
        opened.set()

    async with AsyncSessionManager([panva.provider()], single_user=True) as manager:
        login = asyncio.create_task(manager["basic"].login(open_url=open_url))
        await asyncio.wait_for(opened.wait(), 20)
        login.cancel()

        with pytest.raises(asyncio.CancelledError):
            await login
        assert manager["basic"].state is State.IDLE
        assert is_closed(redirect_uri_of(ada.url))


def test_a_login_ends_at_its_deadline_while_the_browser_waits(panva: Panva, browse: Browse) -> None:
    ada = browse("ada", idle=True)
    with SessionManager([panva.provider()], single_user=True) as manager:
        with pytest.raises(LoginTimedOut):
            manager["basic"].login(open_url=ada, timeout=1.5)
        assert manager["basic"].state is State.IDLE

    assert is_closed(redirect_uri_of(ada.url))
    assert "sign in" in ada.wait().final_text.lower()


def test_a_logout_signs_the_person_out_at_the_provider_too(panva: Panva, browse: Browse) -> None:
    ada = browse("ada")
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=ada)
        ada.wait()
        assert manager["basic"].logout().end_session_opened

    assert "you are signed out" in ada.wait().final_text.lower()

"""`login()` without an agent, where no browser can be had: the one that suits the place is taken, and says why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from authflow import LoginFailed
from authflow.agents import Suitable
from authflow.testing import DevProvider, ScriptedBrowser

from .conftest import go


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A remote shell, without a terminal of its own."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22")


async def test_a044_over_ssh_a_code_is_shown_instead_of_a_browser(
    far_away: None, manager: Any, dev: DevProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    dev.other_screen.interval = 1.0
    login = asyncio.ensure_future(_background(manager))
    shown = ""
    while "enter the code" not in shown:
        assert not login.done()
        shown += capsys.readouterr().out
        await asyncio.sleep(0)
    assert "remote shell (SSH)" in shown
    code = shown.split("enter the code:")[1].split()[0]
    await asyncio.to_thread(_enter, dev, code)
    assert (await login).live


async def test_a044_without_sign_in_by_code_it_fails_at_once_and_says_why(
    far_away: None, colour: Any, dev: DevProvider
) -> None:
    dev.tamper["metadata"] = lambda said: {
        name: value for name, value in said.items() if name != "device_authorization_endpoint"
    }
    manager = colour([dev.settings("plain")])
    try:
        with pytest.raises(LoginFailed) as failed:
            await go(manager.login("plain"))
    finally:
        await go(manager.close())
    assert failed.value.code == "browser_unavailable"
    assert "remote shell (SSH)" in failed.value.message


async def test_the_callers_own_agent_or_opener_always_wins(
    far_away: None, manager: Any, browser: ScriptedBrowser
) -> None:
    assert (await go(manager.login("acme", open_url=browser))).live


async def _background(manager: Any) -> Any:
    login = manager["acme"].login
    return await login() if asyncio.iscoroutinefunction(login) else await asyncio.to_thread(login)


def _enter(dev: DevProvider, code: str) -> None:
    with ScriptedBrowser("ada", fields={"user_code": code}) as person:
        person.go(f"{dev.url}/device")


async def test_a044_begin_chooses_too_when_it_is_told_to(far_away: None, manager: Any) -> None:
    request = await go(manager["acme"].begin(agent=Suitable()))
    assert request.user_code
    await go(request.cancel())

"""A program on the user's machine: what it opens, and what its page does. The listener's tests are in tests/agents."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import authflow
from authflow import SessionManager
from authflow.agents.base import Page
from authflow.agents.pages import SCRIPT, headers, render
from authflow.errors import InsecureURL
from authflow.testing import DevProvider, Lie
from tests.security.judge import Judge


@pytest.mark.parametrize(
    "lie",
    [
        Lie.METADATA_LEAD_TO_A_SCRIPT,
        Lie.METADATA_LEAD_TO_A_FILE,
        Lie.METADATA_LEAD_TO_AN_OPTION,
        Lie.METADATA_LEAD_TO_A_COMMAND,
        Lie.METADATA_LEAD_TO_A_LINE_BREAK,
        Lie.METADATA_LEAD_TO_A_USER,
    ],
)
async def test_a035_an_authorization_endpoint_that_is_a_command_is_never_opened(judge: Judge, lie: Lie) -> None:
    opened: list[str] = []
    with judge.told(lie):
        error = await judge.stage.fails(lambda: judge.session.login(open_url=opened.append))
    assert isinstance(error.__cause__, InsecureURL)
    assert opened == []
    await judge.is_signed_out("on_login_failed", error)


def test_a037_no_part_of_the_library_shows_a_login_in_a_view_of_its_own() -> None:
    """RFC 8252 §8.12: the human signs in in their own browser, which the application cannot look into."""
    source = Path(authflow.__file__).parent
    names = ("webview", "webengine", "cefpython", "wkwebview")
    found = [path.name for path in source.rglob("*.py") if any(name in path.read_text().lower() for name in names)]
    assert found == []


def test_a039_the_page_sends_no_message_to_any_window() -> None:
    page = render(Page(ok=True, title="You are signed in", text="", hint="")).decode()
    assert page.count("<script") == page.count(f"<script>{SCRIPT}</script>") == 1
    for word in ("postMessage", "opener", "parent", "BroadcastChannel", "localStorage"):
        assert word not in SCRIPT


def test_a041_no_window_is_watched_for_being_closed() -> None:
    assert "closed" not in SCRIPT
    assert dict(headers(Page(ok=True, title="", text="", hint="")))["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("policy", ["unsafe-none", "same-origin-allow-popups", "same-origin"])
def test_a040_a_login_completes_whatever_opener_policy_the_provider_has(chromium: Any, policy: str) -> None:
    async def visit(url: str) -> None:
        context = await chromium.new_context()
        try:
            page = await context.new_page()
            await page.goto(url)
            await page.click("button[value=ada]")
            await page.click("button[value=allow]")
            await page.wait_for_selector("main")
        finally:
            await context.close()

    humans: list[threading.Thread] = []

    def opened(url: str) -> bool:
        humans.append(threading.Thread(target=lambda: chromium.run(visit(url)), name="human"))
        humans[0].start()
        return True

    provider = DevProvider(label="Acme", page_headers={"cross-origin-opener-policy": policy})
    with provider.serve(), SessionManager([provider.settings("acme")]) as manager:
        assert manager.login("acme", open_url=opened).user.name == "Ada Lovelace"
        humans[0].join(20)

"""The pages in a real browser: what a policy or a style sheet breaks, only a browser shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from authflow.testing import DevProvider
from authflow.testing.pages import STYLE, login_page, page_headers
from tests.real.browser import Chromium
from tests.testing.listener import Listener
from tests.testing.plain_client import PlainClient


@pytest.fixture
def provider() -> Iterator[DevProvider]:
    with DevProvider(algorithm="ES256").serve() as running:
        yield running


def test_a_style_sheet_stays_on_its_page() -> None:
    assert "</" not in STYLE
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_a_redirect_to_an_application_of_its_own_scheme_is_allowed() -> None:
    headers = page_headers("com.example.app:/callback")
    assert "form-action 'self' com.example.app:;" in headers["content-security-policy"]


def test_an_ipv6_literal_which_no_policy_can_name_is_allowed_by_its_scheme() -> None:
    assert "form-action 'self' http:;" in page_headers("http://[::1]:99/callback")["content-security-policy"]


def test_every_account_is_a_button_that_needs_no_script() -> None:
    page = login_page("Acme", "app", DevProvider().users, "/login", "t")
    assert page.count('name="login"') == 3
    assert "<script" not in page


# ── in Chromium ──────────────────────────────────────────────────────────────────────────────────────

CONTRAST = """() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const behind = node => {
        for (; node; node = node.parentElement) {
            const colour = rgb(getComputedStyle(node).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
    };
    return [...document.querySelectorAll("h1, p, span, button, code, dt, dd")]
        .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
        .map(node => {
            const both = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
            return [(both[0] + .05) / (both[1] + .05), node.textContent];
        })
        .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def url_of(provider: DevProvider, listener: Listener, **more: str) -> str:
    params = PlainClient(provider).params(redirect_uri=listener.redirect_uri, **more)
    path = "/login/oauth/authorize" if provider.style == "github" else "/authorize"
    return f"{provider.url}{path}?{httpx.QueryParams(params)}"


class Human:
    """Somebody at a real Chromium; notes what the console complains of."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def click(self, name: str) -> None:
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=name).click()


def at_chromium(chromium: Chromium, walk: Any, **context: Any) -> Human:
    async def go() -> Human:
        profile = await chromium.new_context(**context)
        human = Human(await profile.new_page())
        try:
            await walk(human)
        finally:
            await profile.close()
        return human

    return chromium.run(go())


@pytest.mark.parametrize(("answer", "outcome"), [("Allow", "code"), ("Deny", "error")])
def test_a_human_gets_through_the_pages_without_a_complaint(
    chromium: Chromium, provider: DevProvider, listener: Listener, answer: str, outcome: str
) -> None:
    async def walk(human: Human) -> None:
        await human.page.goto(url_of(provider, listener))
        await human.click("Grace Hopper")
        await human.click(answer)

    assert at_chromium(chromium, walk).complaints == []
    assert outcome in listener.received[0]


def test_form_post_submits_itself(chromium: Chromium, provider: DevProvider, listener: Listener) -> None:
    provider.auto = "ada"

    async def walk(human: Human) -> None:
        await human.page.goto(url_of(provider, listener, response_mode="form_post"))
        await human.page.wait_for_url(f"{listener.redirect_uri}**")

    assert at_chromium(chromium, walk).complaints == []
    assert "code" in listener.received[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("style", ["oidc", "github"])
def test_all_text_can_be_read_in_light_and_dark(
    chromium: Chromium, listener: Listener, style: str, scheme: str
) -> None:
    found: list[Any] = []

    async def walk(human: Human) -> None:
        await human.page.goto(url_of(provider, listener, login_hint="grace"))
        found.extend(await human.page.evaluate(CONTRAST))
        await human.click("Ada Lovelace")
        found.extend(await human.page.evaluate(CONTRAST))
        await human.page.goto(f"{provider.url}/end_session")
        found.extend(await human.page.evaluate(CONTRAST))

    with DevProvider(style=style, algorithm="ES256").serve() as provider:  # type: ignore[arg-type]
        at_chromium(chromium, walk, color_scheme=scheme)
    assert found == []

"""Every page that is made here, and that no visit to its server looks at: axe finds nothing, and it fits a phone."""

from __future__ import annotations

from typing import Any

import pytest

from authflow.agents import Page
from authflow.agents.base import CONTINUE
from authflow.agents.pages import render
from authflow.errors import LoginDenied
from authflow.integrations.live import Card
from authflow.integrations.markup import button_html, card_html
from authflow.integrations.web import pages
from authflow.testing import pages as theirs
from authflow.testing.dev_provider import DEFAULT_USERS
from tests.real.accessible import complaints
from tests.real.browser import Chromium

WAYS = (("Sign in again", "/login/acme"), ("Back to the application", "/"))
ADA = DEFAULT_USERS[0]


def card(**facts: Any) -> str:
    shown = Card(**{"provider": "acme", "label": "Acme", "state": "idle", **facts})
    parts = f"{card_html(shown)}{button_html(shown, '/login', '/logout')}"
    head = '<!doctype html><html lang="en"><title>A page</title><meta name="color-scheme" content="light dark">'
    return f"{head}<main><h1>A page</h1>{parts}</main></html>"


MADE: dict[str, str | bytes] = {
    "signed in": render(Page(ok=True, title="You are signed in", text="Hello Ada."), "Acme"),
    "signed in, in a window": render(Page(ok=True, title="Signed in", text="Hello.", onward=WAYS, closes=True)),
    "not signed in": render(Page(ok=False, title="Not signed in to Acme", text="The user said no."), "Acme"),
    "goes on elsewhere": render(CONTINUE),
    "denied": pages.explain(LoginDenied("said no"), "Acme", WAYS).body,
    "no cookies": pages.no_cookies(WAYS).body,
    "no such provider": pages.no_such_provider(WAYS).body,
    "another site": pages.another_site(WAYS).body,
    "choose": pages.choose([("Acme", "/login/acme"), ("Globex", "/login/globex")]).body,
    "choose an account": theirs.login_page("Acme", "app", DEFAULT_USERS, "/login", "t", "ada", "indigo"),
    "consent": theirs.consent_page("Acme", "app", ADA, ["openid", "odd"], "/consent", "t", "127.0.0.1", "teal"),
    "enter a code": theirs.enter_code_page("Acme", "/device", "There is no such code.", "rose"),
    "sign out": theirs.sign_out_page("Acme", "/end_session", "t", "slate"),
    "an error": theirs.message_page("Acme", "This cannot go on", "It is wrong.", {"redirect_uri": "x"}, "indigo"),
    "signed out": theirs.signed_out_page("Acme", ["about:blank"], "https://app.example/", "teal"),
    "going back by form": theirs.form_post_page("Acme", "/callback", [("code", "c")]).replace(theirs.SCRIPT, ""),
    "a stranger's card": card(),
    "a card": card(state="authenticated", live=True, name="Ada Lovelace", email="ada@example.com"),
    "a card with a note": card(state="logged_out", note="Your session has ended. Sign in again."),
    "a card with a calm note": card(note="Cancelled.", calm=True),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(chromium: Chromium, scheme: str) -> None:
    async def look() -> dict[str, list[str]]:
        settings = {"color_scheme": scheme, "viewport": {"width": 360, "height": 640}}
        shown = await chromium.new_page(**settings)
        try:
            found = {}
            for name, html in MADE.items():
                await shown.set_content(html if isinstance(html, str) else html.decode())
                found[name] = await complaints(shown)
                if await shown.evaluate("document.documentElement.scrollWidth") > 360:
                    found[name].append("scrolls sideways")
            return {name: said for name, said in found.items() if said}
        finally:
            await shown.context.close()

    assert chromium.run(look()) == {}

"""Gradio in Chromium: what an interface shows is the truth, and what is protected comes from guarded functions only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import MissingExtra
from authflow.testing import DevProvider, ScriptedBrowser, revoke
from tests.real.browser import Chromium

from .browsing import Site, Tab, serving

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # a test tells nobody that it runs
try:
    from authflow.integrations.gradio import Auth
except MissingExtra as missing:
    pytest.skip(str(missing), allow_module_level=True)

import gradio as gr
from fastapi import FastAPI

pytestmark = pytest.mark.filterwarnings("ignore")  # what Gradio warns of is its own
MANAGERS: dict[str, Any] = {"sync": SessionManager, "async": AsyncSessionManager}


@pytest.fixture(scope="module", params=MANAGERS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with DevProvider(label="Globex").serve() as gone:
        down = gone.settings("globex")
    with DevProvider(label="Acme").serve() as provider:
        manager = MANAGERS[request.param]([provider.settings("acme"), down])

        async def build(url: str) -> FastAPI:  # where a loop runs: elsewhere Gradio makes some, and closes none
            auth = Auth(manager, base_url=url)
            with gr.Blocks() as demo:
                auth.user_card("acme", every=0.2)
                auth.button("acme", every=0.2)
                auth.button("globex", every=0.2)
                title = gr.Textbox("Notes", label="Title")
                answer = gr.Markdown()
                ask = gr.Button("Ask")
                ask.click(auth.protected(lambda session, title: f"{title} of {session.user.name}"), title, answer)
            app = FastAPI()
            app.include_router(auth.router)
            return gr.mount_gradio_app(app, demo, path="/")

        with serving(manager, lambda url: asyncio.run(build(url))) as running:
            yield running


@pytest.fixture
def ada(chromium: Chromium, site: Site) -> Iterator[Tab]:
    with Tab(chromium, site.url) as tab:
        yield tab.go().press("Sign in with Acme").answer("ada").sees("ada@example.com")


def test_a_visitor_signs_in_and_asks_and_signs_out_and_in_again(ada: Tab) -> None:
    ada.press("Ask").sees("Notes of Ada Lovelace")
    ada.reload().sees("ada@example.com")
    ada.press("Sign out")
    ada.go().sees("Not signed in").press("Ask").sees("Sign in first.").no_longer_sees("Notes of Ada")
    ada.press("Sign in with Acme").answer("ada").sees("ada@example.com")


def test_who_is_signed_out_elsewhere_sees_it_and_gets_nothing_more(ada: Tab, site: Site) -> None:
    site.do(site.signed_in["Ada Lovelace"].refresh)
    ada.sees("ada@example.com")
    second = ada.another().go().sees("ada@example.com")
    second.press("Sign out")
    ada.sees("Not signed in").press("Ask").sees("Sign in first.")


def test_what_the_provider_ends_is_told(ada: Tab, site: Site) -> None:
    site.do(revoke, site.signed_in["Ada Lovelace"])
    ada.sees("Your session has ended. Sign in again.")
    ada.press("Sign in with Acme").sees("ada@example.com")  # the provider knows her still


def test_two_people_never_see_each_other(ada: Tab, stranger: Tab, site: Site) -> None:
    stranger.press("Sign in with Acme").answer("grace").sees("grace@example.com")
    stranger.press("Ask").sees("Notes of Grace Hopper")
    ada.press("Ask").sees("Notes of Ada Lovelace").no_longer_sees("Grace")
    site.do(site.signed_in["Grace Hopper"].logout)
    stranger.sees("Not signed in")
    ada.reload().sees("ada@example.com")


def test_another_sites_page_learns_nothing_though_gradio_lets_it_read(site: Site) -> None:
    with ScriptedBrowser() as ada:
        ada.go(f"{site.url}/login/acme")
        cookie = "; ".join(f"{one.name}={one.value}" for one in ada._cookies.jar)
    neighbour = {"origin": "https://evil.app.example", "sec-fetch-site": "same-site", "host": "app.example"}
    for asks, answered in ((neighbour, "Sign in first."), ({"sec-fetch-site": "same-origin"}, "Notes of Ada Lovelace")):
        with httpx.Client(headers={"cookie": cookie, **asks}, trust_env=False, timeout=30) as browser:
            call = browser.post(f"{site.url}/gradio_api/call/guarded", json={"data": ["Notes"]})
            told = browser.get(f"{site.url}/gradio_api/call/guarded/{call.json()['event_id']}")
        assert call.headers.get("access-control-allow-origin") == asks.get("origin")
        assert answered in told.text, told.text


def test_denied_and_down_are_told(stranger: Tab) -> None:
    stranger.press("Sign in with Acme").deny().sees("not signed in")
    stranger.go().press("Sign in with Globex").sees("Globex cannot be reached")
    stranger.go().sees("Not signed in")


def test_looking_leaves_no_subscription(ada: Tab, site: Site) -> None:
    assert len(site.manager.on_transition) == 0

"""Streamlit in Chromium and in its own AppTest: what a page shows is the truth, for every visitor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError, MissingExtra
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.providers import GitHub
from authflow.testing import DevProvider, revoke, signed_in

from .browsing import Site, Tab, never_see_each_other, serving

try:
    from authflow.integrations import streamlit as bridge
except MissingExtra as missing:
    pytest.skip(str(missing), allow_module_level=True)

import streamlit as st
from streamlit.testing.v1 import AppTest

PAGE = str(Path(__file__).parent / "pages" / "streamlit_page.py")
MANAGERS = {"sync": SessionManager, "async": AsyncSessionManager}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with DevProvider(label="Globex").serve() as gone:
        down = gone.settings("globex")
    with DevProvider(label="Acme").serve() as provider:
        manager = SessionManager([provider.settings("acme"), down])

        def build(url: str) -> Any:
            auth = bridge.Auth(manager, base_url=url)
            return st.App(PAGE, routes=auth.routes, lifespan=auth.lifespan)

        with serving(manager, build) as running:
            yield running


def test_a_visitor_signs_in_and_sees_what_is_protected_and_signs_out_and_in_again(ada: Tab) -> None:
    ada.sees("ada@example.com")
    ada.reload().sees("the books of Ada Lovelace")
    ada.press("Sign out")
    ada.go().sees("Not signed in").no_longer_sees("the books of")
    ada.press("Sign in with Acme").answer("ada").sees("the books of Ada Lovelace")


def test_who_signs_out_in_one_tab_is_out_in_the_other(ada: Tab) -> None:
    second = ada.another().go().sees("the books of Ada Lovelace")
    second.press("Sign out")
    ada.no_longer_sees("the books of").sees("Not signed in")


def test_what_the_provider_ends_leaves_the_page_and_the_page_says_so(ada: Tab, site: Site) -> None:
    session = site.signed_in["Ada Lovelace"]
    site.do(session.refresh)
    ada.sees("the books of Ada Lovelace")
    site.do(revoke, session)
    ada.no_longer_sees("the books of").sees("Your session has ended. Sign in again.")
    ada.press("Sign in with Acme").sees("the books of Ada Lovelace")  # the provider knows her still
    ada.no_longer_sees("Your session has ended")


def test_two_people_never_see_each_other(ada: Tab, stranger: Tab, site: Site) -> None:
    never_see_each_other(ada, stranger, site)


def test_who_says_no_is_told_and_stays_a_stranger(stranger: Tab) -> None:
    stranger.press("Sign in with Acme").deny().sees("not signed in")
    stranger.go().sees("Not signed in")


def test_a_provider_that_is_down_is_told(stranger: Tab) -> None:
    stranger.go("/?down").press("Sign in with Globex").sees("Globex cannot be reached")
    stranger.go().sees("Not signed in")


# ── as Streamlit's users test their pages, with both managers ────────────────────────────────────────


@pytest.mark.parametrize("colour", MANAGERS)
async def test_a_page_in_the_frameworks_own_test(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manager: Any = MANAGERS[colour]([GitHub("id", "secret", name="acme")])
    auth = bridge.Auth(manager, base_url="http://127.0.0.1:8501")
    page = AppTest.from_file(PAGE).run()
    assert not page.exception
    assert [one.value for one in page.markdown] == []

    secret = new_secret()
    session: Any = signed_in(manager.owner(owner_of(secret)), "acme", user={"id": 1, "name": "Ada"})
    session = await session if colour == "async" else session
    monkeypatch.setattr(bridge, "_cookie", lambda: f"{auth.desk.cookies.owner_name}={secret}")
    page.run()
    assert [one.value for one in page.markdown] == ["the books of Ada"]

    ended: Any = session.logout()
    await ended if colour == "async" else ended
    page.run()
    assert [one.value for one in page.markdown] == []
    closed: Any = manager.close()
    await closed if colour == "async" else closed


def test_looking_leaves_no_subscription_behind() -> None:
    with SessionManager([GitHub("id", "secret", name="acme")]) as manager:
        bridge.Auth(manager, base_url="http://127.0.0.1:8501")
        page = AppTest.from_file(PAGE)
        for _ in range(20):
            page.run()
        assert len(manager.on_transition) == 0


def test_a_script_without_an_auth_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_running", [])
    with pytest.raises(ConfigurationError, match="uvicorn"):
        bridge.page()

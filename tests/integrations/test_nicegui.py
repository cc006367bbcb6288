"""NiceGUI in Chromium, with both managers: what a page shows is the truth, in every tab and for every visitor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import MissingExtra
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.integrations.web.visit import Visit
from authflow.providers import GitHub
from authflow.testing import DevProvider, revoke, signed_in

from .browsing import Site, Tab, never_see_each_other, serving
from .memory import left_behind

try:
    from authflow.integrations.nicegui import Auth, Page
except MissingExtra as missing:
    pytest.skip(str(missing), allow_module_level=True)

from fastapi import FastAPI
from nicegui import Client, app, ui
from nicegui.testing.general import nicegui_reset_globals
from nicegui.testing.user_simulation import user_simulation

MANAGERS = {"sync": SessionManager, "async": AsyncSessionManager}


@pytest.fixture(scope="module", params=MANAGERS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with DevProvider(label="Globex").serve() as gone:
        down = gone.settings("globex")
    with nicegui_reset_globals(), DevProvider(label="Acme").serve() as provider:
        manager = MANAGERS[request.param]([provider.settings("acme"), down])

        def build(url: str) -> FastAPI:
            auth = Auth(manager, base_url=url)
            app = FastAPI()
            app.include_router(auth.router)

            @ui.page("/")
            async def home() -> None:
                page = await auth.page("acme")
                page.user_card()
                page.button()
                page.protected(lambda session: ui.label(f"the books of {session.user.name}"))

            @ui.page("/down")
            async def other() -> None:
                (await auth.page("globex")).button()

            @ui.page("/any")
            async def whoever() -> None:
                page = await auth.page()
                page.user_card()
                page.button()

            ui.run_with(app, reconnect_timeout=0.2)
            return app

        with serving(manager, build) as running:
            yield running


def test_a_visitor_signs_in_and_sees_what_is_protected_and_signs_out_and_in_again(ada: Tab) -> None:
    ada.sees("ada@example.com")
    ada.reload().sees("the books of Ada Lovelace")
    ada.press("Sign out")
    ada.go().sees("Not signed in").no_longer_sees("the books of")
    ada.press("Sign in with Acme").answer("ada").sees("the books of Ada Lovelace")


def test_who_signs_out_in_one_tab_is_out_in_the_other_at_once(ada: Tab) -> None:
    second = ada.another().go().sees("the books of Ada Lovelace")
    second.press("Sign out")
    ada.no_longer_sees("the books of").sees("Not signed in")


def test_a_renewal_changes_nothing_that_is_seen(ada: Tab, site: Site) -> None:
    site.do(site.signed_in["Ada Lovelace"].refresh)
    ada.sees("the books of Ada Lovelace").reload().sees("the books of Ada Lovelace")


def test_what_the_provider_ends_leaves_the_page_and_the_page_says_so(ada: Tab, site: Site) -> None:
    site.do(revoke, site.signed_in["Ada Lovelace"])
    ada.no_longer_sees("the books of").sees("Your session has ended. Sign in again.")
    ada.press("Sign in with Acme").sees("the books of Ada Lovelace")  # the provider knows her still


def test_two_people_never_see_each_other(ada: Tab, stranger: Tab, site: Site) -> None:
    never_see_each_other(ada, stranger, site)


def test_who_says_no_is_told_and_stays_a_stranger(stranger: Tab) -> None:
    stranger.press("Sign in with Acme")
    stranger.deny().sees("not signed in")
    stranger.go().sees("Not signed in")


def test_a_provider_that_is_down_is_told(stranger: Tab) -> None:
    stranger.go("/down").press("Sign in with Globex")
    stranger.sees("Globex cannot be reached")
    stranger.go().sees("Not signed in")


def test_a_stranger_may_choose_where_several_are(stranger: Tab) -> None:
    stranger.go("/any").sees("Not signed in").press("Sign in")
    stranger.sees("Globex")


def test_a_closed_tab_leaves_no_subscription(ada: Tab, site: Site) -> None:
    there = set(Client.instances)
    second = ada.another().go().sees("the books of Ada Lovelace")
    (name,) = set(Client.instances) - there
    before = len(site.manager.on_transition)
    gone = asyncio.run_coroutine_threadsafe(Client.instances[name].disconnected(), site.loop)
    second.close()
    gone.result(20)
    assert len(site.manager.on_transition) < before
    ada.sees("the books of Ada Lovelace")


def test_a_person_in_the_frameworks_own_simulation() -> None:
    """Without a browser, as NiceGUI's users test their pages."""

    async def story() -> None:
        async with user_simulation() as user:
            manager = AsyncSessionManager([GitHub("id", "secret")])
            auth = Auth(manager, base_url="http://127.0.0.1:8080")
            app.include_router(auth.router)

            @ui.page("/")
            async def home() -> None:
                page = await auth.page()
                page.button()
                page.protected(lambda session: ui.label(f"the books of {session.user.name}"))

            await user.open("/")
            await user.should_see("Sign in with GitHub")

            secret = new_secret()
            session = await signed_in(manager.owner(owner_of(secret)), "github", user={"id": 1, "name": "Ada"})
            user.http_client.cookies.set(auth.desk.cookies.owner_name, secret)
            await user.open("/")
            await user.should_see("the books of Ada")
            await session.logout()
            await user.should_not_see("the books of Ada")
            await user.should_see("Sign in with GitHub")
            await manager.aclose()

    asyncio.run(story())


def test_ten_thousand_pages_leave_no_memory() -> None:
    """Of ours: what NiceGUI keeps of a client's elements ends with the client."""
    with SessionManager([GitHub("id", "secret")]) as manager:
        auth = Auth(manager, base_url="http://127.0.0.1:8080")
        session = signed_in(manager, "github")

        def come_and_go(times: int) -> None:
            for number in range(times):
                page = Page(Visit(auth.desk, session, "github", "/"))
                if number % 2:
                    page.close()

        left = left_behind(come_and_go)
        assert len(manager.on_transition) == 0
        assert left < 100_000

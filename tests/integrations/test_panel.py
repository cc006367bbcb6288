"""Panel in Chromium, with both managers: what a page shows is the truth, in every tab and for every visitor."""

from __future__ import annotations

import asyncio
import gc
import re
import runpy
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError, MissingExtra
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.integrations.web.visit import Visit
from authflow.providers import GitHub
from authflow.stores import SQLiteStore
from authflow.testing import DevProvider, revoke, signed_in
from tests.real.accessible import complaints
from tests.real.browser import Chromium
from tests.real.server_process import ServerProcess, free_port
from tests.test_examples import ROOT

from .browsing import Site, Tab, never_see_each_other

try:
    from authflow.integrations.panel import Auth, Page
except MissingExtra as missing:
    pytest.skip(str(missing), allow_module_level=True)

import panel as pn
from bokeh.document import Document
from bokeh.util.token import get_token_payload

pytestmark = pytest.mark.filterwarnings("ignore")  # what Panel and Bokeh warn of is their own
Build = Callable[[Auth], Callable[[], Any]]
MANAGERS: dict[str, Any] = {"sync": SessionManager, "async": AsyncSessionManager}


class Served(Site):
    """A site on Panel's own server."""

    server: Any

    def pages(self) -> list[Any]:
        """The sessions that Panel keeps, one for each open tab."""
        return list(self.server.get_sessions("/"))


@contextmanager
def serving(
    manager: Any, build: Callable[[Auth], Callable[[], Any]], port: int = 0, **settings: Any
) -> Iterator[Served]:
    """`build(auth)` gives the page's function."""
    port = port or free_port()
    auth = Auth(manager, base_url=f"http://127.0.0.1:{port}")
    options = {**auth.options, **settings}
    started, sites = threading.Event(), []

    async def serve() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        server = pn.io.server.get_server(build(auth), port=port, title="authflow", start=True, **options)
        site = Served(auth.desk.places.base_url, manager, loop)
        site.server, site.end = server, ended
        sites.append(site)
        started.set()
        await ended.wait()
        server.stop()
        await auth.aclose()
        await server._http.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="panel")
    thread.start()
    assert started.wait(60)
    try:
        yield sites[0]
    finally:
        sites[0].loop.call_soon_threadsafe(sites[0].end.set)
        thread.join(60)


def home(auth: Auth) -> Callable[[], Any]:
    def page() -> Any:
        page = auth.page("acme")
        books = page.protected(lambda session: pn.pane.Str(f"the books of {session.user.name}"))
        return pn.Column(page.user_card(), page.button(), books, auth.page("globex").button())

    return page


@pytest.fixture(scope="module", autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    pn.state.reset()


@pytest.fixture(scope="module", params=MANAGERS)
def site(request: pytest.FixtureRequest) -> Iterator[Served]:
    with DevProvider(label="Globex").serve() as gone:
        down = gone.settings("globex")
    with DevProvider(label="Acme").serve() as provider:
        manager = MANAGERS[request.param]([provider.settings("acme"), down])
        with serving(manager, home, check_unused_sessions_milliseconds=500) as running:
            yield running


def test_a_visitor_signs_in_and_sees_what_is_protected_and_signs_out_and_in_again(ada: Tab) -> None:
    ada.sees("ada@example.com")
    ada.reload().sees("the books of Ada Lovelace")
    ada.press("Sign out")
    ada.go().sees("Not signed in").no_longer_sees("the books of")
    ada.press("Sign in with Acme").answer("ada").sees("the books of Ada Lovelace")


def test_who_signs_out_in_one_tab_is_out_in_the_other_at_once(ada: Tab, site: Served) -> None:
    site.do(site.signed_in["Ada Lovelace"].refresh)
    second = ada.another().go().sees("the books of Ada Lovelace")
    second.press("Sign out")
    ada.no_longer_sees("the books of").sees("Not signed in")


def test_what_the_provider_ends_leaves_the_page_and_the_page_says_so(ada: Tab, site: Served) -> None:
    site.do(revoke, site.signed_in["Ada Lovelace"])
    ada.no_longer_sees("the books of").sees("Your session has ended. Sign in again.")
    ada.press("Sign in with Acme").sees("the books of Ada Lovelace")  # the provider knows her still


def test_two_people_never_see_each_other(ada: Tab, stranger: Tab, site: Served) -> None:
    never_see_each_other(ada, stranger, site)


def test_denied_and_down_are_told(stranger: Tab) -> None:
    stranger.press("Sign in with Acme").deny().sees("not signed in")
    stranger.go().press("Sign in with Globex").sees("Globex cannot be reached")
    stranger.go().sees("Not signed in")


def test_a_tab_that_is_closed_in_mid_login_leaves_a_stranger_who_can_sign_in(stranger: Tab) -> None:
    stranger.press("Sign in with Acme").sees("Ada Lovelace")
    again = stranger.another()
    stranger.close()
    again.go().sees("Not signed in").press("Sign in with Acme").answer("ada").sees("the books of Ada Lovelace")


def test_a_closed_tab_leaves_no_subscription(ada: Tab, site: Served) -> None:
    before, there = len(site.manager.on_transition), set(site.pages())
    came, lost, gone = threading.Event(), threading.Event(), threading.Event()

    def listen(*_: Any, **__: Any) -> None:
        came.set()

    site.manager.on_transition.receiver_connected.connect(listen)
    second = ada.another().go().sees("the books of Ada Lovelace")
    site.manager.on_transition.receiver_connected.disconnect(listen)
    assert came.is_set()
    (page,) = set(site.pages()) - there
    page.document.on_event("connection_lost", lambda event: lost.set())

    def hear(*_: Any, **__: Any) -> None:
        if page.destroyed:
            gone.set()

    site.manager.on_transition.receiver_disconnected.connect(hear)
    second.close()
    assert lost.wait(60)
    site.loop.call_soon_threadsafe(page.request_expiration)  # or Panel would wait 15 seconds for the tab to come back
    assert gone.wait(60)
    site.manager.on_transition.receiver_disconnected.disconnect(hear)
    assert len(site.manager.on_transition) <= before
    ada.sees("the books of Ada Lovelace")


def test_a_server_that_restarts_in_mid_login_completes_it(chromium: Chromium, tmp_path: Path) -> None:
    port = free_port()
    with DevProvider(label="Acme").serve() as provider:
        settings = [provider.settings("acme"), GitHub("id", "secret", name="globex")]

        def manager() -> SessionManager:
            return SessionManager(settings, store=SQLiteStore(tmp_path / "sessions.db"), sealing_key=bytes(32))

        with serving(manager(), home, port) as site:
            tab = Tab(chromium, site.url).go().press("Sign in with Acme").sees("Ada Lovelace")
        with serving(manager(), home, port), tab:
            tab.answer("ada").sees("the books of Ada Lovelace")


# ── what stands in the page ──────────────────────────────────────────────────────────────────────────

TOKEN = re.compile(r'"token":"([^"]+)"')


@pytest.fixture
def manager() -> Iterator[SessionManager]:
    with SessionManager([GitHub("id", "secret", name="acme"), GitHub("id", "secret", name="globex")]) as made:
        yield made


def test_no_cookie_of_a_login_stands_in_the_page_where_scripts_could_read_it(manager: SessionManager) -> None:
    secret = new_secret()
    signed_in(manager.owner(owner_of(secret)), "acme", user={"id": 1, "name": "Ada"})
    with serving(manager, home) as site:
        name = f"dev-{site.url.rpartition(':')[2]}"
        cookies = f"{name}-owner={secret}; {name}-login-0123456789abcdef=binding.{secret}; theirs=kept"
        page = httpx.get(site.url, headers={"cookie": cookies}, trust_env=False, timeout=60)
        (token,) = TOKEN.findall(page.text)
        payload = get_token_payload(token)
        assert payload["cookies"] == {}
        assert secret not in page.text + str(payload)
        (session,) = site.pages()
        assert "Ada" in str(session.document.to_json())  # and she is known by it


def test_a_cookie_of_the_application_stands_there_if_it_is_named(manager: SessionManager) -> None:
    with serving(manager, home, include_cookies=["theme"]) as site:
        page = httpx.get(site.url, headers={"cookie": "theme=dark; other=1"}, trust_env=False, timeout=60)
        (token,) = TOKEN.findall(page.text)
        assert get_token_payload(token)["cookies"] == {"theme": "dark"}


def test_a_page_that_would_show_a_cookie_is_not_shown(manager: SessionManager) -> None:
    secret, said = new_secret(), []

    def build(auth: Auth) -> Callable[[], Any]:
        def page() -> Any:
            with pytest.raises(ConfigurationError, match="every script can read it") as told:
                auth.page()
            said.append(told.value.hint)

        return page

    with serving(manager, build, include_cookies=None) as site:
        cookie = f"dev-{site.url.rpartition(':')[2]}-owner={secret}"
        httpx.get(site.url, headers={"cookie": cookie}, trust_env=False, timeout=60)
    assert "**auth.options" in said[0]


def test_a_page_of_one_visitor_is_not_reused_for_the_next(manager: SessionManager) -> None:
    said = []

    def build(auth: Auth) -> Callable[[], Any]:
        def page() -> Any:
            with pytest.raises(ConfigurationError, match="the next") as told:
                auth.page()
            said.append(told.value.hint)

        return page

    with serving(manager, build) as site, pn.config.set(reuse_sessions=True):
        httpx.get(site.url, trust_env=False, timeout=60)
    assert said == ["Serve without it."]


# ── the example ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wide", [1280, 390])
def test_the_example_stands_in_the_middle_and_axe_finds_nothing(chromium: Chromium, wide: int) -> None:
    application = runpy.run_path(str(ROOT / "examples" / "panel_page.py"))["application"]
    with DevProvider(label="Acme").serve() as provider:
        manager = SessionManager([provider.settings("acme")])
        context = chromium.run(chromium.new_context(viewport={"width": wide, "height": 700}))
        with serving(manager, application) as site, Tab(chromium, site.url, context) as tab:
            frame = ("landmark-one-main", "region")  # which landmarks there are is Panel's matter
            tab.go().sees("Not signed in")
            found = chromium.run(complaints(tab.page, apart_from=frame))
            tab.press("Sign in with Acme").answer("ada").sees("you have read 12 of them")
            found += chromium.run(complaints(tab.page, apart_from=frame))
            box = chromium.run(tab.page.locator("[data-authflow]").bounding_box())
            found += [] if chromium.run(tab.page.evaluate("document.body.scrollWidth")) <= wide else ["scrolls"]
    assert found == []
    assert 0 < box["x"] == pytest.approx(wide - box["x"] - box["width"], abs=24)


# ── as Panel's users run it ──────────────────────────────────────────────────────────────────────────

ACCOUNTS = """
import os
from authflow import SessionManager
from authflow.integrations.panel import Auth
from authflow.testing import DevProvider

served = DevProvider(label="Acme").serve()
auth = Auth(SessionManager([served.__enter__().settings("acme")]), base_url=os.environ["URL"])
ROUTES = auth.routes
"""
APP = """
import panel as pn
from accounts import auth

page = auth.page()
books = page.protected(lambda session: pn.pane.Str(f"the books of {session.user.name}"))
pn.Column(page.user_card(), page.button(), books).servable()
"""


def test_panel_serve_runs_a_script_beside_the_routes(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "accounts.py").write_text(ACCOUNTS, encoding="utf-8")
    (tmp_path / "books.py").write_text(APP, encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = f"--port {port} --plugins accounts --allow-websocket-origin 127.0.0.1:{port}".split()
    hidden = ["--exclude-headers", "Cookie", "--include-cookies", "none"]
    command = [sys.executable, "-m", "panel", "serve", "books.py", *options, *hidden]
    with ServerProcess(command, tmp_path, f"{url}/session", {"URL": url}), Tab(chromium, url) as tab:
        tab.go("/books").press("Sign in with Acme").answer("ada").sees("the books of Ada Lovelace")
        assert tab.page.url == f"{url}/books"
        tab.press("Sign out").go("/books").sees("Not signed in")
    assert "/callback/acme?" not in (tmp_path / "server.log").read_text()


def test_without_a_server_a_page_is_a_strangers(manager: SessionManager) -> None:
    page = Auth(manager, base_url="http://127.0.0.1:5006").page("acme")
    assert page.session is None
    assert "Not signed in" in page.user_card().object
    assert page.protected(lambda session: "never").objects == []


async def test_ten_thousand_pages_leave_no_memory(manager: SessionManager) -> None:
    auth, document = Auth(manager, base_url="http://127.0.0.1:8000"), Document()
    session = signed_in(manager, "acme", user={"id": 1, "name": "Ada"})

    async def come_and_go(times: int) -> None:
        for number in range(times):
            page = Page(Visit(auth.desk, session, "acme", "/"), document)
            if number % 500 == 0:  # Panel takes its time to make them
                page.user_card(), page.button(), page.protected(lambda session: session.user.name)
            if number % 2:
                page.close()
            if number % 10 == 0:
                await asyncio.sleep(0)  # the loop drops what was posted to pages that are gone

    await come_and_go(600)
    gc.collect()
    tracemalloc.start()
    await come_and_go(10_000)
    await asyncio.sleep(0)
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(manager.on_transition) == 0
    assert left < 250_000  # Panel keeps a dozen bytes of each

"""Flet on the web: its own server, clients that talk its protocol, and browsers that keep cookies."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flet as ft
import httpx
import msgpack
import pytest
import websockets
from flet.messaging.session_store import SessionStore
from starlette.staticfiles import StaticFiles

from authflow import AuthflowError
from authflow.errors import StoreError
from authflow.integrations.flet import FletAuth, FletLogins, tabs
from authflow.integrations.flet.browsers import BROWSER, Browsers
from authflow.integrations.flet.sockets import WithBrowser
from authflow.integrations.flet.tabs import WithScript
from authflow.integrations.flet.web import FletDesk
from authflow.integrations.web.cookies import Cookies, new_secret
from authflow.stores import FileStore
from authflow.testing import DevProvider, ScriptedBrowser

from .application import Application, Told, free_port, on_the_web
from .client import Client, cookies_of, url_of, web_client

KEY = bytes(range(32))
OK = ("login", "", "")


@pytest.fixture(scope="module")
def served() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada").serve() as provider:
        yield provider


@pytest.fixture
def dev(served: DevProvider) -> Iterator[DevProvider]:
    served.forget_requests()
    yield served
    served.sign_everybody_out()
    served.auto = "ada"


class Site:
    """A served application, and its address."""

    def __init__(self, app: Application, url: str) -> None:
        self.app = app
        self.url = url
        self.logins = app.logins


@contextmanager
def site(
    dev: DevProvider, build: Callable[[ft.Page, FletAuth], object] | None = None, *, port: int = 0, **settings: Any
) -> Iterator[Site]:
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    providers = [dev.settings(name, redirect_uri=f"{url}/oauth_callback") for name in ("acme", "globex")]
    app = Application(FletLogins(providers, **settings), build)
    with on_the_web(app.logins.app(app.main, no_cdn=True), port):
        yield Site(app, url)


class Visitor:
    """Somebody with a browser: it keeps cookies, opens the application, and follows the links that it is given."""

    def __init__(self, url: str, user: str = "ada", **options: Any) -> None:
        self.url = url
        self.browser = ScriptedBrowser(user=user, **options)
        self.browser.go(url)

    @property
    def cookie(self) -> str:
        return cookies_of(self.browser)

    def owner(self) -> str:
        return next(str(one.value) for one in self.browser._cookies.jar if one.name.endswith("owner"))

    def open(self, **more: Any) -> Any:
        return web_client(self.url, cookie=lambda: self.cookie, keep=self.browser._cookies.extract_cookies, **more)


@pytest.fixture
def visit() -> Iterator[Callable[..., Visitor]]:
    made: list[Visitor] = []

    def visit(url: str, user: str = "ada", **options: Any) -> Visitor:
        made.append(Visitor(url, user, **options))
        return made[-1]

    yield visit
    for one in made:
        one.browser.close()


async def link_of(client: Client, button: str = "Sign in") -> str:
    """The address that a click opens."""
    await client.click(button)
    return url_of(await client.until_called("open_window"))


def go(visitor: Visitor, url: str) -> Any:
    return asyncio.to_thread(visitor.browser.go, url)


def told(site: Site, count: int) -> Any:
    return site.app.told_of(count)


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_window_signs_in_and_the_page_is_told(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            shown = await go(ada, await link_of(client))
            await client.until_said("hello Ada Lovelace")
            assert await told(here, 1) == [Told(0, *OK)]
            assert (shown.status, "You are signed in to Acme as Ada Lovelace" in shown.text) == (200, True)
            await client.click("Sign out")
            await client.until_said("nobody")
            assert here.app.told[-1] == Told(0, "logout", "user")


async def test_whoever_signs_in_gets_a_fresh_key_and_the_old_one_opens_nothing(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        planted = ada.cookie
        async with ada.open() as client:
            await go(ada, await link_of(client))
            await client.until_said("hello Ada Lovelace")
            assert ada.cookie != planted
            async with web_client(here.url, cookie=planted) as other:
                await other.until_said("nobody")
                assert [page.live for page in here.app.pages] == [True, False]


async def test_all_tabs_of_a_browser_are_signed_in_and_out_together(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as first, ada.open() as second:
            await go(ada, await link_of(first))
            await first.until_said("hello Ada Lovelace")
            await second.until_said("hello Ada Lovelace")
            async with ada.open() as third:
                await third.until_said("hello Ada Lovelace")
                await third.click("Sign out")
                for client in (first, second, third):
                    await client.until_said("nobody")
            await go(ada, await link_of(second))
            await first.until_said("hello Ada Lovelace")


async def test_a_second_provider_joins_the_first(dev: DevProvider, visit: Any) -> None:
    with site(dev, lambda page, auth: page.add(ft.Button("Globex", on_click=lambda e: auth.login("globex")))) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            await go(ada, await link_of(client))
            await told(here, 1)
            client.calls.clear()
            shown = await go(ada, await link_of(client, "Globex"))
            assert shown.status == 200, shown
            await told(here, 2)
            (auth,) = here.app.pages
            assert (auth["acme"].session.live, auth["globex"].session.live) == (True, True)
            async with ada.open() as other:
                await other.until_said("hello Ada Lovelace")
                again = here.app.pages[-1]
                assert (again["acme"].session.live, again["globex"].session.live) == (True, True)


async def test_a_login_for_more_is_told_as_any_other(dev: DevProvider, visit: Any) -> None:
    def build(page: ft.Page, auth: FletAuth) -> None:
        page.add(ft.Button("More", on_click=lambda e: auth.login("acme", scope=["phone"])))

    with site(dev, build) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            await go(ada, await link_of(client))
            await told(here, 1)
            client.calls.clear()
            assert (await go(ada, await link_of(client, "More"))).status == 200
            assert await told(here, 2) == [Told(0, *OK)] * 2
            assert "phone" in here.app.pages[0]["acme"].session.scopes


async def test_what_asks_for_the_same_has_one_link(dev: DevProvider, visit: Any) -> None:
    """A component that makes its link whenever it is drawn costs no more than one that makes it once."""
    with site(dev) as here:
        async with visit(here.url).open() as client:
            await client.until_said("nobody")
            (auth,) = here.app.pages
            links = {auth.login_url("acme") for _ in range(100)} | {auth.login_url("acme", scope=["phone"])}
            assert len(links) == len(here.logins._asked) == 2


async def test_a_browser_that_asks_ahead_of_its_human_begins_nothing(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            link = await link_of(client)
            headers = {"Cookie": ada.cookie, "Sec-Purpose": "prefetch"}
            answer = await asyncio.to_thread(httpx.get, link, headers=headers, trust_env=False)
            assert (answer.status_code, here.app.pages[0]._begun) == (503, {})


async def test_two_logins_on_their_way_at_once_both_arrive(dev: DevProvider, visit: Any) -> None:
    with site(dev, lambda page, auth: page.add(ft.Button("Globex", on_click=lambda e: auth.login("globex")))) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            acme = await link_of(client)
            client.calls.clear()
            globex = await link_of(client, "Globex")
            callbacks = []
            for link in (acme, globex):
                callbacks.append(await asyncio.to_thread(stop_before_callback, ada, here.url, link))
            for callback in callbacks:
                await go(ada, callback)
            await told(here, 2)
            (auth,) = here.app.pages
            assert (auth["acme"].session.live, auth["globex"].session.live) == (True, True)
            assert auth["acme"].session.owner == auth["globex"].session.owner


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("hurried", [False, True])
async def test_two_logins_that_arrive_at_the_same_time_are_both_there_and_the_page_follows(
    dev: DevProvider, visit: Any, order: tuple[int, int], hurried: bool
) -> None:
    with site(dev, lambda page, auth: page.add(ft.Button("Globex", on_click=lambda e: auth.login("globex")))) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            acme = await link_of(client)
            client.calls.clear()
            links = [acme, await link_of(client, "Globex")]
            callbacks = [await asyncio.to_thread(stop_before_callback, ada, here.url, link) for link in links]
            async with httpx.AsyncClient(trust_env=False, headers={"Cookie": ada.cookie}) as both:
                answers = await asyncio.gather(*map(both.get, callbacks))
            for number in order:  # the cookies of the answer that is read last are kept
                ada.browser._cookies.extract_cookies(answers[number])
                if not hurried:
                    await go(ada, here.url + answers[number].headers["location"])
            for number in order if hurried else ():
                await go(ada, here.url + answers[number].headers["location"])
            await told(here, 2)
            (auth,) = here.app.pages
            assert (auth["acme"].session.live, auth["globex"].session.live) == (True, True)
            async with ada.open() as other:
                await other.until_said("hello Ada Lovelace")
                again = here.app.pages[-1]
                assert (again["acme"].session.live, again["globex"].session.live) == (True, True)


def stop_before_callback(visitor: Visitor, base: str, link: str) -> str:
    """Follows a link up to the provider's redirect; gives the callback's address and does not go there."""
    browser, url = visitor.browser, link
    while True:
        request = httpx.Request("GET", url)
        browser._cookies.set_cookie_header(request)
        answer = browser._client.send(request)
        browser._cookies.extract_cookies(answer)
        url = str(httpx.URL(url).join(answer.headers["location"]))
        if url.startswith(f"{base}/oauth_callback"):
            return url


# ── how it ends otherwise ────────────────────────────────────────────────────────────────────────────


async def test_somebody_who_says_no_reads_so_and_the_page_says_so(dev: DevProvider, visit: Any) -> None:
    """B4: the window said that it went well, whatever had happened."""
    dev.auto = None
    with site(dev) as here:
        ada = visit(here.url, deny=True)
        async with ada.open() as client:
            shown = await go(ada, await link_of(client))
            assert shown.status == 403
            assert "You are not signed in" in shown.text
            assert "window.close" not in shown.text
            (one,) = await told(here, 1)
            assert (one.name, one.error) == ("login", "access_denied")
            assert not here.app.pages[0].live


async def test_only_the_page_that_began_is_told_of_a_failure(dev: DevProvider, visit: Any) -> None:
    dev.auto = None
    with site(dev) as here:
        ada = visit(here.url, deny=True)
        async with ada.open() as client, ada.open() as other:
            await go(ada, await link_of(client))
            await told(here, 1)
            await other.click("Cancel")
            assert [one.page for one in here.app.told] == [0]


async def test_an_own_page_is_shown_for_a_success_only(dev: DevProvider, visit: Any) -> None:
    own = "<h1>Welcome to the show</h1>"

    def build(page: ft.Page, auth: FletAuth) -> None:
        page.add(ft.Button("Own", on_click=lambda e: auth.login("acme", complete_page_html=own)))

    with site(dev, build) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            assert (await go(ada, await link_of(client, "Own"))).text == own
            await told(here, 1)
            await client.click("Sign out")
            await told(here, 2)
            dev.fail_next("token", 400, {"error": "invalid_grant"})
            client.calls.clear()
            shown = await go(ada, await link_of(client, "Own"))
            assert "Welcome" not in shown.text
            assert "You are not signed in" in shown.text
            assert (await told(here, 3))[-1].error == "invalid_grant"


async def test_a_provider_that_is_down_is_told_at_once(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        dev.fail_next("metadata", 503)
        async with ada.open() as client:
            shown = await go(ada, await link_of(client))
            assert shown.status == 502
            (one,) = await told(here, 1)
            assert one.error
            assert one.text
            client.calls.clear()
            await go(ada, await link_of(client))
            assert (await told(here, 2))[-1] == Told(0, *OK)


async def test_a_window_that_never_opens_is_told(dev: DevProvider, visit: Any) -> None:
    """B31: whether the browser had blocked it, nobody ever knew; the page waited for ever."""
    with site(dev, window_seconds=0.05) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            await client.click("Sign in")
            (one,) = await told(here, 1)
            assert (one.error, "window" in one.text) == ("browser_unavailable", True)
            assert not here.app.pages[0].pending


async def test_a_cancel_button_ends_it_before_and_after_the_window_has_opened(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            await link_of(client)
            await client.click("Cancel")
            assert [one.error for one in await told(here, 1)] == ["cancelled"]
            client.calls.clear()
            callback = await asyncio.to_thread(stop_before_callback, ada, here.url, await link_of(client))
            assert here.app.pages[0].pending
            await client.click("Cancel")
            assert [one.error for one in await told(here, 2)] == ["cancelled"] * 2
            assert (await go(ada, callback)).status == 400
            assert not here.app.pages[0].live


async def test_a_tab_that_is_closed_in_the_middle_loses_nothing(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            link = await link_of(client)
        assert (await go(ada, link)).status == 200
        async with ada.open() as client:
            await client.until_said("hello Ada Lovelace")


async def test_the_window_may_be_reloaded(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            callback = await asyncio.to_thread(stop_before_callback, ada, here.url, await link_of(client))
            first, binding = await go(ada, callback), ada.cookie
            assert first.status == 200
            again = await go(ada, callback)
            assert again.status == 200  # the same outcome, and nobody is told of a second success
            assert await told(here, 1) == [Told(0, *OK)]
            assert here.app.pages[0].live
            assert binding == ada.cookie


# ── in the same tab ──────────────────────────────────────────────────────────────────────────────────


def same_tab(page: ft.Page, auth: FletAuth) -> None:
    def open_here(url: str) -> Any:
        return ft.UrlLauncher().launch_url(ft.Url(url, target=ft.UrlTarget.SELF))

    def click(e: Any) -> None:
        auth.login("acme", redirect_to_page=True, on_open_authorization_url=open_here)

    page.add(ft.Button("Here", on_click=click))


async def test_in_the_same_tab_the_browser_comes_back_to_the_page_and_the_page_is_told_then(
    dev: DevProvider, visit: Any
) -> None:
    back: list[str] = []

    def build(page: ft.Page, auth: FletAuth) -> None:
        same_tab(page, auth)
        page.on_connect = lambda e: back.append("back")

    with site(dev, build) as here:
        ada = visit(here.url)
        async with ada.open(route="/painters/7") as client:
            await client.click("Here")
            link = url_of(await client.until_called("launch_url"))
            session_id = client.session_id
        callback = await asyncio.to_thread(stop_before_callback, ada, here.url, link)
        request = httpx.Request("GET", callback)
        ada.browser._cookies.set_cookie_header(request)
        answer = await asyncio.to_thread(ada.browser._client.send, request)
        ada.browser._cookies.extract_cookies(answer)
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/signed-in?next=%2Fpainters%2F7")
        assert here.app.told == []  # the page is away
        async with ada.open(session_id=session_id, route="/painters/7") as client:
            await client.until_said("hello Ada Lovelace")
            assert await told(here, 1) == [Told(0, *OK)]
            assert len(here.app.pages) == 1
            await client.click("Sign out")
            await told(here, 2)
            assert back == ["back"]


@pytest.mark.parametrize("route", ["//evil.example/", "/\\evil.example", "https://evil.example/"])
async def test_a_page_that_says_it_is_elsewhere_is_not_believed(dev: DevProvider, visit: Any, route: str) -> None:
    with site(dev, same_tab) as here:
        ada = visit(here.url)
        async with ada.open(route=route) as client:
            await client.click("Here")
            link = url_of(await client.until_called("launch_url"))
            shown = await go(ada, link)
            assert shown.url.startswith(here.url)
            await client.until_said("hello Ada Lovelace")
            headers = {"Cookie": ada.cookie}
            again = await asyncio.to_thread(httpx.get, link, headers=headers, trust_env=False)
            assert (again.status_code, again.headers["location"]) == (303, "/")  # who is signed in is not asked again


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────


async def test_two_browsers_never_see_each_other(dev: DevProvider, visit: Any) -> None:
    dev.auto = None
    with site(dev) as here:
        ada, grace = visit(here.url), visit(here.url, "grace")
        async with ada.open() as first, grace.open() as second:
            await go(ada, await link_of(first))
            await go(grace, await link_of(second))
            await first.until_said("hello Ada Lovelace")
            await second.until_said("hello Grace Hopper")
            assert sorted(here.app.told) == [Told(0, *OK), Told(1, *OK)]
            await first.click("Sign out")
            await told(here, 3)
            assert [page.live for page in here.app.pages] == [False, True]


async def test_a_link_of_an_attackers_page_is_refused_in_the_victims_browser(dev: DevProvider, visit: Any) -> None:
    """Else the victim would sign in, and be signed in on the attacker's page."""
    with site(dev) as here:
        mallory, victim = visit(here.url), visit(here.url)
        async with mallory.open() as client:
            shown = await go(victim, await link_of(client))
            assert shown.status == 403
            assert "not accepted" in shown.text
            assert not here.app.pages[0].live
            assert dev.token_requests("authorization_code") == []


async def test_an_attackers_login_that_a_victim_finishes_gets_nowhere(dev: DevProvider, visit: Any) -> None:
    """B2: whoever was sent such an address was signed in to the attacker's account."""
    with site(dev) as here:
        mallory, victim = visit(here.url), visit(here.url)
        async with mallory.open() as client, victim.open():
            callback = await asyncio.to_thread(stop_before_callback, mallory, here.url, await link_of(client))
            shown = await go(victim, callback)
            assert shown.status == 400
            assert [page.live for page in here.app.pages] == [False, False]
            assert here.app.told == []


async def test_a_websocket_that_another_site_opens_is_refused(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        with pytest.raises(websockets.InvalidStatus):
            async with ada.open(headers={"Origin": "http://127.0.0.1:1"}):
                pass
        async with ada.open(headers={"Origin": here.url}) as client:
            await client.until_said("nobody")


@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        ("https://app.example", True),
        ("https://inside.example", True),
        ("http://app.example", False),
        ("http://inside.example", False),
        ("https://evil.app.example", False),
        ("null", False),
    ],
)
async def test_a_page_that_came_by_plain_http_opens_no_websocket_of_an_https_site(origin: str, opens: bool) -> None:
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    site = "https://app.example"
    headers = [(b"host", b"inside.example"), (b"origin", origin.encode())]
    behind = WithBrowser(application, Browsers(), Cookies(site), site, lambda session_id: None)
    await behind({"type": "websocket", "path": "/ws", "headers": headers}, None, send)  # type: ignore[arg-type]
    assert sent == ["websocket.accept" if opens else "websocket.close"]


async def test_a_page_by_a_copy_of_the_cookie_from_before_stays_outside(dev: DevProvider, visit: Any) -> None:
    """Session fixation: whoever had the computer before wrote its cookie down, or put it there, and a page is open."""
    with site(dev) as here:
        ada = visit(here.url)
        planted = ada.cookie
        async with web_client(here.url, cookie=planted) as mallory, ada.open() as page, ada.open() as tab:
            await go(ada, await link_of(page))
            await page.until_said("hello Ada Lovelace")
            await tab.until_said("hello Ada Lovelace")
            await mallory.until(lambda: mallory.shown)
            await mallory.click("Sign out")
            for session_id in ("", mallory.session_id, page.session_id, tab.session_id):
                async with web_client(here.url, cookie=planted, session_id=session_id) as again:
                    await again.until_said("nobody")
                    await again.click("Sign out")
                    assert "hello" not in str((mallory.said, again.said))
                    assert again.session_id not in (page.session_id, tab.session_id)
            await tab.click("Cancel")
            assert [auth.live for auth in here.app.pages].count(True) == 2
            assert (mallory.shown, page.shown, tab.shown) == ([409], [204], [204])
            assert sorted(await told(here, 2)) == [Told(1, *OK), Told(2, *OK)]


async def test_whoever_follows_a_link_of_such_a_page_signs_in_on_pages_of_the_own_browser_only(
    dev: DevProvider, visit: Any
) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        planted = ada.cookie
        async with web_client(here.url, cookie=planted) as mallory, ada.open() as page:
            assert (await go(ada, await link_of(mallory))).status == 200
            await page.until_said("hello Ada Lovelace")
            await mallory.until(lambda: mallory.shown)
            assert [number for number, auth in enumerate(here.app.pages) if auth.live] == [1]
            assert await told(here, 1) == [Told(1, *OK)]


async def test_what_moves_to_the_new_cookie_is_taken_from_the_pages_of_the_old_one(
    dev: DevProvider, visit: Any
) -> None:
    """A cookie that somebody kept while it led to somebody leads nowhere after the next sign-in, nor do its pages."""
    with site(dev, lambda page, auth: page.add(ft.Button("Globex", on_click=lambda e: auth.login("globex")))) as here:
        ada = visit(here.url)
        async with ada.open() as page:
            await go(ada, await link_of(page))
            await page.until_said("hello Ada Lovelace")
            kept = ada.cookie
            async with web_client(here.url, cookie=kept) as mallory:
                await mallory.until_said("hello Ada Lovelace")
                page.calls.clear()
                await go(ada, await link_of(page, "Globex"))
                await mallory.until(lambda: mallory.shown)
                await page.until(lambda: len(page.shown) == 2)
                assert [number for number, auth in enumerate(here.app.pages) if auth.live] == [0]
                assert here.app.pages[0]["acme"].session.live
                assert (mallory.shown, page.shown) == ([409], [204, 204])


async def test_nobody_takes_a_page_into_their_own_browser_though_they_know_what_its_tab_tells(
    dev: DevProvider, visit: Any
) -> None:
    dev.auto = None
    with site(dev) as here:
        ada, grace = visit(here.url), visit(here.url, "grace")
        async with ada.open(secret="known") as page, grace.open(secret="known") as other:
            await go(grace, await link_of(other))
            await other.until_said("hello Grace Hopper")
            await go(ada, await link_of(page))
            await page.until_said("hello Ada Lovelace")
            for cookie in ("", grace.cookie):
                headers = {"Cookie": cookie, "X-Authflow-Tab": "known"}
                await asyncio.to_thread(httpx.post, f"{here.url}/auth/tab", headers=headers, trust_env=False)
            assert [auth.user.name for auth in here.app.pages if auth.user] == ["Ada Lovelace", "Grace Hopper"]
            assert (page.shown, other.shown) == ([204], [204])


async def test_a_websocket_that_set_out_with_the_cookie_from_before_is_asked_when_it_arrives(
    dev: DevProvider, visit: Any
) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        sent = [ada.cookie]
        async with web_client(here.url, cookie=ada.cookie), ada.open() as page:
            await go(ada, await link_of(page))
            await page.until_said("hello Ada Lovelace")
            async with web_client(here.url, cookie=lambda: sent.pop() if sent else ada.cookie) as late:
                await late.until_said("hello Ada Lovelace")
                assert late.shown == [204]


# ── coming back by a saved token ─────────────────────────────────────────────────────────────────────


async def kept_logins(here: Site, visit: Any, *names: str) -> dict[str, str]:
    """What somebody has kept of signing in with these providers, in a browser that is closed by now."""
    ada = visit(here.url)
    async with ada.open() as client:
        await client.until_said("nobody")
        auth = here.app.pages.pop()
        for count, name in enumerate(names):
            assert (await go(ada, auth.login_url(name))).status == 200
            await told(here, count + 1)
        here.app.told.clear()
        return {name: auth[name].session.dump() for name in names}


async def only_page(here: Site, client: Client) -> FletAuth:
    """The logins of the one page that is open, when it has been drawn."""
    await client.until_said("nobody")
    (auth,) = here.app.pages
    return auth


def come_back(auth: FletAuth, name: str, saved_token: str) -> Any:
    return asyncio.wrap_future(auth.login(name, saved_token=saved_token))


async def test_a_saved_token_is_a_sign_in_and_its_browser_is_given_a_new_cookie(dev: DevProvider, visit: Any) -> None:
    with site(dev, sealing_key=KEY) as here:
        kept = await kept_logins(here, visit, "acme")
        ada = visit(here.url)
        planted = ada.cookie
        async with web_client(here.url, cookie=planted) as mallory, ada.open() as page, ada.open() as tab:
            for client in (mallory, page, tab):
                await client.until_said("nobody")
            authorization = await come_back(here.app.pages[1], "acme", kept["acme"])
            assert authorization.user.name == "Ada Lovelace"
            await page.until_said("hello Ada Lovelace")
            await tab.until_said("hello Ada Lovelace")
            await mallory.until(lambda: mallory.shown)
            assert [auth.live for auth in here.app.pages] == [False, True, True]
            assert sorted(await told(here, 2)) == [Told(1, *OK), Told(2, *OK)]
            assert (mallory.shown, page.shown[:2], tab.shown) == ([409], [205, 204], [204])
            assert ada.cookie != planted
            async with web_client(here.url, cookie=planted) as late, ada.open() as again:
                await again.until_said("hello Ada Lovelace")
                await late.until(lambda: late.shown)
                await late.until_said("nobody")
                assert (late.shown, again.shown) == ([409], [])


async def test_two_saved_tokens_at_once_are_both_the_new_cookies(dev: DevProvider, visit: Any) -> None:
    with site(dev, sealing_key=KEY) as here:
        kept = await kept_logins(here, visit, "acme", "globex")
        ada = visit(here.url)
        async with ada.open() as page:
            auth = await only_page(here, page)
            await asyncio.gather(*[come_back(auth, *one) for one in kept.items()])
            assert [Told(0, *OK)] * 2 == await told(here, 2)
            assert (auth["acme"].session.live, auth["globex"].session.live) == (True, True)
            async with ada.open() as again:
                await again.until_said("hello Ada Lovelace")
                assert [here.app.pages[-1][name].session.live for name in kept] == [True, True]


async def test_the_same_saved_token_twice_at_once_is_one_sign_in(dev: DevProvider, visit: Any) -> None:
    with site(dev, sealing_key=KEY) as here:
        kept = (await kept_logins(here, visit, "acme"))["acme"]
        ada = visit(here.url)
        async with ada.open() as page:
            auth = await only_page(here, page)
            await asyncio.gather(come_back(auth, "acme", kept), come_back(auth, "acme", kept))
            await page.until_said("hello Ada Lovelace")
            assert {one.error for one in here.app.told} == {""}
            assert (auth["acme"].session.live, auth.tab.aside) == (True, [])
            cookie, said = ada.cookie, len(here.app.told)

            async def late() -> bool:
                aside = here.app.logins.manager.owner("aside")["acme"]
                await aside.login(saved_token=kept)
                return bool(await auth.tab.give(aside))

            assert await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(late(), auth._loop))
            assert (auth["acme"].session.live, ada.cookie, len(here.app.told)) == (True, cookie, said)


async def test_a_saved_token_brings_along_who_was_signed_in_already(dev: DevProvider, visit: Any) -> None:
    with site(dev, sealing_key=KEY) as here:
        kept = await kept_logins(here, visit, "acme", "globex")
        ada = visit(here.url)
        async with ada.open() as page:
            auth = await only_page(here, page)
            for name in kept:
                await come_back(auth, name, kept[name])
            assert [auth[name].session.live for name in kept] == [True, True]
            assert auth["acme"].session.owner == auth["globex"].session.owner


@pytest.mark.parametrize("script", [False, True])
async def test_a_tab_that_shows_no_cookie_is_signed_in_by_the_one_that_it_has(
    dev: DevProvider, visit: Any, monkeypatch: pytest.MonkeyPatch, script: bool
) -> None:
    with site(dev, sealing_key=KEY) as here:
        kept = (await kept_logins(here, visit, "acme"))["acme"]
        monkeypatch.setattr(tabs, "_SECONDS", 0.05)
        monkeypatch.setattr(tabs.Tab, "ask", lambda self: None)
        ada = visit(here.url)
        before = ada.cookie
        async with ada.open(**({} if script else {"secret": ""})) as page:
            auth = await only_page(here, page)
            await come_back(auth, "acme", kept)
            await page.until_said("hello Ada Lovelace")
            assert await told(here, 1) == [Told(0, *OK)]
            assert (ada.cookie, page.shown, auth.tab.aside) == (before, [], [])


async def test_a_saved_token_that_is_none_or_cannot_be_brought_raises_and_is_told(
    dev: DevProvider, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(dev, sealing_key=KEY) as here:
        kept = (await kept_logins(here, visit, "acme"))["acme"]
        async with visit(here.url).open() as page:
            auth = await only_page(here, page)
            with pytest.raises(AuthflowError):
                await come_back(auth, "acme", "no token")

            def full(*_: object) -> Any:
                raise StoreError("The disk is full.", hint="Free some space.")
                yield

            monkeypatch.setattr(FletDesk, "bring", full)
            with pytest.raises(StoreError, match="disk is full"):
                await come_back(auth, "acme", kept)
            assert [one.error is None for one in await told(here, 2)] == [False, False]
            await page.until(lambda: page.shown)
            assert (auth.live, page.shown[0]) == (False, 204)


async def test_the_first_page_brings_the_script_ahead_of_all_others_and_only_that_one(dev: DevProvider) -> None:
    with site(dev) as here:
        async with httpx.AsyncClient(base_url=here.url, trust_env=False) as http:
            for path in ("/", "/some/where"):
                first = await http.get(path)
                assert first.text.index("/auth/tab.js") == first.text.index('src="') + len('src="')
                assert "etag" not in first.headers
                assert int(first.headers["content-length"]) == len(first.content)
            script = await http.get("/auth/tab.js")
            assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
            assert "tab.js" not in (await http.get("/flutter_bootstrap.js")).text
            assert (await http.head("/")).headers["content-type"].startswith("text/html")
            assert (await http.post("/auth/tab", headers={"X-Authflow-Tab": "guessed"})).status_code == 409
            assert (await http.post("/auth/tab")).status_code == 409


async def test_a_server_that_sends_files_by_itself_sends_the_script_all_the_same(tmp_path: Path) -> None:
    """Hypercorn and Granian offer it (`http.response.pathsend`); Flet's first page is a file."""
    (tmp_path / "index.html").write_text("<html><head></head><body>Flet</body></html>")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()  # the browser stays

    scope = {
        "type": "http", "method": "GET", "path": "/", "root_path": "", "headers": [],
        "extensions": {"http.response.pathsend": {}},
    }  # fmt: skip
    await WithScript(StaticFiles(directory=tmp_path, html=True), "/auth/tab.js")(scope, receive, send)
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"].startswith(b'<html><head>\n  <script src="/auth/tab.js"></script></head>')


@pytest.mark.parametrize("disguise", [str, lambda found: msgpack.ExtType(4, found.encode())])
async def test_a_page_that_is_away_is_not_had_by_whoever_knows_its_id(
    dev: DevProvider, visit: Any, disguise: Callable[[str], Any]
) -> None:
    """Flet itself gives it to anybody who does. Nor does the cookie help that led to it before the sign-in."""
    with site(dev) as here:
        ada, grace = visit(here.url), visit(here.url, "grace")
        before = ada.cookie
        async with ada.open() as page:
            await go(ada, await link_of(page))
            await page.until_said("hello Ada Lovelace")
            session_id = page.session_id
        for cookie in (grace.cookie, before, ""):
            async with web_client(here.url, cookie=cookie, session_id=disguise(session_id)) as thief:
                await thief.register(session_id=disguise(session_id), web=True)  # nor does it help to ask again
                await thief.until_said("nobody")
                assert "hello" not in str(thief.said)
                assert thief.session_id != session_id
        async with ada.open(session_id=session_id) as page:
            await page.until_said("hello Ada Lovelace")
            assert page.session_id == session_id


async def test_a_page_is_never_another_tabs(dev: DevProvider, visit: Any) -> None:
    """B26: the cookie that Flet sets attached a websocket to a session that another tab was using."""
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as first:
            await go(ada, await link_of(first))
            await first.until_said("hello Ada Lovelace")
            assert "flet_oauth_state" not in ada.cookie
            async with ada.open() as second:
                assert second.session_id != first.session_id


async def test_another_network_or_browser_version_signs_nobody_out(dev: DevProvider, visit: Any) -> None:
    """B27: Flet's session hangs on address and browser name; whoever changed the network was a stranger."""
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open(headers={"User-Agent": "Phone/1"}) as client:
            await go(ada, await link_of(client))
            await client.until_said("hello Ada Lovelace")
            session_id = client.session_id
        async with ada.open(session_id=session_id, headers={"User-Agent": "Phone/2"}) as client:
            assert client.session_id != session_id
            await client.until_said("hello Ada Lovelace")


async def test_a_page_without_cookies_is_nobodys(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client, web_client(here.url) as other:
            await other.until_said("nobody")
            await go(ada, await link_of(client))
            await client.until_said("hello Ada Lovelace")
            assert sorted(page.live for page in here.app.pages) == [False, True]


async def test_over_https_cookies_are_the_hosts_own(dev: DevProvider) -> None:
    logins = FletLogins([dev.settings("acme", redirect_uri="https://app.example/oauth_callback")])
    app = logins.app(lambda page: None, no_cdn=True)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://app.example") as client:
        header = (await client.get("/")).headers["set-cookie"]
    name, _, rest = header.partition("=")
    assert name.startswith("__Host-")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=Lax"} <= {one.strip() for one in rest.split(";")}
    await logins.manager.close()


# ── restarts, and the end ────────────────────────────────────────────────────────────────────────────


async def test_a_restart_in_the_middle_of_a_login_loses_nothing(dev: DevProvider, visit: Any, tmp_path: Path) -> None:
    """B24: another process knew nothing of it."""
    port = free_port()
    settings = {"port": port, "sealing_key": KEY}
    with site(dev, store=FileStore(tmp_path), **settings) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            callback = await asyncio.to_thread(stop_before_callback, ada, here.url, await link_of(client))
            link = url_of(await client.until_called("open_window"))
    with site(dev, store=FileStore(tmp_path), **settings) as here:
        stale = await go(ada, link)
        assert stale.status == 403
        assert "Open the application" in stale.text
        assert (await go(ada, callback)).status == 200
        async with ada.open() as client:
            await client.until_said("hello Ada Lovelace")
    with site(dev, store=FileStore(tmp_path), **settings) as here:
        async with ada.open() as client:
            await client.until_said("hello Ada Lovelace")
            await client.click("Sign out")
            await client.until_said("nobody")


async def test_a_link_of_a_page_that_is_gone_is_refused(dev: DevProvider, visit: Any) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        for ticket in ("", "?ticket=", "?ticket=nobodys"):
            assert (await go(ada, f"{here.url}/auth/start{ticket}")).status == 403


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?error=access_denied", "?code=y&code=z&state=x"])
async def test_a_stray_callback_ends_nothing_and_is_no_error_of_the_server(
    dev: DevProvider, visit: Any, query: str
) -> None:
    with site(dev) as here:
        ada = visit(here.url)
        async with ada.open() as client:
            callback = await asyncio.to_thread(stop_before_callback, ada, here.url, await link_of(client))
            assert (await go(ada, f"{here.url}/oauth_callback{query}")).status == 400
            assert (await go(ada, callback)).status == 200
            await client.until_said("hello Ada Lovelace")


async def test_pages_that_are_gone_leave_nothing_behind(dev: DevProvider) -> None:
    """10,000 visitors, each with a page and a link to sign in by."""
    logins = FletLogins([dev.settings("acme", redirect_uri="http://127.0.0.1:1/oauth_callback")])
    browsers = Browsers()
    gone = [weakref.ref(visited(logins, browsers)) for _ in range(10_000)]
    await asyncio.sleep(0)  # each greets its page first
    gc.collect()
    assert [one for one in gone if one() is not None] == []
    assert (len(browsers), len(logins._asked), len(logins._pages)) == (0, 0, 0)
    assert len(logins.manager._house.sessions.all_keys()) == 0
    signals = (getattr(logins.manager, name) for name in ("on_login", "on_logout", "on_transition"))
    assert [len(signal.receivers) for signal in signals] == [0, 0, 0]
    await logins.manager.close()


def visited(logins: FletLogins, browsers: Browsers) -> FletAuth:
    """What is made for a page, without the 10,000 websockets."""

    class Connection:
        page_name = ""
        loop = asyncio.get_running_loop()

    class Session:
        connection = Connection()

        def __init__(self) -> None:
            self.store = SessionStore()
            self.id = new_secret()

    class Page:
        web, route, on_connect = True, "/", None

        def __init__(self) -> None:
            self.session = Session()

    token = BROWSER.set(browsers.find(new_secret()))
    try:
        auth = FletAuth(Page(), logins)  # type: ignore[arg-type]
        auth.login_url("acme")
    finally:
        BROWSER.reset(token)
    return auth

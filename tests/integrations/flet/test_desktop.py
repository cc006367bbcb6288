"""Flet on the desktop: its own server, its own page, and a client that talks its protocol. Nobody draws anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import flet as ft
import pytest

from authflow import SignInRequired, TemporarilyUnavailable
from authflow.crypto import decrypt, encrypt
from authflow.errors import ConfigurationError, InvalidCall, LoginFailed, UnknownProvider
from authflow.integrations.flet import FletAuth, FletLogins
from authflow.testing import DevProvider, ScriptedBrowser, VirtualClock

from .application import Application, Told, on_the_desktop


@pytest.fixture(scope="module")
def served() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada", rotation="strict").serve() as provider:
        yield provider


@pytest.fixture
def dev(served: DevProvider) -> Iterator[DevProvider]:
    served.forget_requests()
    yield served
    served.sign_everybody_out()
    served.auto = "ada"


@pytest.fixture
def browser() -> Iterator[ScriptedBrowser]:
    with ScriptedBrowser(user="ada") as made:
        yield made


@pytest.fixture
async def logins(dev: DevProvider) -> AsyncIterator[FletLogins]:
    made = FletLogins([dev.settings("acme"), dev.settings("globex")])
    yield made
    await made.manager.close()


async def test_a_click_signs_in_through_the_system_browser(logins: FletLogins, browser: ScriptedBrowser) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await client.until_said("hello Ada Lovelace")
        await client.until_called("to_front")
        (auth,) = app.pages
        assert app.told == [Told(0, "login", "", "")]
        assert (auth.live, auth.user["name"], auth.token.token_type) == (True, "Ada Lovelace", "Bearer")
        assert auth.auth.provider is logins.manager.providers["acme"]
        assert (await auth.get_token()).access_token == auth.token.access_token


async def test_signing_out_is_told_with_its_reason(logins: FletLogins, browser: ScriptedBrowser) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await client.until_said("hello Ada Lovelace")
        await client.click("Sign out")
        await client.until_said("nobody")
        (auth,) = app.pages
        assert app.told[-1] == Told(0, "logout", "user")
        assert (auth.live, auth.auth, auth.user) == (False, None, None)
        with pytest.raises(SignInRequired):
            _ = auth.token


# ── how a login ends ─────────────────────────────────────────────────────────────────────────────────


async def test_somebody_who_says_no_is_told_as_the_providers_error(logins: FletLogins, dev: DevProvider) -> None:
    dev.auto = None
    app = Application(logins)
    with ScriptedBrowser(user="ada", deny=True) as denying:
        async with on_the_desktop(app.main) as client:
            client.opens = denying
            await client.click("Sign in")
            (told,) = await app.told_of(1)
        shown = await asyncio.to_thread(denying.result)
    assert (told.name, told.error) == ("login", "access_denied")
    assert told.text
    assert "Not signed in" in shown.text
    assert app.pages[0].auth is None


async def test_a_cancel_button_ends_a_login_that_waits(logins: FletLogins) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        await client.click("Sign in")
        await client.until_called("launch_url")
        assert (app.pages[0].pending, app.pages[0].live) == (True, False)
        await client.click("Cancel")
        (told,) = await app.told_of(1)
        assert told.error == "cancelled"
        assert not app.pages[0].pending


async def test_nobody_waits_for_ever(dev: DevProvider) -> None:
    clock = VirtualClock()
    logins = FletLogins([dev.settings("acme")], clock=clock)
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        await client.click("Sign in")
        await client.until_called("launch_url")
        await clock.aadvance(601)
        (told,) = await app.told_of(1)
        assert told.error == "timed_out"
    await logins.manager.close()


async def test_a_provider_that_is_down_is_told_and_the_next_try_works(
    logins: FletLogins, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    app = Application(logins)
    dev.fail_next("token", 503)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        (told,) = await app.told_of(1)
        assert told.error
        assert told.text
        assert not app.pages[0].live
        await client.click("Sign in")
        assert (await app.told_of(2))[-1] == Told(0, "login", "", "")


async def test_a_second_click_begins_anew_and_the_first_is_told_of_no_more(
    logins: FletLogins, browser: ScriptedBrowser
) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        await client.click("Sign in")
        await client.until_called("launch_url")
        client.opens = browser
        await client.click("Sign in")
        assert await app.told_of(1) == [Told(0, "login", "", "")]
        assert app.pages[0].live


async def test_a_client_that_does_not_come_to_the_front_keeps_nobody(
    logins: FletLogins, browser: ScriptedBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authflow.integrations.flet.telling.SCREEN_SECONDS", 0.05)
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        client.silent.add("to_front")
        await client.click("Sign in")
        assert await app.told_of(1) == [Told(0, "login", "", "")]


@pytest.mark.parametrize("platform", ["ios", "android"])
async def test_on_a_phone_the_browser_within_the_application_is_closed(
    logins: FletLogins, browser: ScriptedBrowser, platform: str
) -> None:
    """B20: Flet compares an enum with a text there, and calls what a page does not have: the browser stays open."""
    app = Application(logins)
    async with on_the_desktop(app.main, platform=platform) as client:
        client.opens = browser
        await client.click("Sign in")
        await client.until_called("close_in_app_web_view")
        assert (await client.until_called("launch_url"))["mode"] == "inAppBrowserView"
        assert await app.told_of(1) == [Told(0, "login", "", "")]


# ── the arguments ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_the_applications_own_function_opens_the_address(
    logins: FletLogins, browser: ScriptedBrowser, asynchronous: bool
) -> None:
    """Flet takes an async one only, and dies of a plain one with "object NoneType can't be used in 'await'"."""
    app = Application(logins)
    opened: list[str] = []

    def show(url: str) -> None:
        opened.append(url)
        browser(url)

    async def show_async(url: str) -> None:
        show(url)

    async with on_the_desktop(app.main) as client:
        authorization = await app.pages[0].login(
            "acme", on_open_authorization_url=show_async if asynchronous else show
        )
        await app.told_of(1)
        assert len(opened) == 1
        assert authorization.user is not None
        assert "launch_url" not in [name for name, _ in client.calls]


async def test_scopes_groups_and_an_own_page_are_what_flet_makes_of_them(
    logins: FletLogins, browser: ScriptedBrowser
) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        page = "<h1>Welcome to the show</h1>"
        await app.pages[0].login("acme", fetch_groups=True, scope=["phone"], complete_page_html=page)
        await app.told_of(1)
        assert "phone" in app.pages[0]["acme"].session.scopes
        assert [group.name for group in app.pages[0].user.groups] == ["engineers", "admins"]
        assert "Welcome to the show" in (await asyncio.to_thread(browser.result)).text


async def test_two_providers_are_signed_in_side_by_side(logins: FletLogins, browser: ScriptedBrowser) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        (auth,) = app.pages
        github = await auth.login("acme")
        await app.told_of(1)
        google = await auth.login("globex")
        await app.told_of(2)
        assert github.token.access_token != google.token.access_token
        assert auth.auth.session is auth["globex"].session
        await auth.logout("globex")
        assert (auth["acme"].session.live, auth["globex"].session.live) == (True, False)
        assert auth.token == github.token
        assert list(auth) == ["acme", "globex"]


async def test_whoever_is_signed_in_is_asked_again_only_for_more(
    logins: FletLogins, browser: ScriptedBrowser
) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await app.pages[0].login("acme")
        await app.told_of(1)
        await app.pages[0].login("acme")
        assert await app.told_of(2) == [Told(0, "login", "", "")] * 2
        assert len(browser.opened) == 1
        await app.pages[0].login("acme", scope=["phone"])
        assert await app.told_of(3) == [Told(0, "login", "", "")] * 3
        assert len(browser.opened) == 2
        assert "phone" in app.pages[0]["acme"].session.scopes


async def test_what_no_login_can_be_made_of_is_refused_at_once(logins: FletLogins) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main):
        (auth,) = app.pages
        with pytest.raises(ConfigurationError, match="Which provider"):
            auth.login()
        with pytest.raises(UnknownProvider):
            auth.login("nobody")
        with pytest.raises(ConfigurationError, match="list of strings"):
            auth.login("acme", scope="phone")
        with pytest.raises(TypeError, match="redirect"):
            auth.login("acme", redirect_url="https://x")
        with pytest.raises(ConfigurationError, match="no such address"):
            auth.login_url("acme")


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_asked_for_on_another_thread_is_renewed_there(dev: DevProvider, browser: ScriptedBrowser) -> None:
    clock = VirtualClock(time.time(), patience=1.0)
    logins = FletLogins([dev.settings("acme")], clock=clock)
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await app.told_of(1)
        (auth,) = app.pages
        first = auth.token
        clock.jump(first.expires_in + 1)
        second = await asyncio.to_thread(lambda: auth.token)
        assert second.access_token != first.access_token
    await logins.manager.close()


async def test_a_dead_token_is_not_handed_out_where_nobody_can_wait(
    logins: FletLogins, browser: ScriptedBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B9: there it was, without a word."""
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await app.told_of(1)
        (auth,) = app.pages
        end = auth.token.expires_at
        monkeypatch.setattr("authflow.integrations.flet.authorization.time", lambda: end + 1)
        with pytest.raises(TemporarilyUnavailable, match="get_token"):
            _ = auth.token


async def test_while_a_page_is_open_its_token_goes_on(dev: DevProvider, browser: ScriptedBrowser) -> None:
    clock = VirtualClock(time.time(), patience=1.0)
    logins = FletLogins([dev.settings("acme")], clock=clock)
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await app.told_of(1)
        session = app.pages[0]["acme"].session
        renewed = asyncio.Event()
        session.on_refresh.connect(lambda session, event: renewed.set())
        await clock.aadvance(session.expires_in - 60)
        await asyncio.wait_for(renewed.wait(), 20)
        assert session.expires_in > 3000
    await logins.manager.close()


# ── from anywhere ────────────────────────────────────────────────────────────────────────────────────


async def test_signing_in_and_out_works_on_any_thread(logins: FletLogins, browser: ScriptedBrowser) -> None:
    """B21: on another thread `page.logout()` forgot the user, raised RuntimeError, and called nobody."""
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        (auth,) = app.pages
        await asyncio.to_thread(lambda: auth.login("acme").result())
        await app.told_of(1)
        await asyncio.to_thread(lambda: auth.logout().result())
        assert [one.name for one in await app.told_of(2)] == ["login", "logout"]


async def test_a_handler_that_raises_is_logged_and_harms_nobody(
    logins: FletLogins, browser: ScriptedBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    app = Application(logins)

    def build(page: ft.Page, auth: FletAuth) -> None:
        def broken(e: ft.LoginEvent) -> None:
            raise RuntimeError(auth.token.access_token)

        page.on_login = broken

    app._build = build
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        authorization = await app.pages[0].login("acme")
        while not caplog.records or "page.on_login failed" not in caplog.text:
            await client.until_called("to_front")
            await asyncio.sleep(0)
        assert authorization.session.live
        assert authorization.token.access_token not in caplog.text


async def test_a_handler_may_be_async_and_need_not_take_the_event(
    logins: FletLogins, browser: ScriptedBrowser
) -> None:
    called = asyncio.Event()

    def build(page: ft.Page, auth: FletAuth) -> None:
        async def signed_in() -> None:
            called.set()

        page.on_login = signed_in

    app = Application(logins, build)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await asyncio.wait_for(called.wait(), 20)


async def test_the_page_of_a_program_that_is_signed_in_already_is_told(
    logins: FletLogins, browser: ScriptedBrowser
) -> None:
    await logins.manager["acme"].login(open_url=browser)
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        await client.until_said("hello Ada Lovelace")
        assert app.told == [Told(0, "login", "", "")]


async def test_the_last_one_made_for_a_page_speaks_for_it(logins: FletLogins, browser: ScriptedBrowser) -> None:
    app = Application(logins, lambda page, auth: FletAuth(page, logins))
    pages: list[ft.Page] = []
    async with on_the_desktop(lambda page: (pages.append(page), app.main(page))) as client:
        client.opens = browser
        auth = FletAuth.of(pages[0])
        assert auth is not app.pages[0]
        await auth.login("acme")
        assert await app.told_of(1) == [Told(0, "login", "", "")]


async def test_a_page_without_logins_says_so(logins: FletLogins) -> None:
    pages: list[ft.Page] = []
    async with on_the_desktop(pages.append):
        with pytest.raises(ConfigurationError, match="has no logins"):
            FletAuth.of(pages[0])


async def test_on_the_web_a_page_needs_the_routes(logins: FletLogins) -> None:
    pages: list[ft.Page] = []
    async with on_the_desktop(pages.append, web=True):
        with pytest.raises(ConfigurationError, match="which browser"):
            FletAuth(pages[0], logins)


async def test_a_component_is_drawn_again_by_itself(logins: FletLogins, browser: ScriptedBrowser) -> None:
    def main(page: ft.Page) -> None:
        auth = FletAuth(page, logins)

        @ft.component
        def name() -> ft.Control:
            ft.use_state(auth)
            return ft.Column(
                [
                    ft.Text(f"hello {auth.user.name}" if auth.user else "nobody"),
                    ft.Button("Sign in", on_click=lambda e: auth.login("acme")),
                    ft.Button("Sign out", on_click=lambda e: auth.logout()),
                ]
            )

        page.render(name)

    async with on_the_desktop(main) as client:
        client.opens = browser
        await client.until_said("nobody")
        await client.click("Sign in")
        await client.until_said("hello Ada Lovelace")
        await client.click("Sign out")
        await client.until_said("nobody")


# ── "Remember me" ────────────────────────────────────────────────────────────────────────────────────


async def test_a_saved_token_signs_in_and_on_login_is_called(logins: FletLogins, browser: ScriptedBrowser) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main) as client:
        client.opens = browser
        await client.click("Sign in")
        await app.told_of(1)
        kept = await asyncio.to_thread(encrypt, app.pages[0].token.to_json(), "passphrase")
        assert app.pages[0].token.access_token not in kept
    again = FletLogins(list(logins.manager.providers.values()))
    later = Application(again)
    async with on_the_desktop(later.main) as client:
        saved = await asyncio.to_thread(decrypt, kept, "passphrase")
        authorization = await later.pages[0].login("acme", saved_token=saved)
        await client.until_said("hello Ada Lovelace")
        assert later.told == [Told(0, "login", "", "")]
        assert authorization.user.name == "Ada Lovelace"
    await again.manager.close()


async def test_a_saved_token_that_is_none_raises_and_is_told(logins: FletLogins) -> None:
    app = Application(logins)
    async with on_the_desktop(app.main):
        with pytest.raises(InvalidCall):
            await app.pages[0].login("acme", saved_token="no token")
        (told,) = await app.told_of(1)
        assert told.error
        assert told.text
        assert not app.pages[0].live


async def test_a_saved_token_that_was_revoked_raises_and_is_told(
    logins: FletLogins, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    await logins.manager["acme"].login(open_url=browser)
    saved = logins.manager["acme"].dump_plaintext()
    again = FletLogins([dev.settings("acme")])
    dev.end_grants()
    app = Application(again)
    async with on_the_desktop(app.main):
        with pytest.raises(SignInRequired):
            await app.pages[0].login("acme", saved_token=saved)
        (told,) = await app.told_of(1)
        assert (told.error, told.text) == ("invalid_grant", "The refresh token was revoked.")
    await again.manager.close()


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────────


async def test_an_opener_that_raises_is_a_failure_that_is_told(logins: FletLogins) -> None:
    """B3: an exception without a text gave an event with error="": the application showed the user in."""
    app = Application(logins)

    def broken(url: str) -> None:
        raise RuntimeError

    async with on_the_desktop(app.main):
        with pytest.raises(LoginFailed):
            await app.pages[0].login("acme", on_open_authorization_url=broken)
        (told,) = await app.told_of(1)
        assert told.error
        assert told.text


async def test_a_manager_of_ones_own_has_its_own_settings(logins: FletLogins) -> None:
    assert FletLogins(logins.manager).manager is logins.manager
    with pytest.raises(ConfigurationError, match="store"):
        FletLogins(logins.manager, store=None)


def test_the_web_needs_an_address(dev: DevProvider) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        FletLogins([dev.settings("acme")]).app(lambda page: None)



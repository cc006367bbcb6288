"""Flet on the web in a real browser: what is clicked there, and what its user sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flet as ft
import pytest

from authflow.integrations.flet import FletAuth
from authflow.stores import FileStore
from authflow.testing import DevProvider
from tests.real.browser import Chromium

from .application import free_port
from .test_web import KEY, Site, same_tab, site

HELLO, NOBODY = "hello Ada Lovelace", "nobody"


@pytest.fixture(scope="module")
def served() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada").serve() as provider:
        yield provider


@pytest.fixture
def dev(served: DevProvider) -> Iterator[DevProvider]:
    yield served
    served.sign_everybody_out()
    served.auto = "ada"


async def open_app(page: Any, url: str = "") -> Any:
    """Flet's client draws on a canvas; what it says to a screen reader is what can be read here."""
    if url:
        await page.goto(url)
    await page.wait_for_selector("flt-semantics-placeholder", state="attached")
    await page.evaluate("document.querySelector('flt-semantics-placeholder').click()")
    return page


async def press(page: Any, button: str) -> None:
    await page.get_by_role("button", name=button, exact=True).click()


async def press_for_window(page: Any, button: str) -> Any:
    async with page.expect_popup() as opened:
        await press(page, button)
    return await opened.value


async def sees(page: Any, text: str) -> None:
    await page.get_by_text(text).first.wait_for()


async def until_closed(window: Any) -> None:
    if not window.is_closed():
        await window.wait_for_event("close")


def more(page: ft.Page, auth: FletAuth) -> None:
    """A button for every way to sign in, and one that renews."""
    renewed = ft.Text("")

    async def renew(e: Any) -> None:
        before = auth.token.access_token
        await auth["acme"].session.refresh()
        renewed.value = "renewed" if auth.token.access_token != before else "the same"
        page.update()

    same_tab(page, auth)
    link = ft.OpenUrl(auth.login_url("acme"), target=ft.UrlTarget.BLANK)
    page.add(ft.Button("Link", action=link), ft.Button("Renew", on_click=renew), renewed)


@pytest.fixture
def here(dev: DevProvider) -> Iterator[Site]:
    with site(dev, more) as served:
        yield served


def in_chromium(chromium: Chromium, work: Callable[[Any], Any]) -> None:
    """One person's visit: a fresh profile, closed at the end."""

    async def visit() -> None:
        context = await chromium.new_context()
        try:
            await work(context)
        finally:
            await context.close()

    chromium.run(visit())


def test_sign_in_see_the_name_renew_sign_out_elsewhere_and_sign_in_again(
    chromium: Chromium, here: Site, dev: DevProvider
) -> None:
    dev.auto = None

    async def visit(context: Any) -> None:
        page = await open_app(await context.new_page(), here.url)
        other = await open_app(await context.new_page(), here.url)
        await sees(page, NOBODY)
        window = await press_for_window(page, "Sign in")
        await press(window, "Ada Lovelace ada@example.com")
        await press(window, "Allow")
        await sees(page, HELLO)
        await sees(other, HELLO)
        await until_closed(window)
        await press(page, "Renew")
        await sees(page, "renewed")
        await other.reload()
        await open_app(other)
        await sees(other, HELLO)
        third = await open_app(await context.new_page(), here.url)
        await sees(third, HELLO)
        await press(third, "Sign out")
        for one in (page, other, third):
            await sees(one, NOBODY)
        await until_closed(await press_for_window(other, "Sign in"))
        await sees(page, HELLO)

    in_chromium(chromium, visit)


def test_in_the_same_tab_the_page_comes_back_signed_in(chromium: Chromium, here: Site) -> None:
    async def visit(context: Any) -> None:
        page = await open_app(await context.new_page(), here.url)
        async with page.expect_navigation():
            await press(page, "Here")
        await open_app(page)
        await sees(page, HELLO)
        assert len(here.app.pages) == 1
        assert "code=" not in page.url

    in_chromium(chromium, visit)


def test_a_button_with_a_link_signs_in_by_a_tab(chromium: Chromium, here: Site) -> None:
    async def visit(context: Any) -> None:
        page = await open_app(await context.new_page(), here.url)
        await press_for_window(page, "Link")
        await sees(page, HELLO)

    in_chromium(chromium, visit)


def test_whoever_says_no_sees_that_on_the_page_and_in_the_window(
    chromium: Chromium, here: Site, dev: DevProvider
) -> None:
    dev.auto = None

    async def visit(context: Any) -> None:
        page = await open_app(await context.new_page(), here.url)
        window = await press_for_window(page, "Sign in")
        await press(window, "Cancel")
        await sees(window, "You are not signed in")
        await sees(page, "The user said no.")
        assert not window.is_closed()

    in_chromium(chromium, visit)


def test_a_window_that_was_closed_is_no_end_and_cancel_is_one(
    chromium: Chromium, here: Site, dev: DevProvider
) -> None:
    dev.auto = None

    async def visit(context: Any) -> None:
        page = await open_app(await context.new_page(), here.url)
        window = await press_for_window(page, "Sign in")
        await window.get_by_text("Choose an account").wait_for()
        await window.close()
        await press(page, "Cancel")
        await sees(page, "The sign-in was cancelled")
        dev.auto = "ada"
        await press_for_window(page, "Sign in")
        await sees(page, HELLO)

    in_chromium(chromium, visit)


def test_a_window_that_the_browser_blocks_is_noticed(chromium: Chromium, dev: DevProvider) -> None:
    with site(dev, window_seconds=0.3) as here:

        async def visit(context: Any) -> None:
            await context.add_init_script("window.open = () => null")
            page = await open_app(await context.new_page(), here.url)
            await press(page, "Sign in")
            await sees(page, "No sign-in window has opened")

        in_chromium(chromium, visit)


def test_two_people_see_themselves_only(chromium: Chromium, here: Site, dev: DevProvider) -> None:
    dev.auto = None

    async def visit(context: Any) -> None:
        ada = await open_app(await context.new_page(), here.url)
        second = await chromium.new_context()
        grace = await open_app(await second.new_page(), here.url)
        for page, name in ((ada, "Ada Lovelace ada@example.com"), (grace, "Grace Hopper grace@example.com")):
            window = await press_for_window(page, "Sign in")
            await press(window, name)
            await press(window, "Allow")
        await asyncio.gather(sees(ada, HELLO), sees(grace, "hello Grace Hopper"))
        await press(ada, "Sign out")
        await sees(ada, NOBODY)
        await grace.reload()
        await open_app(grace)
        await sees(grace, "hello Grace Hopper")
        await second.close()

    in_chromium(chromium, visit)


def test_a_page_by_a_copy_of_the_cookie_from_before_stays_outside(chromium: Chromium, here: Site) -> None:
    async def visit(context: Any) -> None:
        page = await open_app(await context.new_page(), here.url)
        elsewhere = await chromium.new_context()
        await elsewhere.add_cookies(await context.cookies())
        mallory = await open_app(await elsewhere.new_page(), here.url)
        await sees(mallory, NOBODY)
        async with mallory.expect_response("**/auth/tab") as shown:
            await until_closed(await press_for_window(page, "Sign in"))
            await sees(page, HELLO)
        assert (await shown.value).status == 409
        await press(mallory, "Sign out")
        await sees(mallory, NOBODY)
        stolen = await page.evaluate("sessionStorage.getItem('_flet_session_id')")
        await mallory.evaluate("id => sessionStorage.setItem('_flet_session_id', id)", stolen)
        await mallory.reload()
        await open_app(mallory)
        await sees(mallory, NOBODY)
        await page.reload()
        await open_app(page)
        await sees(page, HELLO)
        assert not await mallory.get_by_text("Ada").count()
        assert "login" in [one.name for one in here.app.told]
        await elsewhere.close()

    in_chromium(chromium, visit)


def remembering(page: ft.Page, auth: FletAuth) -> None:
    """Buttons that keep a login in the browser's own storage, and sign in by what is there."""
    kept = ft.Text("")

    async def keep(e: Any) -> None:
        await ft.SharedPreferences().set("kept", auth["acme"].session.dump())
        kept.value = "kept"
        page.update()

    async def come_back(e: Any) -> None:
        await auth.login("acme", saved_token=await ft.SharedPreferences().get("kept"))

    page.add(ft.Button("Keep", on_click=keep), ft.Button("Come back", on_click=come_back), kept)


def test_a_saved_token_signs_its_own_browser_in_and_nobody_with_a_copy_of_the_cookie_from_before(
    chromium: Chromium, dev: DevProvider
) -> None:
    with site(dev, remembering, sealing_key=KEY) as here:

        async def visit(context: Any) -> None:
            page = await open_app(await context.new_page(), here.url)
            await until_closed(await press_for_window(page, "Sign in"))
            await sees(page, HELLO)
            await press(page, "Keep")
            await sees(page, "kept")
            await context.clear_cookies()
            await page.evaluate("sessionStorage.clear()")
            await page.reload()
            await open_app(page)
            await sees(page, NOBODY)
            other = await open_app(await context.new_page(), here.url)
            elsewhere = await chromium.new_context()
            before = await context.cookies()
            await elsewhere.add_cookies(before)
            mallory = await open_app(await elsewhere.new_page(), here.url)
            async with mallory.expect_response("**/auth/tab") as shown:
                await press(page, "Come back")
                await asyncio.gather(sees(page, HELLO), sees(other, HELLO))
            assert (await shown.value).status == 409
            assert await context.cookies() != before
            await mallory.reload()
            await open_app(mallory)
            await sees(mallory, NOBODY)
            assert not await mallory.get_by_text("Ada").count()
            await page.reload()
            await open_app(page)
            await sees(page, HELLO)
            await press(other, "Sign out")
            await asyncio.gather(sees(page, NOBODY), sees(other, NOBODY))
            await elsewhere.close()

        in_chromium(chromium, visit)


def test_what_was_typed_in_another_tab_is_there_after_the_sign_in(chromium: Chromium, dev: DevProvider) -> None:
    with site(dev, lambda page, auth: page.add(ft.TextField(label="Letter"))) as here:

        async def visit(context: Any) -> None:
            page = await open_app(await context.new_page(), here.url)
            other = await open_app(await context.new_page(), here.url)
            letter = other.get_by_role("textbox")
            await letter.click()
            await other.keyboard.type("half a")
            async with other.expect_response("**/auth/tab") as shown:
                await press_for_window(page, "Sign in")
            assert (await shown.value).status == 204
            await sees(other, HELLO)
            await other.keyboard.type(" sentence")
            assert await letter.input_value() == "half a sentence"

        in_chromium(chromium, visit)


def test_a_restart_in_the_middle_and_after_it_everybody_is_where_they_were(
    chromium: Chromium, dev: DevProvider, tmp_path: Path
) -> None:
    dev.auto = None
    settings = {"port": free_port(), "sealing_key": KEY}
    context = chromium.run(chromium.new_context())

    async def begin(here: Site) -> Any:
        page = await open_app(await context.new_page(), here.url)
        window = await press_for_window(page, "Sign in")
        await press(window, "Ada Lovelace ada@example.com")
        await window.get_by_role("button", name="Allow").wait_for()
        return page, window

    async def finish(page: Any, window: Any, here: Site) -> None:
        await press(window, "Allow")
        await until_closed(window)
        await page.goto(here.url)
        await open_app(page)
        await sees(page, HELLO)

    with site(dev, store=FileStore(tmp_path), **settings) as here:
        page, window = chromium.run(begin(here))
    with site(dev, store=FileStore(tmp_path), **settings) as here:
        chromium.run(finish(page, window, here))
        chromium.run(context.close())

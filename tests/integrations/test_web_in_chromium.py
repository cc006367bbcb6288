"""The page of the examples (examples/web_page.html), in a real browser: what a human sees is the truth.

The stories of a login run in every framework, the colours taking turns; what is the page's own, in one.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="pip install 'authflow-sessions[fastapi]'")

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from authflow import AsyncSessionManager, SessionManager
from authflow.stores import SQLiteStore
from authflow.testing import DevProvider, VirtualClock
from authflow.testing.served import Served
from tests.real.browser import Chromium
from tests.test_examples import ROOT

from . import sites

PAGE = ROOT / "examples" / "web_page.html"
AXE = ROOT / "tests" / "real" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
Work = Callable[..., Awaitable[Any]]
SIGNED_IN, SIGNED_OUT = "Hello Ada Lovelace", "Nobody is signed in here."


ONE = (sites.fastapi, AsyncSessionManager)
EACH = (
    ONE, (sites.quart, SessionManager), (sites.flask, SessionManager), (sites.django, AsyncSessionManager),
    (sites.django_wsgi, SessionManager),
)  # fmt: skip
in_every_framework = pytest.mark.parametrize("scene", EACH, ids=[one[0].__name__ for one in EACH], indirect=True)


class Scene:
    """A provider, sites and people with a browser each."""

    def __init__(self, chromium: Chromium, stack: ExitStack, framework: Any, kind: Any) -> None:
        self._chromium = chromium
        self._stack = stack
        self._framework = framework
        self._kind = kind
        self.dev = stack.enter_context(DevProvider(label="Acme", algorithm="ES256").serve())

    def site(
        self, stack: ExitStack | None = None, port: int = 0, stream_seconds: float = 20.0, **settings: Any
    ) -> sites.Site:
        manager = self._kind([self.dev.settings("acme")], **settings)
        page = PAGE.read_text(encoding="utf-8")
        made = self._framework(manager, f"{self.dev.url}/api", page=page, port=port, stream_seconds=stream_seconds)
        return (stack or self._stack).enter_context(made)

    def visit(self, work: Work, *arguments: Any, people: int = 1) -> Any:
        """Runs `work(page, …)` with a page for each of so many people."""

        async def together() -> Any:
            contexts = [await self._chromium.new_context() for _ in range(people)]
            try:
                return await work(*[await context.new_page() for context in contexts], *arguments)
            finally:
                for context in contexts:
                    await context.close()

        return self._chromium.run(together())


@pytest.fixture
def scene(chromium: Chromium, request: pytest.FixtureRequest) -> Iterator[Scene]:
    framework, kind = getattr(request, "param", ONE)
    name = framework.__name__.partition("_")[0]
    if find_spec(name) is None:
        pytest.skip(f"{name} is needed: pip install 'authflow-sessions[{name}]'")
    with ExitStack() as stack:
        yield Scene(chromium, stack, framework, kind)


async def see(page: Any, text: str) -> None:
    await page.get_by_text(text).first.wait_for()


async def go_to_acme(page: Any, url: str) -> None:
    """Until the provider asks who it is."""
    await page.goto(url)
    await page.get_by_role("link", name=re.compile("sign in", re.I)).click()
    await page.locator("button[value=ada]").wait_for()


async def allow(page: Any, user: str = "ada", answer: str = "allow") -> None:
    """Answers what the provider asks; it knows again who was there before, and what they have allowed."""
    asks = page.locator(f"button[value={user}], button[value={answer}]").first
    over = page.locator("main.live, nav a").first
    while True:
        await asks.or_(over).first.wait_for()
        if await over.count():
            return
        async with page.expect_navigation():
            await asks.click()


async def sign_in(page: Any, url: str, user: str = "ada") -> None:
    await page.goto(url)
    await page.get_by_role("link", name="Sign in with Acme").click()
    await allow(page, user)
    await see(page, "Hello ")


@in_every_framework
def test_a_human_signs_in_reloads_is_signed_out_elsewhere_and_signs_in_again(scene: Scene) -> None:
    site = scene.site()

    async def story(page: Any) -> None:
        await page.goto(site.url)
        await see(page, SIGNED_OUT)
        await sign_in(page, site.url)
        await see(page, SIGNED_IN)
        assert page.url == f"{site.url}/"  # neither code nor state is in the address bar
        await page.reload()
        await see(page, SIGNED_IN)
        other = await page.context.new_page()
        await other.goto(site.url)
        await see(other, SIGNED_IN)
        await other.get_by_role("button", name="Sign out").click()
        await see(page, SIGNED_OUT)  # it was told, without a reload
        await sign_in(page, site.url)
        await see(page, SIGNED_IN)

    scene.visit(story)


def test_a_page_notices_that_somebody_has_signed_in_in_another_tab(scene: Scene) -> None:
    site = scene.site(stream_seconds=0.5)

    async def story(page: Any) -> None:
        await page.goto(site.url)
        await see(page, SIGNED_OUT)
        await sign_in(await page.context.new_page(), site.url)
        await see(page, SIGNED_IN)

    scene.visit(story)


def test_a_page_sees_what_the_provider_ends(scene: Scene) -> None:
    site = scene.site()

    async def story(page: Any) -> None:
        await sign_in(page, site.url)
        async with httpx.AsyncClient(trust_env=False) as client:
            token = scene.dev.logout_token("ada")
            await client.post(f"{site.url}/backchannel-logout", data={"logout_token": token})
        await see(page, SIGNED_OUT)

    scene.visit(story)


def test_no_token_is_in_the_browser_and_the_api_answers(scene: Scene) -> None:
    site = scene.site()

    async def story(page: Any) -> str:
        seen: list[str] = []
        page.on("response", lambda response: seen.append(f"{response.url} {response.headers}"))
        await sign_in(page, site.url)
        await page.get_by_role("button", name="Call the API").click()
        await see(page, '"login":"ada"')
        kept = "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
        assert await page.evaluate(kept) == "{}{}"
        cookies = [one for one in await page.context.cookies() if one["name"].startswith("dev-")]
        assert {(one["httpOnly"], one["sameSite"]) for one in cookies} == {(True, "Lax")}
        return "\n".join(seen) + await page.content()

    text = scene.visit(story)
    tokens = [one for one in scene.dev.secrets if one.startswith(("dev_at_", "dev_rt_"))]
    assert tokens
    assert [one for one in tokens if one in text] == []


@in_every_framework
def test_whoever_says_no_reads_it_and_the_way_on_works(scene: Scene) -> None:
    site = scene.site()

    async def story(page: Any) -> None:
        await go_to_acme(page, site.url)
        await allow(page, answer="deny")
        await see(page, "The sign-in was declined at Acme.")
        assert "state=" not in page.url
        await page.get_by_role("link", name="Sign in again").click()
        await page.wait_for_url(lambda url: "/callback/" not in url)
        await allow(page)
        await see(page, SIGNED_IN)

    scene.visit(story)


@in_every_framework
def test_a_provider_that_is_down_is_told_and_the_way_back_works(scene: Scene) -> None:
    site = scene.site()
    scene.dev.fail_next("metadata", 503)

    async def story(page: Any) -> None:
        await page.goto(f"{site.url}/login/acme")
        await see(page, "Acme")
        assert await page.get_by_role("img", name="Failure").count() == 1
        await page.get_by_role("link", name="Back to the application").click()
        await see(page, SIGNED_OUT)

    scene.visit(story)


def test_a_login_that_takes_too_long_says_so(scene: Scene) -> None:
    clock = VirtualClock(time.time())  # near the provider's, which is the machine's
    site = scene.site(clock=clock)

    async def story(page: Any) -> None:
        await go_to_acme(page, site.url)
        clock.advance(601)
        await allow(page)
        await see(page, "took too long")
        await page.get_by_role("link", name="Sign in again").click()
        await page.wait_for_url(lambda url: "/callback/" not in url)
        await allow(page)
        await see(page, SIGNED_IN)

    scene.visit(story)


@in_every_framework
def test_a_tab_that_is_closed_in_mid_login_and_a_second_one_that_is_not(scene: Scene) -> None:
    site = scene.site()

    async def story(page: Any) -> None:
        closed = await page.context.new_page()
        await go_to_acme(closed, site.url)
        await closed.close()
        await page.goto(site.url)
        await see(page, SIGNED_OUT)
        await sign_in(page, site.url)
        await see(page, SIGNED_IN)

    scene.visit(story)


@in_every_framework
def test_two_people_never_see_each_other_and_a_stolen_link_gets_nowhere(scene: Scene) -> None:
    site = scene.site()

    async def story(ada: Any, grace: Any) -> None:
        await sign_in(ada, site.url)
        await sign_in(grace, site.url, "grace")
        await ada.reload()
        await see(ada, SIGNED_IN)
        await see(grace, "Hello Grace Hopper")
        # Ada begins a login and sends Grace the link of the provider: Grace's browser did not begin it.
        async with ada.expect_request(re.compile("/authorize")) as asked:
            await ada.goto(f"{site.url}/login/acme")
        await grace.goto((await asked.value).url)
        await see(grace, "does not belong to this browser")
        await grace.goto(site.url)
        await see(grace, "Hello Grace Hopper")

    scene.visit(story, people=2)


@in_every_framework
def test_a_server_that_restarts_while_the_human_is_at_the_provider(scene: Scene, tmp_path: Any) -> None:
    store = partial(SQLiteStore, tmp_path / "sessions.db")

    async def story(page: Any) -> None:
        with ExitStack() as first:
            site = await asyncio.to_thread(scene.site, first, store=store(), sealing_key=bytes(32))
            await go_to_acme(page, site.url)
            await asyncio.to_thread(first.close)
        port = int(site.url.rpartition(":")[2])
        await asyncio.to_thread(scene.site, port=port, store=store(), sealing_key=bytes(32))
        await allow(page)
        await see(page, SIGNED_IN)

    scene.visit(story)


def test_another_sites_page_can_neither_sign_out_nor_call_the_api(scene: Scene) -> None:
    site = scene.site()
    evil = FastAPI()
    form = f'<form method="post" action="{site.url}/logout/acme"><button>win</button></form>'
    evil.add_api_route("/", lambda: HTMLResponse(form))
    served = Served(evil)
    served.start()
    port = served.url.rpartition(":")[2]

    async def story(page: Any) -> None:
        await sign_in(page, site.url)
        # Another port of this host is another origin of the same site, which cookies do not tell apart.
        for origin in (served.url, f"http://evil.test:{port}"):
            await page.goto(origin)
            call = f'fetch("{site.url}/api/me", {{headers: {{"X-CSRF": "1"}}, credentials: "include"}})'
            assert await page.evaluate(f"{call}.then(() => 'read', () => 'refused')") == "refused"
            await page.get_by_role("button", name="win").click()
            await page.goto(site.url)
            await see(page, SIGNED_IN)

    try:
        scene.visit(story)
    finally:
        served.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scene: Scene, chromium: Chromium, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is needed: npm ci --prefix tests/real/axe")
    site = scene.site()

    async def story() -> list[Any]:
        context = await chromium.new_context(color_scheme=scheme, viewport={"width": 380, "height": 800})
        try:
            page, found = await context.new_page(), []
            for path, words in (
                ("/", SIGNED_OUT),
                ("/callback/acme?state=x&code=y", "does not belong"),
                ("/login/nobody", "no such sign-in"),
            ):
                await page.goto(site.url + path)
                await see(page, words)
                # The page's own policy admits no script: this one is put beside it, by the browser's tool.
                await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
                found += [(one["id"], path) for one in (await page.evaluate("axe.run()"))["violations"]]
                wide = await page.evaluate("document.documentElement.scrollWidth")
                found += [] if wide <= 380 else [("scrolls sideways", path)]
            return found
        finally:
            await context.close()

    assert chromium.run(story()) == []

"""Two tabs of one browser sign in, and their callbacks are under way at the same time: neither is lost.

What such a browser sends is what it had before either answer came, and the cookies of the answer that it read last are
those that it keeps. So each order of reading is a case.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from authflow import AsyncSessionManager, SessionManager
from tests.real.browser import Chromium

from . import sites
from .conftest import Stage, ask
from .sites import Site

PAGE = {"accept": "text/html"}
# The frameworks decide nothing here: one on a loop, one on threads.
KINDS = [(sites.starlette, AsyncSessionManager), (sites.flask, SessionManager)]
pytestmark = pytest.mark.parametrize("stage", KINDS, ids=["starlette", "flask"], indirect=True)


class Browser:
    """One browser, whose answers are read when the test says so."""

    def __init__(self, stage: Stage, site: Site) -> None:
        self._stage, self.site = stage, site
        self.cookies: dict[str, str] = {}

    def ask(self, url: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return ask(None, "GET", url, headers={"cookie": cookie, **PAGE})

    def read(self, response: httpx.Response) -> httpx.Response:
        """Keeps its cookies."""
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if "Max-Age=0" not in line:
                self.cookies[name] = value
        return response

    def follow(self, response: httpx.Response) -> None:
        """Reads what comes next in this tab, as far as the page."""
        while (where := urlsplit(response.headers.get("location", ""))).path != "/":
            response = self.read(self.ask(f"{self.site.url}{where.path}?{where.query}"))
            assert response.status_code == 303, response.text

    def begin(self, name: str) -> str:
        """Signs in at a provider; the callback that leads back is not visited yet."""
        begun = self.read(self.ask(f"{self.site.url}/login/{name}"))
        if begun.headers["location"].startswith("/"):  # once more, with a cookie
            begun = self.read(self.ask(self.site.url + begun.headers["location"]))
        # The person's own browser has no cookie of this site, so it uses nothing up.
        return str(self._stage.person().go(begun.headers["location"]).url)

    def sign_in(self, name: str) -> None:
        self.follow(self.read(self.ask(self.begin(name))))

    def live(self) -> set[str]:
        return {one["provider"] for one in self.ask(f"{self.site.url}/session").json() if one["live"]}


def live_anywhere(site: Site) -> list[str]:
    """The providers of all live sessions, whoever can reach them."""
    return [one["provider"] for one in site.manager.snapshot() if one["live"]]


@pytest.mark.parametrize("signed_in", [False, True], ids=["a first sign-in", "beside another"])
@pytest.mark.parametrize("last", ["acme", "globex"])
@pytest.mark.parametrize("hurried", [False, True], ids=["in turn", "both before the next request"])
def test_with_two_providers_both_are_there(stage: Stage, signed_in: bool, last: str, hurried: bool) -> None:
    others = {name: stage.provider(name.title()) for name in ("globex", "initech")}
    site = stage.site(stage.dev.settings("acme"), *[dev.settings(name) for name, dev in others.items()])
    browser = Browser(stage, site)
    if signed_in:
        browser.sign_in("initech")
    links = {name: browser.begin(name) for name in ("acme", "globex")}
    held = [dev.hold("token") for dev in (stage.dev, others["globex"])]
    with ThreadPoolExecutor() as pool:
        asked = {name: pool.submit(browser.ask, link) for name, link in links.items()}
        for one in held:
            one.wait(20)
        for one in held:
            one.release()
        answers = {name: one.result() for name, one in asked.items()}
    order = sorted(answers, key=lambda name: name == last)
    for name in order:
        browser.read(answers[name])
        if not hurried:
            browser.follow(answers[name])
    for name in order if hurried else ():
        browser.follow(answers[name])
    assert browser.live() == {"acme", "globex"} | ({"initech"} if signed_in else set())
    assert sorted(live_anywhere(site)) == sorted(browser.live())


@pytest.mark.parametrize("last", [0, 1])
def test_with_one_provider_one_session_is_there_and_no_other_lives_on(stage: Stage, last: int) -> None:
    site = stage.site()
    browser = Browser(stage, site)
    links = [browser.begin("acme") for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(browser.ask, links))
    for one in (answers[1 - last], answers[last]):
        browser.follow(browser.read(one))
    assert browser.live() == {"acme"}
    assert live_anywhere(site) == ["acme"]


def test_a_planted_cookie_of_a_login_leads_to_nothing_of_the_victims(stage: Stage) -> None:
    """Whoever put the cookies of a login of their own into a browser finds nobody's session with them afterwards."""
    globex = stage.provider("Globex")
    site = stage.site(stage.dev.settings("acme"), globex.settings("globex"))
    mallory, ada = Browser(stage, site), Browser(stage, site)
    pending = mallory.begin("globex")
    arrived = Browser(stage, site)
    arrived.sign_in("globex")
    ada.cookies = {**mallory.cookies, **arrived.cookies}
    planted = dict(ada.cookies)
    ada.sign_in("acme")
    assert "acme" in ada.live()
    mallory.cookies = planted
    assert mallory.live() == set()
    mallory.follow(mallory.read(mallory.ask(pending)))
    assert "acme" not in mallory.live()
    assert "acme" in ada.live()


def test_a_planted_owners_cookie_gets_nothing_of_a_sign_in_of_the_last_minute(stage: Stage) -> None:
    site = stage.site()
    mallory, ada = Browser(stage, site), Browser(stage, site)
    mallory.sign_in("acme")
    owner = {name: value for name, value in mallory.cookies.items() if name.endswith("owner")}
    assert owner
    ada.sign_in("acme")
    ada.cookies |= owner
    ada.read(ada.ask(f"{site.url}/signed-in"))
    ada.cookies = {}
    assert live_anywhere(site) == ["acme", "acme"]


def test_in_a_real_browser_both_are_there(stage: Stage, chromium: Chromium) -> None:
    devs = {"acme": stage.dev, "globex": stage.provider("Globex")}
    for dev in devs.values():
        dev.auto = "ada"  # asks nobody
    site = stage.site(*[dev.settings(name) for name, dev in devs.items()])

    async def story() -> set[str]:
        context = await chromium.new_context()
        try:
            tabs = {name: await context.new_page() for name in devs}
            held = [dev.hold("token") for dev in devs.values()]
            going = [asyncio.ensure_future(tab.goto(f"{site.url}/login/{name}")) for name, tab in tabs.items()]
            for one in held:
                await asyncio.to_thread(one.wait, 20)
            for one in held:
                one.release()
            await asyncio.gather(*going)
            answer = await context.request.get(f"{site.url}/session")
            return {one["provider"] for one in await answer.json() if one["live"]}
        finally:
            await context.close()

    assert chromium.run(story()) == {"acme", "globex"}

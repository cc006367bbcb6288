"""The page in a real browser: every action, what other processes do, reload, a cut, keyboard, narrow, axe."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from authflow import SessionManager, State
from authflow.dashboard import Switch, app
from authflow.providers import GitHub
from authflow.stores import FileStore
from authflow.testing import DevProvider, ScriptedBrowser, expire, signed_in
from authflow.testing.served import Served

from .visiting import AXE, ROW, Dash, served, visit

ROOT = Path(__file__).parents[2]
KEY = bytes(range(32))
BESIDE = "(one => one.scrollWidth - one.clientWidth)(document.querySelector('{}'))"
CLIPPED = """Math.max(...[...document.querySelectorAll('.row')].map(row =>
Math.max(...[...row.querySelectorAll('button')].map(one => one.getBoundingClientRect().right)) -
row.getBoundingClientRect().right))"""
STILL = "Promise.allSettled(document.getAnimations().map(one => one.finished))"
PASTE = """() => { const box = document.createElement('textarea'); box.id = 'p';
document.querySelector('#detail').append(box); box.focus() }"""


def row(page: Any, label: str) -> Any:
    return page.locator(ROW).filter(has_text=label)


async def state(page: Any, label: str, word: str) -> None:
    """Waits until the row says so."""
    await row(page, label).locator(".c0 b").filter(has_text=word).wait_for()


async def press(page: Any, label: str, name: str) -> None:
    """Presses an action in the session's detail."""
    if not await page.locator("#detail[open]").count():
        await row(page, label).get_by_role("button", name="Details").click()
    await page.locator("#detail").get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def ada(manager: SessionManager) -> SessionManager:
    """Ada is signed in at Acme."""
    with ScriptedBrowser(user="ada") as browser:
        manager.login("acme", open_url=browser)
    return manager


def test_it_shows_a_row_for_each_session_and_counts_them(ada, on_page) -> None:
    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        return (
            await row(page, "Acme").inner_text(), await row(page, "Globex").inner_text(),
            await page.inner_text("#tiles"), await page.inner_text("#chips"), await page.title(), page.url, page.said,
        )  # fmt: skip

    acme, globex, tiles, chips, title, url, said = on_page(work)

    fingerprint = ada.snapshot()[0]["fingerprint"]
    words = ("Ada Lovelace", "127.0.0.1", "min left", fingerprint, "Bearer", "openid", "MemoryStore", "Refresh now")
    assert [word for word in words if word not in acme] == []
    assert "Sign in" in globex
    assert "1 of 2" in tiles
    assert "in step" in tiles
    assert "all2" in chips.replace("\n", "")
    assert title == "Sessions · authflow"
    assert "#" not in url
    assert said == []


def test_a_scope_that_was_asked_for_and_not_granted_is_marked(manager, acme, on_page) -> None:
    lie = acme.lie("token_response", lambda answer: {**answer, "scope": "openid profile email"})
    with lie, ScriptedBrowser(user="ada") as ada:
        manager["acme"].login(open_url=ada)

    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        return await row(page, "Acme").locator(".scope.missing").all_inner_texts()

    assert [said.split() for said in on_page(work)] == [["not", "granted:", "offline_access"]]


def test_signing_in_goes_through_the_providers_page_and_comes_back(manager, on_page) -> None:
    async def work(page: Any) -> Any:
        async with page.context.expect_page() as opened:
            await row(page, "Globex").get_by_role("button", name="Sign in").click()
        login = await opened.value
        await state(page, "Globex", "authorizing")
        await login.get_by_role("button", name="Grace Hopper").click()
        await login.get_by_role("button", name="Allow").click()
        await login.get_by_text("You are signed in").first.wait_for()
        await state(page, "Globex", "authenticated")
        return await page.evaluate("opener === null"), await login.evaluate("opener === null"), page.said

    assert on_page(work) == (True, True, [])
    assert manager["globex"].user.name == "Grace Hopper"


def test_a_sign_in_that_is_denied_at_the_provider_says_so(manager, on_page) -> None:
    async def work(page: Any) -> Any:
        async with page.context.expect_page() as opened:
            await row(page, "Globex").get_by_role("button", name="Sign in").click()
        login = await opened.value
        await state(page, "Globex", "authorizing")
        await login.get_by_role("button", name="Alan Turing").click()  # who has never allowed it
        await login.get_by_role("button", name="Deny").click()
        await state(page, "Globex", "idle")
        return await row(page, "Globex").locator(".trouble").inner_text()

    assert "denied" in on_page(work).lower()
    assert manager["globex"].state is State.IDLE


def test_a_sign_in_can_be_cancelled(manager, on_page) -> None:
    async def work(page: Any) -> Any:
        async with page.context.expect_page() as opened:
            await row(page, "Globex").get_by_role("button", name="Sign in").click()
        await (await opened.value).close()
        await state(page, "Globex", "authorizing")
        await row(page, "Globex").get_by_role("button", name="Cancel").click()
        await state(page, "Globex", "idle")
        return await row(page, "Globex").locator(".trouble").inner_text()

    assert "cancel" in on_page(work).lower()
    assert manager["globex"].state is State.IDLE


def test_a_second_press_opens_the_page_again_instead_of_beginning_anew(manager, dash, acme) -> None:
    with dash.client() as http:
        found = rows_of(dash)
        ask = {"action": "sign_in", "id": found["globex"]["id"]}
        first, second = (http.post("/api/act", json=ask).json() for _ in range(2))
        ways = [http.get(f"/{one['go']}").headers["location"] for one in (first, second)]
        manager["globex"].cancel()

    assert ways[0] == ways[1]
    assert "again" in second["said"]


def rows_of(dash: Dash) -> dict[str, Any]:
    """The rows that a reader gets at first, by provider."""
    with dash.client() as http, http.stream("GET", "/api/stream") as answer:
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name == "all":
                return {one["provider"]: one for one in json.loads(line[6:])["rows"]}
    raise LookupError("no rows")


def test_refresh_now_renews_and_says_who_did(ada, on_page) -> None:
    before = ada.snapshot()[0]["fingerprint"]

    async def work(page: Any) -> Any:
        await row(page, "Acme").get_by_role("button", name="Refresh now").click()
        await page.get_by_text("Acme: Renewed.").wait_for()
        await row(page, "Acme").filter(has_text="here").wait_for()
        await page.locator("#latency svg").wait_for()
        return await row(page, "Acme").locator("code").inner_text(), await page.locator("#latency .told").inner_text()

    after, latency = on_page(work)
    assert before != after == ada.snapshot()[0]["fingerprint"]
    assert latency.endswith("1 renewal")


@pytest.mark.parametrize(("name", "revoked"), [("Sign out here", False), ("Sign out and revoke", True)])
def test_signing_out_reaches_as_far_as_it_says(ada, on_page, acme, name: str, revoked: bool) -> None:
    token = ada["acme"].token().access_token

    async def work(page: Any) -> Any:
        await press(page, "Acme", name)
        await page.locator(".d-head .pill").filter(has_text="logged out").wait_for()
        return page.said

    assert on_page(work) == []
    assert ada["acme"].state is State.LOGGED_OUT
    assert acme.accepts(token) is not revoked


def test_signing_out_everywhere_opens_the_providers_own_page(manager, on_page) -> None:
    async def work(page: Any) -> Any:
        async with page.context.expect_page() as opened:
            await row(page, "Acme").get_by_role("button", name="Sign in").click()
        await (await opened.value).get_by_text("You are signed in").first.wait_for()
        await state(page, "Acme", "authenticated")
        async with page.context.expect_page() as opened:
            await press(page, "Acme", "Sign out everywhere")
        await (await opened.value).wait_for_url("**/end_session**")
        return page.said, await page.content()

    said, content = on_page(work)
    assert said == []
    assert "id_token_hint" not in content


def test_all_sessions_are_signed_out_after_a_question(ada, on_page) -> None:
    async def work(page: Any) -> Any:
        await page.get_by_role("button", name="Sign out all …").click()
        await page.get_by_role("button", name="Here, and revoke the tokens").click()
        await page.get_by_text("1 session signed out.").wait_for()
        await state(page, "Acme", "logged out")

    on_page(work)
    assert ada["acme"].state is State.LOGGED_OUT


def test_a_refusal_is_shown_with_its_remedy(ada, on_page, acme) -> None:
    acme.fail_next("token", 503, {"error": "temporarily_unavailable"})

    async def work(page: Any) -> Any:
        await row(page, "Acme").get_by_role("button", name="Refresh now").click()
        return await page.locator(".notice.bad").inner_text(), await row(page, "Acme").locator(".trouble").inner_text()

    notice, trouble = on_page(work)
    assert "temporarily_unavailable" in notice
    assert "temporarily_unavailable" in trouble


def test_diagnostics_are_copied_without_a_name(ada, on_page) -> None:
    async def work(page: Any) -> Any:
        await press(page, "Acme", "Copy diagnostics")
        await page.get_by_text("Diagnostics copied").wait_for()
        await page.evaluate(PASTE)
        await page.keyboard.press("Control+V")
        return json.loads(await page.locator("#p").input_value())

    told = on_page(work)
    assert told["session"]["state"] == "authenticated"
    assert [story["kind"] for story in told["stories"]] == ["login"]
    assert "Ada" not in json.dumps(told)


def test_the_detail_shows_the_chart_the_way_and_a_replay(ada, on_page) -> None:
    async def work(page: Any) -> Any:
        await row(page, "Acme").click()
        chart = page.locator("#now")
        await chart.wait_for()
        lit = await chart.locator("[data-state=authenticated] rect").nth(1).get_attribute("class")
        badges = await chart.locator("[data-badge]").count()
        story = page.locator("#detail article")
        await story.locator(".back").click()
        told = await story.locator("output").inner_text()
        events = await page.locator("#detail .events").inner_text()
        return lit, badges, told, await story.locator("[data-message].off").count(), events

    lit, badges, told, off, events = on_page(work)
    assert (lit, badges, off) == ("s-current", 3, 1)
    assert told.startswith("message ")
    assert "Nothing since this dashboard was started" in events


def test_the_open_detail_follows_the_session(ada, on_page) -> None:
    async def work(page: Any) -> Any:
        await row(page, "Acme").click()
        await page.locator(".d-head .pill").filter(has_text="authenticated").wait_for()
        await page.evaluate("1")
        expire(ada["acme"])
        await page.locator(".d-head .pill").filter(has_text="logged out").wait_for()
        await page.locator("#detail .events").get_by_text("expire").first.wait_for()
        return await page.locator("#now [data-state=logged_out] rect").nth(1).get_attribute("class")

    assert on_page(work) == "s-current"


def test_without_actions_there_is_nothing_to_press(chromium, ada) -> None:
    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        names = await page.locator("#grid button").all_inner_texts()
        return set(names), await page.locator("#all").is_visible()

    with served(ada) as dash:
        assert visit(chromium, dash.launch_url(), work) == ({"Details"}, False)


def test_a_switch_is_turned_and_stays_so(chromium, manager) -> None:
    turned: list[bool] = []
    plug = Switch("plug", "Pull the plug", turned.append, turned="Put it back")

    async def work(page: Any) -> Any:
        await page.get_by_role("button", name="Pull the plug").click()
        await page.get_by_role("button", name="Put it back").wait_for()
        await page.reload()
        await page.get_by_role("button", name="Put it back").click()
        await page.get_by_role("button", name="Pull the plug").wait_for()

    with served(manager, allow_actions=True, switches=[plug]) as dash:
        visit(chromium, dash.launch_url(), work)
    assert turned == [True, False]


def test_mounted_beneath_a_path_it_is_whole_and_needs_no_key(chromium, ada) -> None:
    def application(hosts: list[str]) -> Any:
        dashboard = app(ada, allow_actions=True, behind_own_authentication=True, hosts=hosts)
        return Starlette(routes=[Mount("/admin/sessions", dashboard)])

    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        await row(page, "Acme").get_by_role("button", name="Refresh now").click()
        await page.get_by_text("Acme: Renewed.").wait_for()
        return await page.evaluate("sessionStorage.length"), page.said

    hosts: list[str] = []
    late = Late(lambda: application(hosts))
    server = Served(late)
    hosts.append(server.url.removeprefix("http://"))
    server.start()
    try:
        assert visit(chromium, f"{server.url}/admin/sessions", work) == (0, [])
    finally:
        server.stop()


class Late:
    """An application that is made at its first request, when it is known under which name it is served."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._made = self._made or self._make()
        await self._made(scope, receive, send)


# ── what comes from elsewhere ────────────────────────────────────────────────────────────────────────

ELSEWHERE = """
import sys
from authflow import SessionManager
from authflow.providers import GitHub
from authflow.stores import FileStore
from authflow.testing import signed_in
with SessionManager([GitHub("id", "secret")], store=FileStore(sys.argv[1]), sealing_key=bytes(range(32))) as manager:
    sessions = manager if sys.argv[2] == "-" else manager.owner(sys.argv[2])
    if sys.argv[3] == "in":
        signed_in(sessions, "github", user={"id": 7, "name": "Grace Hopper"})
    else:
        sessions["github"].logout(revoke=False, end_session=False)
"""


@pytest.mark.parametrize("owner", ["-", "a-visitor-with-a-long-random-key"])
def test_what_another_process_does_is_there_without_a_reload(chromium, tmp_path: Path, owner: str) -> None:
    def elsewhere(what: str) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path), owner, what], check=True, env=env, timeout=60)

    async def work(page: Any) -> Any:
        await page.locator("#link[data-link=live]").wait_for()
        await page.locator("#tiles .tile").first.wait_for()
        await asyncio.to_thread(elsewhere, "in")
        await page.locator(ROW).filter(has_text="Grace Hopper").filter(has_text="Authenticated").wait_for()
        await asyncio.to_thread(elsewhere, "out")
        await page.locator(ROW).filter(has_text="Logged out").wait_for()
        return await page.inner_text("body")

    store = FileStore(tmp_path)
    with SessionManager([GitHub("id", "secret")], store=store, sealing_key=KEY) as manager, served(manager) as dash:
        seen = visit(chromium, dash.launch_url(), work)
    store.close()
    assert owner not in seen


def test_a_reload_keeps_the_tab_signed_in_and_a_new_tab_is_not(ada, on_page, dash) -> None:
    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        await page.reload()
        await state(page, "Acme", "authenticated")
        other = await page.context.new_page()
        await other.goto(dash.url)
        await other.locator("#closed").wait_for()
        return await other.locator("#closed").inner_text(), await other.locator(ROW).count()

    told, rows = on_page(work)
    assert "launch link" in told
    assert rows == 0


def test_after_a_cut_it_goes_on_where_it_was(ada, on_page, dash) -> None:
    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        dash.hearing.cut = True
        expire(ada["acme"])
        await state(page, "Acme", "logged out")

    on_page(work)
    first, *later = dash.hearing.resumed_at
    streamed = b"".join(dash.hearing.said)
    assert first == ""
    assert later[0].startswith(f"{dash.dashboard._feed.epoch}.")
    assert (streamed.count(b"event: all"), streamed.count(b"event: changes")) == (1, 1)


def test_while_nothing_happens_nothing_is_asked(ada, on_page, dash) -> None:
    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        before = len(dash.hearing.asked), len(dash.hearing.said)
        await page.wait_for_timeout(3_000)  # a page that asked by the clock would have asked by now
        return before, (len(dash.hearing.asked), len(dash.hearing.said))

    before, after = on_page(work)
    assert before == after


# ── for everybody ────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_sessions_are_as_few_rows_as_ten(chromium) -> None:
    async def work(page: Any) -> Any:
        await page.locator(ROW).first.wait_for()
        grid = page.locator("#grid")
        made = [await page.locator(ROW).count()]
        for part in (0.3, 0.7, 1.0):
            await grid.evaluate(f"one => {{ one.scrollTop = {part} * one.scrollHeight }}")
            await page.evaluate("new Promise(requestAnimationFrame)")
            made.append(await page.locator(ROW).count())
        await page.locator(ROW).filter(has_text="team-999").wait_for()
        return made, await grid.get_attribute("aria-rowcount")

    with SessionManager([GitHub("id", "secret")], single_user=True) as manager:
        for number in range(1000):
            manager["github", f"team-{number:03}"]
        with served(manager) as dash:
            made, rows = visit(chromium, dash.launch_url(), work)
    assert rows == "1001"
    assert max(made) < 30


@pytest.fixture
def many() -> Any:
    """Fifty sessions of one provider, in every state."""
    with SessionManager([GitHub("id", "secret")], single_user=True) as manager:
        for number in range(50):
            session = manager["github", f"team-{number:02}" if number else ""]
            if number % 7 == 6:
                continue
            signed_in({"github": session}, "github", user={"id": number, "name": f"Person {number}"})
            if number % 7 == 3:
                expire(session)
        yield manager


def test_fifty_sessions_are_all_there_and_only_those_in_sight_are_made(chromium, many) -> None:
    async def work(page: Any) -> Any:
        await page.locator(ROW).first.wait_for()
        made = await page.locator(ROW).count()
        rows = await page.locator("#grid").get_attribute("aria-rowcount")
        await page.locator("#grid").evaluate("one => { one.scrollTop = one.scrollHeight }")
        await page.locator(ROW).filter(has_text="team-49").wait_for()
        await page.get_by_label("Filter by").fill("person 12")
        await page.locator(ROW).filter(has_text="team-12").wait_for()
        return made, rows, await page.locator(ROW).count()

    with served(many) as dash:
        made, rows, filtered = visit(chromium, dash.launch_url(), work)
    assert rows == "51"
    assert made < 30
    assert filtered == 1


def test_everything_is_done_by_keyboard(ada, on_page) -> None:
    async def work(page: Any) -> Any:
        await state(page, "Acme", "authenticated")
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.classList.contains('row')"):
                break
        first = await page.evaluate("document.activeElement.dataset.id")
        await page.keyboard.press("End")
        last = await page.evaluate("document.activeElement.dataset.id")
        await page.keyboard.press("Home")
        await page.keyboard.press("Enter")
        await page.locator("#detail[open]").wait_for()
        for _ in range(12):
            if await page.evaluate("document.activeElement.dataset.act") == "sign_out_here":
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.locator(".d-head .pill").filter(has_text="logged out").wait_for()
        await page.keyboard.press("Escape")
        await page.locator("#detail:not([open])").wait_for(state="attached")
        return first != last, await page.evaluate("document.activeElement.dataset.id") == first

    assert on_page(work) == (True, True)
    assert ada["acme"].state is State.LOGGED_OUT


@pytest.mark.parametrize("wide", [320, 390, 770, 1010, 1330, 1440, 2200])
def test_it_fits_every_width(chromium, many, wide: int) -> None:
    async def work(page: Any) -> Any:
        await page.locator(ROW).first.wait_for()
        at_first = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        inside = await page.evaluate(BESIDE.format("#grid"))
        clipped = await page.evaluate(CLIPPED)
        await page.locator(ROW).first.get_by_role("button", name="Details").click()
        await page.locator("#now").wait_for()
        return at_first, inside, clipped, await page.evaluate(BESIDE.format("#detail"))

    with served(many, allow_actions=True) as dash:
        found = visit(chromium, dash.launch_url(), work, viewport={"width": wide, "height": 900})
    assert max(found) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("wide", [1440, 390])
def test_axe_finds_nothing(chromium, ada, acme, scheme: str, wide: int) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is needed: npm ci --prefix tests/real/axe")
    acme.fail_next("token", 503, {"error": "temporarily_unavailable"})

    async def run(page: Any) -> list[Any]:
        found = await page.evaluate("axe.run({ iframes: false })")
        first = [(one["id"], one["nodes"][0]) for one in found["violations"]]
        return [(name, node["html"][:160], node["failureSummary"]) for name, node in first]

    async def work(page: Any) -> Any:
        await row(page, "Acme").get_by_role("button", name="Refresh now").click()
        await page.locator(".notice.bad").wait_for()
        await page.evaluate(STILL)
        await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        plain = await run(page)
        await row(page, "Acme").get_by_role("button", name="Details").click()
        await page.locator("#detail article").wait_for()
        await page.evaluate(STILL)
        return plain, await run(page)

    plug = Switch("plug", "Pull the plug", bool, turned="Put it back")
    with served(ada, allow_actions=True, switches=[plug]) as dash:
        found = visit(chromium, dash.launch_url(), work, color_scheme=scheme, viewport={"width": wide, "height": 900})
    assert found == ([], [])


def test_looking_asks_no_provider_for_anything(ada: SessionManager, dash: Dash, acme: DevProvider) -> None:
    acme.forget_requests()
    rows_of(dash)

    assert acme.requests == []

"""H. A dashboard: rows 139 to 149. What it shows is worth stealing, and it stands where every web page can knock."""

from __future__ import annotations

import json
import re
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement

from authflow import SessionManager
from authflow.dashboard import app, serve
from authflow.dashboard.app import MOST_READERS
from authflow.dashboard.feed import MOST_EVENTS, MOST_SESSIONS, Feed
from authflow.errors import ConfigurationError, LoginFailed
from authflow.events import AuthEvent
from authflow.providers import GitHub
from authflow.testing import DevProvider, ScriptedBrowser, signed_in
from tests.dashboard.visiting import OWN, ROW, Dash, served, visit

HOSTILE = "<img src=x onerror=alert(1)><a href=//evil.test>click</a>\"'</b><script>alert(2)</script>"
ANSI = "\x1b]0;owned\x07\x1b[31mred\u202e"


@pytest.fixture
def manager() -> Iterator[SessionManager]:
    with SessionManager([GitHub("id", "secret")], single_user=True) as manager:
        signed_in(manager, "github", user={"id": 1, "name": "Ada Lovelace"})
        yield manager


@pytest.fixture
def dash(manager: SessionManager) -> Iterator[Dash]:
    with served(manager, allow_actions=True) as running:
        yield running


@pytest.fixture
def neighbour() -> Iterator[Any]:
    """Another program of this machine that serves web pages; `.page` is what it shows, `.heard` what it was sent."""

    class Neighbour(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.heard.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.server.page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Neighbour) as server:
        server.heard, server.page = [], "<!doctype html><title>neighbour</title>"
        server.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def github(dash: Dash) -> str:
    """The row's id."""
    with dash.client() as http, http.stream("GET", "/api/stream") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and '"rows"' in line:
                return str(json.loads(line[6:])["rows"][0]["id"])
    raise LookupError("no rows")


# ── 139: DNS rebinding ──


@pytest.mark.parametrize(
    "host", ["evil.test:{port}", "127.0.0.1", "127.0.0.1.nip.io:{port}", "0.0.0.0:{port}", "", "127.0.0.1:1"]
)
def test_a139_another_host_is_misdirected(dash, host: str) -> None:
    port = dash.host.partition(":")[2]
    with dash.client(Host=host.format(port=port)) as http:
        for path in ("/", "/static/main.js", "/api/stream"):
            answer = http.get(path)
            assert (answer.status_code, answer.headers["cache-control"]) == (421, "no-store")
            assert "ada" not in answer.text.lower()


def test_a139_a_rebound_name_shows_nothing_in_a_browser(chromium, dash) -> None:
    async def work(page: Any) -> Any:
        return await page.inner_text("body")

    seen = visit(chromium, dash.launch_url().replace("127.0.0.1", "evil.test"), work)
    assert seen == "Nothing is served under this name."
    assert set(dash.hearing.statuses) == {421}


# ── 140: cookies of 127.0.0.1 go to every port ──


def test_a140_there_is_no_cookie_that_another_port_could_read(chromium, dash, neighbour) -> None:
    async def work(page: Any) -> Any:
        await page.locator(ROW).wait_for()
        kept = await page.evaluate("Object.values(sessionStorage)")
        other = await page.context.new_page()
        await other.goto(neighbour.url)
        return kept, await page.context.cookies(), await other.evaluate("Object.values(sessionStorage)")

    kept, cookies, elsewhere = visit(chromium, dash.launch_url(), work)
    assert (len(kept), cookies, elsewhere) == (1, [], [])
    assert not any("cookie" in {name.lower() for name in headers} for headers in neighbour.heard)
    assert not any("set-cookie" in headers for headers in dash.hearing.headers)
    with dash.client(Authorization="", Cookie=f"key={kept[0]}") as http:
        assert http.get("/api/session").status_code == 401


# ── 141: requests from another port ──


def test_a141_a_page_of_another_port_changes_nothing_and_reads_nothing(chromium, dash, neighbour, manager) -> None:
    tried = """async url => {
      const tries = [
        [url + 'api/act', { method: 'POST', mode: 'no-cors', body: '{"action":"sign_out_here","all":true}' }],
        [url + 'api/act', { method: 'POST', headers: { 'Authflow-Dashboard': '1' }, body: '{}' }],
        [url + 'api/stream', {}], [url + 'api/stream', { mode: 'no-cors' }],
      ];
      return Promise.all(tries.map(([u, o]) => fetch(u, o).then(r => r.type + r.status, () => 'refused')));
    }"""

    async def work(page: Any) -> Any:
        return await page.evaluate(tried, f"{dash.url}/")

    assert visit(chromium, neighbour.url, work) == ["refused"] * 4
    assert not {200, 303} & set(dash.hearing.statuses)
    assert manager["github"].live


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Authflow-Dashboard": ""},
        {"Content-Type": "text/plain"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
)
def test_a141_even_with_the_key_only_the_own_page_writes(dash, manager, headers: dict[str, str]) -> None:
    with dash.client() as http:
        ask = json.dumps({"action": "sign_out_here", "all": True})
        answer = http.post("/api/act", content=ask, headers={"Content-Type": "application/json", **headers})

    assert answer.status_code == 403
    assert manager["github"].live


def test_a141_a_request_without_fetch_metadata_writes_nothing(dash, manager) -> None:
    with dash.client() as http:
        del http.headers["Sec-Fetch-Site"]
        assert http.post("/api/act", json={"action": "sign_out_here", "all": True}).status_code == 403
    assert manager["github"].live


# ── 142: the launch link ──


def test_a142_a_launch_link_works_once_and_is_in_no_request_line(chromium, dash) -> None:
    link = dash.launch_url()

    async def first(page: Any) -> Any:
        await page.locator(ROW).wait_for()
        return page.url, await page.evaluate("performance.getEntries().map(one => one.name).join()")

    async def second(page: Any) -> Any:
        await page.locator("#closed").wait_for()
        return await page.locator("#closed").inner_text(), await page.locator(ROW).count()

    url, names = visit(chromium, link, first)
    told, rows = visit(chromium, link, second)
    key = link.partition("#")[2]
    assert url == f"{dash.url}/"
    assert "used already" in told
    assert rows == 0
    assert key not in "".join(dash.hearing.asked)
    assert b"".join(dash.hearing.said).find(key.encode()) == -1
    assert key not in names.replace(link, "")


def test_a142_a_replayed_launch_key_is_refused(dash) -> None:
    launch = dash.launch_url().partition("#")[2]
    headers = {**OWN, "Authorization": f"Bearer {launch}"}
    answers = [httpx.post(f"{dash.url}/api/launch", json={}, headers=headers, trust_env=False) for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 403]
    with dash.client(Authorization=f"Bearer {launch}") as http:
        assert http.get("/api/session").status_code == 401  # a launch key is no tab's key


# ── 143: markup in what others say ──


def refuse(honest: dict[str, str]) -> dict[str, str]:
    """The provider's refusal, in words of its own."""
    kept = {name: value for name, value in honest.items() if name != "code"}
    return {**kept, "error": "access_denied", "error_description": HOSTILE}


def test_a143_hostile_texts_are_shown_as_texts(chromium) -> None:
    provider = DevProvider(label=HOSTILE, auto="ada")
    with provider.serve(), SessionManager([provider.settings("evil", label=HOSTILE)], single_user=True) as manager:
        session = manager["evil", HOSTILE]
        signed_in({"evil": session}, "evil", user={"sub": "1", "name": HOSTILE}, scopes=[HOSTILE.replace(" ", "")])
        failed = manager["evil"]
        with ScriptedBrowser(user="ada") as ada, provider.lie("callback_params", refuse), pytest.raises(LoginFailed):
            failed.login(open_url=ada)

        async def work(page: Any) -> Any:
            page.on("dialog", lambda dialog: page.said.append("a dialog"))
            await page.locator(ROW).nth(1).wait_for()
            await page.locator(ROW).filter(has_text="Authenticated").get_by_role("button", name="Details").click()
            await page.locator("#now").wait_for()
            await page.keyboard.press("Escape")
            await page.locator(ROW).filter(has_text="Idle").get_by_role("button", name="Details").click()
            await page.locator("#detail article").wait_for()
            marks = await page.locator("img, a[href*=evil], .row script, dialog script").count()
            return marks, page.said, await page.locator("body").inner_text()

        with served(manager, allow_actions=True) as dash:
            marks, said, text = visit(chromium, dash.launch_url(), work)
    assert (marks, said) == (0, [])
    assert "<img src=x" in text


# ── 144: the canary ──


def test_a144_no_secret_is_in_any_answer_or_on_the_page(chromium) -> None:
    with DevProvider(label="Acme", auto="ada").serve() as acme:
        settings = acme.settings("acme", scopes=("openid", "profile", "offline_access"))
        with SessionManager([settings], single_user=True) as manager, served(manager, allow_actions=True) as dash:

            async def work(page: Any) -> Any:
                async with page.context.expect_page() as opened:
                    await page.locator(ROW).get_by_role("button", name="Sign in").click()
                await (await opened.value).get_by_text("You are signed in").first.wait_for()
                await page.locator(ROW).get_by_role("button", name="Refresh now").click()
                await page.get_by_text("Renewed.").wait_for()
                await page.locator(ROW).get_by_role("button", name="Details").click()
                await page.locator("#detail article").wait_for()
                contents = [await page.content()]
                await page.locator("#detail").get_by_role("button", name="Copy diagnostics").click()
                await page.get_by_text("Diagnostics copied").wait_for()
                await page.locator("#detail").get_by_role("button", name="Sign out everywhere").click()
                await page.locator(".d-head .pill").filter(has_text="logged out").wait_for()
                contents.append(await page.content())
                contents.append(await page.evaluate("JSON.stringify([sessionStorage, localStorage, document.cookie])"))
                return contents

            pages = visit(chromium, dash.launch_url(), work)
            said = b"".join(dash.hearing.said).decode() + "".join(pages)
            secrets = {one for one in acme.secrets if len(one) >= 12}

    assert len(secrets) > 6
    assert [one for one in secrets if one in said] == []
    assert "client_secret" not in said


def test_a144_an_owners_key_is_not_told_either() -> None:
    with SessionManager([GitHub("id", "secret")]) as manager, served(manager) as dash:
        signed_in(manager.owner("a-browsers-own-key-0123456789"), "github", user={"id": 1})
        github(dash)
    assert b"a-browsers-own-key" not in b"".join(dash.hearing.said)


# ── 145: frames, embedding, XSSI ──


def test_a145_it_is_shown_in_no_frame_and_embedded_nowhere(chromium, dash, neighbour) -> None:
    neighbour.page = (
        f"<!doctype html><title>neighbour</title><iframe src='{dash.url}/'></iframe>"
        f"<script src='{dash.url}/api/stream'></script><script src='{dash.url}/static/dom.js'></script>"
    )

    async def work(page: Any) -> Any:
        await page.wait_for_load_state("networkidle")
        return [frame.url for frame in page.frames[1:]], page.said

    frames, said = visit(chromium, neighbour.url, work)
    assert frames in ([], ["chrome-error://chromewebdata/"])
    assert any("frame-ancestors" in one or "refused" in one.lower() for one in said)
    for headers in dash.hearing.headers:
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_a145_the_page_has_no_inline_code(dash) -> None:
    page = httpx.get(dash.url, trust_env=False).text

    assert re.findall(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", page) == []


# ── 146: slow readers ──


def test_a146_a_reader_that_dawdles_gets_each_session_once_and_costs_nothing() -> None:
    with SessionManager([GitHub("id", "secret")], single_user=True) as manager:
        feed = Feed(manager)
        session = signed_in(manager, "github", user={"id": 1})
        before = feed.look(0).number
        for number in range(5_000):
            event = AuthEvent(number, 1.0, "", "github", "", "refresh", "authenticated", "refreshing", True)
            feed._heard(session, event)
        late = feed.look(before)

        assert (late.whole, len(late.data["rows"])) == (False, 1)
        assert len(late.data["events"]) <= MOST_EVENTS
        assert len(feed._numbers) <= MOST_SESSIONS


def test_a146_too_many_readers_are_refused_and_the_others_go_on(dash) -> None:
    with ExitStack() as stack:
        http = stack.enter_context(dash.client())
        readers = [stack.enter_context(http.stream("GET", "/api/stream")).iter_lines() for _ in range(MOST_READERS)]
        assert {next(reader) for reader in readers} == {"retry: 1000"}
        assert http.get("/api/stream").status_code == 429


# ── 147: beyond loopback ──


async def test_a147_a_caller_from_another_machine_is_refused(manager) -> None:
    transport = httpx.ASGITransport(app(manager), client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.get("/")

    assert answer.status_code == 403


def test_a147_it_is_served_on_loopback_and_cannot_be_told_otherwise(manager) -> None:
    with serve(manager) as running:
        assert running.url.startswith("http://127.0.0.1:")
    with pytest.raises(TypeError):
        serve(manager, host="0.0.0.0")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="authentication of yours"):
        app(manager, hosts=["admin.example.com"])


# ── 148: a terminal's commands ──


def test_a148_a_terminals_commands_are_taken_out_of_every_text() -> None:
    with SessionManager([GitHub("id", "secret", label=f"Git{ANSI}Hub")], single_user=True) as manager:
        feed = Feed(manager)
        signed_in({"github": manager["github", f"w{ANSI}"]}, "github", user={"id": 1, "name": ANSI}, scopes=[ANSI])
        said = json.dumps(feed.look(0).data, ensure_ascii=False)

    assert "red" in said
    assert [ch for ch in said if not ch.isprintable()] == []


# ── 149: an audit that only seems clean ──


def test_a149_every_requirement_has_a_floor_and_what_is_installed_is_above_it() -> None:
    """An audit of pins passes over what it cannot read. What is asked for here can be read, and is what runs."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    wanted = [Requirement(one) for one in asked if not one.startswith("authflow-sessions")]

    assert [str(one) for one in wanted if not {part.operator for part in one.specifier} & {">=", "==", "~="}] == []
    here = [(one, found) for one in wanted if (found := installed(one.name)) is not None]
    assert [str(one) for one, found in here if not one.specifier.contains(found, prereleases=True)] == []
    assert len(wanted) > 20


def installed(name: str) -> str | None:
    """The version that runs here; None: an extra that `dev` does not bring."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None

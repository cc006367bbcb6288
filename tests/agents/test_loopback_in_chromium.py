"""The loopback listener and its page in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from authflow.agents.base import Page

from .conftest import FAILURE, SUCCESS, Inbox

REDIRECT = "/callback/github?code=c0de&state=st4te"
HOSTILE = "<img src=x onerror=alert(1)><a href=//evil.test>click</a>\x1b[31m'\"</h1><script>alert(2)</script>"


def url_of(listener, target: str = REDIRECT) -> str:
    return f"http://127.0.0.1:{listener.port}{target}"


@pytest.fixture
def on_page(chromium):
    """`on_page(work, **settings)`: runs `await work(page)` on a fresh page of a fresh profile."""

    def run(work, **settings):
        async def visit():
            context = await chromium.new_context(**settings)
            try:
                return await work(await context.new_page())
            finally:
                await context.close()

        return chromium.run(visit())

    return run


@pytest.fixture
def neighbour() -> Iterator[str]:
    """The origin of another local program that serves web pages."""

    class Plain(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>neighbour</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_redirect_arrives_and_the_page_tells_the_outcome(listen, on_page):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)

    async def work(page):
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        response = await page.goto(url_of(listener))
        return response.status, await page.title(), await page.inner_text("main"), errors

    code, title, text, errors = on_page(work)
    assert code == 200
    assert title == "You are signed in · GitHub"
    assert text.split("\n\n") == [
        "GitHub", "You are signed in", "Signed in as Ada Lovelace.",
        "You can close this tab and return to the application.",
    ]  # fmt: skip
    assert errors == []
    assert "c0de" in inbox.get().url


def test_a038_the_address_bar_and_the_history_entry_hold_no_code_afterwards(listen, on_page):
    listener = listen(Inbox(SUCCESS))

    async def work(page):
        await page.goto(url_of(listener))
        return page.url, await page.evaluate("[location.href, history.length]")

    shown, (href, _) = on_page(work)
    assert shown == href == listener.redirect_uri


def test_a_provider_that_posts_the_form_reaches_the_application(listen, on_page):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)
    form = (
        f'<form method=post action="{listener.redirect_uri}"><input name=code value=c0de>'
        "<input name=state value=st4te></form><script>document.forms[0].submit()</script>"
    )

    async def work(page):
        await page.route("https://idp.test/**", lambda route: route.fulfill(body=form, content_type="text/html"))
        async with page.expect_navigation(url=listener.redirect_uri):
            await page.goto("https://idp.test/authorize")
        return await page.inner_text("h1")

    assert on_page(work) == "You are signed in"
    assert inbox.get().params == {"code": "c0de", "state": "st4te"}


def test_a032_a_favicon_and_a_stray_page_do_not_end_the_wait(listen, on_page):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)

    async def work(page):
        stray = await page.goto(url_of(listener, "/"))
        icon = await page.goto(url_of(listener, "/favicon.ico"))
        await page.goto(url_of(listener))
        return stray.status, icon.status, await page.inner_text("h1")

    assert on_page(work) == (404, 404, "You are signed in")


def test_a027_a_rebound_name_is_misdirected_and_reads_nothing(listen, on_page):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)

    async def work(page):
        response = await page.goto(f"http://evil.test:{listener.port}{REDIRECT}")
        inside = await page.evaluate("url => fetch(url).then(r => r.status)", REDIRECT)
        return response.status, inside

    # The policy of the refusal alone would stop the fetch; the Host check must stand without it.
    assert on_page(work, bypass_csp=True) == (421, 421)
    assert inbox.empty


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_a042_a_script_of_another_origin_gets_nothing_and_consumes_nothing(listen, on_page, neighbour, mode):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)
    script = "([url, mode]) => fetch(url, {mode}).then(r => r.text()).catch(() => '')"

    async def work(page):
        await page.goto(neighbour)
        return await page.evaluate(script, [url_of(listener), mode])

    assert on_page(work) == ""
    assert inbox.empty


def test_a_frame_of_another_origin_stays_empty(listen, on_page, neighbour):
    listener = listen(Inbox(SUCCESS))
    embed = """url => new Promise(done => {
        const frame = document.createElement('iframe')
        frame.onload = () => done(true)
        frame.src = url
        document.body.append(frame)
    })"""

    async def work(page):
        await page.goto(neighbour)
        await page.evaluate(embed, url_of(listener))
        return [frame.url for frame in page.frames]

    assert "chrome-error://chromewebdata/" in on_page(work)


def test_a_prefetch_of_the_browser_consumes_nothing(listen, on_page, neighbour):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)
    prefetch = """url => {
        const link = document.createElement('link')
        link.rel = 'prefetch'
        link.href = url
        document.head.append(link)
    }"""

    async def work(page):
        await page.goto(neighbour)
        async with page.expect_event("response", lambda response: "callback" in response.url) as answered:
            await page.evaluate(prefetch, url_of(listener))
        before = inbox.empty
        await page.goto(url_of(listener))
        return (await answered.value).status, before, await page.inner_text("h1")

    code, nothing_before, title = on_page(work)
    assert code in (403, 503)
    assert nothing_before
    assert title == "You are signed in"


def test_a011_hostile_texts_are_shown_as_texts(listen, on_page):
    page_of_a_liar = Page(ok=False, title=HOSTILE, text=HOSTILE, hint=HOSTILE)
    listener = listen(Inbox(page_of_a_liar))

    async def work(page):
        dialogs: list[Any] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog))
        await page.goto(url_of(listener))
        made = await page.evaluate("document.querySelectorAll('img, a, main script').length")
        return dialogs, made, await page.inner_text("h1")

    dialogs, made, title = on_page(work)
    assert dialogs == []
    assert made == 0
    assert title.startswith("<img src=x onerror=alert(1)>")
    assert "\x1b" not in title


def test_the_pages_policy_stops_a_script_that_is_not_its_own(listen, on_page):
    listener = listen(Inbox(SUCCESS))
    inject = """() => {
        const script = document.createElement('script')
        script.text = 'window.owned = 1'
        document.head.append(script)
        return window.owned
    }"""

    async def work(page):
        await page.goto(url_of(listener))
        return await page.evaluate(inject)

    assert on_page(work) is None


@pytest.mark.parametrize("page", [SUCCESS, FAILURE], ids=["success", "failure"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_in_both_colour_schemes(listen, on_page, page, scheme):
    listener = listen(Inbox(page))
    colours = """() => ['main', 'h1', 'h1+p', '.hint'].map(name => {
        const style = getComputedStyle(document.querySelector(name))
        return name == 'main' ? style.backgroundColor : style.color
    })"""

    async def work(tab):
        await tab.goto(url_of(listener))
        return await tab.evaluate(colours)

    card, *texts = on_page(work, color_scheme=scheme)
    assert (luminance(card) > 0.5) is (scheme == "light")
    assert min(contrast(card, text) for text in texts) > 4.5  # WCAG 2.2 §1.4.3


def test_the_page_fits_a_phone_even_with_a_word_that_does_not(listen, on_page):
    listener = listen(Inbox(Page(ok=False, title="x" * 200, text="y" * 400)))

    async def work(tab):
        await tab.goto(url_of(listener))
        return await tab.evaluate("document.documentElement.scrollWidth")

    assert on_page(work, viewport={"width": 320, "height": 600}) == 320


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)

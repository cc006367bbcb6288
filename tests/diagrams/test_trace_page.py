"""The page of a trace in a real browser: it asks nobody for anything, replays by keyboard, copies, and can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from authflow.trace.story import MOST_STEPS, Trace
from tests.trace.examples import EXAMPLES, FAILED_LOGIN, LOGIN, SESSION

from .opened import opened
from .test_exports import EVIL

AXE = Path(__file__).parents[1] / "real" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
LONG = replace(LOGIN.stories[0], left_out=244, steps=(LOGIN.stories[0].steps * 20)[:MOST_STEPS])
MANY = Trace(
    stories=tuple(
        replace(story, began=story.began + 977.0 * at, session=f"s{at % 3}", account=("", "work", "home")[at % 3])
        for at, story in enumerate([*SESSION.stories, *FAILED_LOGIN.stories] * 4)
    )
)
PAGES = {**EXAMPLES, "evil": EVIL, "empty": Trace(), "long": Trace(stories=(LONG,)), "many": MANY}

SEEN = "() => [...document.querySelectorAll('[data-message]:not(.off)')].length"
LIT = "() => document.querySelector('[data-state].on')?.dataset.state ?? ''"
WAY = "() => [...document.querySelectorAll('[data-badge]:not(.off) text')].map(one => one.textContent)"
TOLD = "() => document.querySelector('output').textContent"
OVERLAPS = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()])
    .map(([text, b]) => [text, b.left, b.top + b.height * .16, b.right, b.bottom - b.height * .16]);
  return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
    a[1] < b[3] && b[1] < a[3] && a[2] < b[4] && b[2] < a[4]).map(b => a[0] + ' / ' + b[0]));
})"""

IN_VIEW = """() => {
  const shown = [...document.querySelectorAll('[data-message]:not(.off)')].at(-1);
  if (!shown) return null;
  const part = shown.getBoundingClientRect(), card = shown.closest('.card').getBoundingClientRect();
  const middle = (part.left + part.right) / 2;
  return part.top >= 0 && part.bottom <= innerHeight && middle >= card.left && middle <= card.right;
}"""


@pytest.fixture
def page_of(tmp_path: Path) -> Any:
    def save(name: str) -> Path:
        return PAGES[name].save(tmp_path / f"{name}.html")

    return save


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_it_asks_nobody_and_complains_of_nothing(chromium, page_of, name: str, scheme: str) -> None:
    async def use(page: Any) -> Any:
        return await page.evaluate("document.documentElement.scrollWidth - innerWidth"), await page.evaluate(OVERLAPS)

    seen = opened(chromium, page_of(name), use, scheme=scheme)

    assert (seen.requests, seen.errors) == ([], [])
    assert seen.result[0] <= 0
    assert seen.result[1] == []


@pytest.mark.parametrize("name", ["failed_login", "session", "evil", "many"])
def test_it_fits_a_telephone(chromium, page_of, name: str) -> None:
    async def use(page: Any) -> Any:
        return await page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert opened(chromium, page_of(name), use, wide=390).result <= 0


def test_the_replay_walks_by_keyboard(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        shots = []
        for key in ("Home", "ArrowRight", "End", "ArrowLeft"):
            await page.keyboard.press(key)
            shots.append([await page.evaluate(one) for one in (SEEN, LIT, WAY, TOLD)])
        return shots

    seen = opened(chromium, page_of("login"), use)

    assert seen.result == [
        [0, "idle", [], "before the first message"],
        [1, "authorizing", ["1"], "message 1 of 13 · +0.4 ms · authorizing"],
        [13, "authenticated", ["1", "2", "3"], "message 13 of 13 · +2.41 s · authenticated"],
        [12, "exchanging", ["1", "2"], "message 12 of 13 · +2.40 s · exchanging"],
    ]
    assert seen.errors == []


def test_the_slider_has_the_keyboard_too_and_says_where_it_is(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        slider = page.get_by_role("slider")
        await slider.focus()
        await page.keyboard.press("ArrowLeft")
        return await page.evaluate(SEEN), await slider.get_attribute("aria-valuetext")

    assert opened(chromium, page_of("login"), use).result == (12, "message 12 of 13 · +2.40 s · exchanging")


def test_play_begins_anew_and_can_be_paused(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        play = page.locator(".play")
        await play.click()
        first = await page.evaluate(SEEN)
        await page.locator("[data-message='2']:not(.off)").wait_for(state="attached")
        await play.click()
        return first, await play.text_content()

    first, label = opened(chromium, page_of("login"), use).result

    assert first <= 1
    assert label == "Play"


def test_stories_replay_one_by_one(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        await page.locator("#s2 .back").click()
        return await page.evaluate(
            "() => [...document.querySelectorAll('article')]"
            ".map(one => one.querySelectorAll('[data-message].off').length)"
        )

    assert opened(chromium, page_of("session"), use).result == [0, 1]


@pytest.mark.parametrize(("button", "begins"), [(0, "sequenceDiagram"), (1, "flowchart LR")])
def test_a_click_copies_mermaid(chromium, page_of, button: int, begins: str) -> None:
    async def use(page: Any) -> Any:
        await page.locator("button[data-copy]").nth(button).click()
        await page.locator(".copied:not(:empty)").wait_for()
        await page.evaluate(
            "() => { const box = document.createElement('textarea'); box.id = 'paste'; "
            "document.body.append(box); box.focus() }"
        )
        await page.keyboard.press("Control+V")
        return await page.locator(".copied").text_content(), await page.locator("#paste").input_value()

    said, pasted = opened(chromium, page_of("login"), use).result

    assert said == "Copied."
    assert begins in pasted
    assert pasted.startswith('---\ntitle: "A login at Acme"')


def test_what_somebody_puts_into_it_cannot_load_run_or_send_anything(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        return await page.evaluate(
            """() => new Promise(done => {
              const refused = new Set();
              document.addEventListener('securitypolicyviolation', event => {
                refused.add(event.effectiveDirective);
                if (refused.size === 4) done([window.ran ?? 'no', ...[...refused].sort()]);
              });
              document.body.insertAdjacentHTML('beforeend', '<img src="https://x.example/a.png"><p style="top:0">');
              const script = document.createElement('script');
              script.textContent = 'window.ran = "yes"';
              document.body.append(script);
              fetch('https://x.example/').catch(() => 0);
            })"""
        )

    refused = ["no", "connect-src", "img-src", "script-src-elem", "style-src-attr"]

    assert opened(chromium, page_of("login"), use).result == refused


def test_on_paper_everything_is_there(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        await page.keyboard.press("Home")
        await page.emulate_media(media="print")
        return await page.evaluate(
            "() => [getComputedStyle(document.querySelector('[data-message]')).opacity, "
            "getComputedStyle(document.querySelector('.replay')).display, "
            "getComputedStyle(document.querySelector('.time i')).printColorAdjust, "
            "getComputedStyle(document.body).backgroundColor, "
            "getComputedStyle(document.querySelector('svg > rect')).fill]"
        )

    white = "rgb(255, 255, 255)"
    assert opened(chromium, page_of("login"), use, scheme="dark").result == ["1", "none", "exact", white, white]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["login", "failed_login", "refresh_elsewhere", "session"])
def test_axe_finds_nothing(chromium, page_of, name: str, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is needed: npm ci --prefix tests/real/axe")

    async def use(page: Any) -> Any:
        for one in await page.locator("details").all():
            await one.evaluate("one => one.open = true")
        # The page's own policy admits no script: this one is put beside it, by the browser's tool.
        await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        found = await page.evaluate("axe.run()")
        return [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]

    assert opened(chromium, page_of(name), use, scheme=scheme).result == []


def test_a_replay_brings_its_message_into_view_on_a_long_page_and_a_narrow_one(chromium, page_of) -> None:
    async def use(page: Any) -> Any:
        await page.evaluate("document.querySelector('article').scrollIntoView()")
        shown = []
        for key in ("Home", "End", "ArrowLeft"):
            await page.keyboard.press(key)
            shown.append(await page.evaluate(IN_VIEW))
        return shown

    assert opened(chromium, page_of("login"), use, wide=390).result == [None, True, True]

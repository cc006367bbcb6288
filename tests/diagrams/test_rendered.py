"""The picture in a real browser, with this machine's fonts: labels keep their distance, colours follow the reader."""

from __future__ import annotations

from itertools import combinations

import pytest

from authflow.diagrams import draw
from authflow.diagrams.paint import PALETTE

BOXES = """() => [...document.querySelectorAll('svg text')].map(text => {
  const box = text.getBoundingClientRect();
  return [text.textContent, box.left, box.top + box.height * .14, box.right, box.bottom - box.height * .14];
})"""
STATES = """() => [...document.querySelectorAll('[data-state] > rect')].map(rect => {
  const box = rect.getBoundingClientRect();
  return [rect.parentNode.dataset.state, box.left, box.top, box.right, box.bottom];
})"""
PAGE = "() => getComputedStyle(document.querySelector('svg > rect')).fill"


async def look(chromium, text: str, *scripts: str, scheme: str = "light") -> list:
    page = await chromium.new_page()
    try:
        await page.emulate_media(color_scheme=scheme)
        await page.set_content(f"<body style='margin:0'>{text}</body>")
        return [await page.evaluate(script) for script in scripts]
    finally:
        await page.context.close()


def meet(a: list, b: list) -> bool:
    return a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4]


def test_no_text_overlaps_another_or_a_foreign_state(chromium) -> None:
    texts, states = chromium.start(look(chromium, draw("svg"), BOXES, STATES)).result(timeout=60)

    assert [(a[0], b[0]) for a, b in combinations(texts, 2) if meet(a, b)] == []
    assert {(a[0], b[0]) for a in texts for b in states if meet(a, b) and a[0] != b[0]} == set()


def test_every_text_stays_on_the_page(chromium) -> None:
    (texts,) = chromium.start(look(chromium, draw("svg"), BOXES)).result(timeout=60)

    assert len(texts) > 40
    assert all(left > 0 and right < 1372 and top > 0 and bottom < 550 for _, left, top, right, bottom in texts)


@pytest.mark.parametrize(("scheme", "side"), [("light", 0), ("dark", 1)])
def test_auto_follows_the_reader(chromium, scheme: str, side: int) -> None:
    (fill,) = chromium.start(look(chromium, draw("svg", theme="auto"), PAGE, scheme=scheme)).result(timeout=60)

    wanted = PALETTE["page"][side].removeprefix("#")
    assert fill == f"rgb({', '.join(str(int(wanted[i : i + 2], 16)) for i in (0, 2, 4))})"

"""The page of all drawings in a real browser."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from .opened import opened

PAGE = Path(__file__).parents[2] / "diagrams" / "index.html"


BOXES = """() => [...document.querySelectorAll('svg')].map(svg => [svg.id, svg.getBoundingClientRect(),
  [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()])])
  .map(([id, all, texts]) => [id, [all.left, all.top, all.right, all.bottom],
    texts.map(([text, b]) => [text, b.left, b.top + b.height * .16, b.right, b.bottom - b.height * .16])])"""


async def drawings(page: Any) -> list[Any]:
    return [
        await page.locator("svg").count(),
        await page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)"),
        await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("wide", [390, 1200])
def test_it_loads_nothing_complains_of_nothing_and_fits(chromium, scheme: str, wide: int) -> None:
    seen = opened(chromium, PAGE, drawings, scheme=scheme, wide=wide)
    count, ids, too_wide = seen.result

    assert (seen.requests, seen.errors) == ([], [])
    assert count > 15
    assert len(ids) == len(set(ids))
    assert too_wide <= 0


def test_no_text_lies_on_another_or_beside_its_drawing_in_any_flow_or_providers_chart(chromium) -> None:
    async def use(page: Any) -> Any:
        return await page.evaluate(BOXES)

    shown = opened(chromium, PAGE, use).result
    overlaps = [
        (id, a[0], b[0]) for id, _, texts in shown for a, b in combinations(texts, 2)
        if a[1] < b[3] and b[1] < a[3] and a[2] < b[4] and b[2] < a[4]
    ]  # fmt: skip
    outside = [
        (id, text[0]) for id, (left, top, right, bottom), texts in shown for text in texts
        if text[1] < left or text[2] < top or text[3] > right or text[4] > bottom
    ]  # fmt: skip

    assert len(shown) > 15
    assert (overlaps, outside) == ([], [])

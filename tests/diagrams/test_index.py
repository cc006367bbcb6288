"""The page of all drawings in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .opened import opened

PAGE = Path(__file__).parents[2] / "diagrams" / "index.html"


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

"""A page of ours in a real Chromium: what it asked for, what it complained about, and what can be seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """`requests` are those beyond the file itself; `errors` what stands in the console."""

    requests: list[str]
    errors: list[str]
    result: Any


def opened(
    chromium: Any, path: Path, use: Callable[[Any], Awaitable[Any]], *, scheme: str = "light", wide: int = 1200
) -> Seen:
    """Opens the file in a fresh profile and lets `use(page)` work on it."""
    return chromium.run(_opened(chromium, path, use, scheme, wide))


async def _opened(chromium: Any, path: Path, use: Callable[[Any], Awaitable[Any]], scheme: str, wide: int) -> Seen:
    screen = {"width": wide, "height": 900}
    page = await chromium.new_page(color_scheme=scheme, viewport=screen, reduced_motion="reduce")
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        await page.goto(path.as_uri())
        result = await use(page)
    finally:
        await page.context.close()
    return Seen([url for url in requests if url.split("?")[0].split("#")[0] != path.as_uri()], errors, result)

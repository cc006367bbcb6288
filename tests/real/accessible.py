"""What axe-core finds on a page that a browser shows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"


async def complaints(page: Any, *, apart_from: Iterable[str] = ()) -> list[str]:
    """One line for each complaint. `apart_from`: rules about what is not ours on this page."""
    if not AXE.is_file():
        pytest.skip("axe-core is needed: npm ci --prefix tests/real/axe")
    # The page's own policy may admit no script: this one is put beside it, by the browser's tool.
    await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    options = {"iframes": False, "rules": {name: {"enabled": False} for name in apart_from}}
    found = (await page.evaluate("options => axe.run(options)", options))["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found]

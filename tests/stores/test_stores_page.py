"""The page about stores: its code runs, and it tells of each store who reads it, what a crash leaves, who shares it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from authflow.stores import FileStore, SQLiteStore

PAGE = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S):
        names: dict[str, object] = {}
        exec(block, names)
        for made in names.values():
            if isinstance(made, FileStore | SQLiteStore):
                made.close()


@pytest.mark.parametrize(
    "store", ["MemoryStore", "FileStore", "SQLiteStore", "RedisStore", "SQLStore", "ClientStore"]
)
def test_every_store_is_told_about(store: str) -> None:
    heads = [line for line in PAGE.splitlines() if line.startswith("| |")]
    assert sum(f"`{store}`" in head for head in heads) == 1
    for question in ("who can read it", "after `kill -9`", "after a power cut", "several processes of one machine"):
        assert f"| {question} |" in PAGE

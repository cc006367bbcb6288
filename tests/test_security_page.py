"""docs/security.md against the tests: every row is there, in order, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
ALL = 149


def names_in(file: Path) -> set[str]:
    return set(re.findall(r"^\s*(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE))


def test_every_row_is_there_in_order() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, ALL + 1))


def test_every_row_has_a_test() -> None:
    assert [int(number) for number, _, tests in ROWS if "test_" not in tests] == []


def test_every_test_that_is_named_exists() -> None:
    named = [link for _, _, tests in ROWS for link in re.findall(r"\[(test_\w+)\]\(\.\./([\w/.]+)\)", tests)]
    missing = [(name, file) for name, file in named if name not in names_in(ROOT / file)]
    assert missing == []
    assert len(named) > ALL

"""The page about diagrams: its code runs, and it names the forms that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from authflow.diagrams import RENDERERS
from authflow.diagrams.exports import _BY_SUFFIX
from tests.trace.examples import FAILED_LOGIN

PAGE = (Path(__file__).parents[2] / "docs" / "diagrams.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


def run(block: str, folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_session_is_drawn(tmp_path: Path) -> None:
    assert run(BLOCKS[0], tmp_path) == ['title: "A login at GitHub"', "True digraph authflow {"]


def test_a_trace_is_saved(tmp_path: Path) -> None:
    FAILED_LOGIN.save(tmp_path / "failed.json")

    assert run(BLOCKS[1], tmp_path) == ["<Trace 1 stories; login of acme: fail>"]
    assert {path.name for path in tmp_path.iterdir()} == {"failed.json", "failed.html", "failed.svg", "failed.mmd"}


def test_what_was_walked_is_counted(tmp_path: Path) -> None:
    assert run(BLOCKS[2], tmp_path) == ["1"]
    assert (tmp_path / "monday.json").is_file()


def test_every_block_is_run_here() -> None:
    assert len(BLOCKS) == 3


def test_every_form_is_told_about() -> None:
    assert [name for name in RENDERERS if f"`{name}`" not in PAGE] == []
    assert [suffix for suffix in set(_BY_SUFFIX) - {".htm"} if f"`{suffix}`" not in PAGE] == []

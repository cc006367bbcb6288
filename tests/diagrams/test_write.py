"""The folder `diagrams/`: generated, committed, and checked byte by byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from authflow import SessionManager
from authflow.chart import CHART, State
from authflow.diagrams import RENDERERS, draw
from authflow.diagrams.write import check, render_all, write
from authflow.providers import GitHub

from .opened import opened

FOLDER = Path(__file__).parents[2] / "diagrams"


def test_the_committed_diagrams_are_those_of_the_chart() -> None:
    assert check(FOLDER) == []


def test_a_new_folder_gets_every_file(tmp_path: Path) -> None:
    written = write(tmp_path / "new" / "diagrams")

    assert written == [*render_all(), "chart.png"]
    assert {"chart.mmd", "chart.dot", "chart-light.svg", "chart-dark.svg", "README.md", "index.html"} <= set(written)
    assert check(tmp_path / "new" / "diagrams") == []


def test_only_what_is_stale_is_written(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "chart.dot").write_text("somebody's edit")
    (tmp_path / "chart.mmd").unlink()

    assert check(tmp_path) == ["chart.mmd", "chart.dot"]
    assert write(tmp_path) == ["chart.mmd", "chart.dot"]
    assert write(tmp_path) == []


def test_a_check_writes_nothing(tmp_path: Path) -> None:
    check(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_changed_chart_changes_every_file() -> None:
    before, after = render_all(), render_all(CHART[:-1])

    assert all(before[path] != after[path] for path in before if not path.startswith("flows/"))


def test_the_folder_holds_nothing_else() -> None:
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}

    assert found == {*render_all(), "chart.png"}


def test_a_picture_of_another_chart_is_stale(tmp_path: Path) -> None:
    write(tmp_path, CHART[:-1])
    picture = (tmp_path / "chart.png").read_bytes()
    write(tmp_path)
    (tmp_path / "chart.png").write_bytes(picture)

    assert check(tmp_path) == ["chart.png"]


def test_the_bytes_are_the_same_in_another_process() -> None:
    code = (
        "import hashlib; from authflow.diagrams.write import render_all;"
        "print(hashlib.sha256(b''.join(render_all().values())).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C"})
    }

    assert len(runs) == 1


def test_the_readme_shows_the_picture_and_every_row() -> None:
    text = render_all()["README.md"].decode()

    assert 'srcset="chart-dark.svg"' in text
    assert 'src="chart-light.svg"' in text
    for row in CHART:
        assert f"| `{row.trigger}` | {', '.join(row.sources)} | {row.target} | " in text


def test_the_readme_and_the_page_show_every_drawing() -> None:
    files = render_all()
    text, shown = files["README.md"].decode(), files["index.html"].decode()

    for path in files:
        if path.endswith((".svg", ".mmd", ".dot")):
            assert f"({path})" in text or f'"{path}"' in text
    assert shown.count("<svg ") == 1 + len(
        [path for path in files if path.startswith(("flows/", "providers/")) and path.endswith(".svg")]
    )


def test_every_format_has_its_renderer() -> None:
    assert draw("svg").startswith("<svg ")
    assert "stateDiagram-v2" in draw("mermaid")
    assert draw("dot").startswith("digraph ")
    assert draw("html").startswith("<!doctype html>")
    assert draw("png").startswith(b"\x89PNG")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_session_loads_nothing_and_complains_of_nothing(chromium, tmp_path: Path, scheme: str) -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        (tmp_path / "session.html").write_text(manager["github"].diagram("html"), encoding="utf-8")

    async def use(page: Any) -> Any:
        drawing = page.locator("svg").first
        return await page.title(), await drawing.is_visible(), await drawing.locator("text").all_text_contents()

    seen = opened(chromium, tmp_path / "session.html", use, scheme=scheme)
    title, visible, texts = seen.result

    assert (seen.requests, seen.errors) == ([], [])
    assert "GitHub" in title
    assert visible
    assert {state.value for state in State} <= set(texts)


def test_the_present_state_is_lit_in_every_format() -> None:
    assert all(draw(format, state=State.REFRESHING) != draw(format) for format in RENDERERS)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(KeyError):
        draw("gif")

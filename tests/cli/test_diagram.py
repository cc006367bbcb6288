"""`authflow diagram`, as typed."""

from __future__ import annotations

from pathlib import Path

from authflow.chart import CHART, State, Trigger
from authflow.diagrams import draw
from authflow.diagrams.arrows import Edge
from authflow.diagrams.coverage import TransitionCounter
from authflow.diagrams.write import PICTURE, render_all

FILES = len({*render_all(), PICTURE})


def test_written_diagrams_pass_the_check(authflow, tmp_path: Path) -> None:
    written = authflow("diagram", "write", "--folder", "pictures/chart")
    checked = authflow("diagram", "check", "--folder", "pictures/chart")

    assert written.returncode == checked.returncode == 0
    assert written.stdout.count("written ") == FILES
    assert (tmp_path / "pictures/chart/chart-dark.svg").is_file()
    assert f"all {FILES} files are as the chart says" in checked.stdout


def test_the_folder_is_diagrams_when_none_is_named(authflow, tmp_path: Path) -> None:
    authflow("diagram", "write")

    assert (tmp_path / "diagrams" / "README.md").is_file()


def test_written_twice_it_says_that_nothing_changed(authflow) -> None:
    authflow("diagram", "write")

    assert authflow("diagram", "write").stdout == f"diagrams: all {FILES} files are as the chart says.\n"


def test_an_edited_picture_and_a_missing_one_fail_the_check(authflow, tmp_path: Path) -> None:
    authflow("diagram", "write")
    (tmp_path / "diagrams/chart.mmd").write_text("stateDiagram-v2\n")
    (tmp_path / "diagrams/chart.dot").unlink()

    told = authflow("diagram", "check")

    assert told.returncode == 1
    assert "chart.mmd is not what the chart says" in told.stderr
    assert "chart.dot is missing" in told.stderr
    assert "To renew: authflow diagram write --folder diagrams" in told.stderr


def test_a_folder_that_cannot_be_written_is_named(authflow, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    told = authflow("diagram", "write", "--folder", "file/diagrams")

    assert told.returncode == 1
    assert "cannot be" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_file_is_no_folder(authflow, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    told = authflow("diagram", "check", "--folder", "file")

    assert told.returncode == 2
    assert "is a file" in told.stderr


def test_two_charts_are_compared_for_a_changelog(authflow, tmp_path: Path) -> None:
    (tmp_path / "old.mmd").write_text(draw("mermaid", chart=CHART[:-1]), encoding="utf-8")
    (tmp_path / "new.svg").write_text(draw("svg"), encoding="utf-8")

    changed = authflow("diagram", "diff", "old.mmd", "new.svg")
    same = authflow("diagram", "diff", "new.svg", "new.svg")

    assert (changed.returncode, changed.stdout) == (1, "- added: `forget`, logged_out → idle\n")
    assert (same.returncode, same.stdout) == (0, "The charts are the same.\n")


def test_what_is_no_chart_cannot_be_compared(authflow, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")

    told = authflow("diagram", "diff", "a.txt", "a.txt")

    assert told.returncode == 2
    assert "no drawing of a chart" in told.stderr


def test_counts_of_several_runs_are_drawn_together(authflow, tmp_path: Path) -> None:
    logout = Edge(State.AUTHENTICATED, Trigger.LOGOUT, State.LOGGED_OUT)
    TransitionCounter({logout: 2}).save(tmp_path / "a.json")

    told = authflow("diagram", "coverage", "a.json", "a.json", "-o", "both.svg")
    under = authflow("diagram", "coverage", "a.json", "--fail-under", "50")

    assert told.returncode == 0
    assert "logout" in told.stdout
    assert [line.split()[-1] for line in told.stdout.splitlines() if " logout " in line] == ["4", "–"]
    assert (tmp_path / "both.svg").is_file()
    assert under.returncode == 1
    assert "less than 50 %" in under.stderr

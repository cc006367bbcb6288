"""`authflow diagram`, as typed."""

from __future__ import annotations

from pathlib import Path

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

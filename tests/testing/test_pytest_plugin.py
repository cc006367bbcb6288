"""The plugin in a test run of its own: asked for, it draws what was walked; not asked for, nothing happens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from authflow.diagrams.coverage import TransitionCounter

TESTS = """
from authflow import SessionManager
from authflow.providers import GitHub
from authflow.testing import signed_in

def test_in_and_out():
    with SessionManager([GitHub("id", "secret")]) as manager:
        signed_in(manager, "github", user={"id": 1})
        manager["github"].logout(revoke=False)
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_ours.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "authflow.testing.pytest_plugin", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


def test_it_counts_every_manager_of_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, "--authflow-coverage=walked.json")
    counts = TransitionCounter.from_json((tmp_path / "walked.json").read_bytes()).counts

    assert done.returncode == 0, done.stdout + done.stderr
    assert [count for edge, count in counts.items() if edge.trigger == "logout"] == [1]
    assert "transitions taken, written to walked.json" in done.stdout
    assert "not taken: defer (refreshing → authenticated)" in done.stdout


def test_it_draws_the_chart(tmp_path: Path) -> None:
    assert run(tmp_path, "--authflow-coverage=walked.svg").returncode == 0
    assert (tmp_path / "walked.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_nobody_asks_and_nothing_is_loaded(tmp_path: Path) -> None:
    done = run(tmp_path)

    assert done.returncode == 0
    assert "authflow" not in done.stdout
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".py"}


@pytest.mark.parametrize(
    ("name", "told"),
    [("walked.gif", "cannot be saved as 'walked.gif'"), ("none/walked.svg", "cannot be written"), (".", "cannot be")],
)
def test_what_cannot_be_written_is_told_before_the_first_test(tmp_path: Path, name: str, told: str) -> None:
    done = run(tmp_path, f"--authflow-coverage={name}")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert told in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "passed" not in done.stdout

"""Completion as a shell asks for it: `authflow` is started with the words so far."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from authflow.testing import DevProvider

from .conftest import Run, configure


def completed(authflow: Run, typed: str, env: dict[str, str] | None = None) -> list[str]:
    words = typed.split(" ")
    asked = {"_AUTHFLOW_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    told = authflow(env={**(env or {}), **asked})
    assert told.returncode == 0
    return [line.partition(",")[2] for line in told.stdout.splitlines() if line]


def test_commands_are_completed(authflow: Run) -> None:
    assert completed(authflow, "authflow log") == ["login", "logout"]


def test_options_are_completed(authflow: Run) -> None:
    assert "--json" in completed(authflow, "authflow status --")


def test_the_names_of_configured_providers_are_completed(authflow: Run, acme: DevProvider, tmp_path: Path) -> None:
    assert completed(authflow, "authflow login a", configure(tmp_path, acme)) == ["acme"]


def test_without_a_configuration_nothing_is_completed_and_nothing_said(authflow: Run) -> None:
    assert completed(authflow, "authflow login a") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(authflow: Run, shell: str) -> None:
    told = authflow("completion", shell)
    assert told.returncode == 0
    assert "_AUTHFLOW_COMPLETE" in told.stdout
    found = shutil.which(shell)
    if found is not None:  # bash is everywhere that these tests are
        subprocess.run([found, "-n"], input=told.stdout, text=True, check=True, timeout=30)

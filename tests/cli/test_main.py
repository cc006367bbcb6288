"""The console script itself: help, missing extras, wrong words, pipes."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from authflow.cli.main import COMMANDS, load

from .conftest import ROOT


def test_without_a_word_it_shows_every_command(authflow) -> None:
    told = authflow("--help")

    assert told.returncode == 0
    for name, line in COMMANDS.items():
        assert name in told.stdout
        assert line in " ".join(told.stdout.split())


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS), ["diagram", "write"], ["diagram", "check"]])
def test_every_help_shows_an_example(authflow, words: list[str]) -> None:
    told = authflow(*words, "--help")

    assert told.returncode == 0
    example = told.stdout.partition("Example")[2]
    assert f"authflow {' '.join(words)}".rstrip() in " ".join(example.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_name(name: str) -> None:
    command = load(name)

    assert isinstance(command, click.Command)
    assert command.name == name


def test_a_command_that_is_not_typed_is_not_loaded() -> None:
    code = (
        "import sys; from authflow.cli import main; main(['verify']);"
        "print([n for n in ('httpx', 'rich', 'transitions', 'starlette', 'authflow.cli.demo') if n in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert told.splitlines()[-1] == "[]"


@pytest.mark.parametrize("blocked", ["click", "rich"])
@pytest.mark.parametrize(
    ("words", "extra"), [([], "cli"), (["--help"], "cli"), (["verify"], "cli"), (["demo"], "demo")]
)
def test_without_the_extra_it_prints_the_line_that_installs_it(authflow, words, extra: str, blocked: str) -> None:
    told = authflow(*words, blocked=(blocked,))

    assert told.returncode == 2
    assert told.stdout == ""
    assert f"    pip install 'authflow-sessions[{extra}]'\n" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_word_that_is_no_command_is_refused(authflow) -> None:
    told = authflow("sing-in")

    assert told.returncode == 2
    assert "No such command 'sing-in'" in told.stderr


def test_the_version_is_the_packages(authflow) -> None:
    from authflow import __version__

    assert authflow("--version").stdout == f"authflow {__version__}\n"


def test_a_terminal_without_arrows_gets_question_marks(authflow) -> None:
    told = authflow("verify", env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})

    assert told.returncode == 0
    assert "All 12 invariants hold." in told.stdout


def test_a_reader_that_leaves_early_sees_no_traceback(tmp_path) -> None:
    line = f'"{sys.executable}" -m authflow.cli verify | true'
    told = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "Traceback" not in told.stderr
    assert "BrokenPipe" not in told.stderr

"""What must hold for the files of the project themselves, whoever checks them out, wherever."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import authflow
from authflow.errors import MissingExtra
from tests.conftest import REWRITTEN

ROOT = Path(__file__).parent.parent
OF_SESSIONS = r".*\b(session|manager)\._\w+"
OF_OTHERS = {"_asdict", "_fields", "_replace", "_fetch_user", "_fetch_groups", "_trigger_event"}  # namedtuple's, Flet's
DEMO = "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/authflow demo"
TESTS = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest"

# Written so that this file does not name them itself.
A_HOME = re.compile(r"(?<![\w.%-])/(?:work|root|farm|home|Users)/")
A_WORKPLACE = re.compile("|".join((r"\.\./" + "shared", "index" + "-url", "--" + "registry", "/tmp/" + "brief")))
A_REGISTRY = re.compile(r"registry\.npmjs|pypi\.org|files\.pythonhosted|deb\.debian|proxy\.golang")


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return [path for folder in ("authflow", "tests", "examples") for path in (ROOT / folder).rglob("*.py")]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{path.relative_to(ROOT)}:{number}", line


def asserts_in(path: Path) -> list[int]:
    return [node.lineno for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Assert)]


def private_parts_seen(room: Path) -> list[str]:
    """`thing._part` in a package that has no such part itself."""
    trees = {path: ast.parse(path.read_bytes()) for path in room.rglob("*.py")}
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    names = [(path, node) for path, node in nodes if isinstance(node, ast.Attribute) and node.attr.startswith("_")]
    own = {node.attr for _, node in names if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")}
    own |= {node.name for _, node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= OF_OTHERS
    foreign = [(path, node) for path, node in names if node.attr not in own and node.attr[:2] != "__"]
    foreign += [(path, node) for path, node in names if re.fullmatch(OF_SESSIONS, ast.unparse(node))]
    return [f"{path.relative_to(ROOT)}:{node.lineno}: {node.attr}" for path, node in foreign]


def modules() -> list[str]:
    found = pkgutil.walk_packages(authflow.__path__, "authflow.")
    return ["authflow", *(one.name for one in found if not one.name.endswith("__main__"))]


def test_no_file_names_the_machine_it_was_written_on() -> None:
    found = [
        where
        for path in tracked_files()
        for where, line in lines_of(path)
        if A_HOME.search(line) or A_WORKPLACE.search(line) or A_REGISTRY.search(line)
    ]
    assert found == []


def test_the_library_has_no_assert_because_python_o_drops_it() -> None:
    assert {str(path): at for path in (ROOT / "authflow").rglob("*.py") if (at := asserts_in(path))} == {}


def test_test_helpers_have_no_assert_because_python_o_drops_it_there_too() -> None:
    """pytest keeps the asserts of `test_*.py`, of `conftest.py` and of what is registered alive, and no others."""
    kept = {ROOT / (name.replace(".", "/") + ".py") for name in REWRITTEN}
    helpers = [
        path
        for path in tracked_files()
        if path.is_relative_to(ROOT / "tests")
        and path.suffix == ".py"
        and not path.name.startswith("test_")
        and path.name != "conftest.py"
        and path not in kept
    ]
    assert {str(path): at for path in helpers if (at := asserts_in(path))} == {}


def test_every_file_of_the_library_begins_with_its_idea() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "authflow").rglob("*.py")}
    assert [str(path) for path, text in sources.items() if text and not ast.get_docstring(ast.parse(text))] == []


def test_a_guest_reads_no_private_attribute_of_what_it_visits() -> None:
    """What a guest needs has a public name. (`testing/sessions.py` makes states that no login leads to: it may.)"""
    rooms = (ROOT / "authflow" / guest for guest in ("cli", "dashboard", "integrations", "tui"))
    assert [seen for room in rooms for seen in private_parts_seen(room)] == []


@pytest.mark.parametrize("name", modules())
def test_every_public_name_is_there(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)] == []


@pytest.mark.parametrize("command", [DEMO, TESTS])
def test_readme_shows_the_command_that_does_everything(command: str) -> None:
    assert command in [line.strip() for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()]


def test_the_checks_call_readmes_test_command() -> None:
    assert TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("parts", ["panva", "axe"])
def test_the_npm_lock_file_names_no_host(parts: str) -> None:
    lock = (ROOT / "tests" / "real" / parts / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock

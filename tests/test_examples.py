"""Every example runs. With `AUTHFLOW_EXAMPLE_HEADLESS=1` an example uses a scripted person instead of a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SECONDS = 60

# What each prints, line by line; the development provider's own warning goes to standard error.
TOLD = {
    "asyncio_many": [
        "acme: <AsyncSession 'acme' authenticated>; live: True",
        "globex: <AsyncSession 'globex' authenticated>; live: True",
        "initech: the user said no; live: False",
        "acme: 10 callers renewed the token with 1 request",
    ],
    "custom_provider": [r"Ada Lovelace <ada@example\.com>, number \d+, in \['.+'\]", "Forge: authenticated; .+"],
    "dashboard_rows": [
        r"acme +- +authenticated +Ada Lovelace +[0-9a-f]{8} +\d+ s +-",
        "globex +- +logged_out .+ expired",
    ],
    "desktop": ["hello Ada Lovelace from Acme", "the API answered 200; .+", "signed out; .+ refresh_token, .+"],
    "device_code": [r"open http://127\.0\.0\.1:\d+/device and enter [A-Z]{4}-[A-Z]{4}", "hello Ada Lovelace"],
    "mcp_client": [
        "without a token: 401",
        "signed in with profile offline_access",
        "with a token: 200",
        "the server wants more: files:write",
        "with more scope: 200",
        "now it has .*files:write.*",
    ],
    "gradio_app": ["a stranger: False", "Ada: True"],
    "nicegui_page": ["a stranger reads of books: False", "Ada reads of books: True"],
    "panel_page": ["a stranger: False", "Ada: True"],
    "qt_desktop": ["Not signed in", "Signed in as Ada Lovelace", "The API answered 200.", "Not signed in"],
    "mcp_sdk": [
        "without a token: 401 True",
        "signed in by the provider that the server named",
        "tools: read_file",
        "it says: the text of notes.txt",
        "it says: the text of notes.txt",
    ],
    "remember_me": ["hello Ada Lovelace", "welcome back, Ada Lovelace", "sign in again: .+", "hello Ada Lovelace"],
    "sign_in_button": [
        r"\[ Sign in with Acme \]",
        "cancelled",
        r"\[ Sign out Ada Lovelace \]",
        r"\[ Sign in with Acme \]",
    ],
    "web_django": [r"account: +\{.*Ada Lovelace.*", "a stray: +400", "the page: .*authenticated.*"],
    "web_fastapi": [r"account: +\{.*Ada Lovelace.*", "a stray: +400", "the page: .*authenticated.*"],
    "web_flask": [r"account: +\{.*Ada Lovelace.*", "a stray: +400", "the page: .*authenticated.*"],
    "web_quart": [r"account: +\{.*Ada Lovelace.*", "a stray: +400", "the page: .*authenticated.*"],
    "streamlit_app": ["a stranger: False", "Ada: True"],
    "textual_mail": ["Not signed in", "Signed in as Ada Lovelace", "Not signed in"],
    "tk_window": ["there is no display|Signed in as Ada Lovelace"],
    "web_starlette": ["account: +hello Ada Lovelace", "a stray: +400", "the page: .*authenticated.*"],
    "your_own_tests": ["7 passed.+"],
}

# Module and extra.
NEEDS = {
    "gradio_app": ("gradio", "gradio"),
    "nicegui_page": ("nicegui", "nicegui"),
    "panel_page": ("panel", "panel"),
    "qt_desktop": ("PySide6", "qt"),
    "streamlit_app": ("streamlit", "streamlit"),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs_and_leaves_nothing_behind(example: Path, tmp_path: Path) -> None:
    module, extra = NEEDS.get(example.stem, ("authflow", ""))
    if find_spec(module) is None:
        pytest.skip(f"pip install 'authflow-sessions[{extra}]'")
    environment = {**os.environ, "AUTHFLOW_EXAMPLE_HEADLESS": "1", "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(example)],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    noise = [line for line in run.stderr.splitlines() if "for development only" not in line and "took" not in line]
    assert noise == []
    lines = iter(run.stdout.splitlines())
    for told in TOLD.get(example.stem, []):
        assert any(re.fullmatch(told, line) for line in lines), f"{told!r} is missing in\n{run.stdout}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_begins_with_what_it_shows(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    head = text.splitlines()
    assert head[0].startswith('"""')
    assert head[0].endswith((".", ":"))
    assert head[1] == ""
    assert 'if __name__ == "__main__":' in text


def test_every_example_stands_in_the_index_of_the_documentation() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [one.name for one in EXAMPLES if f"(../examples/{one.name})" not in index] == []

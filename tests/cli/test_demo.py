"""`authflow demo`, as typed: without a human, with one (played), interrupted, and with a step that does not happen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import ROOT

posix = pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is needed")

BROWSER = """
import os, sys
if os.fork():
    os._exit(0)  # a launcher returns at once, the browser lives on
from authflow.testing import ScriptedBrowser
with ScriptedBrowser(user="ada") as browser:
    browser.go(sys.argv[-1])
"""


def on_a_terminal(code: str, env: dict[str, str], stop_at: str = "", seconds: float = 60) -> tuple[int, str]:
    """Runs Python `code` on a pseudo-terminal; Ctrl-C once `stop_at` was seen. Exit status and output."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "PYTHONUTF8": "1", "CI": "", **env},
    )  # fmt: skip
    os.close(theirs)
    seen, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
        if stop_at and stop_at.encode() in seen:
            process.send_signal(signal.SIGINT)
            stop_at = ""
    os.close(ours)
    status = process.wait(timeout=seconds)
    return status, seen.decode(errors="replace").replace("\r\n", "\n")


def test_every_step_happens_without_a_human(authflow) -> None:
    told = authflow("demo")

    assert told.returncode == 0, told.stdout + told.stderr
    assert "This is not a terminal: a scripted user signs in" in told.stdout
    assert told.stdout.endswith("All 19 steps happened.\n")
    assert told.stderr == ""


@pytest.fixture(scope="module")
def played() -> str:
    """What `authflow demo --headless` wrote into a pipe."""
    told = subprocess.run(
        [sys.executable, "-m", "authflow.cli", "demo", "--headless"], cwd=ROOT, capture_output=True, text=True,
        encoding="utf-8", check=True, env={**os.environ, "PYTHONUTF8": "1", "TERM": "xterm-256color"}, timeout=120,
    )  # fmt: skip
    return told.stdout


def test_states_signals_users_and_renewals_are_shown(played: str) -> None:
    for name, user in (("acme", "Ada Lovelace"), ("globex", "Grace Hopper"), ("octo", "Alan Turing")):
        mine = [line for line in played.splitlines() if re.match(rf" +[\d.]+ s  {name} ", line)]
        text = "\n".join(mine)
        for word in (
            "idle → authorizing", "authorizing → exchanging", "exchanging → authenticated", "on_login",
            "authenticated → refreshing", "refreshing → authenticated", "on_refresh",
            "authenticated → logged_out", "on_logout", f"hello {user}", "GET /api/me answered 200",
        ):  # fmt: skip
            assert word in text, (name, word)
        before, after = re.search(r"token ([0-9a-f]{8}) became ([0-9a-f]{8})", text).groups()
        assert before != after
    assert "Acme's own session ended" in played
    assert "revoked: refresh_token, access_token" in played


def test_a_denied_login_is_expected_and_shown(authflow) -> None:
    told = authflow("demo", "--headless", "--deny")

    assert told.returncode == 0
    assert "denied, as expected: access_denied" in told.stdout
    assert "on_login_failed" in told.stdout
    assert told.stdout.endswith("All 14 steps happened.\n")


def test_nothing_but_text_goes_through_a_pipe(played: str) -> None:
    assert "\x1b" not in played
    assert "\r" not in played


def test_no_token_is_shown(played: str) -> None:
    assert not re.search(r"dev_(at|rt)_|gh[or]_|eyJ|code=|state=", played)


def test_without_the_extra_it_prints_the_line_that_installs_it(authflow) -> None:
    for blocked in ("starlette", "uvicorn"):
        told = authflow("demo", blocked=(blocked,))

        assert told.returncode == 2
        assert "    pip install 'authflow-sessions[demo]'\n" in told.stderr
        assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("DevProvider.accepts = lambda self, token: True", "not signed out: the provider still takes the access token"),
        ("DevProvider.accepts = lambda self, token: False", "not signed in: the provider does not know the token"),
        ("ScriptedBrowser.__init__ = deny(ScriptedBrowser.__init__)", "not signed in: "),
        ("Session.refresh = lambda self: None", "not renewed the token: heard "),
    ],
)
def test_a_step_that_did_not_happen_fails_the_demo(fault: str, said: str) -> None:
    code = (
        "import sys; from authflow.testing import DevProvider, ScriptedBrowser; from authflow.session import Session\n"
        "def deny(real):\n    return lambda self, **more: real(self, **{**more, 'deny': True})\n"
        f"{fault}\n"
        "from authflow.cli import main; sys.exit(main(['demo', '--headless']))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONUTF8": "1"}, timeout=120,
    )  # fmt: skip

    assert told.returncode == 1
    assert f"Failed: acme: {said}" in told.stderr
    assert re.search(r"^\d+ of 19 steps happened\.$", told.stdout, re.M)


@posix
def test_on_a_terminal_without_a_display_it_says_who_signs_in() -> None:
    status, seen = on_a_terminal(
        "import sys; from authflow.cli import main; sys.exit(main(['demo']))",
        {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""},
    )

    assert status == 0
    assert "a scripted user signs in" in seen
    assert "\x1b[" in seen  # colour


@posix
def test_with_a_terminal_and_a_browser_the_human_signs_in(tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)

    status, seen = on_a_terminal(
        "import sys; from authflow.cli import main; sys.exit(main(['demo']))",
        {"DISPLAY": "", "BROWSER": f"{sys.executable} {script}", "PYTHONPATH": str(ROOT)},
    )

    assert status == 0, seen
    assert "Your browser opens." in seen
    assert seen.count("waiting for you in the browser") == 3
    assert seen.count("hello Ada Lovelace") == 3
    assert "All 19 steps happened." in seen


@posix
def test_ctrl_c_while_a_human_is_awaited_leaves_no_thread_behind() -> None:
    status, seen = on_a_terminal(
        "import sys, threading; from authflow.cli import main; status = main(['demo']);"
        "print('left:', [t.name for t in threading.enumerate()]); sys.exit(status)",
        {"DISPLAY": "", "BROWSER": "true"},
        stop_at="waiting for you in the browser",
    )

    assert status == 130
    assert "Interrupted." in seen
    assert "left: ['MainThread']" in seen

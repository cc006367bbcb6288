"""`authflow demo`, as typed: without a human, with one (played), and with a step that does not happen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT

posix = pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is needed")

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


def test_the_traces_are_one_page_with_every_story(authflow, tmp_path: Path) -> None:
    told = authflow("demo", "--headless", "--save", "shown/demo.html")

    assert told.returncode == 0, told.stdout + told.stderr
    assert "shown/demo.html" in told.stdout
    page = (tmp_path / "shown" / "demo.html").read_text(encoding="utf-8")
    assert page.count("<article") == 9  # a login, a refresh and a sign-out of each
    assert "default-src 'none'" in page


def test_a_page_that_cannot_be_written_fails_nothing(authflow, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = authflow("demo", "--headless", "--save", "file/demo.html")

    assert told.returncode == 0
    assert "could not be written" in told.stdout


PLAY = """
import sys, threading
from authflow.cli import main
try:
    status = main(["demo"])
except SystemExit as ended:
    status = ended.code
print("left:", [thread.name for thread in threading.enumerate()])
sys.exit(status)
"""


@posix
def test_on_a_terminal_it_serves_the_dashboard_until_ctrl_c_and_leaves_nothing() -> None:
    env = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    status, seen = on_a_terminal(PLAY, env, stop_at="Enter: another link")

    assert status == 0, seen
    assert "Open this link; it works once:" in seen
    assert re.search(r"http://127\.0\.0\.1:\d+/#[\w-]{43}", seen)
    assert seen.count("on_login") == 2
    assert "Ended: every thread and every port of the demo is closed" in seen
    assert "left: ['MainThread']" in seen
    assert "\x1b[" in seen  # colour


@posix
def test_on_a_terminal_with_a_browser_it_opens_the_dashboard_there(tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    script.write_text("import sys; open(sys.argv[1], 'w').write(sys.argv[-1])")
    env = {"DISPLAY": "", "BROWSER": f"{sys.executable} {script} {tmp_path / 'opened'}"}

    status, seen = on_a_terminal(PLAY, env, stop_at="Enter: another link")

    assert status == 0, seen
    assert "The dashboard is in your browser" in seen
    opened = (tmp_path / "opened").read_text()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#[\w-]{43}", opened)
    assert opened.partition("#")[2] not in seen


def test_a_human_signs_in_pulls_a_plug_puts_it_back_and_lets_a_token_expire(chromium) -> None:
    from authflow.cli import demo, showcase
    from authflow.cli.screen import Screen
    from tests.dashboard.visiting import ROW, visit

    async def play(page: Any) -> Any:
        row = page.locator(ROW).filter(has_text="Octo Hub")
        async with page.context.expect_page() as opened:
            await row.get_by_role("button", name="Sign in").click()
        login = await opened.value
        await login.get_by_role("button", name="Alan Turing").click()
        await login.get_by_role("button", name=re.compile("^(Allow|Authorize)")).click()
        await row.filter(has_text="Authenticated").wait_for()

        acme, switches = page.locator(ROW).filter(has_text="Acme"), page.get_by_role("group", name="Acme")
        await switches.get_by_role("button", name="Pull plug").click()
        await switches.get_by_role("button", name="Put plug back").wait_for()
        await acme.get_by_role("button", name="Refresh now").click()
        await acme.locator(".trouble").wait_for()
        await switches.get_by_role("button", name="Put plug back").click()
        await switches.get_by_role("button", name="Pull plug").wait_for()
        await acme.get_by_role("button", name="Refresh now").click()
        await acme.filter(has_text="here").wait_for()
        await acme.locator(".trouble").wait_for(state="detached")
        await switches.get_by_role("button", name="Revoke grants").click()
        await acme.get_by_role("button", name="Refresh now").click()
        await acme.locator(".trouble").wait_for()
        await page.get_by_role("group", name="Globex").get_by_role("button", name="Expire token").click()
        await page.locator(ROW).filter(has_text="Globex").filter(has_text="Logged out").wait_for()

    with showcase.stage(Screen(), demo.providers()) as (running, ports):
        visit(chromium, running.launch_url(), play)
    assert len(set(ports)) == 4

"""`authflow login`, as typed where no browser can be had: over SSH, in a container, without a display, in a pipe. What
the human is to do goes to standard error; standard output has who signed in, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from authflow.testing import DevProvider, ScriptedBrowser

from .conftest import ROOT, configure

NOWHERE = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "CI", "SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT", "container")
OVER_SSH = {"SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22"}
PATIENCE = 60.0  # seconds

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display, but over SSH")
needs_terminal = pytest.mark.skipif(os.name == "nt", reason="a terminal of a test's own is POSIX")


class Typed:
    """A command that runs, and what its human was told so far."""

    def __init__(self, process: subprocess.Popen[bytes], shown: Callable[[], bytes]) -> None:
        self.process = process
        self._shown = shown
        self.told = ""

    def wait_for(self, pattern: str) -> str:
        """The first group of `pattern`, as soon as the human has been told it."""
        while (found := re.search(pattern, self.told)) is None:
            piece = self._shown()
            assert piece, self.told  # it has ended
            self.told += piece.decode("utf-8").replace("\r\n", "\n")
        return found.group(1)

    def end(self) -> str:
        """Its standard output, once it has ended well."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, self.told
        return out.decode("utf-8").replace("\r\n", "\n")


@pytest.fixture
def typing(acme: DevProvider, tmp_path: Path):
    """Types `authflow login acme …` in an environment where nothing is to be found but what is given."""
    acme.other_screen.interval = 1.0

    @contextmanager
    def type_(*words: str, stdin: int | IO[bytes], stderr: int | IO[bytes], **given: str) -> Iterator[subprocess.Popen]:
        bare = {name: value for name, value in os.environ.items() if name not in NOWHERE}
        env = {**bare, **configure(tmp_path, acme), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **given}
        typed = [sys.executable, "-m", "authflow.cli", "login", "acme", *words]
        with subprocess.Popen(
            typed, cwd=tmp_path, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return type_


@pytest.fixture
def in_a_pipe(typing):
    @contextmanager
    def run(*words: str, **given: str) -> Iterator[Typed]:
        with typing(*words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **given) as process:
            yield Typed(process, lambda: os.read(process.stderr.fileno(), 4096))

    return run


@pytest.fixture
def at_a_terminal(typing):
    """Standard input and standard error are a terminal; standard output is a pipe."""

    @contextmanager
    def run(*words: str, **given: str) -> Iterator[tuple[Typed, Callable[[str], object]]]:
        ours, theirs = os.openpty()

        def shown() -> bytes:
            try:
                return os.read(ours, 4096)
            except OSError:  # nobody has the other end any more
                return b""

        with open(ours, "r+b", buffering=0), ExitStack() as until_it_runs:
            until_it_runs.callback(os.close, theirs)
            with typing(*words, stdin=theirs, stderr=theirs, TERM="xterm", COLUMNS="120", **given) as process:
                until_it_runs.close()
                yield Typed(process, shown), lambda line: os.write(ours, f"{line}\n".encode())

    return run


def enter(page: str, code: str) -> None:
    """What the human does on another screen."""
    with ScriptedBrowser("ada", fields={"user_code": code}) as person:
        person.go(page)


def without_codes(acme: DevProvider) -> None:
    acme.tamper["metadata"] = lambda said: {
        name: value for name, value in said.items() if name != "device_authorization_endpoint"
    }


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param({}, "There is no display|This is a container", marks=on_linux),  # where the tests run in one
        (OVER_SSH, r"This is a remote shell \(SSH\)"),
        pytest.param({"container": "podman"}, "This is a container", marks=on_linux),
    ],
)
def test_a044_a_code_of_a_discovered_endpoint_is_shown_on_standard_error(in_a_pipe, given, why) -> None:
    with in_a_pipe(**given) as typed:
        page = typed.wait_for(r"\n    (http\S+)\n")
        enter(page, typed.wait_for(r"enter the code:  (\S+)\n"))
        out = typed.end()

    assert re.search(why, typed.told)
    assert "Your browser opens" not in typed.told
    assert out.splitlines()[0] == "Signed in to Acme as Ada Lovelace <ada@example.com>."
    assert [line.split(":")[0] for line in out.splitlines()[1:]] == ["user id", "scopes", "session"]


@needs_terminal
def test_a044_a_terminal_shows_the_code_to_scan_as_well(at_a_terminal) -> None:
    pytest.importorskip("segno", reason="a QR code needs segno: pip install 'authflow-sessions[qr]'")
    with at_a_terminal(**OVER_SSH) as (typed, _):
        page = typed.wait_for(r"\n    (http\S+)\n")
        code = typed.wait_for(r"enter the code:  (\S+)\n")
        typed.wait_for(r"(Or scan this:\n\n[^\n]*[█▀▄])")
        enter(page, code)
        out = typed.end()

    assert out.startswith("Signed in to Acme as Ada Lovelace")
    assert code not in out


@needs_terminal
def test_a044_without_sign_in_by_code_the_human_at_the_terminal_pastes(acme, at_a_terminal) -> None:
    without_codes(acme)
    with at_a_terminal(**OVER_SSH) as (typed, type_line), ScriptedBrowser(user="ada") as browser:
        url = typed.wait_for(r"\n  (http\S+)\n")
        typed.wait_for(r"(Paste the address here: )")
        with pytest.raises(httpx.ConnectError) as nobody:  # the redirect stays in the address bar
            browser.go(url)
        type_line(str(nobody.value.request.url))
        out = typed.end()

    assert "This is a remote shell (SSH)" in typed.told
    assert out.startswith("Signed in to Acme as Ada Lovelace")
    assert "Paste" not in out
    assert "http" not in out


def test_a044_where_nobody_can_paste_it_says_why_and_what_to_do(acme, authflow, tmp_path: Path) -> None:
    without_codes(acme)
    nowhere = dict.fromkeys(NOWHERE, "")

    told = authflow("login", "acme", env={**configure(tmp_path, acme), **nowhere, **OVER_SSH})

    assert told.returncode in (1, 2)
    assert told.stdout == ""
    assert "Error: This is a remote shell (SSH): a browser would open on the wrong machine." in told.stderr
    assert "Add --paste: authflow login acme --paste" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_address_can_be_pasted_into_a_pipe(typing) -> None:
    with (
        typing("--paste", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        ScriptedBrowser(user="ada") as browser,
    ):
        typed = Typed(process, lambda: os.read(process.stderr.fileno(), 4096))
        url = typed.wait_for(r"\n  (http\S+)\n")
        with pytest.raises(httpx.ConnectError) as nobody:
            browser.go(url)
        process.stdin.write(f"{nobody.value.request.url}\n".encode())
        process.stdin.close()
        process.stdin = None
        out = typed.end()

    assert out.startswith("Signed in to Acme as Ada Lovelace")
    assert "Paste" not in out


def test_a_code_can_be_asked_for_where_a_browser_is(in_a_pipe) -> None:
    with in_a_pipe("--device", DISPLAY=":0", BROWSER="/bin/true") as typed:
        page = typed.wait_for(r"\n    (http\S+)\n")
        enter(page, typed.wait_for(r"enter the code:  (\S+)\n"))
        out = typed.end()

    assert "Your browser opens" not in typed.told
    assert out.startswith("Signed in to Acme as Ada Lovelace")

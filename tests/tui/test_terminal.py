"""`authflow top` in a real terminal (tmux), as a user types it: what stands on the screen, and how it ends."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authflow.testing import DevProvider, DevUser
from tests.cli.conftest import BROWSER, ROOT, configure

HOSTILE = "Ada\x1b[2J\x1b]0;owned\x07 \x9b31mLovelace"
SECONDS = 30.0

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="a terminal is needed: apt-get install tmux")


class Terminal:
    """A terminal with a shell in it."""

    def __init__(self, folder: Path, env: dict[str, str], *, columns: int, rows: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux.socket"), "-f", os.devnull]
        quiet = {name: value for name, value in os.environ.items() if not name.startswith(("TMUX", "XDG_", "PYTEST"))}
        size = ["-x", str(columns), "-y", str(rows)]
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, "sh"],
            cwd=folder,
            env={**quiet, **env, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "LANG": "C.UTF-8"},
            check=True,
        )

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)

    def screen(self) -> str:
        return self._ask("capture-pane", "-p")

    def title(self) -> str:
        return self._ask("display-message", "-p", "#{pane_title}")

    def resize(self, columns: int, rows: int) -> None:
        self._ask("resize-window", "-x", str(columns), "-y", str(rows))

    def _ask(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, check=True).stdout.decode()

    def keys(self, *keys: str) -> None:
        self._ask("send-keys", *keys)

    def until(self, holds: Callable[[str], bool]) -> str:
        """The screen on which it holds; fails with the last one when a real deadline has passed."""
        end = time.monotonic() + SECONDS
        while not holds(screen := self.screen()):
            if time.monotonic() > end:
                pytest.fail(f"it never came:\n{screen}")
        return screen


@pytest.fixture
def acme() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", users=[DevUser("ada", name=HOSTILE)]).serve() as provider:
        provider.settings("acme")
        yield provider


@pytest.fixture
def terminal(acme: DevProvider, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    script = tmp_path / "browser.py"
    script.write_text(BROWSER.format(deny=False, wrong_state=False, never=False))
    env = {**configure(tmp_path, acme), "BROWSER": f"{sys.executable} {script}"}
    opened: list[Terminal] = []

    def make(columns: int = 80, rows: int = 24) -> Terminal:
        opened.append(Terminal(tmp_path, env, columns=columns, rows=rows))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def typed(*words: str) -> str:
    return f'{shlex.join([sys.executable, "-m", "authflow.cli", *words])}; echo "ended=$?"'


def test_a_login_is_made_watched_and_ended_in_eighty_columns(terminal: Callable[..., Terminal]) -> None:
    tty = terminal()
    tty.keys(typed("top", "--allow-actions"), "Enter")
    tty.until(lambda screen: "○ idle" in screen and "Quit" in screen)

    tty.keys("s")
    screen = tty.until(lambda screen: "● authenticated" in screen and "Refresh" in screen)

    assert "1 authenticated" in screen
    assert all(len(line) <= 80 for line in screen.splitlines())

    tty.keys("d")
    screen = tty.until(lambda screen: "║authenticated ↻║" in screen)
    assert "refreshing" in screen

    tty.keys("d")
    tty.keys("l")
    tty.until(lambda screen: "○ logged_out" in screen)
    tty.keys("q")
    tty.until(lambda screen: "ended=0" in screen and "Quit" not in screen)


def test_a_name_with_escapes_neither_clears_the_screen_nor_renames_the_terminal(
    terminal: Callable[..., Terminal],
) -> None:
    tty = terminal(columns=150)
    tty.keys(typed("login", "acme"), "Enter")
    tty.until(lambda screen: "scopes:" in screen)
    tty.keys(typed("top"), "Enter")

    screen = tty.until(lambda screen: "● authenticated" in screen and "Lovelace" in screen)

    assert "authflow top" in screen
    assert "Ada [2J ]0;owned 31mLovelace" in screen
    assert "owned" not in tty.title()


def test_a_narrower_window_loses_nothing_and_a_wider_one_takes_it_back(terminal: Callable[..., Terminal]) -> None:
    tty = terminal(columns=150, rows=40)
    tty.keys(typed("top"), "Enter")
    tty.until(lambda screen: "○ idle" in screen and "issuer" in screen)

    tty.resize(80, 24)
    screen = tty.until(lambda screen: "Quit" in screen and "issuer" not in screen and "○ idle" in screen)
    assert "authflow top" in screen

    tty.resize(150, 40)
    tty.until(lambda screen: "issuer" in screen and "║ idle ║" in screen)
    tty.keys("q")
    tty.until(lambda screen: "ended=0" in screen)

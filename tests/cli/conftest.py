"""The command as a user types it: a process of its own, its output through pipes (see `ready.py`)."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authflow.testing import DevProvider

from .ready import Ready

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

SEALING_KEY = base64.b64encode(bytes(range(32))).decode()

BROWSER = """
import os, sys
if hasattr(os, "fork") and os.fork():
    os._exit(0)  # a launcher returns at once, the browser lives on
from authflow.testing import ScriptedBrowser
with ScriptedBrowser(user="ada", deny={deny}, wrong_state={wrong_state}, never={never}) as browser:
    browser.go(sys.argv[-1])
"""

# An install without an extra: what it would bring cannot be imported.
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
from authflow.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="package")
def ready() -> Iterator[Ready | None]:
    """None where a process cannot be forked: there each command is started anew."""
    ready = Ready() if hasattr(os, "fork") else None
    yield ready
    if ready is not None:
        ready.close()


@pytest.fixture
def authflow(tmp_path: Path, ready: Ready | None) -> Run:
    """Types `authflow …` in an empty folder, with an empty home and no terminal. `blocked=` are missing modules."""

    def run(
        *args: str, blocked: tuple[str, ...] = (), env: dict[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        quiet = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "FORCE_COLOR"))}
        set_ = {**quiet, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **(env or {})}
        told = None if blocked or ready is None else ready.run(list(args), tmp_path, set_, timeout)
        if told is not None:
            return told
        code = BLOCKER.format(blocked=set(blocked))
        typed = ["-c", code] if blocked else ["-m", "authflow.cli"]
        return subprocess.run(
            [sys.executable, *typed, *args],
            cwd=tmp_path,
            env=set_,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def acme() -> Iterator[DevProvider]:
    with DevProvider(label="Acme").serve() as provider:
        provider.settings("acme")  # registers its redirect URIs
        yield provider


@pytest.fixture
def browser(tmp_path: Path):
    """The value of $BROWSER: a script that signs in as ada, or denies, or comes back wrong, or never."""

    def make(*, deny: bool = False, wrong_state: bool = False, never: bool = False) -> str:
        script = tmp_path / "browser.py"
        script.write_text(BROWSER.format(deny=deny, wrong_state=wrong_state, never=never))
        return f"{sys.executable} {script}"

    return make


def configure(folder: Path, provider: DevProvider, more: str = "") -> dict[str, str]:
    """Writes authflow.toml for `provider`; gives the environment that holds the secret."""
    (client,) = provider.clients.values()
    (folder / "authflow.toml").write_text(
        "[providers.acme]\n"
        'type = "openid"\n'
        f'issuer = "{provider.issuer}"\n'
        f'client_id = "{client.client_id}"\n'
        'label = "Acme"\n'
        "allow_insecure_loopback = true\n"
        f"{more}"
    )
    return {
        "ACME_CLIENT_SECRET": client.client_secret or "",
        "AUTHFLOW_SEALING_KEY": SEALING_KEY,
        "HOME": str(folder / "home"),
    }

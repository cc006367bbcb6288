"""The command as a user types it: a process of its own, its output through pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

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


@pytest.fixture
def authflow(tmp_path: Path) -> Run:
    """Types `authflow …` in an empty folder, with an empty home and no terminal. `blocked=` are missing modules."""

    def run(
        *args: str, blocked: tuple[str, ...] = (), env: dict[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        code = BLOCKER.format(blocked=set(blocked))
        typed = ["-c", code] if blocked else ["-m", "authflow.cli"]
        quiet = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "FORCE_COLOR"))}
        return subprocess.run(
            [sys.executable, *typed, *args],
            cwd=tmp_path,
            env={**quiet, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run

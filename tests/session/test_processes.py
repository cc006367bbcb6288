"""Eight processes share one stored session: one token request a round, no error, the session alive."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "stampede.py"


@pytest.mark.parametrize("store", ["file", "sqlite"])
def test_processes_that_share_a_session_renew_it_once_and_never_lose_it(store: str) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--store", store, "--processes", "8", "--rounds", "25"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    figures = json.loads(done.stdout)
    assert figures["caller_errors"] == 0, figures["first_error"]
    assert figures["token_requests"] == 25
    assert figures["rounds_with_differing_tokens"] == 0
    assert done.returncode == 0

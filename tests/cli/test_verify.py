"""`authflow verify`, as typed."""

from __future__ import annotations

import re
import subprocess
import sys

from .conftest import ROOT


def test_the_chart_passes(authflow) -> None:
    told = authflow("verify")

    assert told.returncode == 0
    assert told.stdout.startswith("chart: 6 states, 17 triggers, 17 rows, 29 edges\n")
    assert "All 12 invariants hold.\n" in told.stdout
    assert re.search(r"9 designs hold and 11 flaws are found in [0-9,]{6,} states\.\n$", told.stdout)
    assert told.stderr == ""


def test_a_broken_chart_shows_a_counter_example_and_fails() -> None:
    code = (
        "import sys; from authflow import verify;"
        "broken = tuple(r for r in verify.CHART if r.trigger != 'time_out');"
        "real = verify.verify; verify.verify = lambda: real(broken);"
        "from authflow.cli import main; sys.exit(main(['verify']))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert told.returncode == 1
    assert "BROKEN  every waiting state comes to rest by the clock alone" in told.stdout
    assert "idle –authorize→ authorizing\n" in told.stdout


def test_nothing_but_text_goes_through_a_pipe(authflow) -> None:
    assert "\x1b" not in authflow("verify").stdout

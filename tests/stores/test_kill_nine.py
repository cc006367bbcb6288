"""`benchmarks/kill_nine.py` finds nothing wrong with our stores, and does find what is wrong with bad ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

# Stores as they are found in the field: each does one thing wrong.
BAD_STORES = """
import functools, os, pathlib, random, sys, tempfile, time
sys.path.insert(0, sys.argv[1])
import kill_nine
from authflow.stores import FileStore

class InPlace(FileStore):
    def _write(self, path, raw, version, old):
        with open(path, "wb", buffering=0) as file:
            os.chmod(path, 0o600)
            file.write(raw[: len(raw) // 2])
            time.sleep(0.002)
            file.write(raw[len(raw) // 2 :])

class Late(FileStore):
    def _write(self, path, raw, version, old):
        if old is None or random.random() < 0.5:  # a write that was confirmed waits for the next one
            super()._write(path, raw, version, old)

class Forgetful(FileStore):
    def _keep_version(self, name, version):
        pass

bad = {"in place": InPlace, "late": Late, "forgetful": Forgetful}[sys.argv[2]]
with tempfile.TemporaryDirectory() as folder:
    try:
        kill_nine.run("bad", functools.partial(bad, pathlib.Path(folder) / "s"), 60, random.Random(7))
    except kill_nine.Wrong as wrong:
        print("WRONG", wrong)
    except Exception as error:
        print("WRONG", error)
"""


def test_a107_no_kill_leaves_a_torn_or_lost_or_older_record() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "kill_nine.py", "--quick", "10", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 7\n")
    assert done.stdout.count(" 10 kills,") == 3  # "10 kills amid a swap" counts something else


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("in place", ["torn", "ended before"]),
        ("late", ["was confirmed", "came back"]),
        ("forgetful", ["went back", "came back"]),
    ],
)
def test_a_store_with_a_fault_is_found_out(bad: str, said: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BAD_STORES, BENCHMARKS, bad], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.startswith("WRONG"), done.stdout + done.stderr
    assert any(word in done.stdout for word in said), done.stdout

"""The attacks run a second time under `python -O`. These two say that such a run means something."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_a021_an_assert_of_a_test_counts_even_under_python_o() -> None:
    one = 1
    with pytest.raises(AssertionError):
        assert one == 2


def test_an_assert_of_ordinary_code_does_not_count_under_python_o() -> None:
    ordinary = [sys.executable, "-O", "-c", "assert False"]
    assert subprocess.run(ordinary, check=False).returncode == 0

"""How everything here is measured: CPU time of this process, contestants in turn, the median of the rounds.

Rule: only the ratios of one run mean something. A number alone says how busy the machine was.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Run = Callable[[int], Any]  # does the thing so many times


def in_turn(contestants: dict[str, Run], *, calls: int, rounds: int = 7) -> dict[str, float]:
    """Seconds of CPU per call of each, after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            before = time.process_time()
            run(calls)
            if turn:
                taken[name].append((time.process_time() - before) / calls)
    return {name: statistics.median(times) for name, times in taken.items()}


def repeat(call: Callable[[], object]) -> Run:
    """A `Run` that calls `call` again and again."""

    def run(times: int) -> None:
        for _ in range(times):
            call()

    return run


def show(title: str, seconds: dict[str, float], *, unit: str = "µs", digits: int = 2) -> None:
    """A table; the first contestant is what the others are compared with, to so many `digits`."""
    scale = {"ms": 1e3, "µs": 1e6, "ns": 1e9}[unit]
    floor = next(iter(seconds.values()))
    print(f"\n{title}")
    for name, each in seconds.items():
        print(f"  {name:44} {each * scale:10.{digits - 1}f} {unit}   ×{each / floor:.{digits}f}")

"""The machine's clock, as the rest of authflow uses it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from authflow.clock import SystemClock


def test_the_system_clock_is_the_machines():
    before = time.time(), time.monotonic()
    clock = SystemClock()
    now = clock.time(), clock.monotonic()
    after = time.time(), time.monotonic()
    assert before[0] <= now[0] <= after[0]
    assert before[1] <= now[1] <= after[1]


def test_a_wait_ends_as_soon_as_the_event_is_set():
    event = threading.Event()
    event.set()
    assert SystemClock().wait(event, 60.0)
    assert SystemClock().wait(event, None)


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_wait_whose_time_is_over_says_that_nothing_was_set(seconds):
    assert not SystemClock().wait(threading.Event(), seconds)


def test_a_wait_longer_than_the_system_can_count_is_no_error():
    event = threading.Event()
    event.set()
    assert SystemClock().wait(event, 1e12)


async def test_sleep_returns():
    await SystemClock().sleep(0.0)


def test_importing_clock_scheduler_and_signals_imports_no_asyncio():
    # blinker is the only library that these three need.
    code = "import sys, authflow.clock, authflow.scheduler, authflow.signals; print('asyncio' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "False"

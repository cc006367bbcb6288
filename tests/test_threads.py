"""Threads begin whole or not at all; what a crew has taken on is carried out."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future
from typing import Any

import pytest

from authflow import threads
from authflow.threads import MOST_AT_WORK, Crew, begin

from .struck import ended, struck_beginning

LONG = 30.0  # real seconds after which a test has failed


class Kept(list[Any]):
    """What `keep` was called with, last."""

    def __call__(self, one: Any) -> None:
        self[:] = [one]


# ── one thread ───────────────────────────────────────────────────────────────────────────────────────


def test_a_thread_works_and_is_kept_before_it_does():
    kept, seen = Kept(), []
    begin("one", lambda: seen.extend(kept), kept)
    kept[0].join(LONG)
    assert seen == kept
    assert (kept[0].name, kept[0].daemon) == ("one", True)


@pytest.mark.parametrize("when", ["before", "while"])
def test_struck_it_works_and_is_kept_or_does_neither(when):
    for _ in range(50):
        kept, worked = Kept(), []
        with struck_beginning("one", when), pytest.raises(KeyboardInterrupt):
            begin("one", lambda worked=worked: worked.append(threading.current_thread()), kept)
        (thread,) = kept
        assert ended("one")
        assert worked == ([] if thread is None else [thread])


def test_a_thread_that_was_struck_too_late_is_kept(monkeypatch):
    """It works already: whoever ends it must be able to wait for it."""
    kept, at_work, go_on = Kept(), threading.Event(), threading.Event()
    start = threading.Thread.start

    def slow(thread):
        start(thread)
        if thread.name == "one":
            at_work.wait(LONG)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", slow)
    with pytest.raises(KeyboardInterrupt):
        begin("one", lambda: (at_work.set(), go_on.wait(LONG)), kept)
    assert kept[0].is_alive()
    go_on.set()
    kept[0].join(LONG)


# ── the crew ─────────────────────────────────────────────────────────────────────────────────────────


def test_work_is_done_and_a_thread_that_waits_long_enough_ends(monkeypatch):
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.05)
    crew, kept = Crew(), Kept()
    for answer in range(20):
        crew.take_on(lambda answer=answer: answer, kept)
        assert kept[0].result(LONG) == answer
        for thread in crew._alive() if answer % 2 else ():
            thread.join(LONG)
    assert crew._count == 0
    crew.close()


def test_a_thread_that_waits_is_given_the_next_work(monkeypatch):
    monkeypatch.setattr(threads, "IDLE_SECONDS", LONG)
    crew, at = Crew(), []
    for _ in range(20):
        kept = Kept()
        crew.take_on(threading.get_ident, kept)
        at.append(kept[0].result(LONG))
        while crew._idle._value == 0:  # it has given its answer, and is not waiting yet
            time.sleep(0.001)
    assert len(set(at)) == 1
    crew.close()
    assert not crew._alive()


@pytest.mark.parametrize("brought", range(8))
def test_nothing_is_left_undone_while_threads_come_and_go(brought, monkeypatch):
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(threads, "MOST_AT_WORK", 2)
    crew, futures = Crew(), []
    for n in range(500):
        crew.take_on(lambda n=n: n, futures.append)
        if n % (brought + 1) == 0:
            time.sleep(0)
    assert [future.result(LONG) for future in futures] == list(range(500))
    crew.close()


AT_THE_END = """
import time
from authflow.threads import Crew

crew, futures = Crew(), []
crew.take_on(lambda: None, futures.append)
futures[0].result()
{more}
"""


def at_the_end(more: str) -> tuple[str, float]:
    since = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END.format(more=more)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout + done.stderr, time.monotonic() - since


def test_the_interpreters_end_waits_for_what_is_being_done():
    said, _ = at_the_end("crew.take_on(lambda: (time.sleep(0.5), print('done')), futures.append)")
    assert said == "done\n"


def test_a_thread_that_waits_keeps_no_process_alive():
    said, seconds = at_the_end("from authflow import threads; threads.IDLE_SECONDS = 50; crew.take_on(int, print)")
    assert said.startswith("<Future")
    assert seconds < 40


def test_an_error_is_the_futures_and_ends_no_thread():
    crew, failed, done = Crew(), Kept(), Kept()
    crew.take_on(lambda: 1 / 0, failed)
    crew.take_on(lambda: 42, done)
    with pytest.raises(ZeroDivisionError):
        failed[0].result(LONG)
    assert done[0].result(LONG) == 42
    crew.close()


def test_an_error_does_not_keep_its_future():
    class Held:
        pass

    gc.disable()
    try:
        crew, kept, held = Crew(), Kept(), Held()
        gone = weakref.ref(held)
        crew.take_on(lambda held=held: held.missing, kept)
        with pytest.raises(AttributeError):
            kept[0].result(LONG)
        crew.close()
        kept.clear()
        del held
        assert gone() is None
    finally:
        gc.enable()


def test_no_more_than_32_work_and_the_rest_waits():
    crew, go_on, mutex = Crew(), threading.Event(), threading.Lock()
    at_work, most, ready = 0, 0, threading.Semaphore(0)

    def work():
        nonlocal at_work, most
        with mutex:
            at_work += 1
            most = max(most, at_work)
        ready.release()
        go_on.wait(LONG)
        with mutex:
            at_work -= 1

    futures: list[Future[None]] = []
    for _ in range(3 * MOST_AT_WORK):
        crew.take_on(work, futures.append)
    for _ in range(MOST_AT_WORK):
        assert ready.acquire(timeout=LONG)
    assert not ready.acquire(timeout=0.2)
    go_on.set()
    for future in futures:
        future.result(LONG)
    assert most == MOST_AT_WORK
    crew.close()


def test_closing_waits_for_all():
    crew, done, go_on = Crew(), [], threading.Event()
    for n in range(2 * MOST_AT_WORK):
        crew.take_on(lambda n=n: (go_on.wait(LONG), done.append(n)), lambda future: None)
    threading.Timer(0.1, go_on.set).start()
    crew.close()
    assert sorted(done) == list(range(2 * MOST_AT_WORK))
    assert not crew._alive()


@pytest.mark.parametrize("when", ["before", "while"])
def test_struck_the_work_is_done_once_and_closing_waits_for_it(when):
    for _ in range(50):
        crew, kept, done = Crew(), Kept(), []
        with struck_beginning("authflow-flight", when) as at, pytest.raises(KeyboardInterrupt):
            crew.take_on(lambda done=done: done.append("once"), kept)
        crew.close()
        assert (done, len(at)) == (["once"], 1)
        assert kept[0].done()


def test_struck_twice_before_a_thread_was_there_it_is_not_done_and_says_so():
    crew, kept, done = Crew(), Kept(), []
    with struck_beginning("authflow-flight", "before", times=2), pytest.raises(KeyboardInterrupt):
        crew.take_on(lambda: done.append("once"), kept)
    assert kept[0].cancelled()
    crew.take_on(lambda: done.append("next"), kept)
    assert kept[0].result(LONG) is None
    crew.close()
    assert done == ["next"]


def test_without_a_thread_to_be_had_the_error_says_so_and_nothing_hangs(monkeypatch):
    crew, kept, done = Crew(), Kept(), []

    def no_more(name, work, keep):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threads, "begin", no_more)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            crew.take_on(lambda: done.append("no"), kept)
    assert kept[0].cancelled()
    crew.close()
    assert not done

"""A process that is told to stop: who hears of it, and that the signal is left as it was."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from authflow import stopping
from authflow.stopping import until_stopped

TERM = signal.SIGTERM


class Server:
    """As uvicorn does: it handles the signal, on the main thread."""

    def __init__(self) -> None:
        self.told = 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        self.told += 1


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(stopping, "_last", float("-inf"))
    made = Server()
    before = signal.signal(TERM, made.handle)
    try:
        yield made
    finally:
        signal.signal(TERM, before)


def test_whoever_listens_hears_of_it_and_so_does_the_server(server: Server) -> None:
    heard: list[str] = []
    with until_stopped(lambda: heard.append("one")), until_stopped(lambda: heard.append("other")):
        signal.raise_signal(TERM)
    assert sorted(heard) == ["one", "other"]
    assert server.told == 1


def test_afterwards_the_signal_is_the_servers_alone(server: Server) -> None:
    heard: list[str] = []
    with until_stopped(lambda: heard.append("one")):
        pass
    assert signal.getsignal(TERM) == server.handle
    signal.raise_signal(TERM)
    assert (heard, server.told) == ([], 1)


def test_what_begins_while_a_server_stops_is_told_at_once(server: Server) -> None:
    heard: list[str] = []
    with until_stopped(lambda: None):
        signal.raise_signal(TERM)
    with until_stopped(lambda: heard.append("late")):
        assert heard == ["late"]


def test_a_signal_that_nobody_handles_is_left_alone() -> None:
    before = signal.signal(TERM, signal.SIG_DFL)
    try:
        with until_stopped(lambda: None):
            assert signal.getsignal(TERM) == signal.SIG_DFL
    finally:
        signal.signal(TERM, before)


def test_whoever_takes_the_signal_meanwhile_keeps_it(server: Server) -> None:
    other, heard = Server(), []
    with until_stopped(lambda: heard.append(1)):
        passes_on = signal.getsignal(TERM)

        def handle(number: int, frame: FrameType | None) -> None:
            other.handle(number, frame)
            if callable(passes_on):
                passes_on(number, frame)

        signal.signal(TERM, handle)
    assert signal.getsignal(TERM) is handle
    with until_stopped(lambda: heard.append(2)):
        signal.raise_signal(TERM)
    assert (heard[0], other.told, server.told) == (2, 1, 1)
    assert signal.getsignal(TERM) is handle


def test_on_another_thread_nothing_is_touched(server: Server) -> None:
    found: list[object] = []

    def elsewhere() -> None:
        with until_stopped(lambda: None):
            found.append(signal.getsignal(TERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [server.handle]

"""A subscription has one owner: whoever opened it asks it, closes it, and opens the next."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from authflow.errors import StoreError
from authflow.stores.listening import listening
from authflow.stores.notices import Notices

from .contract import Heard, eventually

PATIENCE = 10.0


class Line:
    """A subscription that says on which threads it lived."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.opened, self.closed = threading.current_thread(), list[threading.Thread]()

    def hear(self) -> Iterable[str]:
        if self.server.cut:
            raise StoreError("The line is cut.")
        found, self.server.changed = self.server.changed, []
        return found

    def close(self) -> None:
        self.closed.append(threading.current_thread())


class Server:
    """Gives subscriptions; can be away, cut lines, and keep a caller waiting at the door."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.changed: list[str] = []
        self.away = self.cut = False
        self.door, self.waiting = threading.Event(), threading.Event()
        self.door.set()

    def subscribe(self) -> Line:
        self.waiting.set()
        self.door.wait(PATIENCE)
        if self.away:
            raise StoreError("The server is away.")
        self.lines.append(Line(self))
        return self.lines[-1]

    @property
    def open_lines(self) -> list[Line]:
        return [line for line in self.lines if not line.closed]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def notices(server: Server) -> Notices:
    return Notices(lambda: listening(server.subscribe, lambda: ["everything"]), every=0.005)


def test_it_is_opened_and_closed_once_by_one_thread(server: Server, notices: Notices) -> None:
    stop = notices.add(Heard())
    stop()
    (line,) = server.lines
    assert line.closed == [line.opened]
    assert line.opened is not threading.current_thread()


def test_a_broken_one_is_closed_before_the_next_is_opened(server: Server, notices: Notices) -> None:
    heard = Heard()
    notices.add(heard)
    server.cut = True
    assert eventually(lambda: not server.open_lines)
    server.cut = False
    assert heard.hears("everything", PATIENCE)
    assert [len(line.closed) for line in server.lines] == [1, 0]
    notices.close()
    assert server.open_lines == []


def test_a_server_that_is_away_at_the_start_is_heard_later(server: Server, notices: Notices) -> None:
    server.away = True
    heard = Heard()
    notices.add(heard)
    server.away = False
    assert heard.hears("everything", PATIENCE)
    server.changed.append("a")
    assert heard.hears("a", PATIENCE)
    notices.close()


def test_one_that_is_opened_while_everybody_leaves_is_closed_all_the_same(
    server: Server, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authflow.stores.notices._JOIN", 0.05)  # the opening takes longer than who leaves will wait
    notices.add(Heard())
    server.door.clear()
    server.waiting.clear()
    server.cut = True
    assert server.waiting.wait(PATIENCE)  # the thread is about to subscribe again
    notices.close()
    server.cut = False
    server.door.set()
    assert eventually(lambda: len(server.lines) == 2 and server.open_lines == [])
    assert server.lines[1].closed == [server.lines[1].opened]


def test_leaving_does_not_close_it_under_the_one_who_is_asking(server: Server, notices: Notices) -> None:
    stops: list[object] = []
    notices.add(lambda key: stops.append(server.open_lines) or notices.close())  # type: ignore[func-returns-value]
    server.changed.append("a")
    assert eventually(lambda: server.lines[0].closed == [server.lines[0].opened])
    assert stops == [[server.lines[0]]]

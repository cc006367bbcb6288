"""Who watches a store: the thread's life, and receivers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from authflow.errors import StoreError
from authflow.stores.notices import Notices

from .contract import Heard, eventually


class Source:
    """Changes as a store would find them."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.started = 0
        self.trouble: list[StoreError] = []
        self.looked = threading.Event()

    @contextmanager
    def __call__(self) -> Iterator[Callable[[], Iterable[str]]]:
        self.started += 1
        self.threads = [threading.current_thread()]
        yield self.look
        self.threads.append(threading.current_thread())

    def look(self) -> Iterable[str]:
        if self.trouble:
            self.looked.set()
            raise self.trouble[0]
        found, self.changed = self.changed, []
        return found


def watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "authflow-store-watch"]


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def notices(source: Source) -> Notices:
    return Notices(source, every=0.005)


def test_there_is_no_thread_until_somebody_watches_and_none_after_the_last(notices: Notices) -> None:
    assert watching() == []
    stops = [notices.add(Heard()), notices.add(Heard())]
    assert len(watching()) == 1
    stops[0]()
    assert len(watching()) == 1
    stops[1]()
    assert watching() == []


def test_closing_ends_the_thread_at_once(notices: Notices) -> None:
    notices.add(Heard())
    notices.close()
    assert watching() == []


def test_what_it_looks_with_is_opened_and_closed_on_the_thread(notices: Notices, source: Source) -> None:
    notices.add(Heard())
    (thread,) = watching()
    notices.close()
    assert source.threads == [thread, thread]


def test_a_store_that_cannot_be_looked_at_is_an_error_of_the_one_who_watches(source: Source) -> None:
    @contextmanager
    def broken() -> Iterator[Callable[[], Iterable[str]]]:
        if source.trouble:
            raise source.trouble[0]
        yield source.look

    notices = Notices(broken, every=0.005)
    source.trouble.append(StoreError("The disk is away."))
    with pytest.raises(StoreError, match="away"):
        notices.add(Heard())
    assert not notices
    source.trouble.clear()
    heard = Heard()
    notices.add(heard)
    source.changed.append("a")
    assert heard.hears("a")
    notices.close()


def test_what_is_found_is_told_on_the_thread(notices: Notices, source: Source) -> None:
    heard = Heard()
    notices.add(heard)
    source.changed.append("a")
    assert heard.hears("a")
    notices.close()


def test_who_watches_again_gets_a_new_start(notices: Notices, source: Source) -> None:
    notices.add(Heard())()
    notices.add(Heard())()
    assert source.started == 2
    assert watching() == []


def test_a_store_that_changes_only_here_needs_no_thread() -> None:
    notices, heard = Notices(), Heard()
    notices.add(heard)
    assert watching() == []
    notices.tell("a")
    assert heard.keys == ["a"]


def test_trouble_is_said_once_and_looked_past(
    notices: Notices, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    notices.add(heard)
    source.trouble.append(StoreError("The disk is away."))
    assert source.looked.wait(10)
    source.looked.clear()
    assert source.looked.wait(10)
    source.trouble.clear()
    source.changed.append("a")
    assert heard.hears("a")
    assert caplog.text.count("The disk is away.") == 1
    notices.close()


def test_a_receiver_may_close_the_store_it_hears_from(notices: Notices, source: Source) -> None:
    notices.add(lambda key: notices.close())
    source.changed.append("a")
    assert eventually(lambda: watching() == [], 10.0)


def test_a_receiver_that_raises_is_a_line_in_the_log_without_its_text(
    notices: Notices, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(key: str) -> None:
        raise ValueError("a secret in its text")

    heard = Heard()
    stops = [notices.add(broken), notices.add(heard)]
    notices.tell("a")
    assert heard.keys == ["a"]
    assert "ValueError" in caplog.text
    assert "a secret" not in caplog.text
    for stop in stops:
        stop()

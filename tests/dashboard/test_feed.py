"""What has changed since a reader looked last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from authflow import SessionManager
from authflow.dashboard import feed as module
from authflow.dashboard.feed import Feed
from authflow.errors import StoreError
from authflow.overview import row_id
from authflow.providers import GitHub, Google
from authflow.records import Key
from authflow.stores import MemoryStore
from authflow.testing import expire, signed_in


@pytest.fixture
def manager() -> Iterator[SessionManager]:
    with SessionManager([GitHub("id", "secret"), Google("id", "secret")], single_user=True) as manager:
        yield manager


def names(batch: module.Batch) -> list[str]:
    return sorted(row["provider"] for row in batch.data["rows"])


def test_a_reader_gets_everything_and_then_what_changed(manager) -> None:
    feed = Feed(manager)
    feed.hold(manager.sessions())
    first = feed.look(0)
    assert (first.whole, names(first)) == (True, ["github", "google"])

    signed_in(manager, "github", user={"id": 1})
    second = feed.look(first.number)
    assert (second.whole, names(second)) == (False, ["github"])
    assert [one["trigger"] for one in second.data["events"]] == ["authorize", "callback", "authenticate"]
    assert names(feed.look(second.number)) == []


def test_a_number_of_the_future_is_told_everything(manager) -> None:
    feed = Feed(manager)
    feed.hold(manager.sessions())

    assert feed.look(10_000).whole


def test_a_session_that_never_signed_in_is_no_row_of_a_visitor(manager) -> None:
    feed = Feed(manager)
    visitor = manager.owner("a-visitor")["github"]
    feed.hold([visitor])
    assert feed.look(0).data["rows"] == []

    signed_in(manager.owner("a-visitor"), "github", user={"id": 1})
    (row,) = feed.look(1).data["rows"]
    assert row["owner"] not in ("", "a-visitor")
    assert row["id"] == row_id(Key("a-visitor", "github", ""))
    visitor.logout(revoke=False, end_session=False)
    visitor.forget()
    late = feed.look(feed.number - 1)
    assert (late.data["rows"], late.data["gone"]) == ([], [row["id"]])


def test_a_change_that_only_the_store_tells_is_heard_while_somebody_reads(manager) -> None:
    feed = Feed(manager)
    feed.open()
    before = feed.number
    with SessionManager([GitHub("id", "secret")], store=manager.store) as other:
        signed_in(other.owner("somebody"), "github", user={"id": 1, "name": "Ada"})

    late = feed.look(before)
    assert [row["user"] for row in late.data["rows"]] == ["Ada"]
    feed.close()


def test_what_is_no_session_or_of_no_provider_here_is_passed_over(manager) -> None:
    feed = Feed(manager)
    before = feed.number
    for key in ("pending/x", "session/a/b", "session//elsewhere/", "session/%zz"):
        feed._noticed(key)

    assert feed.number == before


async def test_a_reader_sleeps_until_something_happens(manager) -> None:
    feed = Feed(manager)
    with feed.reader() as reader:
        assert not await reader.wait(feed.number, 0.0)
        waiting = asyncio.create_task(reader.wait(feed.number, 30.0))
        await asyncio.sleep(0)
        await asyncio.to_thread(signed_in, manager, "github")
        assert await waiting
        assert await reader.wait(0, 30.0)  # what it has not seen yet is there at once
    assert feed._wakes == {}


async def test_closing_wakes_every_reader_and_lets_go_of_the_store(manager) -> None:
    feed = Feed(manager)
    with feed.reader() as reader:
        feed.open()
        waiting = asyncio.create_task(reader.wait(feed.number, 30.0))
        await asyncio.sleep(0)
        feed.close()
        assert await waiting
    assert feed._unwatch is None


def test_a_feed_that_nobody_holds_is_forgotten_by_the_manager(manager) -> None:
    feed = Feed(manager)
    assert len(list(manager.on_transition.receivers_for(manager["github"]))) == 1
    del feed

    assert list(manager.on_transition.receivers_for(manager["github"])) == []


def test_beyond_its_size_the_oldest_go_and_who_had_them_gets_everything(manager, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 3)
    feed = Feed(manager)
    feed.hold(manager.sessions())
    seen = feed.look(0).number
    for number in range(4):
        signed_in({"github": manager["github", f"n{number}"]}, "github")

    late = feed.look(seen)
    assert (late.whole, len(late.data["rows"])) == (True, 3)


def test_the_stores_health_is_told(manager) -> None:
    assert Feed(manager).health()["well"]


def test_a_store_that_cannot_be_read_is_unwell_with_its_reason() -> None:
    class Broken(MemoryStore):
        def load(self, key: str) -> None:
            raise StoreError("The disk is gone.", hint="Put it back.")

    with SessionManager([GitHub("id", "secret")], store=Broken()) as manager:
        told = Feed(manager).health()
    assert told == {"store": "Broken", "well": False, "said": "The disk is gone.", "hint": "Put it back."}


def test_a_sessions_own_events_are_kept_for_its_timeline(manager) -> None:
    feed = Feed(manager)
    session = signed_in(manager, "github")
    expire(session)

    told = [(one["trigger"], one["signal"]) for one in feed.events_of(session.key)]
    assert told[-2:] == [("authenticate", "on_login"), ("expire", "on_logout")]
    assert feed.session(row_id(session.key)) is session
    assert feed.session("nobody") is None

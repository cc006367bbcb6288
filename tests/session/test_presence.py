"""Which sessions stay in memory: who looked and left costs nothing, who signed in or is about to is never lost."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authflow import State
from authflow import presence as presence_module
from authflow.errors import StoreError
from authflow.stores import MemoryStore, SQLiteStore, Store
from authflow.testing import expire

from .support import Heard, World, go


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "s.db", watch_every=0.01)


def in_memory(manager: Any) -> set[str]:
    gc.collect()
    return {key.owner for key in manager._house.sessions.all_keys()}


async def test_visitors_who_only_look_leave_memory_when_they_are_gone(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    for number in range(50):
        assert manager.owner(f"visitor-{number}")["acme"].live is False
    assert in_memory(manager) == set()


async def test_whoever_holds_a_session_has_the_very_one_that_others_find(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    held = manager.owner("ada")["acme"]
    assert held.state is State.IDLE
    gc.collect()
    assert manager.owner("ada")["acme"] is held
    assert in_memory(manager) == {"ada"}


async def test_the_sessions_of_a_program_with_one_user_stay(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    assert manager["acme"].live is False
    assert in_memory(manager) == {""}


async def test_a_login_that_is_pending_stays_and_leaves_when_its_time_is_over(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    heard = Heard(manager)
    request = await go(manager.owner("ada")["acme"].begin(timeout=600))
    del request
    assert in_memory(manager) == {"ada"}
    await world.pass_time(601)
    await heard.until_told("on_login_failed")
    heard.sessions.clear()
    await world.eventually(lambda: in_memory(manager) == set())


async def test_a_login_that_nobody_holds_is_completed_and_stays(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    heard = Heard(manager)
    url, binding = await world.callback(manager.owner("ada")["acme"])
    gc.collect()
    await go(manager.complete(url, binding=binding))
    heard.sessions.clear()
    assert in_memory(manager) == {"ada"}
    assert [event.seq for event in heard.transitions] == list(range(1, len(heard.transitions) + 1))
    await world.pass_time(3600)
    await heard.until_told("on_expiring")  # its deadlines are kept, though nobody holds it


async def test_a_session_that_has_ended_leaves_and_is_found_ended(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("ada")["acme"])
    await go(session.logout())
    del session
    await world.pass_time(2)  # what was written late is written
    await world.eventually(lambda: in_memory(manager) == set())
    assert manager.owner("ada")["acme"].state is State.LOGGED_OUT
    assert manager.owner("ada")["acme"].reason == "user"


async def test_a_logout_that_could_not_be_written_stays_until_it_is(world: World, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("ada")["acme"])
    swap, broken = store.swap, [True]

    def fail(*given: Any) -> Any:
        if broken:
            raise StoreError("The disk is away.")
        return swap(*given)

    store.swap = fail  # type: ignore[method-assign]
    assert (await go(session.logout())).persisted is False
    del session
    assert in_memory(manager) == {"ada"}
    broken.clear()
    await world.pass_time(5)
    await world.eventually(lambda: in_memory(manager) == set())
    assert manager.owner("ada")["acme"].state is State.LOGGED_OUT


async def test_a_session_that_was_only_loaded_is_live_and_stays(world: World, tmp_path: Path) -> None:
    first = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    await world.sign_in(first.owner("ada")["acme"])
    second = world.manager(store=SQLiteStore(tmp_path / "s.db", watch_every=0.01))
    heard = Heard(second)
    await go(second.owner("ada")["acme"].token())
    assert in_memory(second) == {"ada"}
    await go(first.owner("ada")["acme"].logout())
    await heard.until_told("on_logout")
    assert heard.last("on_logout").reason == "user"


async def test_who_listens_to_one_session_hears_it_after_it_left_and_came_back(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    told: list[str] = []
    manager.owner("ada")["acme"].on_login.connect(lambda session, event: told.append(event.owner))
    assert in_memory(manager) == set()
    await world.sign_in(manager.owner("ada")["acme"])
    assert told == ["ada"]


async def test_an_older_record_is_refused_though_the_session_has_left_memory(world: World, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.db")
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("ada")["acme"])
    name = session._run.ledger.store_key
    live = store.load(name)
    await go(session.logout())
    del session
    await world.pass_time(2)
    await world.eventually(lambda: in_memory(manager) == set())
    ended = store.load(name)
    assert live is not None
    assert ended is not None
    store.swap(name, ended[1], live[0])
    with pytest.raises(StoreError, match="rolled back"):
        _ = manager.owner("ada")["acme"].state


def test_the_numbers_of_those_who_left_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Thing:
        pass

    monkeypatch.setattr(presence_module, "REMEMBERED", 3)
    found: presence_module.Presence[Thing] = presence_module.Presence()
    keys = [presence_module.Key(f"{n}", "acme", "") for n in range(5)]
    for number, key in enumerate(keys, 1):
        found.keep(key, Thing(), rests=True, version=number)
    assert [found.version(key) for key in keys] == [0, 0, 3, 4, 5]


async def test_a_session_is_one_however_many_ask_at_once(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            owner = manager.owner(f"{number}")
            found = list(pool.map(lambda _, owner=owner: owner["acme"], range(8)))
            assert len({id(one) for one in found}) == 1


async def test_an_expired_session_leaves(world: World, store: Store) -> None:
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("ada")["acme"])
    await go(expire(session))
    del session
    await world.pass_time(2)
    await world.eventually(lambda: in_memory(manager) == set())

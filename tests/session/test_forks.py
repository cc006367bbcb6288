"""A fork while other threads are at work: what they held is the parent's, and the child goes on without them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from authflow import SessionManager, State
from authflow.stores import MemoryStore

from .support import PATIENCE, Process, World, go, on_thread

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="of systems that fork"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def colour() -> str:
    return "sync"  # a loop does not live through a fork


@contextmanager
def held(lock: Any) -> Iterator[None]:
    """Another thread holds `lock` for as long as this lasts."""
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            over.wait(2 * PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        thread.join()


async def in_a_child(work: Callable[[], object]) -> int:
    """The exit status of a forked child that does `work`: 0 if that is true, 9 if it hangs, 1 if it fails."""
    child = os.fork()
    if child == 0:
        threading.Timer(PATIENCE, os._exit, (9,)).start()
        try:
            os._exit(0 if work() else 2)
        except BaseException:
            os._exit(1)
    _, status = await on_thread(os.waitpid, child, 0)
    return os.waitstatus_to_exitcode(status)


LOCKS: dict[str, Callable[[SessionManager, Any], Any]] = {
    "the scheduler's": lambda manager, session: manager._scheduler._lock,
    "the signals'": lambda manager, session: manager._house.signals._lock,
    "the manager's": lambda manager, session: manager._mutex,
    "the session's": lambda manager, session: session._mutex,
    "the ledger's": lambda manager, session: session._run.ledger._turn,
    "the flights'": lambda manager, session: manager._house.shell._mutex,
    "that of who is in memory": lambda manager, session: manager._house.sessions._mutex,
    "the store's": lambda manager, session: manager.store._mutex,
    "the recorder's": lambda manager, session: manager._house.recorder._mutex,
}


@pytest.mark.parametrize("whose", LOCKS)
async def test_a_lock_that_another_thread_holds_does_not_hold_up_the_child(world: World, whose: str) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    await go(session.refresh())  # the scheduler and the flights have their threads

    def go_on() -> bool:
        told: list[str] = []
        manager.on_refresh.connect(lambda session, event: told.append(event.trigger))
        session.refresh()
        manager.on_logout.connect(lambda session, event: told.append(event.trigger))
        session.logout()
        return told == ["refreshed", "logout"] and manager["acme", "another account"] is not None

    with held(LOCKS[whose](manager, session)):
        assert await in_a_child(go_on) == 0


async def test_events_that_another_thread_tells_are_told_once_and_the_child_tells_its_own(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    begun, over = threading.Event(), threading.Event()
    told: list[tuple[int, int]] = []

    def dawdle(session: Any, event: Any) -> None:
        told.append((os.getpid(), event.seq))
        begun.set()
        over.wait(2 * PATIENCE)

    manager.on_refresh.connect(dawdle)
    renewal = world.start(session.refresh)
    await on_thread(begun.wait, PATIENCE)
    parent, first = told[0]

    def go_on() -> bool:
        over.set()
        session.refresh()
        return [one for one in told if one[0] != parent] == [(os.getpid(), first + 2)]

    assert await in_a_child(go_on) == 0
    over.set()
    await renewal
    assert told == [(parent, first)]


async def test_the_child_waits_for_a_renewal_that_the_parent_is_at(world: World) -> None:
    """The refresh token is presented once, by whichever process: here the provider ends a login over a second use."""
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    old = await go(session.token())
    with world.hold("token") as at_it:
        renewal = world.start(session.refresh)
        await world.arrived(at_it)
        before = session._house.process
        assert await in_a_child(lambda: session._house.process != before and session.token() == old) == 0
        at_it.release()
        await renewal
    assert session.state is State.AUTHENTICATED
    assert world.refreshes == 1


async def test_what_a_recorder_has_not_told_yet_is_the_parents_to_tell(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])

    def go_on() -> bool:
        held, trace = len(manager._house.recorder._untold), session.trace
        session.refresh()
        return not held and trace is None and [story.kind for story in session.trace.stories] == ["refresh"]

    assert await in_a_child(go_on) == 0
    assert [story.kind for story in session.trace.stories] == ["login"]


async def test_a_token_source_goes_on_in_the_child(world: World) -> None:
    manager = world.manager()
    source = manager.client_credentials("acme")
    await go(source.token())
    with held(source._mutex):
        assert await in_a_child(lambda: source.renew_if_current(source.token().access_token)) == 0

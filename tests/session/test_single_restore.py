"""One way back for a saved session, whoever brings it, and whatever becomes of who brought it first."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from authflow.errors import AlreadyAuthenticated, LoginInProgress, ServiceUnavailable, SignInRequired
from authflow.stores import FileStore, SQLiteStore

from .support import PATIENCE, Heard, World, go, on_thread

THREADS = 64
TASKS = 250

only_sync = pytest.mark.parametrize("colour", ["sync"])
only_async = pytest.mark.parametrize("colour", ["async"])


async def expired_dump(world: World) -> str:
    """What `dump()` gave in a process that has ended; its token must be renewed."""
    session = await world.signed_in()
    saved: str = session.dump()
    await world.pass_time(7200)
    return saved


@only_sync
@pytest.mark.parametrize("door", ["restore", "login"])
async def test_sixty_four_threads_bring_the_same_session_with_one_request(world: World, door: str) -> None:
    saved = await expired_dump(world)
    session = world.manager()["acme"]
    heard = Heard(session)
    got: list[object] = []

    def bring() -> None:
        try:
            got.append(session.restore(saved) if door == "restore" else session.login(saved_token=saved))
        except BaseException as error:
            got.append(error)

    workers = [threading.Thread(target=bring) for _ in range(THREADS)]
    with world.hold("token") as held:
        for worker in workers:
            worker.start()
        await world.arrived(held)
        await world.joined(session, THREADS)
        held.release()
    for worker in workers:
        await on_thread(worker.join, PATIENCE)
    assert got == [session] * THREADS
    assert session.live
    assert world.refreshes == 1
    assert heard.names == ["on_restore"]
    assert world.provider.accepts(session.token().refresh_token)


@only_async
async def test_hundreds_of_tasks_bring_the_same_session_with_one_request(world: World) -> None:
    saved = await expired_dump(world)
    session = world.manager()["acme"]
    heard = Heard(session)
    got = await asyncio.gather(*(session.restore(saved) for _ in range(TASKS)))
    assert got == [session] * TASKS
    assert session.live
    assert world.refreshes == 1
    assert heard.names == ["on_restore"]
    assert world.provider.accepts((await session.token()).refresh_token)


async def test_two_dumps_of_one_session_are_the_same_one(world: World) -> None:
    first = await world.signed_in()
    saved, again = first.dump(), first.dump()
    assert saved != again
    await world.pass_time(7200)
    session = world.manager()["acme"]
    with world.hold("token") as held:
        calls = [world.start(lambda text=text: session.restore(text)) for text in (saved, again)]
        await world.arrived(held)
        await world.joined(session, 2)
        held.release()
        assert await asyncio.gather(*calls) == [session, session]
    assert world.refreshes == 1


async def test_all_who_wait_hear_why_it_cannot_come_back(world: World) -> None:
    saved = await expired_dump(world)
    world.provider.end_grants()
    session = world.manager()["acme"]
    with world.hold("token") as held:
        calls = [world.start(lambda: session.restore(saved)) for _ in range(8)]
        await world.arrived(held)
        await world.joined(session, 8)
        held.release()
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in ended} == {SignInRequired}
    assert world.refreshes == 1


async def test_after_one_that_failed_the_next_is_tried_anew(world: World) -> None:
    saved = await expired_dump(world)
    session = world.manager()["acme"]
    world.provider.fail_next("token", 503)
    with pytest.raises(ServiceUnavailable):
        await go(session.restore(saved))
    assert await go(session.restore(saved)) is session
    assert session.live
    with pytest.raises(AlreadyAuthenticated):
        await go(session.restore(saved))


@only_async
async def test_who_came_first_may_leave_and_the_others_have_the_session(world: World) -> None:
    saved = await expired_dump(world)
    session = world.manager()["acme"]
    heard = Heard(session)
    with world.hold("token", after=True) as held:
        first, *others = [asyncio.create_task(session.restore(saved)) for _ in range(5)]
        await world.arrived(held)
        await world.joined(session, 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.release()
        assert await asyncio.gather(*others) == [session] * 4
    assert world.refreshes == 1
    assert heard.names == ["on_restore"]


async def test_another_saved_session_or_a_login_meanwhile_is_refused(world: World) -> None:
    saved, other = await expired_dump(world), await world.saved()
    session = world.manager()["acme"]
    with world.hold("token") as held:
        coming = world.start(lambda: session.restore(saved))
        await world.arrived(held)
        with pytest.raises(LoginInProgress, match="being restored"):
            await go(session.restore(other))
        with pytest.raises(LoginInProgress, match="being restored"):
            await go(session.login(open_url=lambda url: None))
        held.release()
        assert await coming is session
    assert world.refreshes == 1
    assert world.provider.accepts(other.refresh_token)


async def test_a_saved_session_is_refused_while_a_login_waits_for_the_human(world: World) -> None:
    saved = await expired_dump(world)
    session = world.manager(world.settings(redirect_uri=None))["acme"]
    shown = threading.Event()
    waiting = world.start(lambda: session.login(open_url=lambda url: shown.set()))
    await on_thread(shown.wait, PATIENCE)
    with pytest.raises(LoginInProgress, match="waiting for the human"):
        await go(session.restore(saved))
    await go(session.cancel())
    await asyncio.gather(waiting, return_exceptions=True)
    assert world.refreshes == 0
    assert await go(session.restore(saved)) is session


@pytest.mark.parametrize("kind", [FileStore, SQLiteStore])
async def test_two_processes_bring_the_same_session_with_one_request(world: World, tmp_path: Path, kind: Any) -> None:
    saved = await expired_dump(world)
    here, there = (world.manager(store=kind(tmp_path / "sessions")) for _ in range(2))
    with world.hold("token") as held:
        calls = [world.start(lambda one=one: one["acme"].restore(saved)) for one in (here, there)]
        await world.arrived(held)
        await world.eventually(lambda: here["acme"]._restoring and there["acme"]._restoring)
        held.release()
        assert await asyncio.gather(*calls) == [here["acme"], there["acme"]]
    assert world.refreshes == 1
    tokens = {(await go(one["acme"].token())).access_token for one in (here, there)}
    assert len(tokens) == 1
    assert world.provider.accepts((await go(here["acme"].token())).refresh_token)

"""One renewal at a time, whoever asks, and whatever becomes of who asked first."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading

import pytest

from authflow import State
from authflow.errors import ServiceUnavailable, SignInRequired, TemporarilyUnavailable

from .support import PATIENCE, Heard, World, go, on_thread

THREADS = 64
TASKS = 1000


only_sync = pytest.mark.parametrize("colour", ["sync"])
only_async = pytest.mark.parametrize("colour", ["async"])


@only_sync
async def test_a105_sixty_four_threads_at_expiry_make_one_request(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    start = threading.Barrier(THREADS)
    got: list[object] = []

    def ask() -> None:
        start.wait(PATIENCE)
        try:
            got.append(session.token().access_token)
        except BaseException as error:
            got.append(error)

    workers = [threading.Thread(target=ask) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await on_thread(worker.join, PATIENCE)
    assert len(got) == THREADS
    assert set(got) == {session.token().access_token}
    assert world.refreshes == 1


@only_async
async def test_a105_a_thousand_tasks_at_expiry_make_one_request(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    got = await asyncio.gather(*(session.token() for _ in range(TASKS)))
    assert len({token.access_token for token in got}) == 1
    assert world.refreshes == 1


async def test_who_judged_by_an_old_record_does_not_renew_again(world: World) -> None:
    from authflow.events import Origin
    from authflow.operations import launch_renewal

    session = await world.signed_in()
    seen = session._run.record
    await go(session.refresh())
    launch_renewal(session, Origin.USER, seen)
    assert session._flight.done
    assert world.refreshes == 1


async def test_who_comes_during_a_renewal_with_a_dead_token_waits_for_it(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    with world.hold("token") as held:
        calls = [world.start(session.token) for _ in range(8)]
        await world.arrived(held)
        assert session.state is State.REFRESHING
        assert session.live
        held.release()
        got = await asyncio.gather(*calls)
    assert len({token.access_token for token in got}) == 1
    assert world.refreshes == 1


async def test_who_comes_during_a_renewal_with_a_token_that_lives_gets_that_one(world: World) -> None:
    session = await world.signed_in()
    old = await go(session.token())
    await world.pass_time(3600 - 100)
    with world.hold("token") as held:
        leader = world.start(session.token)
        await world.arrived(held)
        assert (await go(session.token())).access_token == old.access_token
        held.release()
        assert (await leader).access_token != old.access_token
    assert world.refreshes == 1


async def test_refresh_joins_the_renewal_under_way(world: World) -> None:
    session = await world.signed_in()
    with world.hold("token") as held:
        calls = [world.start(session.refresh) for _ in range(5)]
        await world.arrived(held)
        await world.joined(session, 5)
        held.release()
        events = await asyncio.gather(*calls)
    assert {event.trigger for event in events} == {"refreshed"}
    assert world.refreshes == 1


async def test_a113_all_who_wait_are_released_when_it_fails(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.fail_next("token", 503, headers={"retry-after": "60"}, times=20)
    with world.hold("token") as held:
        calls = [world.start(session.token) for _ in range(10)] + [world.start(session.refresh)]
        await world.arrived(held)
        await world.joined(session, 11)
        held.release()
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in ended} == {TemporarilyUnavailable, ServiceUnavailable}
    assert world.refreshes == 1
    assert session.state is State.AUTHENTICATED


async def test_all_who_wait_are_released_when_the_session_ends(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.end_grants()
    with world.hold("token") as held:
        calls = [world.start(session.token) for _ in range(10)]
        await world.arrived(held)
        held.release()
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in ended} == {SignInRequired}
    assert world.refreshes == 1


async def test_a114_five_renewals_in_a_row_each_with_the_token_of_the_one_before(world: World) -> None:
    session = await world.signed_in()
    seen = {(await go(session.token())).access_token}
    for times in range(1, 6):
        await world.pass_time(3600)
        seen.add((await go(session.token())).access_token)
        assert world.refreshes == times
    assert len(seen) == 6
    assert world.provider.accepts((await go(session.token())).refresh_token)


async def test_five_refreshes_asked_for_in_a_row_are_five(world: World) -> None:
    session = await world.signed_in()
    for _ in range(5):
        assert (await go(session.refresh())).trigger == "refreshed"
    assert world.refreshes == 5


# ── the leader dies ──────────────────────────────────────────────────────────────────────────────────


async def _leader_dies(world: World, session: object, kill: object) -> None:
    """The one who asked first ends amidst the renewal; the next one gets its outcome."""
    heard = Heard(session)
    with world.hold("token", after=True) as held:
        await kill(held)  # type: ignore[operator]
        assert session.live  # type: ignore[attr-defined]
        follower = world.start(session.token)  # type: ignore[attr-defined]
        held.release()
        token = await follower
    await heard.until_told("on_refresh")
    assert world.provider.accepts(token.access_token)
    assert world.provider.accepts(token.refresh_token)
    assert world.refreshes == 1
    assert session.state is State.AUTHENTICATED  # type: ignore[attr-defined]
    assert session.error is None  # type: ignore[attr-defined]


@only_async
@pytest.mark.parametrize("waits", ["cancel", "wait_for", "timeout", "task_group"])
async def test_a_cancelled_leader_ends_nothing(world: World, waits: str) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)

    async def by_cancel(held: object) -> None:
        leader = asyncio.create_task(session.token())
        await world.arrived(held)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader

    async def by_wait_for(held: object) -> None:
        leader = asyncio.create_task(asyncio.wait_for(session.token(), 0.2))
        await world.arrived(held)
        with pytest.raises(TimeoutError):
            await leader

    async def by_timeout(held: object) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.token()
        await world.arrived(held)

    async def by_task_group(held: object) -> None:
        async def fail() -> None:
            await world.arrived(held)
            raise RuntimeError("another task of the group")

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(session.token())
                group.create_task(fail())

    kill = {"cancel": by_cancel, "wait_for": by_wait_for, "timeout": by_timeout, "task_group": by_task_group}[waits]
    await _leader_dies(world, session, kill)


@only_async
async def test_a118_every_waiter_may_be_cancelled_and_the_new_token_is_still_stored(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    with world.hold("token", after=True) as held:
        waiters = [asyncio.create_task(session.refresh()) for _ in range(3)]
        await world.arrived(held)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        held.release()
    await heard.until_told("on_refresh")
    assert world.provider.accepts((await session.token()).refresh_token)
    assert world.refreshes == 1


@only_sync
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RuntimeError])
async def test_a_leading_thread_that_dies_ends_nothing(world: World, kind: type[BaseException]) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    died: list[BaseException] = []

    def lead() -> None:
        try:
            session.token()
            for _ in range(10**8):  # the exception lands at the next step of Python code
                pass
        except BaseException as error:
            died.append(error)

    leader = threading.Thread(target=lead)

    async def kill(held: object) -> None:
        leader.start()
        await world.arrived(held)
        reached = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(leader.ident or 0), ctypes.py_object(kind))
        assert reached == 1

    await _leader_dies(world, session, kill)
    await on_thread(leader.join, PATIENCE)
    assert [type(error) for error in died] == [kind]


@only_sync
async def test_a_leader_interrupted_while_it_joins_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from authflow.effects import Join

    session = await world.signed_in()
    await world.pass_time(3600)
    shell = session._house.shell
    perform = shell._perform
    interrupted = threading.Event()

    def ctrl_c(key: str, step: object, *rest: object) -> object:
        if type(step) is Join and not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt
        return perform(key, step, *rest)

    monkeypatch.setattr(shell, "_perform", ctrl_c)

    async def kill(held: object) -> None:
        with pytest.raises(KeyboardInterrupt):
            session.token()
        await world.arrived(held)

    await _leader_dies(world, session, kill)


# ── the machine slept while the answer was on its way ────────────────────────────────────────────────


async def test_an_answer_that_comes_after_its_deadline_still_counts(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    with world.hold("token", after=True) as held:
        waiting = world.start(session.refresh)
        await world.arrived(held)
        world.sleep_for(8 * 3600)
        assert session.state is State.AUTHENTICATED
        await heard.until_told("on_refresh_failed")
        held.release()
        await waiting
    await heard.until_told("on_refresh")
    assert world.refreshes == 1
    assert world.provider.count("revoke") == 0
    assert session.live
    assert session.error is None


async def test_a_refusal_that_comes_after_its_deadline_still_counts(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    world.provider.end_grants()
    with world.hold("token", after=True) as held:
        waiting = world.start(session.refresh)
        await world.arrived(held)
        world.sleep_for(60)
        assert session.state is State.AUTHENTICATED
        held.release()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert ended.code == "invalid_grant"
    assert session.live
    assert session.reason == "revoked"
    await heard.until_told("on_refresh_failed", 2)


# ── the process forked ───────────────────────────────────────────────────────────────────────────────


@only_sync
@pytest.mark.skipif(not hasattr(os, "fork"), reason="of systems that fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a126_a_forked_child_renews_although_the_parents_threads_are_not_its_own(world: World) -> None:
    session = await world.signed_in()
    await go(session.refresh())  # the parent has threads for renewals, and one of them is idle
    await world.pass_time(3600)
    child = os.fork()
    if child == 0:
        threading.Timer(PATIENCE, os._exit, (9,)).start()
        os._exit(0 if session.token().access_token.startswith("dev_") else 1)
    _, status = await on_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert world.refreshes == 2

"""Two programs share sessions on a server: one renewal each time, one callback anywhere, nothing readable there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from authflow import State
from authflow.stores import Store
from authflow.stores.redis import RedisStore
from authflow.stores.sql import SQLStore
from authflow.testing import DevProvider, VirtualClock
from benchmarks.servers import PostgreSQLServer, RedisServer
from tests.session.support import ProviderClock, World, go, on_thread

Open = Callable[[], Store]


@pytest.fixture(params=["redis", "postgresql"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens the same place again and again, as each program does; all are closed in the end."""
    name = f"test_{uuid4().hex}"
    if request.param == "redis":
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        make: Open = partial(RedisStore, redis_server.url, prefix=name)
    else:
        postgresql_server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
        make = partial(SQLStore, postgresql_server.url, table=name)
    stores: list[Store] = []

    def open() -> Store:
        stores.append(make())
        return stores[-1]

    yield open
    for store in stores:
        store.close()


@pytest.fixture(params=["sync", "async"])
async def world(request: pytest.FixtureRequest, opened: Open) -> AsyncIterator[World]:
    clock = VirtualClock()
    its_clock = ProviderClock(clock)
    provider = DevProvider(auto="ada", algorithm="ES256", rotation="strict", clock=its_clock)
    with provider.serve():
        made = World(str(request.param), provider, clock, its_clock)
        try:
            yield made
        finally:
            await made.close()


def begin(world: World, call: Callable[[], Any]) -> asyncio.Future[Any]:
    """`call()` on its way. Its thread ends with it: the clock of the test waits for those that may wait again."""
    if world.is_async:
        return asyncio.ensure_future(call())
    pool = ThreadPoolExecutor(1)
    called = asyncio.wrap_future(pool.submit(call))
    pool.shutdown(wait=False)
    return called


async def test_of_two_programs_whose_token_has_ended_one_renews(world: World, opened: Open) -> None:
    one, other = (world.manager(store=opened())["acme"] for _ in range(2))
    await world.sign_in(one)
    await world.eventually(lambda: other.live)
    for round in range(1, 4):
        await world.pass_time(3600)
        calls = [begin(world, session.token) for session in (one, other) for _ in range(4)]
        while not all(call.done() for call in calls):
            await world.pass_time(0.1)  # who waits for another's claim looks again in a while
            await asyncio.wait(calls, timeout=0.02)
        tokens = {(await call).access_token for call in calls}
        assert len(tokens) == 1
        assert world.refreshes == round
    assert one.live
    assert other.live


async def test_a_login_begun_here_is_completed_there_and_heard_by_both(world: World, opened: Open) -> None:
    here, there = (world.manager(store=opened()) for _ in range(2))
    url, binding = await world.callback(here["acme"])
    completion = await go(there.complete(url, binding=binding))
    assert completion.session.state is State.AUTHENTICATED
    await world.eventually(lambda: here["acme"].live)
    await go(there["acme"].logout())
    await world.eventually(lambda: here["acme"].state is State.LOGGED_OUT)


async def test_what_the_server_holds_is_sealed(world: World, opened: Open) -> None:
    session = await world.sign_in(world.manager(store=opened())["acme"])
    token = await go(session.token())

    def everything() -> bytes:
        store = opened()
        found = [store.load(key) for key in store.keys("")]
        return b"".join(entry[0] for entry in found if entry is not None)

    kept = await on_thread(everything)
    assert kept
    for secret in (token.access_token, token.refresh_token, token.id_token):
        assert secret.encode() not in kept

"""A logout that its process did not live to take to the provider is finished at the next start."""

from __future__ import annotations

import msgspec

from authflow.chart import State
from authflow.records import SessionRecord
from authflow.stores import MemoryStore

from .support import World, go


async def test_tokens_of_a_logout_that_died_on_its_way_are_revoked_at_the_next_start(world: World) -> None:
    store = MemoryStore()
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    token = await go(session.token())
    key = f"session/{session.key}"
    data, version = store.load(key) or (b"", 0)
    live = msgspec.msgpack.decode(data, type=SessionRecord)
    tombstone = SessionRecord(
        state=State.LOGGED_OUT, since=live.since, epoch=live.epoch + 1, reason="user", unrevoked=live.token
    )
    store.swap(key, version, msgspec.msgpack.encode(tombstone))
    assert world.provider.accepts(token.access_token)

    await world.pass_time(60)
    again = world.manager(store=store)
    reports = await go(again.restore())
    assert [report.restored for report in reports] == [False]
    assert again["acme"].state is State.LOGGED_OUT
    assert not world.provider.accepts(token.access_token)
    kept = msgspec.msgpack.decode((store.load(key) or (b"", 0))[0], type=SessionRecord)
    assert kept.unrevoked is None


async def test_a_finished_logout_keeps_no_token_in_its_tombstone(world: World) -> None:
    store = MemoryStore()
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    await go(session.logout(end_session=False))
    kept = msgspec.msgpack.decode((store.load(f"session/{session.key}") or (b"", 0))[0], type=SessionRecord)
    assert (kept.state, kept.token, kept.unrevoked) == (State.LOGGED_OUT, None, None)

"""A logout that did not reach the provider, because its process died or nobody answered, is finished by `restore()`."""

from __future__ import annotations

import msgspec

from authflow.chart import State
from authflow.records import SessionRecord, Token
from authflow.stores import MemoryStore

from .support import World, go


async def test_tokens_of_a_logout_that_was_killed_amid_its_revocation_are_revoked_at_the_next_start(
    world: World,
) -> None:
    store = MemoryStore()
    session = await world.sign_in(world.manager(store=store)["acme"])
    token = await go(session.token())
    world.provider.fail_next("revoke", 503, times=2)  # nothing of what goes on after the cut revokes it
    with world.hold("revoke") as held:
        leaving = world.start(session.logout)
        await world.arrived(held)
        left = copy_of(store)  # as a process that is killed at this moment leaves it
        held.release()
        await leaving
    assert world.provider.accepts(token.access_token)

    await world.pass_time(60)
    again = world.manager(store=left)
    reports = await go(again.restore())
    assert [report.restored for report in reports] == [False]
    assert again["acme"].state is State.LOGGED_OUT
    assert not world.provider.accepts(token.access_token)
    assert not world.provider.accepts(token.refresh_token)
    assert unrevoked_in(left) is None


async def test_tokens_of_a_logout_that_reached_nobody_are_kept_until_a_restore_reaches_somebody(world: World) -> None:
    store = MemoryStore()
    session = await world.sign_in(world.manager(store=store)["acme"])
    token = await go(session.token())
    world.provider.fail_next("revoke", 503, times=4)
    result = await go(session.logout(end_session=False))
    assert result.revoked == {"refresh_token": False, "access_token": False}
    assert unrevoked_in(store) is not None

    await world.pass_time(60)
    await go(world.manager(store=store).restore())
    assert world.provider.accepts(token.access_token)
    assert unrevoked_in(store) is not None

    await go(world.manager(store=store).restore())
    assert not world.provider.accepts(token.access_token)
    assert unrevoked_in(store) is None


async def test_a_revocation_that_the_provider_refuses_for_good_is_not_tried_again(world: World) -> None:
    store = MemoryStore()
    session = await world.sign_in(world.manager(store=store)["acme"])
    world.provider.fail_next("revoke", 400, times=2)
    result = await go(session.logout(end_session=False))
    assert len(result.errors) == 2
    assert unrevoked_in(store) is None


async def test_a_finished_logout_keeps_no_token_in_its_tombstone(world: World) -> None:
    store = MemoryStore()
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    await go(session.logout(end_session=False))
    kept = record_in(store)
    assert (kept.state, kept.token, kept.unrevoked) == (State.LOGGED_OUT, None, None)


def copy_of(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    for key in store.keys(""):
        copy.swap(key, 0, (store.load(key) or (b"", 0))[0])
    return copy


def record_in(store: MemoryStore) -> SessionRecord:
    """What the store keeps of its only session."""
    [key] = store.keys("session/")
    return msgspec.msgpack.decode((store.load(key) or (b"", 0))[0], type=SessionRecord)


def unrevoked_in(store: MemoryStore) -> Token | None:
    return record_in(store).unrevoked

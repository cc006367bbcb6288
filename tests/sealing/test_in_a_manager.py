"""Sealed records under a whole manager: nothing readable in the store, nothing lost to a wrong key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from authflow import State, generate_key
from authflow.errors import SealedDataInvalid, SealingKeyRequired, StoreError
from authflow.records import Key
from authflow.sealing import KeyRing, reseal
from authflow.stores import MemoryStore
from authflow.testing import DevProvider, VirtualClock
from tests.session.support import KEY, ProviderClock, World, go

OTHER = bytes(range(32, 64))
AT = "session/" + str(Key("", "acme", ""))


class DurableStore(MemoryStore):
    """A memory store that says it outlives the process, and can be looked into."""

    durable = True

    def everything(self) -> bytes:
        return b"".join(data for data, _, _ in self._entries.values())

    def put_back(self, key: str, data: bytes) -> None:
        """What somebody with access to the store may do: old bytes, a version that looks right."""
        found = self.load(key)
        self.swap(key, 0 if found is None else found[1], data)


@pytest.fixture(params=["sync", "async"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    clock = VirtualClock()
    its_clock = ProviderClock(clock)
    provider = DevProvider(auto="ada", algorithm="ES256", rotation="strict", clock=its_clock)
    with provider.serve():
        made = World(str(request.param), provider, clock, its_clock)
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture
def store() -> DurableStore:
    return DurableStore()


def raw(store: DurableStore, key: str = AT) -> bytes:
    found = store.load(key)
    assert found is not None
    return found[0]


async def test_a_durable_store_without_a_key_is_refused(world: World, store: DurableStore) -> None:
    with pytest.raises(SealingKeyRequired):
        world.manager(store=store, sealing_key=None)


async def test_nothing_of_a_login_is_readable_in_the_store(world: World, store: DurableStore) -> None:
    session = world.manager(store=store)["acme"]
    url, binding = await world.callback(session)
    assert b"code_verifier" not in store.everything()
    assert b"app.example" not in store.everything()
    await go(session.complete(url, binding=binding))
    token = await go(session.token())
    for secret in (token.access_token, token.refresh_token, token.id_token, "Ada"):
        assert secret.encode() not in store.everything()


async def test_plaintext_is_asked_for_by_its_long_name(world: World, store: DurableStore) -> None:
    session = await world.signed_in(store=store, sealing_key=None, store_tokens_in_plaintext=True)
    assert (await go(session.token())).access_token.encode() in store.everything()


async def test_another_process_with_the_key_goes_on_with_the_session(world: World, store: DurableStore) -> None:
    first = await world.signed_in(store=store)
    second = world.manager(store=store)["acme"]
    assert second.state is State.AUTHENTICATED
    assert (await go(first.token())).access_token == (await go(second.token())).access_token
    await go(second.refresh())
    await go(first.refresh())
    assert first.live
    assert second.live


async def test_a_login_begun_in_one_process_is_completed_in_another(world: World, store: DurableStore) -> None:
    url, binding = await world.callback(world.manager(store=store)["acme"])
    completion = await go(world.manager(store=store).complete(url, binding=binding))
    assert completion.session.state is State.AUTHENTICATED


async def test_a_wrong_key_is_told_and_the_record_stays(world: World, store: DurableStore) -> None:
    await world.signed_in(store=store)
    before = raw(store)
    stranger = world.manager(store=store, sealing_key=OTHER)["acme"]
    for call in (stranger.token, stranger.logout, stranger.begin, stranger.forget):
        with pytest.raises(SealedDataInvalid) as caught:
            await go(call())
        assert "Pass the key it was sealed with" in caught.value.hint
    assert raw(store) == before
    again = world.manager(store=store)["acme"]
    assert again.state is State.AUTHENTICATED


async def test_restore_reports_a_wrong_key_and_does_not_raise(world: World, store: DurableStore) -> None:
    await world.signed_in(store=store)
    (report,) = await go(world.manager(store=store, sealing_key=OTHER).restore())
    assert not report.restored
    assert report.error is not None
    assert report.error.code == "sealed_data_invalid"


async def test_a_record_moved_to_another_provider_does_not_open(world: World, store: DurableStore) -> None:
    await world.signed_in(store=store)
    store.put_back("session/" + str(Key("", "other", "")), raw(store))
    providers = [world.settings(), world.settings("other")]
    thief = world.manager(*providers, store=store)["other"]
    with pytest.raises(SealedDataInvalid, match="moved here"):
        await go(thief.token())


async def test_a_record_older_than_one_this_process_has_seen_is_refused(world: World, store: DurableStore) -> None:
    session = await world.signed_in(store=store)
    old = raw(store)
    await go(session.refresh())
    newest = (await go(session.token())).access_token
    store.put_back(AT, old)
    with pytest.raises(StoreError, match="rolled back"):
        await go(session.refresh())
    assert raw(store) == old
    assert (await go(session.token())).access_token == newest


async def test_a_process_that_never_saw_the_newer_one_cannot_know(world: World, store: DurableStore) -> None:
    session = await world.signed_in(store=store)
    old = raw(store)
    await go(session.refresh())
    store.put_back(AT, old)
    assert world.manager(store=store)["acme"].state is State.AUTHENTICATED


class Unheard(DurableStore):
    """A durable store without notices: nobody learns of a change before reading."""

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None


async def test_a_session_that_moved_away_and_back_is_not_taken_for_rolled_back(world: World) -> None:
    store = Unheard()
    session = await world.signed_in(store=store)
    watching = world.manager(store=store)["acme"]
    assert watching.live
    for owner in ("elsewhere", ""):
        await go(session.refresh())
        await go(session.move(owner=owner))
    await go(watching.refresh())
    assert watching.live


async def test_after_a_rotation_old_records_open_and_the_next_write_uses_the_new_key(
    world: World, store: DurableStore
) -> None:
    await world.signed_in(store=store)
    rotated = world.manager(store=store, sealing_key=KeyRing(OTHER, KEY))["acme"]
    await go(rotated.refresh())
    assert raw(store)[1:9].hex() == KeyRing(OTHER).key_ids[0]
    assert world.manager(store=store, sealing_key=OTHER)["acme"].live


async def test_resealing_beside_a_running_process_loses_nothing(world: World, store: DurableStore) -> None:
    ring = KeyRing(OTHER, KEY)
    session = await world.signed_in(store=store, sealing_key=KeyRing(KEY, OTHER))
    assert reseal(store, ring) == 1
    await go(session.refresh())
    assert session.live
    assert reseal(store, ring) == 1  # that process still seals with the old key


async def test_a_dump_of_an_older_key_opens_with_a_ring(world: World) -> None:
    session = await world.signed_in()
    saved = session.dump()
    again = world.manager(sealing_key=KeyRing(OTHER, KEY))["acme"]
    await go(again.restore(saved))
    assert again.live


async def test_a_store_that_knows_its_key_needs_none_passed(world: World, store: DurableStore) -> None:
    key = generate_key()
    find: Callable[[], Any] = lambda: KeyRing(key)  # noqa: E731
    store.key_ring = find  # type: ignore[attr-defined]
    session = await world.signed_in(store=store, sealing_key=None)
    saved = session.dump()
    assert raw(store)[1:9].hex() == KeyRing(key).key_ids[0]
    await go(session.logout())
    await go(session.restore(saved))
    assert session.live

"""Two managers on one store are as two processes: each hears once what the other did, and writes nothing for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from authflow import State
from authflow.chart import Trigger
from authflow.errors import LoginCancelled, ServiceUnavailable, SignInRequired, TemporarilyUnavailable
from authflow.events import Origin
from authflow.operations.landing import claim_facts
from authflow.operations.renewing import launch_renewal
from authflow.records import Claim
from authflow.stores import FileStore, MemoryStore
from authflow.testing import VirtualClock

from .support import Heard, Process, World, go

PATIENCE = 5.0 + 1.0  # seconds for which a caller without a token waits for another process: the deadline, and 1 s
LEASE = 2 * 5.0 + 5.0  # seconds for which a claim counts as a living process's


class Two:
    """Two processes that know the same session."""

    def __init__(self, world: World, *, rotation: str | None = None, **there: Any) -> None:
        self.rotation = rotation or world.provider.rotation
        self.shared = MemoryStore(time=world.clock.time)
        self.here_store, self.there_store = Process(self.shared), Process(self.shared)
        self.here_manager = world.manager(world.settings(rotation=self.rotation), store=self.here_store)
        self.there_manager = world.manager(world.settings(rotation=self.rotation), store=self.there_store, **there)
        self.here: Any = self.here_manager["acme"]
        self.there: Any = self.there_manager["acme"]
        self.heard_here, self.heard_there = Heard(self.here_manager), Heard(self.there_manager)

    async def signed_in(self, world: World) -> Two:
        """Signed in here, and known there."""
        assert self.there.state is State.IDLE
        await world.sign_in(self.here)
        await self.heard_there.until_told("on_restore")
        self.heard_here.forget()
        self.heard_there.forget()
        return self

    async def another_dies_at_its_renewal(self, world: World) -> None:
        """A third process claimed the renewal and is gone; both know of it."""
        store = Process(self.shared)
        gone = world.manager(world.settings(rotation=self.rotation), store=store)
        session = gone["acme"]
        assert session.live
        facts = claim_facts(session, Origin.CLOCK, Claim(at=world.clock.time()))
        session._run.ledger.commit(Trigger.REFRESH, facts)
        store.deaf = True
        await go(gone.close())
        for heard in (self.heard_here, self.heard_there):
            await heard.until(lambda heard=heard: "refresh" in heard.triggers)


async def test_a_login_here_is_a_restore_there(world: World) -> None:
    two = Two(world)
    assert two.there.state is State.IDLE
    await world.sign_in(two.here)
    await two.heard_there.until_told("on_restore")
    assert two.there.state is State.AUTHENTICATED
    assert (await go(two.there.token())).access_token == (await go(two.here.token())).access_token
    assert two.there.user.name == "Ada Lovelace"
    assert (two.heard_here.names, two.heard_there.names) == (["on_login"], ["on_restore"])
    assert two.heard_there.last("on_restore").origin == "other_process"
    assert world.provider.requests == []


async def test_learning_from_the_store_writes_nothing(world: World) -> None:
    two = Two(world)
    assert two.there.state is State.IDLE
    written: list[str] = []
    two.there_store.before_swap = written.append
    await world.sign_in(two.here)
    await two.heard_there.until_told("on_restore")
    assert written == []


async def test_a_renewal_here_is_adopted_there(world: World) -> None:
    two = await Two(world).signed_in(world)
    await go(two.here.refresh())
    await two.heard_there.until_told("on_refresh")
    new = await go(two.here.token())
    assert (await go(two.there.token())).access_token == new.access_token
    assert two.heard_there.names == ["on_refresh"]
    event = two.heard_there.last("on_refresh")
    assert (event.trigger, event.origin) == ("adopt", "other_process")
    assert world.refreshes == 1


async def test_a_logout_here_ends_the_session_there_with_the_users_reason(world: World) -> None:
    two = await Two(world).signed_in(world)
    await go(two.here.logout())
    await two.heard_there.until_told("on_logout")
    assert two.there.state is State.LOGGED_OUT
    event = two.heard_there.last("on_logout")
    assert (event.trigger, event.reason, event.recoverable, event.origin) == ("revoke", "user", False, "other_process")
    assert two.heard_there.names == ["on_logout"]
    with pytest.raises(SignInRequired):
        await go(two.there.token())


async def test_an_expiry_here_is_recoverable_there_too(world: World) -> None:
    world.provider.refresh_tokens = False
    two = await Two(world).signed_in(world)
    two.there_store.deaf = True
    await world.pass_time(3600)
    await two.heard_here.until_told("on_logout")
    two.there_store.listen()
    await two.heard_there.until_told("on_logout")
    assert two.heard_there.last("on_logout").recoverable
    assert two.heard_there.names.count("on_logout") == 1


async def test_somebody_else_signed_in_here_is_a_logout_and_a_restore_there(world: World) -> None:
    two = await Two(world).signed_in(world)
    two.there_store.deaf = True
    await go(two.here.logout())
    await world.sign_in(two.here, "grace")
    assert two.there.user.name == "Ada Lovelace"
    two.there_store.listen()
    await two.heard_there.until_told("on_restore")
    assert two.heard_there.names == ["on_logout", "on_restore"]
    assert two.heard_there.last("on_logout").reason == "replaced"
    assert two.there.user.name == "Grace Hopper"


async def test_the_same_user_signed_in_anew_is_another_login(world: World) -> None:
    two = await Two(world).signed_in(world)
    two.there_store.deaf = True
    await go(two.here.logout())
    await world.sign_in(two.here)
    two.there_store.listen()
    await two.heard_there.until_told("on_restore")
    assert two.heard_there.names == ["on_logout", "on_restore"]


async def test_a109_a_renewal_there_of_a_login_that_was_replaced_here_touches_nothing(world: World) -> None:
    two = await Two(world).signed_in(world)
    two.there_store.deaf = True
    await go(two.here.logout())
    await world.sign_in(two.here, "grace")
    assert await go(two.there.refresh()) is None
    assert world.refreshes == 0
    assert (await go(two.there.token())).access_token == (await go(two.here.token())).access_token
    await two.heard_there.until_told("on_restore")
    assert two.heard_there.names[:2] == ["on_logout", "on_restore"]


async def test_both_renew_at_once_and_one_request_is_made(world: World) -> None:
    two = await Two(world).signed_in(world)
    with world.hold("token") as held:
        here = world.start(two.here.refresh)
        await world.arrived(held)
        there = world.start(two.there.refresh)
        await world.eventually(lambda: two.there._flight is not None)
        held.release()
        await here
        while not there.done():
            await world.pass_time(0.2)
        await there
    assert world.refreshes == 1
    assert (await go(two.there.token())).access_token == (await go(two.here.token())).access_token
    assert two.heard_there.names.count("on_refresh") == 1
    assert two.heard_here.names == ["on_refresh"]


@pytest.mark.parametrize("knows", [True, False])
async def test_while_another_process_renews_a_token_that_lives_comes_at_once(world: World, knows: bool) -> None:
    two = await Two(world).signed_in(world)
    two.there_store.deaf = not knows
    old = await go(two.there.token())
    await world.pass_time(3600 - 100)
    with world.hold("token") as held:
        here = world.start(two.here.token)
        await world.arrived(held)
        if knows:
            await two.heard_there.until(lambda: "refresh" in two.heard_there.triggers)
        assert (await go(two.there.token())).access_token == old.access_token
        assert not here.done()
        held.release()
        new = await here
    assert new.access_token != old.access_token
    two.there_store.listen()
    await two.heard_there.until_told("on_refresh")
    assert (await go(two.there.token())).access_token == new.access_token
    assert world.refreshes == 1


async def test_while_another_process_holds_the_lock_a_token_that_lives_comes_at_once(
    world: World, tmp_path: Path
) -> None:
    two = [world.manager(store=FileStore(tmp_path / "sessions")) for _ in range(2)]
    here, there = (manager["acme"] for manager in two)
    await world.sign_in(here)
    await world.eventually(lambda: there.state is State.AUTHENTICATED)
    old = await go(there.token())
    await world.pass_time(3600 - 100)
    with two[0]._house.store.lock(here._run.ledger.store_key, 0.0) as had:
        assert had
        assert (await go(there.token())).access_token == old.access_token
        assert world.refreshes == 0
    assert (await go(there.token())).access_token != old.access_token
    assert world.refreshes == 1


async def test_a_process_that_died_at_its_renewal_keeps_nobody_from_a_token_that_lives(world: World) -> None:
    two = await Two(world, rotation="grace").signed_in(world)
    old = await go(two.there.token())
    await world.pass_time(3600 - 100)
    await two.another_dies_at_its_renewal(world)
    for session in (two.here, two.there):
        assert (await go(session.token())).access_token == old.access_token
    assert world.refreshes == 0
    await world.pass_time(LEASE)
    new = await go(two.there.token())
    assert new.access_token != old.access_token
    assert (await go(two.here.token())).access_token == new.access_token
    assert world.refreshes == 1


async def test_who_has_no_token_waits_for_a_process_that_died_no_longer_than_one_try_takes(world: World) -> None:
    two = await Two(world, rotation="grace").signed_in(world)
    await world.pass_time(3600)
    await two.another_dies_at_its_renewal(world)
    over = world.clock.time() + LEASE
    waiting = [world.start(two.there.token) for _ in range(3)]
    await world.eventually(lambda: two.there._flight is not None)
    await world.joined(two.there, 3)
    world.sleep_for(PATIENCE)
    await until_done(world, *waiting)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in ended] == [TemporarilyUnavailable] * 3
    assert {error.retry_at for error in ended} == {over}
    assert two.there.live
    assert world.refreshes == 0


async def test_who_asks_for_the_renewal_of_a_process_that_died_waits_until_it_may_be_done(world: World) -> None:
    two = await Two(world, rotation="grace").signed_in(world)
    await two.another_dies_at_its_renewal(world)
    renewing = world.start(two.there.refresh)
    await world.eventually(lambda: two.there._flight is not None)
    first = two.there._flight
    world.sleep_for(PATIENCE)
    await until_done(world, first.future)
    assert world.refreshes == 0
    world.sleep_for(LEASE)
    await until_done(world, renewing)
    assert (await renewing).trigger == "refreshed"
    assert world.refreshes == 1


async def test_a_lease_that_lapses_when_the_caller_has_just_looked_is_taken_over(world: World) -> None:
    two = await Two(world, rotation="grace").signed_in(world)
    await two.another_dies_at_its_renewal(world)
    seen = two.there._run.record
    world.sleep_for(LEASE)
    flight = launch_renewal(two.there, Origin.USER, seen)
    await until_done(world, flight.future)
    assert flight.future.result().error is None
    assert world.refreshes == 1


async def until_done(world: World, *calls: Any) -> None:
    """Time passes, a bit whenever a renewal waits for its next look at another process's."""
    clock = world.clock

    def over() -> bool:
        return all(call.done() for call in calls)

    while not over():
        await world.eventually(lambda: over() or (clock.next_due or clock.monotonic() + 1) - clock.monotonic() < 0.2)
        if not over():
            await world.pass_time(0.11)


async def test_who_loses_the_race_for_the_renewal_by_a_hair_waits_for_the_winner(world: World) -> None:
    if world.is_async:
        return  # on one loop nobody comes between reading and writing
    two = await Two(world).signed_in(world)
    two.there_store.deaf = True
    two.there_store.before_swap = lambda key: two.here.refresh()
    await go(two.there.refresh())
    assert world.refreshes == 1
    assert (await go(two.there.token())).access_token == (await go(two.here.token())).access_token


async def test_a_login_begun_here_is_completed_there(world: World) -> None:
    two = Two(world)
    assert two.there.state is State.IDLE
    url, binding = await world.callback(two.here, app_data={"next": "/inbox"})
    completion = await go(two.there_manager.complete(url, binding=binding))
    assert completion.app_data == {"next": "/inbox"}
    assert completion.session is two.there
    await two.heard_here.until_told("on_restore")
    assert two.here.state is State.AUTHENTICATED
    assert two.heard_there.names == ["on_login"]
    assert two.heard_here.names == ["on_restore"]
    assert world.provider.count("token") == 1


async def test_a_login_begun_here_and_completed_there_while_this_one_slept(world: World) -> None:
    two = Two(world)
    url, binding = await world.callback(two.here)
    two.here_store.deaf = True
    await go(two.there_manager.complete(url, binding=binding))
    two.here_store.listen()
    await two.heard_here.until_told("on_restore")
    assert two.heard_here.names == ["on_restore"]
    assert two.here.live


async def test_a_login_that_fails_there_fails_here(world: World) -> None:
    two = Two(world)
    url, binding = await world.callback(two.here)
    world.provider.fail_next("token", 400, {"error": "invalid_grant"})
    with pytest.raises(Exception, match="invalid_grant"):
        await go(two.there_manager.complete(url, binding=binding))
    await two.heard_here.until_told("on_login_failed")
    assert two.here.state is State.IDLE
    assert two.heard_here.names == ["on_login_failed"]
    assert two.heard_there.names == ["on_login_failed"]


async def test_whoever_looks_in_the_middle_of_an_exchange_elsewhere_still_hears_of_the_login(world: World) -> None:
    two = Two(world)
    url, binding = await world.callback(two.here)
    with world.hold("token") as held:
        completing = world.start(lambda: two.here_manager.complete(url, binding=binding))
        await world.arrived(held)
        assert two.there.state in (State.AUTHORIZING, State.EXCHANGING)
        held.release()
        await completing
    await two.heard_there.until_told("on_restore")
    assert two.there.live


async def test_a_cancel_there_ends_the_exchange_here(world: World) -> None:
    two = Two(world)
    assert two.there.state is State.IDLE
    url, binding = await world.callback(two.here)
    with world.hold("token", after=True) as held:
        completing = world.start(lambda: two.here_manager.complete(url, binding=binding))
        await world.arrived(held)
        await two.heard_there.until(lambda: two.there.state is not State.IDLE)
        assert await go(two.there.cancel())
        held.release()
        (ended,) = await asyncio.gather(completing, return_exceptions=True)
    assert isinstance(ended, LoginCancelled)
    assert (two.here.state, two.there.state) == (State.IDLE, State.IDLE)
    assert "on_login" not in two.heard_here.names


async def test_logout_here_during_a_renewal_there_revokes_what_comes_of_it(world: World) -> None:
    two = await Two(world).signed_in(world)
    issued: list[dict[str, str]] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(dict(answer))
    with world.hold("token", after=True) as held:
        there = world.start(two.there.refresh)
        await world.arrived(held)
        await two.heard_here.until(lambda: "refresh" in two.heard_here.triggers)
        await go(two.here.logout())
        held.release()
        (ended,) = await asyncio.gather(there, return_exceptions=True)
    assert isinstance(ended, SignInRequired)
    await two.heard_there.until_told("on_logout")
    assert not world.provider.accepts(issued[-1]["access_token"])
    assert not world.provider.accepts(issued[-1]["refresh_token"])
    assert "on_refresh" not in two.heard_there.names


class Overtaken(Two):
    """A renewal here whose answer comes after its lease, with another one of the same token under way there."""

    def __init__(self, world: World) -> None:
        world.provider.rotation, world.provider.grace = "grace", 1e9
        self.clock = VirtualClock(world.clock.time(), patience=1.0)
        super().__init__(world, clock=self.clock)

    def _given_up(self, key: str) -> None:
        self.there_store.before_swap = self._claimed

    def _claimed(self, key: str) -> None:
        self.here._run.ledger.catch_up()

    async def renewed(self, world: World) -> tuple[Any, Any]:
        """What comes of the one here, which is answered first, and of the one there. There, two things are written:
        that the lease ran out, which is heard here, and a claim, which is not."""
        self.here_store.deaf = True
        with world.hold("token", after=True) as late:
            here = world.start(self.here.refresh)
            await world.arrived(late)
            self.there_store.before_swap = self._given_up
            self.clock.suspend(30)
            with world.hold("token", after=True) as held:
                there = world.start(self.there.refresh)
                await world.arrived(held)
                late.release()
                (one,) = await asyncio.gather(here, return_exceptions=True)
                held.release()
                (other,) = await asyncio.gather(there, return_exceptions=True)
        self.here_store.listen()
        return one, other


async def test_tokens_that_come_late_are_stored_although_another_process_has_claimed_the_token(world: World) -> None:
    both = Overtaken(world)
    await both.signed_in(world)
    event, nothing = await both.renewed(world)
    assert (event.trigger, nothing) == ("refreshed", None)
    assert world.provider.count("revoke") == 0
    assert (await go(both.there.token())).access_token == (await go(both.here.token())).access_token
    assert (await go(both.there.refresh())).trigger == "refreshed"
    assert "on_logout" not in both.heard_here.names + both.heard_there.names


async def test_a_failure_that_comes_late_leaves_another_processs_claim_alone(world: World) -> None:
    both = Overtaken(world)
    await both.signed_in(world)
    world.provider.fail_next("token", 429, after=True)
    error, event = await both.renewed(world)
    assert isinstance(error, ServiceUnavailable)
    assert event.trigger == "refreshed"
    for heard in (both.heard_here, both.heard_there):
        await heard.until_told("on_refresh_failed")
        assert heard.names.count("on_refresh_failed") == 1
    assert both.here.live


async def test_every_event_is_heard_once_in_each(world: World) -> None:
    two = Two(world)
    assert two.there.state is State.IDLE
    await world.sign_in(two.here)
    await two.heard_there.until_told("on_restore")
    await go(two.there.refresh())
    await two.heard_here.until_told("on_refresh")
    await go(two.here.logout())
    await two.heard_there.until_told("on_logout")
    assert two.heard_here.names == ["on_login", "on_refresh", "on_logout"]
    assert two.heard_there.names == ["on_restore", "on_refresh", "on_logout"]
    for heard in (two.heard_here, two.heard_there):
        assert [event.seq for event in heard.transitions] == list(range(1, len(heard.transitions) + 1))
        revisions = [event.revision for event in heard.transitions]
        assert revisions == sorted(revisions)

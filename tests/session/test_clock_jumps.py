"""Clocks that jump, machines that sleep: no storm of renewals, and nobody is signed out who could be renewed."""

from __future__ import annotations

import asyncio

import pytest

from authflow import State
from authflow.errors import SignInRequired
from authflow.trace.recorder import WAITS

from .support import FaultyStore, Heard, World, go

HOUR = 3600.0
MARGIN = 300.0  # before the end of a token that lives an hour, without jitter


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 10.0, -10.0])
async def test_a096_a_clock_set_wrong_costs_at_most_one_renewal_and_no_session(world: World, jump: float) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    world.set_clock(jump)
    for _ in range(5):
        await go(session.token())
    assert world.refreshes <= 1
    assert session.live
    assert "on_logout" not in heard.names


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_clock_that_stays_wrong_still_renews(world: World, jump: float) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    world.set_clock(jump)
    for _ in range(3):
        await go(session.token())
        await world.pass_time(HOUR)
        await go(session.token())
        if not world.provider.accepts((await go(session.token())).access_token):
            await go(session.renew_if_current((await go(session.token())).access_token))
        assert world.provider.accepts((await go(session.token())).access_token)
    assert session.live
    assert "on_logout" not in heard.names
    assert world.refreshes <= 4


async def test_a_clock_set_back_does_not_make_a_token_live_longer(world: World) -> None:
    session = await world.signed_in()
    world.set_clock(-HOUR)
    await world.pass_time(HOUR)
    await go(session.token())
    assert world.refreshes == 1


async def test_a_clock_set_back_does_not_keep_a_session_that_cannot_be_renewed(world: World) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    world.set_clock(-HOUR)
    await world.pass_time(HOUR)
    assert session.state is State.LOGGED_OUT


async def test_eight_hours_of_sleep_cost_one_renewal(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    world.sleep_for(8 * HOUR)
    assert session.live
    for _ in range(5):
        token = await go(session.token())
    assert world.refreshes == 1
    assert world.provider.accepts(token.access_token)
    assert "on_logout" not in heard.names


async def test_eight_hours_of_sleep_with_keep_fresh_cost_one_renewal(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    await world.pass_time(WAITS + 1.0)  # the login is told: nothing but the sleep is noticed below
    heard = Heard(session)
    manager.keep_fresh()
    world.sleep_for(8 * HOUR)
    await world.pass_time(31)
    await heard.until_told("on_refresh")
    await go(session.token())
    assert world.refreshes == 1
    assert "on_logout" not in heard.names


async def test_a_session_that_cannot_be_renewed_is_over_after_the_sleep(world: World) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    heard = Heard(session)
    world.sleep_for(8 * HOUR)
    with pytest.raises(SignInRequired):
        await go(session.token())
    assert session.state is State.LOGGED_OUT
    await heard.until_told("on_logout")
    assert heard.names.count("on_logout") == 1


async def test_a_login_that_waited_through_the_sleep_is_over(world: World) -> None:
    session = world.manager()["acme"]
    heard = Heard(session)
    await go(session.begin(timeout=600))
    world.sleep_for(8 * HOUR)
    assert session.state is State.IDLE
    await heard.until_told("on_login_failed")
    assert heard.last("on_login_failed").reason == "timed_out"


# ── reading acts ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("read", ["state", "live", "user", "expires_at", "reason"])
async def test_reading_past_a_deadline_fires_what_is_due(world: World, read: str) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    heard = Heard(session)
    world.sleep_for(HOUR)
    getattr(session, read)
    await heard.until_told("on_logout")
    assert heard.last("on_logout").trigger == "expire"


# ── keep_fresh, on_expiring, session_lifetime ────────────────────────────────────────────────────────


async def test_keep_fresh_renews_ahead_without_anybody_asking(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    heard = Heard(session)
    session._jitter = 0.0
    manager.keep_fresh()
    for times in range(1, 4):
        await world.pass_time(HOUR - MARGIN - 1)
        assert world.refreshes == times - 1
        await world.pass_time(1)
        await heard.until_told("on_refresh", times)
    assert world.refreshes == 3
    assert "on_expiring" not in heard.names


async def test_keep_fresh_holds_for_sessions_that_come_later(world: World) -> None:
    manager = world.manager()
    manager.keep_fresh()
    session = await world.sign_in(manager["acme", "work"])
    heard = Heard(session)
    session._jitter = 0.0
    session._recache()
    await world.pass_time(HOUR - MARGIN)
    await heard.until_told("on_refresh")


async def test_keep_fresh_holds_for_a_session_that_was_only_read_beside_the_loop(world: World) -> None:
    """As a web application does that lets a store that blocks wait on a thread."""
    store = FaultyStore(world.clock)
    await world.sign_in(world.manager(store=store).owner("ada")["acme"])
    manager = world.manager(store=store)
    await asyncio.to_thread(manager.keep_fresh)  # as where a module is imported: no loop runs there
    session = manager.owner("ada")["acme"]
    session._jitter = 0.0
    assert await asyncio.to_thread(getattr, session, "live")
    heard = Heard(session)
    await world.pass_time(HOUR - MARGIN)
    await heard.until_told("on_refresh")


async def test_without_keep_fresh_nobody_renews_for_nobody(world: World) -> None:
    await world.signed_in()
    await world.pass_time(3 * HOUR)
    assert world.refreshes == 0


async def test_keep_fresh_keeps_the_pause_that_the_provider_asks_for(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    heard = Heard(session)
    session._jitter = 0.0
    manager.keep_fresh()
    world.provider.fail_next("token", 503, headers={"retry-after": "200"})
    await world.pass_time(HOUR - MARGIN)
    await heard.until_told("on_refresh_failed")
    assert world.refreshes == 1
    await world.pass_time(199)
    assert world.refreshes == 1
    await world.pass_time(1)
    await heard.until_told("on_refresh")
    assert world.refreshes == 2


@pytest.mark.parametrize("said", [{"expires_in": 0}, {"expires_in": -5}, {"expires_in": 0.001}], ids=str)
async def test_keep_fresh_does_not_storm_a_provider_whose_tokens_are_dead_on_arrival(
    world: World, said: dict[str, float]
) -> None:
    world.provider.tamper["token_response"] = lambda answer: {**answer, **said}
    manager = world.manager()
    manager.keep_fresh()
    session = await world.sign_in(manager["acme"], fetch_user=False)
    heard = Heard(session)
    for times in range(1, 4):
        await world.pass_time(0.7)
        assert world.refreshes == times - 1
        await world.pass_time(0.4)
        await heard.until_told("on_refresh", times)
    assert session.live


async def test_keep_fresh_does_not_storm_a_provider_that_wants_its_tokens_renewed_at_once(world: World) -> None:
    world.provider.tamper["token_response"] = lambda answer: {**answer, "refresh_in": 0}
    manager = world.manager()
    manager.keep_fresh()
    session = await world.sign_in(manager["acme"])
    heard = Heard(session)
    await world.pass_time(29)
    await go(session.token())
    assert world.refreshes == 0
    await world.pass_time(2)
    await heard.until_told("on_refresh")
    assert world.refreshes == 1


async def test_keep_fresh_does_not_storm_a_store_that_cannot_be_read(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    heard = Heard(session)
    session._jitter = 0.0
    manager.keep_fresh()
    store.break_down("load", "session/")
    store.calls.clear()
    await world.pass_time(HOUR - MARGIN)
    await world.eventually(lambda: session._flight is not None and session._flight.done)
    await world.pass_time(29)
    assert len(store.calls) == 1
    assert session.live
    store.mend()
    await world.pass_time(1)
    await heard.until_told("on_refresh")
    assert world.refreshes == 1


async def test_on_expiring_is_told_once_for_each_token(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    await world.pass_time(HOUR - 61)
    assert heard.events("on_expiring") == []
    await world.pass_time(2)
    await heard.until_told("on_expiring")
    await world.pass_time(30)
    assert session.live
    assert len(heard.events("on_expiring")) == 1
    event = heard.last("on_expiring")
    assert (event.source, event.target, event.live) == ("authenticated", "authenticated", True)

    await go(session.refresh())
    await world.pass_time(HOUR - 50)
    await heard.until_told("on_expiring", 2)
    assert heard.triggers == ["refresh", "refreshed"]


async def test_how_long_before_the_end_on_expiring_is_told_can_be_set(world: World) -> None:
    session = await world.signed_in(expiring_notice=600)
    heard = Heard(session)
    await world.pass_time(HOUR - 601)
    assert heard.events("on_expiring") == []
    await world.pass_time(2)
    await heard.until_told("on_expiring")


async def test_a_session_lifetime_ends_the_session_whatever_is_renewed(world: World) -> None:
    session = await world.signed_in(session_lifetime=2 * HOUR)
    heard = Heard(session)
    await world.pass_time(HOUR)
    await go(session.token())
    assert world.refreshes == 1
    await world.pass_time(HOUR)
    await heard.until_told("on_logout")
    event = heard.last("on_logout")
    assert (event.trigger, event.reason, event.recoverable) == ("expire", "session_lifetime", True)
    with pytest.raises(SignInRequired):
        await go(session.token())


async def test_no_token_is_given_past_the_session_lifetime_even_before_the_clock_was_noticed(world: World) -> None:
    session = await world.signed_in(session_lifetime=600)
    await go(session.token())
    world.sleep_for(700)
    with pytest.raises(SignInRequired):
        await go(session.token())


async def test_a_renewal_that_nobody_answers_is_given_up_by_the_clock(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    with world.hold("token"):
        world.start(session.refresh).add_done_callback(lambda done: done.exception())
        await heard.until(lambda: session._run.record.state is State.REFRESHING)
        await world.pass_time(60)
        await heard.until_told("on_refresh_failed")
        assert session.state is State.AUTHENTICATED
        assert heard.last("on_refresh_failed").origin == "clock"

"""Signing in by a code on another screen (RFC 8628): the story that ends well, and every way it ends otherwise."""

from __future__ import annotations

import asyncio

import pytest

from authflow import AsyncSessionManager, LoginCancelled, LoginDenied, LoginFailed, LoginTimedOut, State
from authflow.agents import DeviceCode, Instructions
from authflow.errors import CallbackRejected, MissingEndpoint
from authflow.stores import MemoryStore
from authflow.testing import DevProvider, VirtualClock
from tests.session.support import Heard, ProviderClock, World, go

from .waiting import Shown, approve, poll, until_waiting


async def test_a_code_on_another_screen_signs_in_here(world: World) -> None:
    manager = world.manager()
    heard = Heard(manager)
    session = manager["acme"]

    request = await go(session.begin(agent=DeviceCode()))
    assert session.state is State.AUTHORIZING
    assert len(request.user_code) == 9
    assert request.verification_uri == f"{world.provider.url}/device"
    assert request.verification_uri_complete == f"{request.verification_uri}?user_code={request.user_code}"
    assert request.url == request.verification_uri_complete
    assert request.binding is None

    waiting = world.start(request.wait)
    await poll(world, waiting, 5)
    assert "You are signed in" in approve(request)
    await poll(world, waiting, 5)
    event = await waiting

    assert (event.trigger, event.target) == ("authenticate", "authenticated")
    assert session.live
    assert session.user.name == "Ada Lovelace"
    assert heard.triggers == ["authorize", "callback", "authenticate"]
    assert heard.names == ["on_login"]
    polls = [one.status for one in world.provider.token_requests()]
    assert polls == [400, 200]


async def test_login_shows_the_code_and_waits(world: World) -> None:
    shown = Shown()
    session = world.manager()["acme"]
    waiting = world.start(lambda: session.login(agent=DeviceCode(shown)))
    await world.eventually(lambda: shown.told)
    (told,) = shown.told
    assert told.user_code in told.text
    assert told.verification_uri in told.text
    assert "10 min" in told.text
    approve(told)
    await poll(world, waiting, 5)
    assert await waiting is session
    assert session.live


async def test_an_async_screen_is_awaited() -> None:
    clock = VirtualClock(patience=0.2)
    with DevProvider(clock=clock).serve() as provider:
        told: list[Instructions] = []

        async def show(instructions: Instructions) -> None:
            told.append(instructions)

        async with AsyncSessionManager([provider.settings("acme")], clock=clock) as manager:
            world = World("async", provider, clock, ProviderClock(clock))
            waiting = world.start(lambda: manager["acme"].login(agent=DeviceCode(show)))
            await world.eventually(lambda: told)
            approve(told[0])
            await poll(world, waiting, 5)
            assert (await waiting).live


async def test_a_screen_that_fails_ends_the_login(world: World) -> None:
    def broken(told: Instructions) -> None:
        raise OSError("no screen")

    manager = world.manager()
    heard = Heard(manager)
    with pytest.raises(LoginFailed):
        await go(manager["acme"].login(agent=DeviceCode(broken)))
    assert heard.triggers == ["authorize", "fail"]


async def test_a_human_who_says_no_ends_it(world: World) -> None:
    manager = world.manager()
    heard = Heard(manager)
    request = await go(manager["acme"].begin(agent=DeviceCode()))
    waiting = world.start(request.wait)
    approve(request, deny=True)
    await poll(world, waiting, 5)
    with pytest.raises(LoginDenied):
        await waiting
    assert heard.triggers == ["authorize", "fail"]
    assert heard.last("on_login_failed").reason == "denied"
    assert manager["acme"].state is State.IDLE


async def test_slow_down_makes_every_later_poll_five_seconds_slower(world: World) -> None:
    request = await go(world.manager()["acme"].begin(agent=DeviceCode()))
    world.provider.fail_next("token", 400, {"error": "slow_down"})
    waiting = world.start(request.wait)
    await poll(world, waiting, 5)
    for seconds in (5, 4):
        await poll(world, waiting, seconds)
        assert len(world.provider.token_requests()) == 1
    await poll(world, waiting, 1)
    assert len(world.provider.token_requests()) == 2
    await poll(world, waiting, 9)
    assert len(world.provider.token_requests()) == 2
    await poll(world, waiting, 1)
    assert len(world.provider.token_requests()) == 3
    await go(request.cancel())
    with pytest.raises(LoginCancelled):
        await waiting


async def test_trouble_on_the_way_backs_off_and_ends_nothing(world: World) -> None:
    request = await go(world.manager()["acme"].begin(agent=DeviceCode()))
    world.provider.fail_next("token", 503, "", times=2)
    waiting = world.start(request.wait)
    await poll(world, waiting, 5)  # 503: 10 s from now
    await poll(world, waiting, 10)  # 503: 20 s from now
    await poll(world, waiting, 19)
    assert len(world.provider.token_requests()) == 2
    approve(request)
    await poll(world, waiting, 1)
    assert (await waiting).live


async def test_the_end_of_the_code_ends_the_login(world: World) -> None:
    world.provider.other_screen.lifetime = 60.0
    manager = world.manager()
    heard = Heard(manager)
    request = await go(manager["acme"].begin(agent=DeviceCode(), timeout=600))
    assert request.expires_at == world.clock.time() + 60
    waiting = world.start(request.wait)
    await poll(world, waiting, 60)
    with pytest.raises(LoginTimedOut):
        await waiting
    assert heard.triggers == ["authorize", "time_out"]
    assert manager["acme"].state is State.IDLE


async def test_the_callers_patience_may_end_before_the_code(world: World) -> None:
    request = await go(world.manager()["acme"].begin(agent=DeviceCode(), timeout=30))
    waiting = world.start(request.wait)
    await poll(world, waiting, 30)
    with pytest.raises(LoginTimedOut):
        await waiting


async def test_a_provider_that_says_expired_is_a_timeout_for_the_caller(world: World) -> None:
    request = await go(world.manager()["acme"].begin(agent=DeviceCode()))
    world.provider.fail_next("token", 400, {"error": "expired_token"})
    waiting = world.start(request.wait)
    await poll(world, waiting, 5)
    with pytest.raises(LoginTimedOut) as late:
        await waiting
    assert late.value.code == "expired_token"


async def test_cancel_ends_the_wait_at_once(world: World) -> None:
    manager = world.manager()
    heard = Heard(manager)
    session = manager["acme"]
    request = await go(session.begin(agent=DeviceCode()))
    waiting = world.start(request.wait)
    await until_waiting(world, waiting)
    assert await go(session.cancel()) is True
    with pytest.raises(LoginCancelled):
        await waiting
    assert heard.triggers == ["authorize", "cancel"]
    assert session.state is State.IDLE
    assert world.provider.token_requests() == []


async def test_closing_the_manager_ends_the_wait(world: World) -> None:
    manager = world.manager()
    request = await go(manager["acme"].begin(agent=DeviceCode()))
    waiting = world.start(request.wait)
    await until_waiting(world, waiting)
    await go(manager.close())
    with pytest.raises(LoginFailed):
        await waiting


async def test_tokens_that_arrive_for_a_cancelled_login_are_revoked(world: World) -> None:
    session = world.manager()["acme"]
    request = await go(session.begin(agent=DeviceCode()))
    approve(request)
    before = set(world.provider.secrets)
    with world.hold("token", after=True) as held:
        waiting = world.start(request.wait)
        await until_waiting(world, waiting)
        passing = asyncio.ensure_future(world.pass_time(5))
        await world.arrived(held)
        await go(session.cancel())
        held.release()
    with pytest.raises(LoginCancelled):
        await waiting
    await passing
    assert session.state is State.IDLE
    assert world.provider.count("revoke") >= 1
    assert not any(world.provider.accepts(secret) for secret in world.provider.secrets - before)


async def test_a_cancelled_task_leaves_no_poll_behind() -> None:
    clock = VirtualClock(patience=0.2)
    with DevProvider(clock=clock).serve() as provider:
        world = World("async", provider, clock, ProviderClock(clock))
        manager = world.manager()
        heard = Heard(manager)
        request = await manager["acme"].begin(agent=DeviceCode())
        waiting = world.start(request.wait)
        await until_waiting(world, waiting)
        waiting.cancel()
        await world.eventually(lambda: waiting.done())
        await heard.until_told("on_login_failed")
        assert heard.triggers == ["authorize", "cancel"]
        await clock.aadvance(60)
        assert provider.token_requests() == []
        await world.close()


async def test_a_process_that_died_while_polling_leaves_a_login_that_the_clock_ends(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    world.provider.other_screen.lifetime = 120.0
    before = world.manager(store=store, clock=VirtualClock(world.clock.time()))  # its time stands still: it is gone
    await go(before["acme"].begin(agent=DeviceCode()))

    after = world.manager(store=store)
    heard = Heard(after)
    assert after["acme"].state is State.AUTHORIZING
    await world.pass_time(121)
    assert after["acme"].state is State.IDLE
    await heard.until_told("on_login_failed")
    assert heard.triggers[-1] == "time_out"


async def test_the_next_login_after_a_restart_begins_anew(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    await go(world.manager(store=store)["acme"].begin(agent=DeviceCode()))

    shown = Shown()
    session = world.manager(store=store)["acme"]
    waiting = world.start(lambda: session.login(agent=DeviceCode(shown)))
    await world.eventually(lambda: shown.told)
    approve(shown.told[0])
    await poll(world, waiting, 5)
    assert (await waiting).live


async def test_no_redirect_ends_a_login_by_code(world: World) -> None:
    manager = world.manager()
    request = await go(manager["acme"].begin(agent=DeviceCode()))
    with pytest.raises(CallbackRejected):
        await go(manager.complete({"state": request.state, "code": "stolen"}, binding="x"))
    assert manager["acme"].state is State.AUTHORIZING


async def test_a_step_up_may_take_another_screen(world: World) -> None:
    session = await world.signed_in()
    shown = Shown()
    world.provider.auto = None
    waiting = world.start(lambda: session.step_up(agent=DeviceCode(shown), acr_values=["phr"]))
    await world.eventually(lambda: shown.told)
    assert session.live
    approve(shown.told[0])
    await poll(world, waiting, 5)
    await waiting
    assert session.claims["acr"] == "phr"


async def test_another_human_at_the_other_screen_takes_nobodys_session(world: World) -> None:
    session = await world.signed_in()
    shown = Shown()
    world.provider.auto = None
    waiting = world.start(lambda: session.step_up(agent=DeviceCode(shown)))
    await world.eventually(lambda: shown.told)
    approve(shown.told[0], "grace")
    await poll(world, waiting, 5)
    with pytest.raises(LoginFailed) as other:
        await waiting
    assert other.value.check == "other_user"
    assert session.live
    assert session.user.name == "Ada Lovelace"


async def test_tokens_are_bound_to_a_key_when_they_are_polled_for(world: World) -> None:
    session = world.manager(world.settings(dpop=True))["acme"]
    request = await go(session.begin(agent=DeviceCode()))
    waiting = world.start(request.wait)
    approve(request)
    await poll(world, waiting, 5)
    await waiting
    assert (await go(session.token())).token_type == "DPoP"


async def test_a_provider_without_this_grant_says_so(world: World) -> None:
    world.provider.tamper["metadata"] = lambda said: {
        name: value for name, value in said.items() if name != "device_authorization_endpoint"
    }
    with pytest.raises(LoginFailed) as failed:
        await go(world.manager(world.settings(name="plain"))["plain"].begin(agent=DeviceCode()))
    assert isinstance(failed.value.__cause__, MissingEndpoint)
    assert "Paste" in failed.value.hint


async def test_a_page_that_is_not_https_is_shown_to_nobody(world: World) -> None:
    world.provider.tamper["device_response"] = lambda said: {**said, "verification_uri": "http://evil.example/device"}
    shown = Shown()
    with pytest.raises(LoginFailed) as failed:
        await go(world.manager()["acme"].login(agent=DeviceCode(shown)))
    assert failed.value.code == "insecure_url"
    assert shown.told == []


async def test_codes_stay_out_of_sight(world: World) -> None:
    request = await go(world.manager()["acme"].begin(agent=DeviceCode()))
    secrets = [one for one in world.provider.secrets if one.startswith("dev") is False]
    seen = f"{request!r} {request._begun!r} {request._begun.polled!r}"
    assert not any(secret in seen for secret in secrets)


async def test_github_has_its_own_manners() -> None:
    clock = VirtualClock(patience=0.2)
    with DevProvider(style="github", clock=clock).serve() as provider:
        world = World("sync", provider, clock, ProviderClock(clock))
        session = world.manager(provider.settings("github"))["github"]
        request = session.begin(agent=DeviceCode())
        assert request.verification_uri_complete is None
        assert request.url == request.verification_uri == f"{provider.url}/login/device"
        waiting = world.start(request.wait)
        await poll(world, waiting, 5)
        approve(request, "grace")
        await poll(world, waiting, 5)
        await waiting
        assert session.user["login"] == "grace"
        assert [one.status for one in provider.token_requests()] == [200, 200]
        await world.close()

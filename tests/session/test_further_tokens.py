"""One login, many APIs: further access tokens (RFC 8707), got with the refresh token and kept beside the session's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from authflow import State
from authflow.errors import (
    ConfigurationError,
    InvalidCall,
    InvalidScope,
    InvalidTarget,
    OriginNotAllowed,
    SignInRequired,
    TemporarilyUnavailable,
)
from authflow.stores import MemoryStore

from .support import Heard, World, go

REPORTS = "https://reports.example/"
FILES = "https://files.example/"


@pytest.fixture
async def session(world: World) -> Any:
    return await world.signed_in()


async def get(world: World, url: str, auth: Any) -> httpx.Response:
    if world.is_async:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(url, auth=auth)
    with httpx.Client(trust_env=False) as client:
        return client.get(url, auth=auth)


async def test_a_token_for_another_api_is_got_once_and_kept_beside_the_sessions_own(world: World, session: Any) -> None:
    own = await go(session.token())
    first = await go(session.token(resource=REPORTS))
    assert first.access_token != own.access_token
    assert (first.refresh_token, first.id_token) == (None, None)
    assert await go(session.token(resource=REPORTS)) == first
    assert (await go(session.token())).access_token == own.access_token
    assert world.refreshes == 1


async def test_the_rotated_refresh_token_is_the_sessions_from_then_on(world: World, session: Any) -> None:
    before = (await go(session.token())).refresh_token
    await go(session.token(resource=REPORTS))
    after = (await go(session.token())).refresh_token
    assert after != before
    assert world.provider.accepts(after)
    await go(session.token(resource=FILES))  # the provider's rotation is strict: a second use would end it all
    await go(session.refresh())
    assert session.live
    assert world.refreshes == 3


async def test_each_api_and_each_scope_has_a_token_of_its_own(world: World, session: Any) -> None:
    asked: list[dict[str, Any]] = [
        {"resource": REPORTS}, {"resource": FILES}, {"scope": ["profile"]}, {"resource": FILES, "scope": ["email"]}
    ]  # fmt: skip
    tokens = [await go(session.token(**one)) for one in asked]
    assert len({token.access_token for token in tokens}) == 4
    assert [token.scope for token in tokens[2:]] == [("profile",), ("email",)]
    again = [await go(session.token(**one)) for one in asked]
    assert again == tokens
    assert world.refreshes == 4


async def test_everybody_who_asks_at_once_makes_one_request(world: World, session: Any) -> None:
    with world.hold("token") as held:
        calls = [world.start(lambda: session.token(resource=REPORTS)) for _ in range(20)]
        await world.arrived(held)
    tokens = await asyncio.gather(*calls)
    assert len({token.access_token for token in tokens}) == 1
    assert world.refreshes == 1


async def test_who_asks_for_different_apis_at_once_waits_in_turn_and_loses_nothing(world: World, session: Any) -> None:
    apis = [f"https://api-{n}.example/" for n in range(5)]
    calls = [world.start(lambda api=api: session.token(resource=api)) for api in apis]
    tokens = await asyncio.gather(*calls)
    assert len({token.access_token for token in tokens}) == 5
    assert world.refreshes == 5
    assert session.live


async def test_it_is_told_as_a_renewal_and_survives_the_sessions_own(world: World, session: Any) -> None:
    heard = Heard(session)
    first = await go(session.token(resource=REPORTS))
    await heard.until_told("on_refresh")
    assert heard.triggers == ["refresh", "refreshed"]
    await go(session.refresh())
    assert await go(session.token(resource=REPORTS)) == first


async def test_the_end_of_the_sessions_own_token_is_told_once(world: World, session: Any) -> None:
    heard = Heard(session)
    await world.pass_time(3550)
    await heard.until_told("on_expiring")
    await go(session.token(resource=REPORTS))
    await go(session.token(resource=FILES))  # looked at again, so that what is due is told
    assert heard.names.count("on_expiring") == 1


async def test_a_dead_one_is_got_again(world: World, session: Any) -> None:
    first = await go(session.token(resource=REPORTS))
    await world.pass_time(3600)
    assert (await go(session.token(resource=REPORTS))).access_token != first.access_token


async def test_another_process_finds_it(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    one, two = (world.manager(store=store, store_tokens_in_plaintext=True) for _ in range(2))
    session = await world.sign_in(one["acme"])
    token = await go(session.token(resource=REPORTS))
    assert await go(two["acme"].token(resource=REPORTS)) == token
    other = await go(two["acme"].token(resource=FILES))
    assert await go(session.token(resource=FILES)) == other
    assert world.refreshes == 2


async def test_an_api_that_the_provider_refuses_costs_the_session_nothing(world: World, session: Any) -> None:
    world.provider.fail_next("token", 400, {"error": "invalid_target"})
    with pytest.raises(InvalidTarget):
        await go(session.token(resource=REPORTS))
    assert session.state is State.AUTHENTICATED
    with pytest.raises(InvalidScope):
        await go(session.token(scope=["admin"]))
    await go(session.refresh())  # not made to wait
    assert session.live
    assert session.error is None


async def test_while_the_provider_is_away_the_old_one_is_used_up_first(world: World, session: Any) -> None:
    first = await go(session.token(resource=REPORTS))
    await world.pass_time(3580)
    world.provider.fail_next("token", 503, times=9)
    assert await go(session.token(resource=REPORTS)) == first
    with pytest.raises(TemporarilyUnavailable):
        await go(session.token(resource=FILES))
    assert session.live


async def test_without_a_refresh_token_there_is_no_other_token(world: World) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    with pytest.raises(InvalidCall, match="refresh token"):
        await go(session.token(resource=REPORTS))


async def test_after_a_logout_none_is_handed_out_and_all_are_revoked(world: World, session: Any) -> None:
    further = await go(session.token(resource=world.provider.resource))
    await go(session.logout())
    with pytest.raises(SignInRequired):
        await go(session.token(resource=world.provider.resource))
    assert not world.provider.accepts(further.access_token)


async def test_a_new_login_begins_with_none(world: World, session: Any) -> None:
    first = await go(session.token(resource=REPORTS))
    await go(session.logout())
    await world.sign_in(session)
    assert await go(session.token(resource=REPORTS)) != first


async def test_the_api_that_the_login_was_for_needs_no_other_token(world: World) -> None:
    session = world.manager()["acme"]
    await world.sign_in(session, resource=[world.provider.resource])
    assert await go(session.token(resource=world.provider.resource)) == await go(session.token())
    assert world.refreshes == 0
    await go(session.refresh())
    assert (await get(world, world.provider.resource, session.auth)).status_code == 200
    with pytest.raises(InvalidTarget):
        await go(session.token(resource=REPORTS))


async def test_auth_for_another_api_sends_its_token_there(world: World, session: Any) -> None:
    api = session.auth_for(resource=world.provider.resource)
    assert (await get(world, world.provider.resource, api)).json()["login"] == "ada"
    assert world.refreshes == 1
    reports = session.auth_for(resource=REPORTS)
    assert REPORTS.rstrip("/") in reports._bearer.allowed_origins
    # That token is for REPORTS, so this API refuses it; a new one is got once, and refused as well.
    assert (await get(world, world.provider.resource, reports)).status_code == 401
    with pytest.raises(OriginNotAllowed):
        await get(world, "https://elsewhere.example/", api)


WRONG = [{"resource": "reports"}, {"resource": "https://x/#y"}, {"resource": 5}, {"scope": "a"}]


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_can_be_no_api_and_no_scope_is_refused_at_once(world: World, session: Any, wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        await go(session.token(**wrong))
    assert world.refreshes == 0

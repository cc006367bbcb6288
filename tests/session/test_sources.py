"""Tokens without a human: got once, kept until they are due, given up by nobody who still has one."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import httpx
import pytest

from authflow.errors import (
    ConfigurationError,
    InvalidCall,
    InvalidClient,
    InvalidScope,
    ManagerClosed,
    OriginNotAllowed,
    ServiceUnavailable,
    TemporarilyUnavailable,
    UnknownProvider,
    ValidationFailed,
)
from authflow.protocol.grants import ACCESS_TOKEN, JWT
from authflow.protocol.private_key import PrivateKey
from authflow.records import Token

from .support import World, go

KEY = PrivateKey.generate("ES256")
REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"


@pytest.fixture
def manager(world: World) -> Any:
    return world.manager()


@pytest.fixture
def source(manager: Any) -> Any:
    return manager.client_credentials("acme", scope=["reports"])


def asked(world: World, grant_type: str = "client_credentials") -> int:
    return len(world.provider.token_requests(grant_type))


async def get(world: World, source: Any) -> httpx.Response:
    url = f"{world.provider.url}/api/me"
    if world.is_async:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(url, auth=source.auth)
    with httpx.Client(trust_env=False) as client:
        return client.get(url, auth=source.auth)


# ── client credentials ───────────────────────────────────────────────────────────────────────────────


async def test_a_client_gets_a_token_for_itself_and_calls_an_api(world: World, source: Any) -> None:
    token = await go(source.token())
    assert token.scope == ("reports",)
    assert (token.refresh_token, token.id_token) == (None, None)
    assert (await get(world, source)).json()["login"] == "dev-app"
    assert asked(world) == 1


async def test_the_same_arguments_give_the_same_source(manager: Any, source: Any) -> None:
    assert manager.client_credentials("acme", scope=["reports"]) is source
    assert manager.client_credentials("acme") is not source
    assert manager.client_credentials("acme", scope=["reports"], resource=["https://api.example/"]) is not source


async def test_a_token_is_got_again_when_it_is_due_and_not_before(world: World, source: Any) -> None:
    first = await go(source.token())
    await world.pass_time(3000)
    assert await go(source.token()) is first
    await world.pass_time(580)
    second = await go(source.token())
    assert second.access_token != first.access_token
    assert asked(world) == 2


async def test_everybody_who_asks_at_once_gets_the_one_token(world: World, source: Any) -> None:
    with world.hold("token") as held:
        calls = [world.start(source.token) for _ in range(20)]
        await world.arrived(held)
    tokens = await asyncio.gather(*calls)
    assert len({token.access_token for token in tokens}) == 1
    assert asked(world) == 1


@pytest.mark.parametrize("colour", ["async"])
async def test_who_asked_first_may_leave(world: World, source: Any) -> None:
    with world.hold("token") as held:
        first = world.start(source.token)
        await world.arrived(held)
        second = world.start(source.token)
        await asyncio.sleep(0)
        first.cancel()
    assert (await second).access_token
    assert asked(world) == 1


async def test_a_longer_life_than_the_present_tokens_is_asked_for(world: World, source: Any) -> None:
    first = await go(source.token())
    await world.pass_time(600)
    assert (await go(source.token(min_ttl=3500))).access_token != first.access_token
    with pytest.raises(InvalidCall, match="min_ttl"):
        await go(source.token(min_ttl=4000))


async def test_a_401_gets_another_token_once(world: World, source: Any) -> None:
    await go(source.token())
    world.provider.end_grants()
    assert (await get(world, source)).status_code == 200
    assert asked(world) == 2


async def test_a_token_that_lives_is_handed_out_while_the_provider_is_away(world: World, source: Any) -> None:
    first = await go(source.token())
    await world.pass_time(3580)
    world.provider.fail_next("token", 503, times=9)
    assert await go(source.token()) == first


async def test_a_provider_that_fails_is_left_alone_for_a_while(world: World, source: Any) -> None:
    world.provider.fail_next("token", 503, headers={"retry-after": "30"}, times=1)
    with pytest.raises(ServiceUnavailable):
        await go(source.token())
    with pytest.raises(TemporarilyUnavailable) as caught:
        await go(source.token())
    assert caught.value.retry_at >= world.clock.time() + 29
    assert asked(world) == 1
    await world.pass_time(31)
    assert (await go(source.token())).access_token


async def test_a_refusal_is_the_providers_own(world: World) -> None:
    manager = world.manager(world.settings().replace(client_secret="wrong"))
    with pytest.raises(InvalidClient):
        await go(manager.client_credentials("acme").token())


async def test_the_token_goes_to_the_allowed_origins_only(world: World, source: Any) -> None:
    await go(source.token())
    with pytest.raises(OriginNotAllowed):
        if world.is_async:
            async with httpx.AsyncClient() as client:
                await client.get("https://elsewhere.example/", auth=source.auth)
        else:
            httpx.get("https://elsewhere.example/", auth=source.auth)


async def test_a_source_ends_with_its_manager(manager: Any, source: Any) -> None:
    await go(manager.close())
    with pytest.raises(ManagerClosed):
        await go(source.token())


async def test_a_public_client_an_unknown_name_and_one_string_are_refused_at_once(world: World) -> None:
    world.provider.client("public", None)
    manager = world.manager(world.settings(client_id="public"))
    with pytest.raises(ConfigurationError, match="public"):
        manager.client_credentials("acme")
    with pytest.raises(UnknownProvider):
        manager.client_credentials("other")
    with pytest.raises(ConfigurationError, match="list"):
        manager.client_credentials("acme", scope="reports")
    with pytest.raises(ConfigurationError, match="list"):
        manager.client_credentials("acme", scope=3)


async def test_nothing_shows_a_token(world: World, source: Any) -> None:
    token = await go(source.token())
    assert token.access_token not in repr(source) + repr(source.auth)
    with pytest.raises(TypeError):
        pickle.dumps(source)


async def test_the_resource_is_asked_for(world: World, manager: Any) -> None:
    source = manager.client_credentials("acme", resource=[f"{world.provider.url}/api/me"])
    assert (await get(world, source)).status_code == 200
    elsewhere = manager.client_credentials("acme", resource=["https://api.example/"])
    assert (await get(world, elsewhere)).status_code == 401


# ── bound tokens ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_sources_tokens_may_be_bound_to_a_key(world: World) -> None:
    world.provider.dpop_nonces = True
    source = world.manager(world.settings(dpop=True)).client_credentials("acme")
    assert (await go(source.token())).token_type == "DPoP"
    assert (await get(world, source)).status_code == 200
    with pytest.raises(InvalidCall):
        world.manager().client_credentials("acme").prove("GET", world.provider.url, "x")


async def test_a_bearer_token_in_place_of_a_bound_one_is_refused(world: World) -> None:
    source = world.manager(world.settings(dpop=True)).client_credentials("acme")
    lie = world.provider.lie("token_response", lambda answer: {**answer, "token_type": "Bearer"})
    with lie, pytest.raises(ValidationFailed):
        await go(source.token())


# ── an assertion about somebody ──────────────────────────────────────────────────────────────────────


async def test_a_client_speaks_for_somebody_by_its_own_signature(world: World) -> None:
    source = world.manager(world.settings(client_key=KEY)).jwt_bearer("acme", subject="grace", scope=["profile"])
    assert (await get(world, source)).json()["login"] == "grace"
    world.provider.end_grants()
    assert (await get(world, source)).json()["login"] == "grace"  # with another assertion: one works once


async def test_somebody_elses_assertion_is_asked_for_each_time(world: World) -> None:
    said: list[str] = []

    def assertion() -> str:
        now = int(world.clock.time())
        about = {"iss": "dev-app", "sub": "grace", "aud": world.provider.issuer}
        claims = {**about, "exp": now + 60, "jti": f"j{len(said)}"}
        said.append(KEY.sign({}, claims, "ES256"))
        return said[-1]

    source = world.manager(world.settings(client_key=KEY)).jwt_bearer("acme", assertion=assertion)
    await go(source.token())
    world.provider.end_grants()
    assert (await get(world, source)).status_code == 200
    assert len(said) == 2


async def test_an_assertion_that_cannot_be_had_is_told_without_its_text(world: World) -> None:
    def broken() -> str:
        raise ValueError("canary-assertion")

    source = world.manager(world.settings(client_key=KEY)).jwt_bearer("acme", assertion=broken)
    with pytest.raises(ConfigurationError, match="ValueError") as caught:
        await go(source.token())
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_either_an_assertion_or_a_subject(world: World) -> None:
    manager = world.manager()
    for both in ({}, {"assertion": "a", "subject": "b"}):
        with pytest.raises(InvalidCall, match="either"):
            manager.jwt_bearer("acme", **both)
    with pytest.raises(ConfigurationError, match="client_key"):
        manager.jwt_bearer("acme", subject="grace")


# ── a token in place of another ──────────────────────────────────────────────────────────────────────


async def test_a_sessions_token_is_exchanged_for_one_of_less_scope(world: World) -> None:
    session = await world.signed_in()
    manager = world.manager()
    source = manager.token_exchange("acme", subject_token=session, scope=["profile"])
    token = await go(source.token())
    assert token.scope == ("profile",)
    assert token.extra == {"issued_token_type": ACCESS_TOKEN}
    assert (await get(world, source)).json()["login"] == "ada"


@pytest.mark.parametrize("form", ["text", "token", "function"])
async def test_the_subject_may_be_text_a_token_or_a_function(world: World, form: str) -> None:
    session = await world.signed_in()
    token: Token = await go(session.token())
    given = {"text": token.access_token, "token": token, "function": lambda: token.access_token}[form]
    source = world.manager().token_exchange("acme", subject_token=given, actor_token="x", audience=["reports"])
    assert (await go(source.token())).access_token != token.access_token


@pytest.mark.parametrize(
    ("asked_for", "issued", "good"),
    [
        (None, ACCESS_TOKEN, True), (None, JWT, True), (None, None, True), (JWT, JWT, True),
        (None, REFRESH_TOKEN, False), (None, 7, False), (JWT, ACCESS_TOKEN, False), (ACCESS_TOKEN, JWT, False),
    ],
)  # fmt: skip
async def test_another_kind_of_token_than_was_asked_for_is_shown_to_no_api(
    world: World, asked_for: str | None, issued: Any, good: bool
) -> None:
    """RFC 8693 §2.2.1: a refresh token, say, is nothing that an API may see."""
    session = await world.signed_in()
    source = world.manager().token_exchange("acme", subject_token=session, requested_token_type=asked_for)
    with world.provider.lie("token_response", lambda answer: {**answer, "issued_token_type": issued}):
        if good:
            assert (await go(source.token())).access_token
            return
        with pytest.raises(ValidationFailed) as caught:
            await get(world, source)
    assert caught.value.check == "issued_token_type"
    assert world.provider.count("api") == 0


async def test_more_scope_than_the_subject_has_is_refused(world: World) -> None:
    session = await world.signed_in()
    source = world.manager().token_exchange("acme", subject_token=session, scope=["admin"])
    with pytest.raises(InvalidScope):
        await go(source.token())


async def test_what_is_no_token_is_refused_with_its_kind(world: World) -> None:
    source = world.manager().token_exchange("acme", subject_token=5)
    with pytest.raises(ConfigurationError, match="int"):
        await go(source.token())

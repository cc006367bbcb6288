"""An API that wants more than a valid token: told, asked for, and never at the live session's expense."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from authflow import State
from authflow.errors import LoginFailed, SignInRequired
from authflow.events import Origin, StepUp

from .support import World, go

GOLD = StepUp("insufficient_user_authentication", acr_values=("gold",))


class Asked(list[Any]):
    """What `on_step_up_required` told."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        session.on_step_up_required.connect(lambda sender, event: self.append(event))


async def call_api(world: World, session: Any) -> httpx.Response:
    url = f"{world.provider.url}/api/me"
    if world.is_async:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(url, auth=session.auth)
    return httpx.get(url, auth=session.auth, trust_env=False)


async def step_up(world: World, session: Any, user: str = "ada", **arguments: Any) -> Any:
    url, binding = await world.callback(session, user, step_up=True, **arguments)
    return await go(session.complete(url, binding=binding))


async def test_a_401_for_a_stronger_sign_in_is_told_with_what_is_asked(world: World) -> None:
    session = await world.signed_in()
    asked = Asked(session)
    world.provider.demand(acr_values=["gold"], max_age=300)

    answer = await call_api(world, session)

    assert answer.status_code == 401
    (event,) = asked
    assert event.step_up == StepUp("insufficient_user_authentication", acr_values=("gold",), max_age=300.0)
    assert (event.reason, event.origin, event.live) == ("insufficient_user_authentication", Origin.PROVIDER, True)
    assert event.source == event.target == "authenticated"
    assert session.step_up_required == event.step_up
    assert world.refreshes == 0  # a renewed token would be no stronger


async def test_the_step_up_asks_the_provider_for_what_the_api_asked(world: World) -> None:
    session = await world.signed_in()
    world.provider.demand(acr_values=["gold"])
    await call_api(world, session)

    done = await step_up(world, session)

    assert (done.event.trigger, done.event.reason) == ("reauthenticate", "step_up")
    assert session.claims["acr"] == "gold"
    assert session.step_up_required is None
    assert (await call_api(world, session)).status_code == 200


async def test_a_403_for_more_scope_is_stepped_up_with_the_union_of_scopes(world: World) -> None:
    session = await world.sign_in(world.manager()["acme"], scope=["files:read"])
    world.provider.demand(scope=["files:write"])
    assert (await call_api(world, session)).status_code == 403

    await step_up(world, session)

    assert {"openid", "files:read", "files:write"} <= set(session.scopes)
    assert (await call_api(world, session)).status_code == 200


async def test_a_receiver_that_steps_up_at_once_gets_the_request_repeated(world: World) -> None:
    session = await world.signed_in()
    world.provider.demand(acr_values=["gold"])

    if world.is_async:

        async def raise_level(sender: Any, event: Any) -> None:
            await step_up(world, session)

    else:

        def raise_level(sender: Any, event: Any) -> None:
            request = session.begin(step_up=True)
            session.complete(world.walk(request.url), binding=request.binding)

    session.on_step_up_required.connect(raise_level)
    assert (await call_api(world, session)).status_code == 200


async def test_a_step_up_that_fails_leaves_the_session_and_what_is_asked(world: World) -> None:
    session = await world.signed_in()
    before = await go(session.token())
    world.provider.demand(acr_values=["gold"])
    await call_api(world, session)

    with world.provider.lie("id_token_claims", lambda claims: {**claims, "acr": "bronze"}), pytest.raises(LoginFailed):
        await step_up(world, session)

    assert session.state is State.AUTHENTICATED
    assert await go(session.token()) == before
    assert session.step_up_required == GOLD


async def test_a_step_up_of_somebody_else_leaves_the_session(world: World) -> None:
    session = await world.signed_in()
    world.provider.demand(acr_values=["gold"])
    await call_api(world, session)
    with pytest.raises(LoginFailed):
        await step_up(world, session, "grace")
    assert session.user["preferred_username"] == "ada"


async def test_an_api_that_is_asked_again_and_again_is_told_once_a_minute(world: World) -> None:
    session = await world.signed_in()
    asked = Asked(session)
    world.provider.demand(acr_values=["gold"])
    for _ in range(3):
        await call_api(world, session)
    assert len(asked) == 1
    await world.pass_time(61)
    await call_api(world, session)
    assert len(asked) == 2


async def test_scope_that_three_step_ups_did_not_bring_is_not_asked_for_again(world: World) -> None:
    session = await world.signed_in()
    asked = Asked(session)
    world.provider.demand(scope=["files:write"])
    for _ in range(5):
        await call_api(world, session)
        await world.pass_time(61)
    assert len(asked) == 3


async def test_what_is_asked_of_a_token_that_was_replaced_is_not_told(world: World) -> None:
    session = await world.signed_in()
    asked = Asked(session)
    old = await go(session.token())
    await go(session.refresh())
    await go(session.notice_step_up(old.access_token, GOLD))
    assert (asked, session.step_up_required) == ([], None)


async def test_what_the_caller_names_wins_over_what_the_api_asked(world: World) -> None:
    session = await world.signed_in()
    await go(session.notice_step_up((await go(session.token())).access_token, GOLD))
    request = await go(session.begin(step_up=True, acr_values=["silver"]))
    assert "acr_values=silver" in request.url


async def test_what_was_asked_of_one_login_is_not_asked_of_the_next(world: World) -> None:
    session = await world.signed_in()
    await go(session.notice_step_up((await go(session.token())).access_token, GOLD))
    await go(session.logout())
    assert session.step_up_required is None
    with pytest.raises(SignInRequired):
        await go(session.begin(step_up=True))
    await world.sign_in(session)
    assert session.step_up_required is None


async def test_an_api_at_a_host_that_is_not_allowed_asks_for_nothing(world: World) -> None:
    """The token never went there, so its answer says nothing about the token."""
    session = await world.signed_in()
    asked = Asked(session)

    def stranger(request: httpx.Request) -> httpx.Response:
        if request.url.host == "evil.example":
            header = 'Bearer error="insufficient_user_authentication", acr_values="gold"'
            return httpx.Response(401, headers={"www-authenticate": header})
        return httpx.Response(302, headers={"location": "https://evil.example/"})

    transport = httpx.MockTransport(stranger)
    if world.is_async:
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            await client.get(f"{world.provider.url}/api/me", auth=session.auth)
    else:
        with httpx.Client(transport=transport, follow_redirects=True) as client:
            client.get(f"{world.provider.url}/api/me", auth=session.auth)
    assert asked == []

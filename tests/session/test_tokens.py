"""`token()` and `refresh()`: when a token is renewed, and what a renewal that fails means."""

from __future__ import annotations

import pytest

from authflow import State
from authflow.errors import (
    InvalidCall,
    InvalidClient,
    InvalidGrant,
    Recovery,
    ServiceUnavailable,
    SignInRequired,
    TemporarilyUnavailable,
    ValidationFailed,
    WireError,
)

from .support import Heard, World, go


async def test_a_valid_token_is_the_same_object_each_time_and_costs_no_request(world: World) -> None:
    session = await world.signed_in()
    first = await go(session.token())
    await world.pass_time(3000)
    assert await go(session.token()) is first
    assert world.provider.requests == []


async def test_inside_the_margin_the_token_is_renewed_once(world: World) -> None:
    session = await world.signed_in()
    old = await go(session.token())
    await world.pass_time(3600 - 200)
    new = await go(session.token())
    assert new.access_token != old.access_token
    assert await go(session.token()) is new
    assert world.refreshes == 1
    assert world.provider.accepts(new.access_token)
    assert session.state is State.AUTHENTICATED


async def test_a_token_is_not_renewed_before_its_margin(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600 - 301)
    await go(session.token())
    assert world.refreshes == 0


async def test_a_renewal_is_told_by_on_refresh_and_by_nothing_else(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    await world.pass_time(3600)
    await heard.until_told("on_expiring")
    heard.forget()
    await go(session.token())
    await heard.until_told("on_refresh")
    assert heard.names == ["on_refresh"]
    assert heard.triggers == ["refresh", "refreshed"]


async def test_min_ttl_renews_a_token_that_is_good_but_not_for_long_enough(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(1800)
    old = await go(session.token(min_ttl=1000))
    assert world.refreshes == 0
    new = await go(session.token(min_ttl=2000))
    assert new.access_token != old.access_token
    assert world.refreshes == 1


async def test_a_min_ttl_that_no_token_of_the_provider_has_costs_no_renewal_and_says_so(world: World) -> None:
    session = await world.signed_in()
    for _ in range(2):
        with pytest.raises(InvalidCall, match="tokens live 3600 s"):
            await go(session.token(min_ttl=7200))
    assert world.refreshes == 0
    assert session.live


async def test_min_ttl_without_a_refresh_token_is_refused_and_the_session_stays(world: World) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    await world.pass_time(200)
    with pytest.raises(TemporarilyUnavailable, match="cannot be renewed"):
        await go(session.token(min_ttl=3500))
    assert (await go(session.token())).access_token
    assert session.live


@pytest.mark.parametrize("lifetime", [20.0, 5.0, 1.0])
async def test_a_token_that_lives_shorter_than_the_margin_is_renewed_once_a_lifetime(
    world: World, lifetime: float
) -> None:
    world.provider.access_token_ttl = lifetime
    session = await world.signed_in()
    for lives in range(1, 4):
        for _ in range(3):
            await go(session.token())
        assert world.refreshes == lives - 1
        await world.pass_time(lifetime)


async def test_without_a_refresh_token_the_session_lives_as_long_as_its_token(world: World) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    heard = Heard(session)
    token = await go(session.token())
    await world.pass_time(3599)
    assert await go(session.token()) is token
    await world.pass_time(1)
    await heard.until_told("on_logout")
    assert session.state is State.LOGGED_OUT
    event = heard.last("on_logout")
    assert (event.trigger, event.reason, event.recoverable, event.origin) == ("expire", "expired", True, "clock")
    with pytest.raises(SignInRequired):
        await go(session.token())
    assert world.refreshes == 0


async def test_a_token_without_an_end_is_good_for_ever(world: World) -> None:
    world.provider.access_token_ttl = None
    session = await world.signed_in()
    token = await go(session.token())
    await world.pass_time(400 * 86_400)
    assert await go(session.token()) is token
    assert session.expires_at is None
    assert world.refreshes == 0


async def test_a_dead_token_and_a_provider_that_is_down_leave_the_session_live(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.fail_next("token", 503, {"error": "temporarily_unavailable"})
    with pytest.raises(TemporarilyUnavailable) as raised:
        await go(session.token())
    assert raised.value.retry_at is not None
    assert world.clock.time() <= raised.value.retry_at <= world.clock.time() + 300
    assert session.live
    assert session.error is not None
    assert session.reason == "provider_unreachable"


async def test_a_provider_that_cannot_be_reached_at_all_leaves_the_session_live(world: World) -> None:
    world.provider.rotation = "none"
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.fail_next("token", 200, "half", cut=True)
    with pytest.raises(TemporarilyUnavailable):
        await go(session.token())
    assert session.live


@pytest.mark.parametrize(
    ("rotation", "presented", "live"),
    [("none", 1, True), ("grace", 2, True), ("unknown", 2, True), ("strict", 1, False)],
)
async def test_a108_a_token_whose_answer_was_lost_is_presented_once_more_at_most(
    world: World, rotation: str, presented: int, live: bool
) -> None:
    session = await world.sign_in(world.manager(world.settings(rotation=rotation))["acme"])
    await world.pass_time(3600)
    world.provider.fail_next("token", 200, "half", cut=True, after=True, times=5)
    with pytest.raises(TemporarilyUnavailable if live else SignInRequired):
        await go(session.token())
    assert world.refreshes == presented
    assert session.live is live


@pytest.mark.parametrize(
    ("rotation", "presented", "live"),
    [("none", 1, True), ("grace", 2, True), ("unknown", 2, True), ("strict", 1, False)],
)
async def test_after_a_bare_503_the_token_counts_as_one_that_may_be_used(
    world: World, rotation: str, presented: int, live: bool
) -> None:
    session = await world.sign_in(world.manager(world.settings(rotation=rotation))["acme"])
    await world.pass_time(3600)
    world.provider.fail_next("token", 503, after=True, times=5)
    with pytest.raises(TemporarilyUnavailable if live else SignInRequired):
        await go(session.token())
    assert world.refreshes == presented
    assert session.live is live


async def test_a_refresh_token_that_was_given_up_is_not_said_to_be_tried_again(world: World) -> None:
    manager = world.manager(world.settings(rotation="strict"))
    session = await world.sign_in(manager["acme"])
    world.provider.fail_next("token", 200, "half", cut=True)
    with pytest.raises(WireError):
        await go(session.refresh())
    for _ in range(2):
        assert "next try" not in session.explain()
        assert manager.snapshot()[0]["retry_at"] is None
        with pytest.raises(TemporarilyUnavailable, match="given up, because it may have been used already") as raised:
            await go(session.refresh())
        assert raised.value.recovery is Recovery.SIGN_IN_AGAIN
        story = session.trace.stories[-1]
        assert (story.kind, story.outcome, story.failed) == ("refresh", "keep", True)
    assert world.refreshes == 1
    assert session.live


async def test_the_old_token_is_given_while_it_lives_and_renewing_is_deferred(world: World) -> None:
    session = await world.signed_in()
    old = await go(session.token())
    await world.pass_time(3600 - 100)
    world.provider.fail_next("token", 503, headers={"retry-after": "50"})
    assert (await go(session.token())).access_token == old.access_token
    assert (await go(session.token())).access_token == old.access_token
    assert world.refreshes == 1


async def test_the_pause_that_the_provider_asks_for_is_kept(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.fail_next("token", 429, headers={"retry-after": "120"})
    with pytest.raises(TemporarilyUnavailable) as raised:
        await go(session.token())
    assert raised.value.retry_at == pytest.approx(world.clock.time() + 120)
    await world.pass_time(119)
    with pytest.raises(TemporarilyUnavailable):
        await go(session.token())
    assert world.refreshes == 1
    await world.pass_time(1)
    assert (await go(session.token())).access_token
    assert world.refreshes == 2


async def test_a_pause_of_a_day_is_cut_to_five_minutes(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.fail_next("token", 503, headers={"retry-after": "86400"})
    with pytest.raises(TemporarilyUnavailable) as raised:
        await go(session.token())
    assert raised.value.retry_at == pytest.approx(world.clock.time() + 300)


async def test_failure_after_failure_backs_off_and_one_success_forgets_them(world: World) -> None:
    session = await world.signed_in()
    await world.pass_time(3600)
    world.provider.fail_next("token", 503, {"error": "temporarily_unavailable"}, times=4)
    for failures in range(1, 5):
        with pytest.raises(TemporarilyUnavailable) as raised:
            await go(session.token())
        assert raised.value.retry_at is not None
        assert raised.value.retry_at - world.clock.time() <= 2.0 ** (failures - 1)
        await world.pass_time(raised.value.retry_at - world.clock.time() + 0.001)
    await go(session.token())
    assert session.error is None
    assert world.refreshes == 5


async def test_refresh_asks_at_once_whatever_the_pause(world: World) -> None:
    session = await world.signed_in()
    world.provider.fail_next("token", 503, headers={"retry-after": "200"})
    with pytest.raises(ServiceUnavailable):
        await go(session.refresh())
    event = await go(session.refresh())
    assert event.trigger == "refreshed"
    assert session.error is None


async def test_a_wrong_client_secret_pauses_renewing_and_keeps_the_session(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    await world.pass_time(3600)
    world.provider.fail_next("token", 401, {"error": "invalid_client"})
    with pytest.raises(TemporarilyUnavailable) as raised:
        await go(session.token())
    assert raised.value.retry_at == pytest.approx(world.clock.time() + 300)
    await heard.until_told("on_refresh_failed")
    assert heard.last("on_refresh_failed").reason == "configuration"
    assert session.live
    with pytest.raises(TemporarilyUnavailable):
        await go(session.token())
    assert world.refreshes == 1
    await world.pass_time(300)
    await go(session.token())
    assert session.error is None


async def test_refresh_tells_that_the_client_secret_is_wrong(world: World) -> None:
    session = await world.signed_in()
    world.provider.fail_next("token", 401, {"error": "invalid_client"})
    with pytest.raises(InvalidClient):
        await go(session.refresh())


async def test_a_dead_refresh_token_leaves_a_session_whose_access_token_lives(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    old = await go(session.token())
    world.provider.fail_next("token", 400, {"error": "invalid_grant"})
    with pytest.raises(InvalidGrant):
        await go(session.refresh())
    await heard.until_told("on_refresh_failed")
    assert session.live
    assert (await go(session.token())).access_token == old.access_token
    assert session.reason == "revoked"
    with pytest.raises(TemporarilyUnavailable):
        await go(session.refresh())
    assert world.refreshes == 1

    heard.forget()
    await world.pass_time(3600)
    await heard.until_told("on_logout")
    event = heard.last("on_logout")
    assert (event.trigger, event.reason, event.recoverable) == ("expire", "revoked", True)
    assert session.state is State.LOGGED_OUT


async def test_a_dead_refresh_token_with_a_dead_access_token_ends_the_session(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    world.provider.end_grants("ada")
    await world.pass_time(3600)
    with pytest.raises(SignInRequired, match="revoked"):
        await go(session.token())
    await heard.until_told("on_logout")
    event = heard.last("on_logout")
    assert (event.trigger, event.reason, event.recoverable) == ("revoke", "revoked", True)
    assert event.error is not None
    assert event.error.code == "invalid_grant"
    assert session.state is State.LOGGED_OUT


async def test_refresh_says_why_the_session_ended(world: World) -> None:
    session = await world.signed_in()
    world.provider.end_grants("ada")
    await world.pass_time(3600)
    with pytest.raises(InvalidGrant):
        await go(session.refresh())
    assert session.state is State.LOGGED_OUT


@pytest.mark.parametrize(
    "body", ["<html>we will be back</html>", "", "[]", '{"access_token": 7}', "null"], ids=repr
)
async def test_an_answer_that_is_no_token_defers(world: World, body: str) -> None:
    world.provider.rotation = "none"
    session = await world.signed_in()
    heard = Heard(session)
    await world.pass_time(3600)
    world.provider.fail_next("token", 200, body, headers={"content-type": "text/html"})
    with pytest.raises(TemporarilyUnavailable):
        await go(session.token())
    await heard.until_told("on_refresh_failed")
    assert "on_logout" not in heard.names
    assert session.live


@pytest.mark.parametrize("claim", ["sub", "iss"])
async def test_a_renewed_id_token_of_somebody_else_is_refused_and_its_tokens_revoked(world: World, claim: str) -> None:
    session = await world.signed_in()
    old = await go(session.token())
    issued: list[str] = []
    world.provider.tamper["id_token_claims"] = lambda claims: {**claims, claim: "https://somebody.example"}
    world.provider.tamper["token_response"] = lambda answer: issued.append(answer["access_token"])
    with pytest.raises(ValidationFailed) as raised:
        await go(session.refresh())
    assert raised.value.check == claim
    await world.eventually(lambda: world.provider.count("revoke") == 2)
    assert not world.provider.accepts(issued[-1])
    assert (await go(session.token())).access_token == old.access_token


async def test_after_refused_tokens_the_spent_refresh_token_is_never_presented_again(world: World) -> None:
    session = await world.signed_in()
    world.provider.tamper["id_token_claims"] = lambda claims: {**claims, "sub": "somebody"}
    with pytest.raises(ValidationFailed):
        await go(session.refresh())
    del world.provider.tamper["id_token_claims"]
    await world.pass_time(3600)
    with pytest.raises(SignInRequired):
        await go(session.token())
    assert world.refreshes == 1
    assert session.state is State.LOGGED_OUT


async def test_an_answer_without_a_refresh_token_keeps_the_old_one(world: World) -> None:
    world.provider.rotation = "none"
    session = await world.signed_in()
    old = await go(session.token())
    await go(session.refresh())
    new = await go(session.token())
    assert new.refresh_token == old.refresh_token
    assert new.access_token != old.access_token


async def test_refresh_without_a_refresh_token_says_how_to_get_one(world: World) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in()
    with pytest.raises(InvalidCall, match="offline_access"):
        await go(session.refresh())


async def test_nothing_can_be_asked_of_a_session_that_is_not_signed_in(world: World) -> None:
    session = world.manager()["acme"]
    for ask in (session.token, session.refresh):
        with pytest.raises(SignInRequired, match="idle"):
            await go(ask())


async def test_who_asks_for_a_token_that_is_dead_on_arrival_has_it_renewed_once(world: World) -> None:
    world.provider.tamper["token_response"] = lambda answer: {**answer, "expires_in": 0}
    session = await world.signed_in()
    for times in (1, 2):
        with pytest.raises(TemporarilyUnavailable):
            await go(session.token())
        assert world.refreshes == times


async def test_a_server_that_says_when_to_renew_is_obeyed(world: World) -> None:
    world.provider.tamper["token_response"] = lambda answer: {**answer, "refresh_in": 600}
    session = await world.signed_in()
    await world.pass_time(599)
    await go(session.token())
    assert world.refreshes == 0
    await world.pass_time(1)
    await go(session.token())
    assert world.refreshes == 1


async def test_an_api_that_refuses_the_present_token_has_it_renewed_once(world: World) -> None:
    session = await world.signed_in()
    refused = (await go(session.token())).access_token
    new = await go(session.renew_if_current(refused))
    again = await go(session.renew_if_current(refused))
    assert new.access_token != refused
    assert again.access_token == new.access_token
    assert world.refreshes == 1

"""Sessions that come back: sealed dumps, saved tokens, Flet's JSON, the store."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from authflow import State
from authflow.errors import (
    AlreadyAuthenticated,
    InvalidCall,
    InvalidGrant,
    LoginFailed,
    SealedDataInvalid,
    SealingKeyRequired,
    ServiceUnavailable,
    SignInRequired,
    StoreError,
    ValidationFailed,
)
from authflow.records import Token
from authflow.sealing import is_sealed

from .support import FaultyStore, Heard, World, go


async def test_a_dump_brings_the_session_back_elsewhere(world: World) -> None:
    session = await world.signed_in()
    token, user = await go(session.token()), session.user
    saved = session.dump()
    other = world.manager()["acme"]
    heard = Heard(other)
    world.provider.forget_requests()
    assert await go(other.restore(saved)) is other
    assert (await go(other.token())).access_token == token.access_token
    assert (other.user.id, other.user.name) == (user.id, "Ada Lovelace")
    assert other.claims == session.claims
    assert heard.names == ["on_restore"]
    event = heard.last("on_restore")
    assert (event.trigger, event.origin, event.reason) == ("restore", "user", "saved_token")
    assert world.provider.count("token") == 0


async def test_login_with_a_saved_token_is_a_restore_and_never_an_on_login(world: World) -> None:
    saved = (await world.signed_in()).dump()
    other = world.manager()["acme"]
    heard = Heard(other)
    assert await go(other.login(saved_token=saved)) is other
    assert other.state is State.AUTHENTICATED
    assert heard.names == ["on_restore"]


async def test_a_dump_is_sealed_and_shows_nothing(world: World) -> None:
    session = await world.signed_in()
    token = await go(session.token())
    saved = session.dump()
    assert is_sealed(saved)
    for secret in (token.access_token, token.refresh_token, token.id_token, "Ada Lovelace"):
        assert secret not in saved
    assert session.dump() != saved


async def test_a_dump_of_another_provider_does_not_open(world: World) -> None:
    session = await world.signed_in()
    other = world.manager(world.settings("other"))["other"]
    with pytest.raises(SealedDataInvalid, match="another provider"):
        await go(other.restore(session.dump()))
    assert other.state is State.IDLE


async def test_a_dump_of_another_account_does_not_open(world: World) -> None:
    session = await world.signed_in()
    other = world.manager()["acme", "work"]
    with pytest.raises(SealedDataInvalid):
        await go(other.restore(session.dump()))
    assert other.state is State.IDLE


async def test_a_dump_under_another_key_does_not_open(world: World) -> None:
    saved = (await world.signed_in()).dump()
    other = world.manager(sealing_key=bytes(32))["acme"]
    with pytest.raises(SealedDataInvalid, match="key"):
        await go(other.restore(saved))


async def test_a_damaged_dump_is_refused_and_changes_nothing(world: World) -> None:
    saved = (await world.signed_in()).dump()
    other = world.manager()["acme"]
    heard = Heard(other)
    for damaged in (saved[:-8], saved[:-4] + "AAAA", "af1.", "af1.%%%"):
        with pytest.raises(SealedDataInvalid):
            await go(other.restore(damaged))
    assert heard.triggers == []


async def test_without_a_sealing_key_there_is_no_dump(world: World) -> None:
    session = await world.signed_in(sealing_key=None)
    with pytest.raises(SealingKeyRequired, match="generate_key"):
        session.dump()


async def test_a_sealed_dump_needs_the_key_to_come_back(world: World) -> None:
    saved = (await world.signed_in()).dump()
    with pytest.raises(SealingKeyRequired):
        await go(world.manager(sealing_key=None)["acme"].restore(saved))


async def test_plaintext_has_the_long_name_and_comes_back_too(world: World) -> None:
    session = await world.signed_in()
    saved = session.dump_plaintext()
    assert json.loads(saved)["access_token"] == (await go(session.token())).access_token
    other = world.manager(sealing_key=None)["acme"]
    await go(other.login(saved_token=saved))
    assert other.live
    assert other.user.name == "Ada Lovelace"


async def test_a_token_object_comes_back(world: World) -> None:
    token = await world.saved()
    other = world.manager()["acme"]
    await go(other.restore(token))
    assert (await go(other.token())).refresh_token == token.refresh_token


def flet_json(token: Token, **changes: object) -> str:
    """A token as Flet's `OAuthToken.to_json` writes it."""
    return json.dumps(
        {
            "access_token": token.access_token,
            "scope": list(token.scope),
            "token_type": token.token_type,
            "expires_in": token.expires_in,
            "expires_at": token.expires_at,
            "refresh_token": token.refresh_token,
            **changes,
        }
    )


async def test_flets_saved_token_comes_back(world: World) -> None:
    token = await world.saved()
    session = world.manager()["acme"]
    await go(session.login(saved_token=flet_json(token)))
    back = await go(session.token())
    assert (back.access_token, back.scope, back.refresh_token) == (
        token.access_token, token.scope, token.refresh_token,
    )  # fmt: skip
    assert session.user.name == "Ada Lovelace"
    assert session.expires_at == token.expires_at


async def test_flets_saved_token_that_has_expired_is_renewed_first(world: World) -> None:
    token = await world.saved()
    await world.pass_time(7200)
    session = world.manager()["acme"]
    heard = Heard(session)
    world.provider.forget_requests()
    await go(session.login(saved_token=flet_json(token)))
    assert world.refreshes == 1
    assert (await go(session.token())).access_token != token.access_token
    assert heard.names == ["on_restore"]


async def test_flets_saved_token_without_an_end_or_a_refresh_token_comes_back(world: World) -> None:
    token = await world.saved()
    session = world.manager()["acme"]
    await go(session.login(saved_token=flet_json(token, expires_at=None, expires_in=None, refresh_token=None)))
    assert (await go(session.token())).refresh_token is None
    assert session.expires_at is None


async def test_an_expired_token_that_cannot_be_renewed_asks_for_a_sign_in(world: World) -> None:
    token = msgspec.structs.replace(await world.saved(), refresh_token=None)
    await world.pass_time(7200)
    session = world.manager()["acme"]
    with pytest.raises(SignInRequired, match="refresh token"):
        await go(session.restore(token))
    assert session.state is State.IDLE


async def test_a_saved_token_of_a_dead_grant_raises_and_leaves_the_session_idle(world: World) -> None:
    token = await world.saved()
    world.provider.end_grants()
    await world.pass_time(7200)
    session = world.manager()["acme"]
    heard = Heard(session)
    with pytest.raises(SignInRequired) as refused:
        await go(session.login(saved_token=token.to_json()))
    assert isinstance(refused.value.__cause__, InvalidGrant)
    assert session.state is State.IDLE
    assert heard.triggers == []


async def test_a_saved_token_is_kept_when_the_provider_is_down(world: World) -> None:
    token = await world.saved()
    await world.pass_time(7200)
    session = world.manager()["acme"]
    world.provider.fail_next("token", 503)
    with pytest.raises(ServiceUnavailable):
        await go(session.restore(token))
    await go(session.restore(token))
    assert session.live


@pytest.mark.parametrize("saved", ["", "{}", "[]", "null", '{"access_token": ""}', '{"access_token": 1}', "gho_abc"])
async def test_what_is_no_saved_token_is_refused_without_being_quoted(world: World, saved: str) -> None:
    session = world.manager()["acme"]
    with pytest.raises(InvalidCall) as raised:
        await go(session.restore(saved))
    assert "gho_abc" not in str(raised.value)
    assert session.state is State.IDLE
    assert world.provider.requests == []


async def test_a_live_session_refuses_a_saved_one(world: World) -> None:
    session = await world.signed_in()
    saved, token = session.dump(), await go(session.token())
    with pytest.raises(AlreadyAuthenticated):
        await go(session.restore(saved))
    assert (await go(session.token())).access_token == token.access_token


async def test_a_saved_session_comes_back_while_a_login_is_pending_and_ends_its_wait(world: World) -> None:
    token = await world.saved()
    session = world.manager()["acme"]
    request = await go(session.begin())
    waiting = world.start(request.wait)
    await go(session.restore(token))
    event = await waiting
    assert event.trigger == "restore"
    assert session.live


async def test_a_session_without_a_user_comes_back_with_one_or_without(world: World) -> None:
    token = await world.saved()
    session = world.manager()["acme"]
    await go(session.restore(token, fetch_user=False))
    assert session.user is None
    assert world.provider.count("userinfo") == 0


async def test_a_profile_that_cannot_be_had_now_keeps_nobody_signed_out(world: World) -> None:
    token = await world.saved()
    await world.pass_time(7200)
    session = world.manager()["acme"]
    world.provider.fail_next("userinfo", 503)
    await go(session.restore(token))
    assert session.live
    assert session.error is not None


async def test_renewed_tokens_of_another_user_are_refused_and_revoked(world: World) -> None:
    saved = (await world.signed_in()).dump()
    await world.pass_time(7200)
    issued: list[str] = []
    world.provider.tamper["id_token_claims"] = lambda claims: {**claims, "sub": "somebody"}
    world.provider.tamper["token_response"] = lambda answer: issued.append(answer["refresh_token"])
    session = world.manager()["acme"]
    with pytest.raises(ValidationFailed):
        await go(session.restore(saved))
    assert session.state is State.IDLE
    assert not world.provider.accepts(issued[0])


async def test_renewed_tokens_that_cannot_be_stored_are_revoked(world: World) -> None:
    token = await world.saved()
    await world.pass_time(7200)
    issued: list[str] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(answer["refresh_token"])
    store = FaultyStore(world.clock)
    session = world.manager(store=store)["acme"]
    store.break_down("swap")
    with pytest.raises(StoreError):
        await world.through_pauses(lambda: session.restore(token))
    store.mend()
    assert session.state is State.IDLE
    assert not world.provider.accepts(issued[0])


async def test_a_store_that_fails_once_costs_no_saved_session(world: World) -> None:
    token = await world.saved()
    await world.pass_time(7200)
    store = FaultyStore(world.clock)
    session = world.manager(store=store)["acme"]
    store.fail_once("swap")
    assert await world.through_pauses(lambda: session.restore(token)) is session
    assert world.refreshes == 1
    assert world.provider.accepts((await go(session.token())).refresh_token)


async def test_who_waits_for_a_restore_may_leave_and_the_renewed_token_is_not_lost(world: World) -> None:
    if not world.is_async:
        return
    token = await world.saved()
    await world.pass_time(7200)
    session = world.manager()["acme"]
    heard = Heard(session)
    with world.hold("token", after=True) as held:
        waiting = asyncio.create_task(session.restore(token))
        await world.arrived(held)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        held.release()
    await heard.until_told("on_restore")
    assert world.provider.accepts((await session.token()).refresh_token)


async def test_a_restored_session_is_renewed_as_any_other(world: World) -> None:
    session = world.manager()["acme"]
    await go(session.restore(await world.saved()))
    world.provider.forget_requests()
    await world.pass_time(3600)
    await go(session.token())
    assert world.refreshes == 1


async def test_a_dump_does_not_stretch_the_sessions_lifetime(world: World) -> None:
    first = await world.signed_in(session_lifetime=7200)
    saved = first.dump()
    await world.pass_time(7000)
    second = world.manager(session_lifetime=7200)["acme"]
    await go(second.restore(saved))
    assert second.live
    await world.pass_time(200)
    assert second.state is State.LOGGED_OUT
    with pytest.raises(SignInRequired, match="session_lifetime"):
        await go(world.manager(session_lifetime=7200)["acme"].restore(saved))


# ── the store ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_manager_brings_back_what_the_store_holds(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    await world.sign_in(manager["acme"])
    await world.sign_in(manager["acme", "work"], "grace")
    await go(manager.close())

    again = world.manager(store=store)
    heard = Heard(again)
    reports = await go(again.restore())
    assert {report.key: report.restored for report in reports} == {
        again["acme"].key: True,
        again["acme", "work"].key: True,
    }
    assert heard.names == ["on_restore", "on_restore"]
    assert {event.origin for event in heard.events("on_restore")} == {"other_process"}
    assert again["acme", "work"].user.name == "Grace Hopper"
    assert world.provider.requests == []


async def test_a_stored_session_is_simply_there_when_it_is_first_looked_at(world: World) -> None:
    store = FaultyStore(world.clock)
    await world.signed_in(store=store)
    other = world.manager(store=store)
    heard = Heard(other)
    assert other["acme"].live
    assert other["acme"].user.name == "Ada Lovelace"
    assert heard.triggers == []


async def test_restore_renews_what_has_expired_and_reports_what_could_not_be(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    await world.sign_in(manager["acme"])
    await world.sign_in(manager["acme", "work"])
    await go(manager.close())
    await world.pass_time(7200)

    again = world.manager(store=store)
    world.provider.fail_next("token", 400, {"error": "invalid_grant"})
    reports = {report.key.account: report for report in await go(again.restore())}
    errors = [report.error for report in reports.values() if report.error is not None]
    assert [error.code for error in errors] == ["invalid_grant"]
    assert sorted(session.live for session in again.sessions()) == [False, True]
    assert sorted(report.restored for report in reports.values()) == [False, True]


async def test_restore_without_a_network_signs_nobody_out(world: World) -> None:
    store = FaultyStore(world.clock)
    world.provider.rotation = "none"
    manager = world.manager(store=store)
    await world.sign_in(manager["acme"])
    await go(manager.close())
    await world.pass_time(7200)

    again = world.manager(store=store)
    heard = Heard(again)
    world.provider.fail_next("token", 200, "half", cut=True)
    (report,) = await go(again.restore())
    assert report.restored
    assert again["acme"].live
    assert "on_logout" not in heard.names
    await world.pass_time(600)
    assert (await go(again["acme"].token())).access_token


async def test_one_record_that_cannot_be_read_is_reported_and_left_as_it_is(world: World) -> None:
    store = FaultyStore(world.clock)
    await world.signed_in(store=store)
    store.swap("session//acme/broken", 0, b"\xff\xff not a record")
    again = world.manager(store=store)
    reports = {report.key.account: report for report in await go(again.restore())}
    assert reports[""].restored
    assert reports["broken"].error is not None
    assert reports["broken"].error.code == "store_error"
    found = store.load("session//acme/broken")
    assert found is not None
    assert found[0] == b"\xff\xff not a record"
    with pytest.raises((StoreError, LoginFailed)):
        await go(again["acme", "broken"].begin())
    assert store.load("session//acme/broken") == found

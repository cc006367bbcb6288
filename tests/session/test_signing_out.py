"""Signing out: here at once, whatever the store and the provider do; a renewal under way is fenced."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authflow import State
from authflow.errors import LoginCancelled, SignInRequired, StoreError
from authflow.protocol.step import limits_of
from authflow.stores import SQLiteStore

from .support import FaultyStore, Heard, World, go


async def test_logout_ends_the_session_here_and_its_tokens_there(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    token = await go(session.token())
    result = await go(session.logout())
    assert session.state is State.LOGGED_OUT
    assert (result.signed_out, result.persisted, result.errors) == (True, True, ())
    assert result.revoked == {"refresh_token": True, "access_token": True}
    assert not world.provider.accepts(token.access_token)
    assert not world.provider.accepts(token.refresh_token)
    assert heard.names == ["on_logout"]
    event = heard.last("on_logout")
    assert (event.trigger, event.reason, event.recoverable, event.live) == ("logout", "user", False, False)


async def test_after_logout_nothing_is_left_of_the_user(world: World) -> None:
    session = await world.signed_in()
    await go(session.logout())
    assert (session.user, session.claims, session.scopes, session.expires_at) == (None, {}, (), None)
    with pytest.raises(SignInRequired, match="user"):
        await go(session.token())
    with pytest.raises(SignInRequired):
        session.dump()


async def test_a_second_logout_is_no_error_and_says_that_there_was_nothing(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    await go(session.logout())
    result = await go(session.logout())
    assert (result.signed_out, result.cancelled_login) == (False, False)
    assert heard.names == ["on_logout"]


async def test_a_double_click_on_logout_signs_out_once(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    with world.hold("revoke") as held:
        first = world.start(session.logout)
        await world.arrived(held)
        second = await asyncio.wait_for(world.start(session.logout), 5)
        held.release()
        assert (await first).signed_out
    assert not second.signed_out
    assert heard.names == ["on_logout"]


async def test_logout_of_one_that_was_never_signed_in_is_no_error(world: World) -> None:
    result = await go(world.manager()["acme"].logout())
    assert not result.signed_out
    assert world.provider.requests == []


async def test_the_session_is_over_before_the_provider_has_answered(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    with world.hold("revoke") as held:
        leaving = world.start(session.logout)
        await world.arrived(held)
        assert session.state is State.LOGGED_OUT
        await heard.until_told("on_logout")
        with pytest.raises(SignInRequired):
            await go(session.token())
        held.release()
        await leaving


async def test_a_revocation_endpoint_that_is_down_is_told_and_changes_nothing_here(world: World) -> None:
    session = await world.signed_in()
    world.provider.fail_next("revoke", 503, times=2)
    result = await go(session.logout())
    assert session.state is State.LOGGED_OUT
    assert result.signed_out
    assert result.revoked == {"refresh_token": False, "access_token": False}
    assert {error.code for error in result.errors} == {"temporarily_unavailable"}


async def test_one_token_that_cannot_be_revoked_does_not_keep_the_other(world: World) -> None:
    session = await world.signed_in()
    world.provider.fail_next("revoke", 500)
    result = await go(session.logout())
    assert result.revoked == {"refresh_token": False, "access_token": True}
    assert len(result.errors) == 1


async def test_a_revocation_endpoint_that_never_answers_is_given_up(world: World) -> None:
    session = await world.sign_in(world.manager(world.settings(timeout=0.2))["acme"])
    with world.hold("revoke"):
        result = await asyncio.wait_for(world.start(session.logout), 5)
    assert result.signed_out
    assert [error.code for error in result.errors] == ["deadline_exceeded"] * 2


async def test_all_calls_of_a_logout_together_get_ten_seconds(world: World) -> None:
    given: list[float] = []

    def provider(request: httpx.Request) -> httpx.Response:
        given.append(limits_of(request).seconds)
        world.clock.jump(6)
        raise httpx.ConnectError("down")

    session = await world.signed_in()
    transport = httpx.MockTransport(provider)
    http = session._house.shell.http
    manager = world.manager(http=httpx.AsyncClient(transport=transport) if world.is_async else transport)
    leaving = manager["acme"]
    leaving._house.directory = session._house.directory
    await go(leaving.restore(await go(session.token()), fetch_user=False))
    result = await go(leaving.logout())
    assert http is not leaving._house.shell.http
    assert given == [5.0, 4.0]
    assert len(result.errors) == 2


async def test_logout_without_revocation_leaves_the_tokens_to_whoever_has_them(world: World) -> None:
    session = await world.signed_in()
    token = await go(session.token())
    result = await go(session.logout(revoke=False))
    assert result.revoked == {}
    assert world.provider.count("revoke") == 0
    assert world.provider.accepts(token.access_token)


async def test_a_provider_without_revocation_is_no_error(world: World) -> None:
    world.provider.tamper["metadata"] = lambda document: document.pop("revocation_endpoint") and None
    session = await world.signed_in()
    result = await go(session.logout())
    assert result.revoked == {"refresh_token": False, "access_token": False}
    assert result.errors == ()


async def test_the_providers_own_logout_is_a_url_with_the_id_token_and_a_state(world: World) -> None:
    after = "https://app.example/bye"
    session = await world.sign_in(world.manager(world.settings(post_logout_redirect_uri=after))["acme"])
    token = await go(session.token())
    result = await go(session.logout())
    url = urlsplit(result.end_session_url)
    query = parse_qs(url.query)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{world.provider.url}/end_session"
    assert query["id_token_hint"] == [token.id_token]
    assert query["post_logout_redirect_uri"] == [after]
    assert len(query["state"][0]) >= 16
    assert not result.end_session_opened
    assert token.id_token not in repr(result)


async def test_end_session_false_asks_for_no_url(world: World) -> None:
    session = await world.signed_in()
    assert (await go(session.logout(end_session=False))).end_session_url is None


async def test_whoever_showed_the_sign_in_shows_the_sign_out(world: World) -> None:
    session = await world.signed_in()
    shown: list[str] = []
    session._show = shown.append
    result = await go(session.logout())
    assert shown == [result.end_session_url]
    assert result.end_session_opened


async def test_an_opener_that_raises_does_not_keep_the_session(world: World) -> None:
    session = await world.signed_in()

    def broken(url: str) -> None:
        raise OSError("no display")

    session._show = broken
    result = await go(session.logout())
    assert session.state is State.LOGGED_OUT
    assert [error.code for error in result.errors] == ["logout_incomplete"]


async def test_metadata_that_cannot_be_had_are_told(world: World) -> None:
    session = await world.signed_in()
    session._house.directory.forget(world.provider.issuer)
    world.provider.fail_next("metadata", 503, times=4)
    result = await go(session.logout())
    assert session.state is State.LOGGED_OUT
    assert [error.code for error in result.errors] == ["temporarily_unavailable"]


async def test_logout_while_a_login_is_pending_cancels_it(world: World) -> None:
    session = world.manager()["acme"]
    heard = Heard(session)
    url, binding = await world.callback(session)
    result = await go(session.logout())
    assert (result.signed_out, result.cancelled_login) == (False, True)
    assert session.state is State.IDLE
    assert heard.last("on_login_failed").reason == "logout"
    with pytest.raises(Exception, match="waiting"):
        await go(session.complete(url, binding=binding))


async def test_logout_while_a_code_is_exchanged_revokes_what_comes_of_it(world: World) -> None:
    session = world.manager()["acme"]
    heard = Heard(session)
    issued: list[str] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(answer["access_token"])
    url, binding = await world.callback(session)
    with world.hold("token", after=True) as held:
        completing = world.start(lambda: session.complete(url, binding=binding))
        await world.arrived(held)
        result = await go(session.logout())
        assert result.cancelled_login
        held.release()
        (ended,) = await asyncio.gather(completing, return_exceptions=True)
    assert isinstance(ended, LoginCancelled)
    assert session.state is State.IDLE
    assert heard.names == ["on_login_failed"]
    assert not world.provider.accepts(issued[0])


# ── a renewal is under way ───────────────────────────────────────────────────────────────────────────


async def test_a117_logout_during_a_renewal_fences_it(world: World) -> None:
    session = await world.signed_in()
    heard = Heard(session)
    issued: list[dict[str, str]] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(dict(answer))
    await world.pass_time(3600)
    with world.hold("token", after=True) as held:
        waiting = world.start(session.token)
        await world.arrived(held)
        await go(session.logout())
        assert session.state is State.LOGGED_OUT
        world.provider.forget_requests()
        held.release()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(ended, SignInRequired)
    assert world.provider.count("revoke") == 2
    assert not world.provider.accepts(issued[-1]["access_token"])
    assert not world.provider.accepts(issued[-1]["refresh_token"])
    assert heard.triggers[-2:] == ["refresh", "logout"]
    assert "on_refresh" not in heard.names
    assert session.state is State.LOGGED_OUT


async def test_refresh_during_which_somebody_signs_out_raises_sign_in_required(world: World) -> None:
    session = await world.signed_in()
    with world.hold("token") as held:
        waiting = world.start(session.refresh)
        await world.arrived(held)
        await go(session.logout())
        held.release()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(ended, SignInRequired)
    assert session.reason == "user"


async def test_a_new_login_is_not_touched_by_the_renewal_of_the_old_one(world: World) -> None:
    session = await world.signed_in()
    with world.hold("token", after=True) as held:
        waiting = world.start(session.refresh)
        await world.arrived(held)
        await go(session.logout())
        world.provider._gate._holds.clear()
        await world.sign_in(session, "grace")
        mine = await go(session.token())
        held.release()
        await asyncio.gather(waiting, return_exceptions=True)
    assert session.user["preferred_username"] == "grace"
    assert (await go(session.token())).access_token == mine.access_token
    assert world.provider.accepts(mine.access_token)


# ── the store is in trouble ──────────────────────────────────────────────────────────────────────────


async def test_a_tombstone_that_cannot_be_written_is_written_later(world: World) -> None:
    store = FaultyStore(world.clock)
    session = await world.signed_in(store=store)
    store.break_down("swap")
    result = await go(session.logout())
    assert (result.signed_out, result.persisted) == (True, False)
    assert session.state is State.LOGGED_OUT
    assert result.revoked == {"refresh_token": True, "access_token": True}
    await world.pass_time(3)
    assert session._run.ledger.unsaved is not None
    store.mend()
    await world.pass_time(2)
    assert session._run.ledger.unsaved is None
    other = world.manager(store=store)["acme"]
    assert other.state is State.LOGGED_OUT


async def test_close_is_the_last_chance_for_a_tombstone(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    store.break_down("swap")
    await go(session.logout())
    store.mend()
    await go(manager.close())
    assert world.manager(store=store)["acme"].state is State.LOGGED_OUT


# ── everything at once ───────────────────────────────────────────────────────────────────────────────


async def test_logout_all_signs_out_everything_and_says_how_each_went(world: World) -> None:
    manager = world.manager()
    for session in (manager["acme"], manager["acme", "work"], manager.owner("somebody")["acme"]):
        await world.sign_in(session)
    results = await go(manager.logout_all())
    assert len(results) == 3
    assert all(result.signed_out for result in results.values())
    assert not any(session.live for session in manager.sessions())


async def test_logout_all_ends_stored_sessions_that_nobody_has_looked_at_yet(world: World, tmp_path: Path) -> None:
    first = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    ada = await world.sign_in(first.owner("ada")["acme"])
    await go(first.close())
    second = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    results = await go(second.logout_all())
    assert results[ada.key].signed_out
    assert not second.owner("ada")["acme"].live


async def test_logout_all_is_not_stopped_by_one_that_fails(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(world.settings(), world.settings("other"), store=store)
    await world.sign_in(manager["other"])
    store.break_down("load", "session//acme/")
    results = await go(manager.logout_all())
    failed, fine = results[manager["acme"].key], results[manager["other"].key]
    assert isinstance(failed, StoreError)
    assert fine.signed_out
    assert not manager["other"].live
    store.mend()


async def test_forget_drops_what_is_left_of_a_session_that_has_ended(world: World) -> None:
    session = await world.signed_in()
    await go(session.logout())
    event = await go(session.forget())
    assert (event.trigger, event.target) == ("forget", "idle")
    assert session.state is State.IDLE
    assert session.reason is None

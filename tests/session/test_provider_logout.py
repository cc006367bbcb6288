"""The provider signs somebody out: by a logout token, or by a page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authflow import State
from authflow.errors import (
    AuthflowError,
    CallbackRejected,
    LoginFailed,
    Phase,
    SignInRequired,
    StoreError,
    ValidationFailed,
)
from authflow.events import Origin
from authflow.operations import whose
from authflow.stores import MemoryStore, SQLiteStore
from authflow.testing import expire

from .support import FaultyStore, Heard, Process, World, go


async def refused(manager: Any, token: Any) -> str | None:
    with pytest.raises(ValidationFailed) as failed:
        await go(manager.back_channel_logout(token))
    assert failed.value.phase is Phase.LOGOUT
    return failed.value.check


# ── back-channel ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["sid", "sub"])
async def test_a_logout_token_ends_the_session_and_says_who_did(world: World, by: Any) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    heard = Heard(manager)

    done = await go(manager.back_channel_logout(world.provider.logout_token("ada", by=by)))

    assert (done.provider, done.ended) == ("acme", (session.key,))
    assert session.state is State.LOGGED_OUT
    assert heard.names == ["on_logout"]
    event = heard.last("on_logout")
    assert (event.trigger, event.reason, event.origin, event.recoverable) == (
        "revoke", "back_channel_logout", Origin.PROVIDER, True,
    )  # fmt: skip
    with pytest.raises(SignInRequired, match="back_channel_logout"):
        await go(session.token())


async def test_the_tokens_of_the_session_are_revoked_beside(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    token = await go(session.token())
    await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    await world.pass_time(2)
    await world.eventually(lambda: not world.provider.accepts(token.refresh_token))


async def test_a_sid_names_one_session_and_a_sub_all_of_them(world: World) -> None:
    manager = world.manager()
    sessions = [await world.sign_in(manager.owner(owner)["acme"]) for owner in ("one", "two", "three")]
    stranger = await world.sign_in(manager.owner("four")["acme"], "grace")

    done = await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    assert done.ended == (sessions[2].key,)
    assert [one.live for one in sessions] == [True, True, False]

    done = await go(manager.back_channel_logout(world.provider.logout_token("ada", by="sub")))
    assert set(done.ended) == {sessions[0].key, sessions[1].key}
    assert stranger.live


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_it_reaches_sessions_that_are_not_in_memory(world: World, kind: str, tmp_path: Path) -> None:
    store: Any = MemoryStore(time=world.clock.time) if kind == "memory" else SQLiteStore(tmp_path / "sessions.db")
    other = world.manager(store=store)
    await world.sign_in(other.owner("ada-s-browser")["acme"])
    await go(other.close())

    manager = world.manager(store=store)
    done = await go(manager.back_channel_logout(world.provider.logout_token("ada")))

    assert [key.owner for key in done.ended] == ["ada-s-browser"]
    assert manager.owner("ada-s-browser")["acme"].reason == "back_channel_logout"
    if kind == "file":
        store.close()


async def test_it_reaches_the_sessions_of_other_processes(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    here, there = world.manager(store=Process(shared)), world.manager(store=Process(shared))
    session = await world.sign_in(there["acme"])
    heard = Heard(there)

    await go(here.back_channel_logout(world.provider.logout_token("ada")))

    await heard.until_told("on_logout")
    assert session.state is State.LOGGED_OUT
    event = heard.last("on_logout")
    assert (event.reason, event.origin) == ("back_channel_logout", Origin.OTHER_PROCESS)


async def test_a_session_that_was_moved_is_found_under_its_new_owner(world: World) -> None:
    manager = world.manager(store=Process(MemoryStore(time=world.clock.time)))
    session = await world.sign_in(manager.owner("before")["acme"])
    await go(session.move(owner="after"))
    done = await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    assert [key.owner for key in done.ended] == ["after"]


async def test_a_session_that_was_restored_from_a_dump_is_found(world: World) -> None:
    manager = world.manager(store=Process(MemoryStore(time=world.clock.time)))
    saved = (await world.sign_in(manager["acme"])).dump()
    await go(manager["acme"].logout(revoke=False, end_session=False))
    await go(manager["acme"].restore(saved))
    done = await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    assert len(done.ended) == 1


async def test_after_a_logout_nothing_is_left_under_the_users_name(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    assert len(list(store.keys(whose.WHOSE))) == 2
    await go(session.logout())
    assert list(store.keys(whose.WHOSE)) == []


async def test_a_user_of_many_sessions_is_found_in_those_that_live(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(whose, "MANY", 3)
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    for number in range(5):
        session = await world.sign_in(manager.owner(f"o{number}")["acme"])
        if number < 3:
            await go(expire(session))
    done = await go(manager.back_channel_logout(world.provider.logout_token("ada", by="sub")))
    assert {key.owner for key in done.ended} == {"o3", "o4"}


async def test_a_logout_token_that_arrives_during_the_exchange_is_remembered(world: World) -> None:
    manager = world.manager()
    session = manager["acme"]
    heard = Heard(manager)
    url, binding = await world.callback(session)
    with world.hold("token", after=True) as held:
        login = world.start(lambda: session.complete(url, binding=binding))
        await world.arrived(held)
        assert session.state is State.EXCHANGING
        done = await go(manager.back_channel_logout(world.provider.logout_token("ada")))
        assert done.ended == ()
        held.release()
        with pytest.raises(LoginFailed) as failed:
            await login
    assert failed.value.check == "sid"
    assert session.state is State.IDLE
    assert heard.names == ["on_login_failed"]


async def test_one_that_comes_between_the_last_look_and_the_login_ends_it_at_once(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager, other = world.manager(store=store), world.manager(store=Process(store.shared))
    session = manager["acme"]
    heard = Heard(manager)
    url, binding = await world.callback(session)
    marked: list[str] = []

    def end_before_the_commit(key: str) -> None:
        if key.startswith("session/") and session.claims == {} and list(store.keys(whose.WHOSE)) and not marked:
            marked.append(key)
            names = list(store.keys(whose.WHOSE))
            whose.mark_ended(other._house, names, world.clock.time() + 1)
        else:
            store.before_swap = end_before_the_commit

    store.before_swap = end_before_the_commit
    await go(session.complete(url, binding=binding))

    assert marked
    assert heard.names == ["on_login", "on_logout"]
    assert session.reason == "back_channel_logout"


def ended_by_another_process(world: World, store: Process) -> list[str]:
    """At the first write of a session under a new key, the provider ends what is named in the store; a logout that
    looks now finds no live session there. Gives the keys that were written then."""
    other, marked = world.manager(store=Process(store.shared)), list[str]()

    def end_before_the_write(key: str) -> None:
        names = list(store.keys(whose.WHOSE))
        if key.startswith("session/") and names and not marked:
            marked.append(key)
            whose.mark_ended(other._house, names, world.clock.time())
        else:
            store.before_swap = end_before_the_write

    store.before_swap = end_before_the_write
    return marked


async def test_one_that_comes_while_a_session_is_moved_ends_it_under_its_new_owner(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("before")["acme"])
    await world.pass_time(1)
    heard = Heard(manager)
    marked = ended_by_another_process(world, store)

    await go(session.move(owner="after"))

    assert marked == ["session/after/acme/"]
    assert session.key.owner == "after"
    assert (session.state, session.reason) == (State.LOGGED_OUT, "back_channel_logout")
    assert heard.names == ["on_logout"]
    assert (heard.last("on_logout").owner, heard.last("on_logout").origin) == ("after", Origin.PROVIDER)


async def test_one_that_came_before_the_sign_in_ends_nothing_that_is_moved(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    await world.sign_in(manager.owner("before")["acme"])
    await go(manager.back_channel_logout(world.provider.logout_token("ada", by="sub")))
    await world.pass_time(1)
    session = await world.sign_in(manager.owner("before")["acme"])
    await go(session.move(owner="after"))
    assert session.live


async def test_one_that_comes_while_a_session_is_restored_ends_it(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    saved = (await world.sign_in(manager["acme"])).dump()
    await go(manager["acme"].logout(revoke=False, end_session=False))
    await go(manager["acme"].forget())
    await world.pass_time(1)
    heard = Heard(manager)
    marked = ended_by_another_process(world, store)

    await go(manager["acme"].restore(saved))

    assert marked
    assert heard.names == ["on_restore", "on_logout"]
    assert manager["acme"].reason == "back_channel_logout"


async def test_a_dump_of_a_session_that_the_provider_has_ended_does_not_bring_it_back(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    saved = session.dump()
    await world.pass_time(1)
    await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    with pytest.raises(SignInRequired, match="signed this user out") as failed:
        await go(session.restore(saved))
    assert failed.value.check == "sid"
    assert (session.state, session.reason) == (State.LOGGED_OUT, "back_channel_logout")


async def test_one_that_comes_while_a_step_up_is_stored_ends_the_session(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    await world.pass_time(1)
    url, binding = await world.callback(session, step_up=True)
    heard = Heard(manager)
    known = set(store.keys(whose.WHOSE))
    marked: list[str] = []

    def end_the_new_sid(key: str) -> None:
        names = [name for name in store.keys(whose.WHOSE) if name not in known]
        if key.startswith("session/") and names and not marked:
            marked.append(key)
            whose.mark_ended(manager._house, names, world.clock.time())
        else:
            store.before_swap = end_the_new_sid

    store.before_swap = end_the_new_sid
    await go(manager.complete(url, binding=binding))

    assert marked
    assert heard.names == ["on_refresh", "on_logout"]
    assert session.reason == "back_channel_logout"


async def test_a_login_that_begins_after_the_logout_is_none_of_its(world: World) -> None:
    manager = world.manager()
    await world.sign_in(manager["acme"])
    await go(manager.back_channel_logout(world.provider.logout_token("ada", by="sub")))
    await world.pass_time(1)
    await world.sign_in(manager["acme"])
    assert manager["acme"].live


def two_clients(world: World, **settings: Any) -> Any:
    """A manager of two applications of one issuer."""
    world.provider.client("other-app", "other-secret")
    other = world.settings("other", client_id="other-app", callback_path="/callback/other")
    return world.manager(world.settings(), other, **settings)


@pytest.mark.parametrize("indexed", [False, True])
async def test_a_token_for_one_client_leaves_the_sessions_of_another_alone(world: World, indexed: bool) -> None:
    shared = MemoryStore(time=world.clock.time)
    manager = two_clients(world, store=Process(shared) if indexed else shared)
    first, second = [await world.sign_in(manager[name]) for name in ("acme", "other")]
    assert first.user.id == second.user.id

    done = await go(manager.back_channel_logout(world.provider.logout_token("ada", client_id="dev-app", by="sub")))
    assert (done.provider, done.ended) == ("acme", (first.key,))
    assert second.live

    done = await go(manager.back_channel_logout(world.provider.logout_token("ada", client_id="other-app", by="sub")))
    assert (done.provider, done.ended) == ("other", (second.key,))


async def test_a_token_for_one_client_leaves_a_login_of_another_alone(world: World) -> None:
    manager = two_clients(world)
    await world.sign_in(manager["acme"])
    session = manager["other"]
    url, binding = await world.callback(session)
    with world.hold("token", after=True) as held:
        login = world.start(lambda: session.complete(url, binding=binding))
        await world.arrived(held)
        await go(manager.back_channel_logout(world.provider.logout_token("ada", client_id="dev-app", by="sub")))
        held.release()
        await login
    assert session.live


async def test_a_token_for_two_clients_ends_the_sessions_of_both(world: World) -> None:
    manager = two_clients(world)
    sessions = [await world.sign_in(manager[name]) for name in ("acme", "other")]
    both = {"aud": ["dev-app", "other-app"], "azp": "dev-app"}
    with world.provider.lie("logout_token_claims", lambda claims: {**claims, **both}):
        done = await go(manager.back_channel_logout(world.provider.logout_token("ada", by="sub")))
    assert set(done.ended) == {one.key for one in sessions}


async def test_a_token_for_nobody_who_is_signed_in_here_ends_nothing(world: World) -> None:
    manager, elsewhere = world.manager(), world.manager()
    await world.sign_in(elsewhere["acme"])
    assert (await go(manager.back_channel_logout(world.provider.logout_token("ada")))).ended == ()
    assert elsewhere["acme"].live


LIES: dict[str, tuple[str, Any, str]] = {
    "rp-backchannel-rpinitlogout-wrong-aud": (
        "logout_token_claims", lambda claims: {**claims, "aud": "another-client"}, "aud",
    ),
    "rp-backchannel-rpinitlogout-wrong-iss": (
        "logout_token_claims", lambda claims: {**claims, "iss": "https://other.example"}, "iss",
    ),
    "rp-backchannel-rpinitlogout-no-event": (
        "logout_token_claims", lambda claims: {name: claims[name] for name in claims if name != "events"}, "events",
    ),
    "rp-backchannel-rpinitlogout-wrong-event": (
        "logout_token_claims", lambda claims: {**claims, "events": {"http://schemas.openid.net/event/x": {}}}, "events",
    ),
    "rp-backchannel-rpinitlogout-with-nonce": (
        "logout_token_claims", lambda claims: {**claims, "nonce": "n"}, "nonce",
    ),
    "rp-backchannel-rpinitlogout-alg-none": (
        "logout_token", lambda token: "eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9." + token.split(".")[1] + ".AAAA",
        "alg",
    ),
    "not-for-an-id-token": ("logout_token_header", lambda header: {**header, "typ": "at+jwt"}, "typ"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
async def test_a120_a_logout_token_that_is_none_ends_nothing(world: World, name: str) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    heard = Heard(manager)
    where, lie, check = LIES[name]
    with world.provider.lie(where, lie):
        assert await refused(manager, world.provider.logout_token("ada")) == check
    assert session.live
    assert heard.names == []
    assert [one for one in world.provider.requests if one.path != "/jwks"] == []


async def test_a120_wrong_alg_of_a_provider_that_signs_with_another(world: World) -> None:
    """rp-backchannel-rpinitlogout-wrong-alg: the client is registered for one algorithm."""
    manager = world.manager(world.settings(algorithms=["ES256"]))
    session = await world.sign_in(manager["acme"])
    world.provider.algorithm = "EdDSA"
    world.provider.rotate_keys()
    assert await refused(manager, world.provider.logout_token("ada")) == "alg"
    assert session.live


async def test_a120_a_logout_token_is_good_for_one_use(world: World) -> None:
    manager = world.manager()
    await world.sign_in(manager["acme"])
    token = world.provider.logout_token("ada")
    await go(manager.back_channel_logout(token))
    await world.pass_time(1)
    again = await world.sign_in(manager["acme"])
    assert await refused(manager, token) == "jti"
    assert again.live


async def test_a120_an_id_token_is_no_logout_token(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    token = await go(session.token())
    assert await refused(manager, token.id_token) in ("nonce", "events")
    assert session.live


async def test_a_store_that_fails_leaves_the_token_for_another_try(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    token = world.provider.logout_token("ada")
    store.break_down("swap", whose.WHOSE)
    with pytest.raises(StoreError):
        await go(manager.back_channel_logout(token))
    assert session.live
    store.mend()
    assert (await go(manager.back_channel_logout(token))).ended == (session.key,)


async def test_keys_that_cannot_be_had_leave_the_token_for_another_try(world: World) -> None:
    fresh = world.manager()
    await world.sign_in(world.manager()["acme"])
    token = world.provider.logout_token("ada")
    world.provider.fail_next("jwks", 503)
    with pytest.raises(AuthflowError) as failed:
        await go(fresh.back_channel_logout(token))
    assert failed.value.recovery == "retry_at"
    assert (await go(fresh.back_channel_logout(token))).ended == ()


# ── front-channel ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def front(world: World) -> World:
    client = world.provider.clients["dev-app"]
    client.frontchannel_logout_uri = "https://app.example/front-channel-logout"
    return world


async def test_a_page_of_the_provider_ends_the_session_that_it_names(front: World) -> None:
    """rp-frontchannel-rpinitlogout, rp-frontchannel-opinitlogout."""
    manager = front.manager()
    first, second = [await front.sign_in(manager.owner(owner)["acme"]) for owner in ("one", "two")]
    heard = Heard(manager)
    done = await go(manager.front_channel_logout(front.provider.front_channel_logout_url("ada")))
    assert done.ended == (second.key,)
    assert (first.live, second.reason) == (True, "front_channel_logout")
    event = heard.last("on_logout")
    assert (event.trigger, event.origin) == ("revoke", Origin.PROVIDER)


@pytest.mark.parametrize(
    ("query", "check"),
    [
        ("", "sid"),
        ("iss={iss}", "sid"),
        ("sid={sid}", "sid"),
        ("iss=https://other.example&sid={sid}", "iss"),
        ("iss={iss}/&sid={sid}", "iss"),
    ],
)
async def test_a_page_that_does_not_name_a_session_of_this_issuer_ends_nothing(
    front: World, query: str, check: str
) -> None:
    manager = front.manager()
    session = await front.sign_in(manager["acme"])
    query = query.format(iss=front.provider.issuer, sid=session.claims["sid"])
    with pytest.raises(ValidationFailed) as failed:
        await go(manager.front_channel_logout(f"https://app.example/front-channel-logout?{query}"))
    assert failed.value.check == check
    assert session.live


async def test_a_page_that_says_a_thing_twice_is_refused(front: World) -> None:
    with pytest.raises(CallbackRejected):
        await go(front.manager().front_channel_logout("https://app.example/f?iss=a&iss=b&sid=c"))


async def test_a_sid_that_nobody_has_ends_nothing_and_writes_nothing(front: World) -> None:
    store = FaultyStore(front.clock)
    manager = front.manager(store=store)
    session = await front.sign_in(manager["acme"])
    store.calls.clear()
    done = await go(manager.front_channel_logout({"iss": front.provider.issuer, "sid": "guessed"}))
    assert (done.ended, session.live) == ((), True)
    assert [call for call, _ in store.calls if call == "swap"] == []


# ── the way back from the provider's logout ──────────────────────────────────────────────────────────

RETURN = "https://app.example/signed-out"


async def leaving(world: World) -> tuple[Any, str]:
    """A session that is at the provider's logout page, and the state that it took along."""
    session = await world.signed_in()
    result = await go(session.logout(post_logout_redirect_uri=RETURN))
    return session, parse_qs(urlsplit(result.end_session_url).query)["state"][0]


async def test_the_return_with_the_state_is_the_sessions(world: World) -> None:
    """rp-init-logout."""
    session, state = await leaving(world)
    manager = world._managers[-1]
    back = await go(manager.complete_logout(f"{RETURN}?state={state}"))
    assert back.session is session
    assert back.post_logout_redirect_uri == RETURN


@pytest.mark.parametrize(
    ("url", "check"),
    [
        (f"{RETURN}?state=another", "state"),  # rp-init-logout-other-state
        (RETURN, "state"),  # rp-init-logout-no-state
        (f"{RETURN}?state=", "state"),
        ("https://app.example/elsewhere?state={state}", "post_logout_redirect_uri"),
        (f"{RETURN}?state={{state}}&state={{state}}", None),
    ],
)
async def test_another_state_or_none_is_refused(world: World, url: str, check: str | None) -> None:
    _, state = await leaving(world)
    manager = world._managers[-1]
    with pytest.raises(CallbackRejected) as failed:
        await go(manager.complete_logout(url.format(state=state)))
    assert failed.value.check == check
    assert state not in str(failed.value)
    await go(manager.complete_logout(f"{RETURN}?state={state}"))  # a wrong one uses nothing up


async def test_a_return_is_believed_once(world: World) -> None:
    _, state = await leaving(world)
    manager = world._managers[-1]
    await go(manager.complete_logout({"state": state}))
    with pytest.raises(CallbackRejected):
        await go(manager.complete_logout({"state": state}))


async def test_a_return_may_reach_another_process(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    here, there = world.manager(store=Process(shared)), world.manager(store=Process(shared))
    session = await world.sign_in(here.owner("ada")["acme"])
    result = await go(session.logout(post_logout_redirect_uri=RETURN))
    state = parse_qs(urlsplit(result.end_session_url).query)["state"][0]
    assert (await go(there.complete_logout({"state": state}))).session is there.owner("ada")["acme"]


async def test_a119_a_provider_that_is_down_at_logout_leaves_nothing_here(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    heard = Heard(manager)
    world.provider.fail_next("revoke", 503, times=2)
    result = await go(session.logout())
    assert (result.signed_out, result.persisted) == (True, True)
    assert result.revoked == {"refresh_token": False, "access_token": False}
    assert len(result.errors) == 2
    assert heard.names == ["on_logout"]
    with pytest.raises(SignInRequired):
        await go(session.token())


async def test_a_store_that_fails_after_the_login_does_not_undo_it(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = manager["acme"]
    url, binding = await world.callback(session)
    store.break_after(2, "load", whose.WHOSE)  # the look after the commit
    await go(session.complete(url, binding=binding))
    store.mend()
    assert session.live
    assert world.provider.accepts((await go(session.token())).access_token)


async def test_a_move_that_fails_leaves_the_session_where_it_was_and_to_be_found(world: World) -> None:
    store = FaultyStore(world.clock)
    store.durable = True
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("before")["acme"])
    store.break_down("swap", "session/")
    with pytest.raises(StoreError):
        await go(session.move(owner="after"))
    store.mend()
    done = await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    assert [key.owner for key in done.ended] == ["before"]


async def test_what_the_provider_ended_is_not_found_by_its_next_token(world: World) -> None:
    store = Process(MemoryStore(time=world.clock.time))
    manager = world.manager(store=store)
    await world.sign_in(manager["acme"])
    await go(manager.back_channel_logout(world.provider.logout_token("ada", by="sub")))
    names = list(store.keys(whose.WHOSE))
    assert all(not whose._load(manager._house, name)[0].keys for name in names)

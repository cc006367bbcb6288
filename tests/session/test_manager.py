"""A manager and its sessions: accounts, owners, moving, the dashboard's data, sentences, and the end of it all."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authflow import AsyncSessionManager, SessionManager, State
from authflow.agents import AppLink
from authflow.errors import (
    ConfigurationError,
    InvalidCall,
    LoginCancelled,
    ManagerClosed,
    OwnerRequired,
    StoreError,
    UnknownProvider,
)
from authflow.stores import MemoryStore, SQLiteStore

from .support import FaultyStore, Heard, World, go

# ── who is who ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_manager_is_a_mapping_of_its_providers(world: World) -> None:
    manager = world.manager(world.settings(), world.settings("other"))
    assert list(manager) == ["acme", "other"]
    assert len(manager) == 2
    assert "acme" in manager
    assert manager["acme"] is manager["acme"]
    with pytest.raises(UnknownProvider, match="acme, other"):
        manager["nobody"]


async def test_accounts_of_one_provider_are_sessions_of_their_own(world: World) -> None:
    manager = world.manager()
    await world.sign_in(manager["acme"], "ada")
    await world.sign_in(manager["acme", "work"], "grace")
    assert manager.account("acme", "work") is manager["acme", "work"]
    assert (manager["acme"].user.name, manager["acme", "work"].user.name) == ("Ada Lovelace", "Grace Hopper")
    await go(manager["acme"].logout())
    assert manager["acme", "work"].live


async def test_owners_see_their_own_sessions_and_hear_their_own_signals(world: World) -> None:
    manager = world.manager()
    one, two = manager.owner("one"), manager.owner("two")
    heard_one, heard_two = Heard(one), Heard(two)
    await world.sign_in(one["acme"])
    assert one["acme"].live
    assert not two["acme"].live
    assert (heard_one.names, heard_two.names) == (["on_login"], [])
    assert [session.key for session in one.sessions()] == [one["acme"].key]


async def test_a_web_login_without_an_owner_is_refused_unless_there_is_one_user(world: World) -> None:
    manager = world.manager(single_user=False)
    with pytest.raises(OwnerRequired, match="owner"):
        await go(manager["acme"].begin())
    await world.sign_in(manager.owner("browser")["acme"])


async def test_an_owner_without_a_name_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="owner"):
        world.manager().owner("")


# ── moving ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_moves_with_its_tokens_and_its_subscriptions(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("before")["acme"])
    token = await go(session.token())
    heard = Heard(session)
    assert await go(session.move(owner="after")) is session
    assert session.owner == "after"
    assert manager.owner("after")["acme"] is session
    assert (await go(session.token())).access_token == token.access_token
    assert heard.triggers == []
    await go(session.refresh())
    await heard.until_told("on_refresh")
    assert heard.last("on_refresh").owner == "after"


async def test_after_a_move_nothing_is_left_under_the_old_owner(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("before")["acme"])
    await go(session.move(owner="after"))
    assert manager.owner("before")["acme"] is not session
    assert manager.owner("before")["acme"].state is State.IDLE
    assert list(store.keys("session/before/")) == []
    assert world.manager(store=store).owner("after")["acme"].live


async def test_whoever_looked_at_the_new_owner_before_the_move_hears_of_no_login(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager.owner("before")["acme"])
    assert manager.owner("after")["acme"].state is State.IDLE
    heard = Heard(manager)
    await go(session.move(owner="after"))
    await world.pass_time(5)
    assert heard.triggers == []
    assert manager.owner("after")["acme"] is session


async def test_a_session_does_not_move_onto_another(world: World) -> None:
    manager = world.manager()
    one = await world.sign_in(manager.owner("one")["acme"])
    two = await world.sign_in(manager.owner("two")["acme"], "grace")
    with pytest.raises((InvalidCall, StoreError)):
        await go(one.move(owner="two"))
    assert manager.owner("one")["acme"] is one
    assert (one.user.name, two.user.name) == ("Ada Lovelace", "Grace Hopper")
    assert manager.owner("two")["acme"] is two


async def test_a_session_does_not_move_onto_one_that_only_the_store_knows(world: World) -> None:
    store = FaultyStore(world.clock)
    await world.sign_in(world.manager(store=store).owner("two")["acme"])
    manager = world.manager(store=store)
    one = await world.sign_in(manager.owner("one")["acme"])
    with pytest.raises(StoreError, match="already"):
        await go(one.move(owner="two"))
    assert one.owner == "one"
    assert one.live


async def test_a_login_that_waits_is_not_moved(world: World) -> None:
    session = world.manager().owner("one")["acme"]
    await go(session.begin())
    with pytest.raises(InvalidCall, match="pending"):
        await go(session.move(owner="two"))


async def test_moving_to_where_it_is_changes_nothing(world: World) -> None:
    session = await world.sign_in(world.manager().owner("one")["acme"])
    await go(session.move(owner="one"))
    assert session.live


# ── the dashboard's data, sentences ──────────────────────────────────────────────────────────────────


async def test_a_snapshot_is_plain_data_and_holds_no_secret(world: World) -> None:
    manager = world.manager(world.settings(), world.settings("other"))
    await world.sign_in(manager["acme"])
    await go(manager["other"].begin())
    rows = {row["provider"]: row for row in manager.snapshot()}
    text = json.dumps(list(rows.values()))
    assert not [secret for secret in world.provider.secrets if secret in text]
    assert (rows["acme"]["state"], rows["acme"]["live"]) == ("authenticated", True)
    assert rows["acme"]["user"] == "Ada Lovelace"
    assert rows["acme"]["expires_at"] == pytest.approx(world.clock.time() + 3600)
    assert rows["acme"]["scopes_missing"] == []
    assert len(rows["acme"]["fingerprint"]) == 8
    assert (rows["other"]["state"], rows["other"]["live"], rows["other"]["user"]) == ("authorizing", False, None)
    assert rows["other"]["deadline"] is not None


async def test_a_snapshot_tells_why_a_renewal_waits(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    world.provider.fail_next("token", 503, headers={"retry-after": "120"})
    with pytest.raises(Exception, match="busy"):
        await go(session.refresh())
    (row,) = manager.snapshot()
    assert row["retry_at"] == pytest.approx(world.clock.time() + 120)
    assert row["failures"] == 1
    assert row["error"]["code"] == "temporarily_unavailable"
    assert row["refreshed_here"] is True


def clock_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


async def test_explain_of_a_session_that_is_not_recorded_tells_the_error_itself(world: World) -> None:
    session = await world.signed_in(trace=False)
    world.provider.fail_next("token", 503, headers={"retry-after": "60"})
    with pytest.raises(Exception, match="busy") as failed:
        await go(session.refresh())
    said = session.explain()
    assert f"the last refresh failed at {clock_time(world.clock.time())} ({str(failed.value).rstrip('.')})" in said
    assert f"next try {clock_time(world.clock.time() + 60)}" in said


async def test_explain_says_in_one_sentence_how_it_stands(world: World) -> None:
    world.provider.label = "Acme"
    session = world.manager()["acme"]
    assert session.explain() == "Acme: idle; possible now: authorize."
    await go(session.begin(timeout=90))
    assert session.explain() == "Acme: authorizing; 90 s left."
    await go(session.cancel())
    await world.sign_in(session)
    assert session.explain() == "Acme: authenticated; the access token is good for 60 more minutes and can be renewed."

    world.provider.fail_next("token", 503, headers={"retry-after": "60"})
    with pytest.raises(Exception, match="busy"):
        await go(session.refresh())
    failed, retry = (clock_time(world.clock.time() + later) for later in (0, 60))
    assert session.explain() == (
        f"Acme: authenticated; the last refresh failed at {failed} (503 from POST /token); next try {retry}; "
        "the access token is good for 60 more minutes and can be renewed."
    )
    await world.pass_time(3600)
    assert "the access token has ended and can be renewed" in session.explain()
    await go(session.logout())
    assert session.explain() == "Acme: logged out; reason: user; possible now: authorize, forget."


async def test_nothing_that_a_session_shows_holds_a_secret(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    heard = Heard(manager)
    await go(session.refresh())
    await heard.until_told("on_refresh")
    result = await go(session.logout())
    shown = [repr(session), repr(manager), session.explain(), repr(result), repr(session._run.record)]
    shown += [repr(event) for event in heard.transitions]
    text = "\n".join(shown)
    assert not [secret for secret in world.provider.secrets if secret in text]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────


def _ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("authflow-")}


async def test_close_ends_every_thread_and_task_that_was_started(world: World) -> None:
    threads, tasks = _ours(), asyncio.all_tasks()
    manager = world.manager()
    heard = Heard(manager)
    manager.on_login.connect(lambda session, event: None, background=True)
    session = await world.sign_in(manager["acme"])
    manager.keep_fresh()
    await go(session.refresh())
    await go(manager["acme", "waiting"].begin())
    await heard.until_told("on_refresh")
    assert (_ours() - threads) or (asyncio.all_tasks() - tasks)
    await go(manager.close())
    assert _ours() - threads == set()
    assert asyncio.all_tasks() - tasks == set()


async def test_a_manager_that_did_nothing_has_started_nothing(world: World) -> None:
    threads, tasks = _ours(), asyncio.all_tasks()
    manager = world.manager()
    assert manager["acme"].state is State.IDLE
    assert (_ours() - threads, asyncio.all_tasks() - tasks) == (set(), set())
    await go(manager.close())


async def test_a_web_login_in_a_durable_store_survives_the_close_of_its_process(world: World, tmp_path: Path) -> None:
    first = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    session, heard = first.owner("ada")["acme"], Heard(first)
    request = await go(session.begin())
    waiting = world.start(request.wait)
    await world.eventually(lambda: session._run.attended)
    await go(first.close())
    (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(ended, LoginCancelled)  # who waited here is told
    assert heard.names == []  # the login has not ended
    second = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    completion = await go(second.complete(world.walk(request.url), binding=request.binding))
    assert completion.session.live


async def test_closing_one_process_leaves_the_login_that_another_waits_for(world: World, tmp_path: Path) -> None:
    first = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    second = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    url, binding = await world.callback(first.owner("ada")["acme"])
    assert second.owner("ada")["acme"].state is State.AUTHORIZING
    await go(second.close())
    assert (await go(first.complete(url, binding=binding))).session.live


async def test_a_login_that_only_this_process_can_finish_is_cancelled_by_close(world: World, tmp_path: Path) -> None:
    manager = world.manager(store=SQLiteStore(tmp_path / "s.db"))
    session, heard = manager["acme"], Heard(manager)
    await go(session.begin(agent=AppLink("https://app.example/callback", lambda url: True)))
    await go(manager.close())
    assert heard.last("on_login_failed").reason == "closed"


async def test_close_cancels_what_is_pending_and_says_so(world: World) -> None:
    manager = world.manager()
    session = manager["acme"]
    heard = Heard(manager)
    request = await go(session.begin())
    waiting = world.start(request.wait)
    await world.eventually(lambda: session._run.attended)
    await go(manager.close())
    (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(ended, LoginCancelled)
    assert ended.code == "closed"
    assert heard.last("on_login_failed").reason == "closed"
    assert session.state is State.IDLE


async def test_close_keeps_what_is_stored(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    await world.sign_in(manager["acme"])
    await go(manager.close())
    assert world.manager(store=store)["acme"].live


async def test_close_waits_for_the_renewal_under_way(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    session = await world.sign_in(manager["acme"])
    with world.hold("token", after=True) as held:
        asking = world.start(session.refresh)
        await world.arrived(held)
        closing = world.start(manager.close)
        held.release()
        await closing
        await asyncio.gather(asking, return_exceptions=True)
    token = await go(world.manager(store=store)["acme"].token())
    assert world.provider.accepts(token.refresh_token)
    assert world.refreshes == 1


async def test_close_twice_is_close_once(world: World) -> None:
    manager = world.manager()
    await go(manager.close())
    await go(manager.close())


async def test_a_closed_manager_begins_nothing_and_renews_nothing(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    await go(manager.close())
    with pytest.raises(ManagerClosed):
        await go(session.refresh())
    with pytest.raises(ManagerClosed):
        await go(manager["acme", "work"].begin())
    assert world.refreshes == 0


async def test_leaving_the_with_block_closes(world: World) -> None:
    if world.is_async:
        async with AsyncSessionManager([world.settings()], clock=world.clock, single_user=True) as manager:
            session = await world.sign_in(manager["acme"])
    else:
        with SessionManager([world.settings()], clock=world.clock, single_user=True) as manager:
            session = await world.sign_in(manager["acme"])
    with pytest.raises(ManagerClosed):
        await go(session.refresh())


async def test_a_snapshot_has_a_row_for_a_session_that_cannot_be_read(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    store.break_after(0, "load")
    (row,) = manager.snapshot()
    assert (row["provider"], row["state"]) == ("acme", "idle")
    assert row["error"]["code"] == "store_error"
    store.mend()
    (row,) = manager.snapshot()
    assert row["error"] is None


# ── what the store has, and what the provider says ───────────────────────────────────────────────────


async def test_what_is_stored_is_listed_without_asking_the_provider(world: World) -> None:
    store = MemoryStore()
    first = world.manager(store=store)
    await world.sign_in(first["acme"], "ada")
    await world.sign_in(first["acme", "work"], "grace")
    asked = len(world.provider.requests)

    found = await go(world.manager(store=store).stored())

    assert sorted((session.account, session.user.name) for session in found) == [
        ("", "Ada Lovelace"), ("work", "Grace Hopper"),
    ]  # fmt: skip
    assert len(world.provider.requests) == asked


async def test_what_a_provider_publishes_can_be_looked_at(world: World) -> None:
    metadata = await go(world.manager().discover("acme"))

    assert metadata.issuer == world.provider.issuer
    assert metadata.token_endpoint.startswith(world.provider.issuer)

"""Histories that no table suggests: attempts that cross, processes that know too little, callers that leave."""

from __future__ import annotations

import asyncio
import threading
import types
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from authflow import SessionManager, State
from authflow.agents import Loopback
from authflow.chart import Trigger
from authflow.engine import Facts
from authflow.errors import (
    AuthflowError,
    CallbackRejected,
    InvalidCall,
    LoginCancelled,
    LoginFailed,
    LoginTimedOut,
    OAuthError,
    SignInRequired,
)
from authflow.providers import OpenIDConnect
from authflow.signals import Outbox
from authflow.stores import MemoryStore
from authflow.testing import DevProvider, VirtualClock, fail_next_refresh, signed_in

from ..session.support import KEY, REDIRECT_URI, FaultyStore, Heard, Process, ProviderClock, World, go, on_thread


async def worlds(colour: str) -> AsyncIterator[World]:
    clock = VirtualClock()
    its_clock = ProviderClock(clock)
    provider = DevProvider(auto="ada", algorithm="ES256", rotation="strict", clock=its_clock)
    with provider.serve():
        made = World(colour, provider, clock, its_clock)
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture(params=["sync", "async"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async for made in worlds(request.param):
        yield made


@pytest.fixture
async def loop_world() -> AsyncIterator[World]:
    """Asyncio only: a thread cannot be cancelled."""
    async for made in worlds("async"):
        yield made


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def two_processes(world: World) -> tuple[Process, Any, Any]:
    """Two managers on one store; the first one's notices can be withheld."""
    shared = MemoryStore(time=world.clock.time)
    first, second = Process(shared), Process(shared)
    return first, world.manager(store=first), world.manager(store=second)


# ── several attempts of one session ──────────────────────────────────────────────────────────────────


async def test_each_attempt_has_its_own_deadline(world: World) -> None:
    session = world.manager(world.settings(redirect_uri=None))["acme"]
    short = await go(session.begin(agent=Loopback(), timeout=10))
    await go(session.begin(agent=Loopback(), timeout=600))
    waiting = world.start(short.wait)
    await world.eventually(lambda: world.clock.waiting >= 2)  # the scheduler, and who waits

    await world.pass_time(11)
    with pytest.raises(LoginTimedOut):
        await asyncio.wait_for(waiting, 5)
    assert session.state is State.AUTHORIZING


async def test_the_callback_of_an_attempt_that_gave_way_ends_no_newer_one(world: World) -> None:
    session = world.manager()["acme"]
    oldest, binding = await world.callback(session)
    newer = [await world.callback(session) for _ in range(5)]

    with pytest.raises(CallbackRejected):
        await go(session.complete(oldest, binding=binding))
    await go(session.complete(newer[0][0], binding=newer[0][1]))
    assert session.live


async def test_whoever_waits_for_an_attempt_that_gave_way_is_told(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    session = world.manager(world.settings(redirect_uri=None), store=store)["acme"]
    oldest = await go(session.begin(agent=Loopback()))
    for _ in range(5):
        await go(session.begin(agent=Loopback()))

    with pytest.raises(LoginCancelled, match="newer sign-in"):
        await go(oldest.wait())
    assert len(session._run.listeners) == len(session._run.waiters) == 5
    assert len(list(store.keys("pending/"))) == 5


async def test_a_login_that_had_ended_and_fails_late_takes_no_newer_one_with_it(world: World) -> None:
    ready = world.manager()
    await go(ready["acme"].begin())
    manager = world.manager()
    session = manager["acme"]
    world.provider.fail_next("metadata", status=500)
    with world.hold("metadata") as held:
        late = world.start(session.begin)
        await world.arrived(held)
        await go(session.cancel())
        manager._house.directory._metadata.update(ready._house.directory._metadata)
        url, binding = await world.callback(session)
    with pytest.raises(LoginFailed):
        await late
    await go(session.complete(url, binding=binding))
    assert session.live


async def test_a_login_cancelled_during_discovery_opens_nothing(world: World) -> None:
    session = world.manager(world.settings(redirect_uri=None))["acme"]
    with world.hold("metadata") as held:
        beginning = world.start(lambda: session.begin(agent=Loopback()))
        await world.arrived(held)
        await go(session.cancel())
    with pytest.raises(LoginCancelled):
        await beginning
    assert not session._run.listeners
    assert not session._run.waiters


async def test_a_listener_that_nobody_waits_at_is_closed_when_the_attempt_ends(world: World) -> None:
    session = world.manager(world.settings(redirect_uri=None))["acme"]
    request = await go(session.begin(agent=Loopback(), timeout=10))
    redirect_uri = session._run.listeners[request.attempt].redirect_uri

    await world.pass_time(11)
    await world.eventually(lambda: not session._run.listeners)
    with pytest.raises(httpx.ConnectError):
        await on_thread(lambda: httpx.get(redirect_uri, trust_env=False))
    with pytest.raises(LoginTimedOut):
        await go(request.wait())


async def test_logins_over_routes_leave_nothing_in_memory(world: World) -> None:
    session = await world.signed_in()
    assert not session._run.waiters
    assert not session._run.listeners


# ── the callback ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_callback_in_two_processes_at_once_has_one_outcome(world: World) -> None:
    first, here, _ = two_processes(world)
    other = SessionManager(
        [world.settings()], clock=world.clock, single_user=True, sealing_key=KEY, store=Process(first.shared)
    )
    url, binding = await world.callback(here["acme"])
    outcomes = []
    first.before_swap = lambda key: outcomes.append(other.complete(url, binding=binding).event)
    with other:
        completion = await go(here.complete(url, binding=binding))
    assert [completion.event] == outcomes
    assert completion.session.live
    assert len(world.provider.token_requests("authorization_code")) == 1


async def test_a_caller_that_leaves_during_the_exchange_leaves_a_whole_login(loop_world: World) -> None:
    manager = loop_world.manager()
    heard = Heard(manager)
    url, binding = await loop_world.callback(manager["acme"])
    with loop_world.hold("token") as held:
        completing = loop_world.start(lambda: manager.complete(url, binding=binding))
        await loop_world.arrived(held)
        await cancelled(completing)
    await heard.until_told("on_login")

    again = await manager.complete(url, binding=binding)
    assert again.event == heard.last("on_login")


async def test_a_caller_that_leaves_before_the_exchange_leaves_a_state_of_rest(loop_world: World) -> None:
    manager = loop_world.manager()
    heard = Heard(manager)
    url, binding = await loop_world.callback(manager["acme"])
    await loop_world.pass_time(310)  # the metadata are asked for again
    with loop_world.hold("metadata") as held:
        completing = loop_world.start(lambda: manager.complete(url, binding=binding))
        await loop_world.arrived(held)
        await cancelled(completing)
    await heard.until_told("on_login_failed")
    assert manager["acme"].state is State.IDLE


async def test_half_of_another_providers_path_is_not_its_redirect_uri(world: World) -> None:
    manager = world.manager(world.settings(redirect_uri="https://app.example/other/callback"))
    url, binding = await world.callback(manager["acme"])
    at_anothers = url.replace("/other/callback", "/callback")
    assert at_anothers != url
    with pytest.raises(CallbackRejected, match="another redirect URI"):
        await go(manager.complete(at_anothers, binding=binding))
    await go(manager.complete(url, binding=binding))


async def test_a_store_that_fails_under_a_waiting_login_ends_it(world: World) -> None:
    store = FaultyStore(world.clock)
    session = world.manager(world.settings(redirect_uri=None), store=store)["acme"]
    request = await go(session.begin(agent=Loopback()))
    waiting = world.start(request.wait)
    url = world.walk(request.url)
    store.break_down("load", "pending/")
    await on_thread(_knock, url)
    with pytest.raises(AuthflowError):
        await asyncio.wait_for(waiting, 5)
    assert session.state is State.IDLE


def _knock(url: str) -> None:
    try:
        httpx.get(url, trust_env=False)
    except httpx.HTTPError:
        return  # the listener may be gone before it has answered


async def test_app_data_that_cannot_be_written_is_refused(world: World) -> None:
    session = world.manager()["acme"]
    with pytest.raises(InvalidCall, match="plain data"):
        await go(session.begin(app_data="\ud800"))
    assert session.state is State.IDLE
    assert not session._run.waiters


async def test_an_exchange_that_died_with_its_process_does_not_keep_a_new_login_away(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    crashed = world.manager(store=store)["acme"]
    await world.callback(crashed)
    ledger = crashed._run.ledger
    now = ledger.now()
    ledger.commit(Trigger.CALLBACK, Facts(now=now, attempt=ledger.record.pending[0].attempt, deadline=now + 60.0))
    world.sleep_for(120)
    kept = MemoryStore(time=world.clock.time)
    kept.swap(ledger.store_key, 0, store.load(ledger.store_key)[0])

    session = world.manager(store=kept)["acme"]
    await go(session.begin())
    assert session.state is State.AUTHORIZING


async def test_what_ends_the_older_attempt_while_a_newer_one_begins_does_not_end_the_newer(world: World) -> None:
    store = FaultyStore(world.clock)
    session = world.manager(store=store)["acme"]
    await go(session.begin())

    def end_the_older(call: str, key: str) -> None:
        if call == "swap" and not key.startswith("session/"):  # the newer one's pending login is stored
            store.before = None
            session._try_commit(session._run, Trigger.CANCEL, Facts(now=world.clock.time(), reason="cancelled"))

    store.before = end_the_older
    url, binding = await world.callback(session)
    assert store.before is None
    await go(session.complete(url, binding=binding))
    assert session.live


# ── beside a live session ────────────────────────────────────────────────────────────────────────────


async def test_a_store_that_fails_after_a_step_up_costs_no_tokens(world: World) -> None:
    store = FaultyStore(world.clock)
    session = await world.sign_in(world.manager(store=store)["acme"])
    url, binding = await world.callback(session, prompt="login")
    store.fails = lambda call, key: key.startswith("attempt/") and world.provider.count("token") > 0
    await go(session.complete(url, binding=binding))
    assert session.live
    assert world.provider.accepts((await go(session.token())).access_token)


async def test_a_step_up_without_a_refresh_token_keeps_the_old_one(world: World) -> None:
    session = await world.sign_in(world.manager()["acme"])
    kept = (await go(session.token())).refresh_token
    url, binding = await world.callback(session, prompt="login")
    with world.provider.lie("token_response", _without_refresh_token):
        await go(session.complete(url, binding=binding))
    assert (await go(session.token())).refresh_token == kept
    await go(session.refresh())
    assert session.live


def _without_refresh_token(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "refresh_token"}


async def test_nobody_steps_up_a_session_of_which_it_is_not_known_whose_it_is() -> None:
    provider = DevProvider(style="github", auto="ada")
    clock = VirtualClock()
    with provider.serve():
        world = World("sync", provider, clock, ProviderClock(clock))
        session = world.manager(world.settings("hub"))["hub"]
        await world.sign_in(session, "ada", fetch_user=False)
        held = session.token().access_token
        url, binding = await world.callback(session, "grace", prompt="login", fetch_user=False)
        with pytest.raises(LoginFailed) as failed:
            session.complete(url, binding=binding)
        await world.close()
    assert failed.value.check == "other_user"
    assert session.token().access_token == held


async def test_nothing_is_left_of_an_attempt_that_ended_and_the_session_can_move(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    session = await world.sign_in(world.manager(store=store)["acme"])
    await go(session.begin(prompt="login"))
    await go(session.attempt.cancel())
    assert session.attempt is None
    assert not list(store.keys("attempt/"))
    await go(session.move(owner="fresh"))
    assert session.owner == "fresh"


async def test_an_attempt_completed_by_another_process_keeps_its_name(world: World) -> None:
    _, here, there = two_processes(world)
    session = await world.sign_in(here["acme"])
    assert there["acme"].live
    heard = Heard(there)
    request = await go(session.begin(prompt="login"))
    url = world.walk(request.url)
    with world.provider.lie("id_token", lambda token: "x"), pytest.raises(LoginFailed):
        await go(there.complete(url, binding=request.binding))
    told = [event for event in heard.transitions if event.trigger in ("callback", "fail")]
    assert [event.attempt for event in told] == [request.attempt] * 2
    assert all(event.live for event in told)
    assert there["acme"].live


# ── what one process does not know yet ───────────────────────────────────────────────────────────────


async def test_a_deadline_that_another_process_put_off_ends_nothing(world: World) -> None:
    deaf, here, there = two_processes(world)
    await go(here["acme"].begin(timeout=10))
    deaf.deaf = True
    url, binding = await world.callback(there["acme"], timeout=600)

    await world.pass_time(11)
    assert here["acme"].state is State.AUTHORIZING
    await go(there.complete(url, binding=binding))
    assert there["acme"].live


async def test_the_end_of_an_old_token_does_not_end_a_session_stepped_up_elsewhere(world: World) -> None:
    deaf, here, there = two_processes(world)
    world.provider.refresh_tokens = False
    world.provider.access_token_ttl = 100.0
    await world.sign_in(here["acme"])
    assert there["acme"].live
    deaf.deaf = True
    await world.pass_time(90)
    url, binding = await world.callback(there["acme"], prompt="login")
    await go(there.complete(url, binding=binding))

    await world.pass_time(15)
    assert here["acme"].live
    assert there["acme"].live


async def test_a_logout_that_could_not_be_written_is_not_undone_by_a_renewal_elsewhere(world: World) -> None:
    shared = FaultyStore(world.clock)
    first, second = Process(shared), Process(shared)
    here, there = world.manager(store=first), world.manager(store=second)
    session = await world.sign_in(here["acme"])
    assert there["acme"].live
    heard = Heard(here)
    shared.break_down("swap")
    result = await go(session.logout(revoke=False, end_session=False))
    assert not result.persisted
    shared.mend()

    with suppress(SignInRequired):  # it may have heard of the logout in the midst of it
        await go(there["acme"].refresh())
    await world.pass_time(5)
    await world.eventually(lambda: not there["acme"].live)
    assert "restore" not in heard.triggers
    assert not session.live


async def test_of_two_logins_at_once_the_tokens_of_the_replaced_one_are_revoked(world: World) -> None:
    _, here, there = two_processes(world)
    saved = await world.saved()
    url, binding = await world.callback(here["acme"])
    assert there["acme"].state is State.AUTHORIZING
    with world.hold("token") as held:
        completing = world.start(lambda: here.complete(url, binding=binding))
        await world.arrived(held)
        await go(there["acme"].restore(saved, fetch_user=False))
    await completing
    await world.pass_time(2)
    await world.eventually(lambda: not world.provider.accepts(saved.access_token))
    assert here["acme"].live
    assert world.provider.accepts((await go(here["acme"].token())).access_token)


async def test_keep_fresh_does_not_hide_what_the_store_holds(world: World) -> None:
    _, here, there = two_processes(world)
    await world.sign_in(here["acme"])
    there.keep_fresh()
    assert there["acme"].live


async def test_a_strange_key_in_the_store_disturbs_nobody(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    await world.sign_in(world.manager(store=store)["acme"])
    for name in ("session/rubbish", "session/a/b/c/d", "session/", "session//nobody/"):
        store.swap(name, 0, b"x")
    reports = await go(world.manager(store=store).restore())
    assert [report.restored for report in reports] == [True]


# ── what others hold up ──────────────────────────────────────────────────────────────────────────────


def test_no_token_is_handed_out_once_on_logout_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are told by another thread the moment they are posted."""
    post = Outbox.post

    def post_and_tell(outbox: Outbox, *event: Any) -> None:
        post(outbox, *event)
        teller = threading.Thread(target=outbox.drain, daemon=True)
        teller.start()
        teller.join(0.5)  # it may wait for us; then it goes on afterwards

    got: list[object] = []
    done = threading.Event()

    def ask(session: Any, event: Any) -> None:
        try:
            got.append(session.token())
        except SignInRequired as error:
            got.append(error.code)
        done.set()

    with SessionManager([OpenIDConnect("https://idp.example", "id", name="acme")], clock=VirtualClock()) as manager:
        session = signed_in(manager, "acme")
        manager.on_logout.connect(ask)
        monkeypatch.setattr(Outbox, "post", post_and_tell)
        session.logout(revoke=False, end_session=False)
        assert done.wait(30)
    assert got == [SignInRequired.code]


async def test_a_caller_that_leaves_a_logout_leaves_no_token_alive(loop_world: World) -> None:
    session = await loop_world.sign_in(loop_world.manager()["acme"])
    token = await session.token()
    with loop_world.hold("revoke") as held:
        leaving = loop_world.start(session.logout)
        await loop_world.arrived(held)
        await cancelled(leaving)
    await loop_world.eventually(lambda: not loop_world.provider.accepts(token.access_token))


async def test_the_renewal_of_an_earlier_login_is_not_joined(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    with world.hold("token", after=True) as held:
        old = world.start(session.refresh)
        await world.arrived(held)
        await go(session.logout(revoke=False, end_session=False))
        await go(signed_in(manager, "acme"))
        await go(session.refresh())
        assert session.live
    with pytest.raises(SignInRequired):
        await old
    assert session.live


async def test_deadlines_fire_on_asyncio_with_a_store_that_blocks(loop_world: World) -> None:
    class Slow(MemoryStore):
        blocking = True

    manager = loop_world.manager(store=Slow(time=loop_world.clock.time))
    heard = Heard(manager)
    await manager["acme"].begin(timeout=10)
    await loop_world.pass_time(11)
    await heard.until_told("on_login_failed")
    assert heard.triggers == ["authorize", "time_out"]


async def test_a_store_that_fails_does_not_keep_a_manager_from_closing(world: World) -> None:
    store = FaultyStore(world.clock)
    manager = world.manager(store=store)
    await go(manager["acme"].begin())
    store.break_down()
    await go(manager.close())
    assert manager["acme"].state is State.IDLE


async def test_reading_a_session_after_close_starts_no_thread() -> None:
    clock = VirtualClock()
    shared = MemoryStore(time=clock.time)
    provider = OpenIDConnect("https://idp.example", "id", name="acme")
    with SessionManager([provider], store=shared, clock=clock) as living:
        signed_in(living, "acme", refreshable=False)
        threads = set(threading.enumerate())
        closed = SessionManager([provider], store=shared, clock=clock)
        closed.close()
        assert closed["acme"].live
        assert set(threading.enumerate()) <= threads


async def test_a_refresh_that_shall_fail_is_that_sessions_own(world: World) -> None:
    manager = world.manager()
    mine, other = await go(signed_in(manager, "acme")), await go(signed_in(manager.owner("other"), "acme"))
    fail_next_refresh(mine)
    await go(other.refresh())
    with pytest.raises(OAuthError):
        await go(mine.refresh())


async def test_who_never_signed_in_is_not_kept_for_ever(world: World) -> None:
    store = MemoryStore(time=world.clock.time)
    manager = world.manager(store=store)
    await go(manager.owner("visitor")["acme"].begin(redirect_uri=REDIRECT_URI))
    await world.pass_time(700)
    await go(manager.close())
    world.clock.suspend(3 * 86_400)
    assert not list(store.keys(""))


def eager(loop: asyncio.AbstractEventLoop, coroutine: Any, **settings: Any) -> asyncio.Task[Any]:
    """For the manager's own tasks what `asyncio.eager_task_factory` (Python 3.12) does for all: the first step is
    made where the task is made."""
    if not coroutine.__qualname__.startswith("AsyncShell."):
        return asyncio.Task(coroutine, loop=loop, **settings)
    step = coroutine.send(None)

    @types.coroutine
    def rest() -> Any:
        yield step
        return (yield from coroutine.__await__())

    async def run() -> Any:
        return await rest()

    return asyncio.Task(run(), loop=loop, **settings)


async def test_a_loop_that_begins_its_tasks_at_once_signs_in_and_renews(loop_world: World) -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", eager))
    try:
        session = await loop_world.sign_in(loop_world.manager()["acme"])
        await session.refresh()
        await session.logout()
    finally:
        loop.set_task_factory(None)
    assert session.state is State.LOGGED_OUT

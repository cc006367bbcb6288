"""A store that fails at any step: a typed error, the state that the chart says, no token lost or left behind."""

from __future__ import annotations

import asyncio

import pytest

from authflow import State
from authflow.chart import LIVE
from authflow.errors import AuthflowError, SignInRequired, StoreError

from .support import FaultyStore, Heard, World, go

RECORD, PENDING = "session/", "pending/"


def chain(error: BaseException) -> list[BaseException]:
    """The error and what it came from."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__  # type: ignore[assignment]
    return found


def is_about_the_store(error: BaseException) -> bool:
    return isinstance(error, AuthflowError) and any(isinstance(one, StoreError) for one in chain(error))


@pytest.fixture
def store(world: World) -> FaultyStore:
    return FaultyStore(world.clock)


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("call", "prefix"), [("load", RECORD), ("swap", PENDING), ("swap", RECORD)])
async def test_a_login_that_cannot_be_written_down_does_not_begin(
    world: World, store: FaultyStore, call: str, prefix: str
) -> None:
    session = world.manager(store=store)["acme"]
    heard = Heard(session)
    store.break_down(call, prefix)
    with pytest.raises(StoreError):
        await go(session.begin())
    store.mend()
    assert session.state is State.IDLE
    assert heard.triggers == []
    await world.sign_in(session)
    assert session.live


@pytest.mark.parametrize(
    ("good", "call", "prefix"),
    [
        (0, "load", PENDING), (0, "load", RECORD), (1, "load", PENDING), (0, "swap", PENDING),
        (0, "swap", RECORD), (1, "swap", RECORD), (2, "load", PENDING), (1, "swap", PENDING),
    ],
)  # fmt: skip
async def test_wherever_the_store_fails_amidst_a_callback_the_login_can_be_finished_or_begun_anew(
    world: World, store: FaultyStore, good: int, call: str, prefix: str
) -> None:
    session = world.manager(store=store)["acme"]
    heard = Heard(session)
    issued: list[dict[str, str]] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(dict(answer))
    url, binding = await world.callback(session)
    store.break_after(good, call, prefix)
    error: BaseException | None = None
    try:
        await world.through_pauses(lambda: session.complete(url, binding=binding))
    except AuthflowError as raised:
        error = raised
    store.mend()

    if error is None:
        assert session.live
        assert heard.names == ["on_login"]
        return
    assert is_about_the_store(error)
    assert not session.live
    assert "on_login" not in heard.names
    for answer in issued:
        assert not world.provider.accepts(answer["access_token"])
        assert not world.provider.accepts(answer["refresh_token"])
    if session.state is State.AUTHORIZING:
        await go(session.complete(url, binding=binding))  # nothing was used up: the same callback still counts
    else:
        assert heard.names == ["on_login_failed"]
        await world.sign_in(session)
    assert session.live


async def test_tokens_that_cannot_be_stored_are_revoked_and_no_login_is_told(world: World, store: FaultyStore) -> None:
    session = world.manager(store=store)["acme"]
    heard = Heard(session)
    issued: list[dict[str, str]] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(dict(answer))
    url, binding = await world.callback(session)
    store.break_after(1, "swap", RECORD)
    with pytest.raises(AuthflowError) as raised:
        await world.through_pauses(lambda: session.complete(url, binding=binding))
    assert is_about_the_store(raised.value)
    assert session.state is State.IDLE
    assert heard.names == ["on_login_failed"]
    assert heard.last("on_login_failed").error.code == "store_error"
    assert not world.provider.accepts(issued[0]["access_token"])
    assert not world.provider.accepts(issued[0]["refresh_token"])
    store.mend()


async def test_a_store_that_fails_once_when_the_tokens_are_here_costs_no_login(
    world: World, store: FaultyStore
) -> None:
    session = world.manager(store=store)["acme"]
    heard = Heard(session)
    url, binding = await world.callback(session)
    store.fail_once("swap", RECORD, after=1)
    await world.through_pauses(lambda: session.complete(url, binding=binding))
    assert heard.names == ["on_login"]
    assert world.provider.count("revoke") == 0
    assert world.provider.accepts((await go(session.token())).refresh_token)


async def test_a_login_that_ended_while_the_store_was_down_is_written_later(world: World, store: FaultyStore) -> None:
    session = world.manager(store=store)["acme"]
    await go(session.begin())
    store.break_down("swap")
    assert await go(session.cancel())
    assert session.state is State.IDLE
    store.mend()
    await world.pass_time(2)
    await world.eventually(lambda: session._run.ledger.unsaved is None)  # on the alarm's own thread
    assert world.manager(store=store)["acme"].state is State.IDLE


# ── renewing ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("call", ["load", "swap"])
async def test_a_renewal_that_cannot_be_claimed_is_not_sent(world: World, store: FaultyStore, call: str) -> None:
    session = await world.signed_in(store=store)
    token = await go(session.token())
    store.break_down(call, RECORD)
    with pytest.raises(StoreError):
        await go(session.refresh())
    assert session.state is State.AUTHENTICATED
    assert world.refreshes == 0
    assert (await go(session.token())).access_token == token.access_token
    store.mend()
    assert (await go(session.refresh())).trigger == "refreshed"


async def test_a_dead_token_and_a_store_that_is_down_do_not_sign_anybody_out(
    world: World, store: FaultyStore
) -> None:
    session = await world.signed_in(store=store)
    heard = Heard(session)
    await world.pass_time(3600)
    store.break_down()
    with pytest.raises(AuthflowError) as raised:
        await go(session.token())
    assert not isinstance(raised.value, SignInRequired)
    assert session._run.record.state in LIVE
    assert "on_logout" not in heard.names
    assert world.refreshes == 0
    store.mend()
    await go(session.token())
    assert world.refreshes == 1


async def test_renewed_tokens_are_stored_when_the_store_comes_back_in_time(world: World, store: FaultyStore) -> None:
    session = await world.signed_in(store=store)
    heard = Heard(session)
    store.break_after(1, "swap", RECORD)
    written = store.calls.count(("swap", "session//acme/"))
    asking = world.start(session.refresh)
    await world.eventually(lambda: store.calls.count(("swap", "session//acme/")) == written + 2)
    store.mend()
    while not asking.done():
        await world.pass_time(0.5)
    assert (await asking).trigger == "refreshed"
    assert heard.names == ["on_refresh"]
    assert world.provider.accepts((await go(session.token())).refresh_token)
    assert world.refreshes == 1


async def test_renewed_tokens_that_cannot_be_stored_are_revoked_and_never_shown(
    world: World, store: FaultyStore
) -> None:
    session = await world.signed_in(store=store)
    heard = Heard(session)
    issued: list[dict[str, str]] = []
    world.provider.tamper["token_response"] = lambda answer: issued.append(dict(answer))
    old = await go(session.token())
    store.break_after(1, "swap", RECORD)
    written = store.calls.count(("swap", "session//acme/"))
    asking = world.start(session.refresh)
    await world.eventually(lambda: store.calls.count(("swap", "session//acme/")) == written + 2)  # the tokens are here
    while not asking.done():
        await world.pass_time(0.5)
    with pytest.raises(StoreError):
        await asking
    assert "on_refresh" not in heard.names
    assert (await go(session.token())).access_token == old.access_token
    await world.eventually(lambda: not world.provider.accepts(issued[-1]["refresh_token"]))
    assert not world.provider.accepts(issued[-1]["access_token"])
    store.mend()
    await world.pass_time(2)
    world.provider.forget_requests()
    with pytest.raises(AuthflowError):
        await go(session.refresh())
    assert world.refreshes == 0  # the refresh token was spent for what was revoked


async def test_a_refusal_that_cannot_be_checked_against_the_store_leaves_the_session_its_access_token(
    world: World, store: FaultyStore
) -> None:
    session = await world.signed_in(store=store)
    heard = Heard(session)
    token = await go(session.token())
    with world.hold("token") as held:
        asking = world.start(session.refresh)
        await world.arrived(held)
        store.break_down("load", RECORD)
        world.provider.end_grants()
        held.release()
        (ended,) = await asyncio.gather(asking, return_exceptions=True)
    assert isinstance(ended, AuthflowError)
    store.mend()
    await world.pass_time(60)
    assert (await go(session.token())).access_token == token.access_token
    assert heard.names == ["on_refresh_failed"]


# ── reading, and the rest ────────────────────────────────────────────────────────────────────────────


async def test_a_store_that_cannot_be_read_is_never_signed_out(world: World, store: FaultyStore) -> None:
    await world.signed_in(store=store)
    store.break_down("load", RECORD)
    other = world.manager(store=store)["acme"]
    heard = Heard(other)
    with pytest.raises(StoreError):
        _ = other.state
    with pytest.raises(StoreError):
        await go(other.token())
    with pytest.raises(StoreError):
        await go(other.logout())
    assert heard.triggers == []
    store.mend()
    assert other.live


async def test_a_record_that_cannot_be_read_is_left_as_it_is(world: World, store: FaultyStore) -> None:
    store.swap("session//acme/", 0, b"\xc1 from the future")
    kept = store.load("session//acme/")
    session = world.manager(store=store)["acme"]
    for ask in (session.begin, session.token, session.logout, session.forget):
        with pytest.raises(StoreError):
            await go(ask())
    assert store.load("session//acme/") == kept


async def test_a_notice_that_cannot_be_read_now_is_read_later(world: World, store: FaultyStore) -> None:
    here, there = world.manager(store=store)["acme"], world.manager(store=store)["acme"]
    heard = Heard(there)
    assert there.state is State.IDLE
    await world.sign_in(here)
    await heard.until_told("on_restore")
    tombstone_only = store.fails
    store.fails = lambda call, key: call == "load" and key.startswith(RECORD)
    await go(here.logout())
    await world.pass_time(3)
    assert there._run.record.state in LIVE
    store.fails = tombstone_only
    await world.pass_time(2)
    await heard.until_told("on_logout")
    assert there.state is State.LOGGED_OUT


async def test_deadlines_are_still_kept_after_the_store_was_down(world: World, store: FaultyStore) -> None:
    world.provider.refresh_tokens = False
    session = await world.signed_in(store=store)
    heard = Heard(session)
    store.break_down()
    await world.pass_time(3600)
    await heard.until_told("on_logout")
    assert session.state is State.LOGGED_OUT
    store.mend()
    await world.pass_time(2)
    await world.eventually(lambda: session._run.ledger.unsaved is None)
    assert world.manager(store=store)["acme"].state is State.LOGGED_OUT


async def test_a_move_that_fails_leaves_the_session_where_it_was(world: World, store: FaultyStore) -> None:
    manager = world.manager(store=store)
    session = await world.sign_in(manager.owner("before")["acme"])
    token = await go(session.token())
    for good in (0, 1):
        store.break_after(good, "swap", RECORD)
        with pytest.raises(StoreError):
            await go(session.move(owner="after"))
        store.mend()
        assert session.owner == "before"
        assert manager.owner("before")["acme"] is session
        assert (await go(session.token())).access_token == token.access_token
    assert world.manager(store=store).owner("before")["acme"].live

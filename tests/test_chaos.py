"""Chaos: receivers that raise, hang, connect, disconnect, sign out and sign in, on every signal at once.

What a login comes to, and the order of its events, is the same as without any receiver. A receiver that changes the
session on purpose gets what the same call gets elsewhere; the events stay gap-free and every step of them stands in
the chart. Nothing here may take longer than `PATIENCE`.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from authflow import AsyncSessionManager, LoginCancelled, SessionManager, State
from authflow.chart import AT_REST, CHART, ENTERS, LEAVES
from authflow.errors import (
    AlreadyAuthenticated,
    AuthflowError,
    LoginFailed,
    LoginInProgress,
    ManagerClosed,
    SignInRequired,
)
from authflow.signals import SIGNALS
from authflow.testing import DevProvider, ScriptedBrowser

PATIENCE = 30.0  # real seconds until a call counts as deadlocked
ASYNC_LIMIT = 0.2  # seconds that an async receiver may hang here; 10 in a program

# What the story below tells when nobody disturbs it.
STORY = [
    ("authorize", "idle", "authorizing", False),
    ("callback", "authorizing", "exchanging", False),
    ("authenticate", "exchanging", "authenticated", True),
    ("refresh", "authenticated", "refreshing", True),
    ("refreshed", "refreshing", "authenticated", True),
    ("logout", "authenticated", "logged_out", False),
]
STORY_SIGNALS = ["on_login", "on_refresh", "on_logout"]
EMITS = {row.trigger.value: row.emits for row in CHART}


class Witness:
    """A receiver that hears everything and disturbs nobody."""

    def __init__(self, manager: Any) -> None:
        self.events: list[Any] = []
        self.signals: list[tuple[str, int]] = []
        manager.on_transition.connect(self._see)
        for name in ("on_login", "on_login_failed", "on_logout", "on_refresh", "on_refresh_failed", "on_restore"):
            getattr(manager, name).connect(self._hear(name))

    def _see(self, session: Any, event: Any) -> None:
        if session.provider.name == "acme":
            self.events.append(event)

    def _hear(self, name: str) -> Callable[..., None]:
        def receive(session: Any, event: Any) -> None:
            if session.provider.name == "acme":
                self.signals.append((name, event.seq))

        return receive

    @property
    def story(self) -> list[tuple[str, str, str, bool]]:
        return [(event.trigger, event.source, event.target, event.live) for event in self.events]

    @property
    def triggers(self) -> list[str]:
        return [event.trigger for event in self.events]


def check_lawful(*witnesses: Witness) -> None:
    """The events are gap-free, each begins where the last one ended, each is a row of the chart, the signals are
    those of the rows in the same order, logins and logouts alternate, and everybody heard the same."""
    rows = {(row.trigger.value, source.value, row.target.value) for row in CHART for source in row.sources}
    for witness in witnesses:
        events = witness.events
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.source for event in events] == ["idle", *(event.target for event in events)][: len(events)]
        assert [step for event in events if (step := (event.trigger, event.source, event.target)) not in rows] == []
        emitted = [(name, event.seq) for event in events if (name := EMITS[event.trigger]) is not None]
        assert witness.signals == emitted
        turns = [name for name, _ in witness.signals if name in ENTERS | LEAVES]
        assert all(name in (ENTERS if at % 2 == 0 else LEAVES) for at, name in enumerate(turns))
        assert witness.story == witnesses[0].story


class Arena:
    """A manager of one colour with `acme` and `globex`, a witness before all other receivers and one after them."""

    def __init__(self, colour: Any, dev: DevProvider) -> None:
        self.is_async = colour is AsyncSessionManager
        settings = {} if self.is_async else {"loop": asyncio.get_running_loop()}
        self.manager = colour([dev.settings(name="acme"), dev.settings(name="globex")], **settings)
        self.manager._house.signals.async_limit = ASYNC_LIMIT
        self.session = self.manager["acme"]
        self.dev = dev
        self.released = threading.Event()  # whatever hangs, hangs on this
        self.failures: list[Any] = []
        self._browsers: list[ScriptedBrowser] = []
        self.first = Witness(self.manager)

    def crowd_is_in(self) -> None:
        """All other receivers are connected: the last witness takes its place behind them."""
        self.last = Witness(self.manager)
        self.manager.on_receiver_error.connect(self._failed)

    def _failed(self, session: Any, event: Any, **facts: Any) -> None:
        self.failures.append(facts["error"])

    def everywhere(self, receiver: Callable[..., Any], **how: Any) -> None:
        """Connects to every signal there is."""
        for name in SIGNALS:
            getattr(self.manager, name).connect(receiver, **how)

    def browser(self) -> ScriptedBrowser:
        made = ScriptedBrowser(user="ada")
        self._browsers.append(made)
        return made

    async def call(self, what: Callable[[], Any]) -> Any:
        """A call of either colour, on a thread of its own or on the loop, which ends in time."""
        if self.is_async:
            return await asyncio.wait_for(_await(what()), PATIENCE)
        return await asyncio.wait_for(asyncio.to_thread(what), PATIENCE)

    async def login(self) -> Any:
        browser = self.browser()
        return await self.call(lambda: self.session.login(open_url=browser))

    async def tell_the_story(self) -> tuple[Any, ...]:
        """Login, refresh, logout; gives what an application sees of it."""
        session = await self.login()
        who = None if session.user is None else session.user.name
        signed_in = (session is self.session, session.state, session.live, who, session.scopes)
        before = (await self.call(session.token)).access_token
        renewed = await self.call(session.refresh)
        after = (await self.call(session.token)).access_token
        result = await self.call(lambda: session.logout(end_session=False))
        return (*signed_in, before != after, renewed.trigger, result.signed_out, result.revoked, result.errors,
                session.state, session.user)  # fmt: skip

    async def told(self) -> None:
        """Everybody has heard everything: what a renewal or the clock does is told by a thread or task of its own."""
        outbox, seq = self.session._outbox, self.session._seq
        done = (await outbox.await_delivered(seq, PATIENCE) if self.is_async
                else await asyncio.to_thread(outbox.wait_delivered, seq, PATIENCE))  # fmt: skip
        assert done
        if seq != self.session._seq:
            await self.told()

    async def close(self) -> None:
        self.released.set()
        await self.call(self.manager.close)
        for browser in self._browsers:
            await asyncio.to_thread(browser.close)


async def _await(what: Any) -> Any:
    return await what if inspect.isawaitable(what) else what


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada", algorithm="ES256", rotation="strict").serve() as made:
        yield made


@pytest.fixture(params=[SessionManager, AsyncSessionManager], ids=["sync", "async"])
async def arena(request: pytest.FixtureRequest, provider: DevProvider) -> AsyncIterator[Arena]:
    provider.forget_requests()
    made = Arena(request.param, provider)
    try:
        yield made
    finally:
        await made.close()


# ── the crowd ────────────────────────────────────────────────────────────────────────────────────────


def raising(error: Exception) -> Callable[[Arena], None]:
    def join(arena: Arena) -> None:
        def raiser(session: Any, event: Any, **facts: Any) -> None:
            raise error

        async def later(session: Any, event: Any, **facts: Any) -> None:
            await asyncio.sleep(0)
            raise RuntimeError("later") from error

        arena.everywhere(raiser)
        arena.everywhere(later)

    return join


def hanging_in_the_background(arena: Arena) -> None:
    def hang(session: Any, event: Any, **facts: Any) -> None:
        arena.released.wait(PATIENCE)

    arena.everywhere(hang, background=True)


def hanging_on_the_loop(arena: Arena) -> None:
    async def hang(session: Any, event: Any, **facts: Any) -> None:
        await asyncio.get_running_loop().create_future()

    arena.manager.on_transition.connect(hang)
    arena.manager.on_login.connect(hang)
    arena.manager.on_logout.connect(hang)


def connecting(arena: Arena) -> None:
    """At each event another receiver for each signal, each of which connects others."""

    def connect_more(session: Any, event: Any, **facts: Any) -> None:
        for name in SIGNALS:
            getattr(arena.manager, name).connect(lambda session, event, **facts: None)
        session.on_transition.connect(lambda session, event: None, replay=True)

    arena.everywhere(connect_more)


def disconnecting(arena: Arena) -> None:
    """Receivers that disconnect themselves and each other in the middle of a delivery."""
    crowd: list[Callable[..., None]] = []

    def make() -> Callable[..., None]:
        def leave(session: Any, event: Any, **facts: Any) -> None:
            for name in SIGNALS:
                for one in crowd[::2]:
                    getattr(arena.manager, name).disconnect(one)
                getattr(arena.manager, name).disconnect(leave)

        return leave

    crowd += [make() for _ in range(6)]
    for one in crowd:
        arena.everywhere(one)


def asking(arena: Arena) -> None:
    """Receivers that read all there is to read, of this session and of all others."""

    def ask(session: Any, event: Any, **facts: Any) -> None:
        assert session.state in State
        arena.manager.snapshot()
        session.explain()
        for each in arena.manager.sessions():
            _ = (each.live, each.user, each.expires_in, each.attempt)

    arena.everywhere(ask)


def meddling_with_another_session(arena: Arena) -> None:
    """Receivers that sign another session out and begin a login of it, at every event of this one."""
    other = arena.manager["globex"]

    def meddle(session: Any, event: Any, **facts: Any) -> None:
        if session is not other:
            other.logout(end_session=False)

    async def meddle_later(session: Any, event: Any, **facts: Any) -> None:
        if session is not other:
            await _await(other.logout(end_session=False) if arena.is_async else other.explain())

    if not arena.is_async:
        arena.everywhere(meddle)
    arena.everywhere(meddle_later)


def answering_with_something_to_await(arena: Arena) -> None:
    async def nobody_awaits() -> None:
        return None

    arena.everywhere(lambda session, event, **facts: nobody_awaits())


CROWD: dict[str, Callable[[Arena], None]] = {
    "raise ValueError": raising(ValueError("chaos")),
    "raise StopIteration": raising(StopIteration("chaos")),
    "raise an error of authflow": raising(LoginFailed("chaos")),
    "raise RecursionError": raising(RecursionError("chaos")),
    "hang in the background": hanging_in_the_background,
    "hang on the loop": hanging_on_the_loop,
    "connect": connecting,
    "disconnect": disconnecting,
    "ask": asking,
    "meddle": meddling_with_another_session,
    "answer": answering_with_something_to_await,
}


async def test_the_story_without_receivers(arena: Arena) -> None:
    arena.crowd_is_in()
    seen = await arena.tell_the_story()
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY
    assert [name for name, _ in arena.first.signals] == STORY_SIGNALS
    assert seen[:4] == (True, State.AUTHENTICATED, True, "Ada Lovelace")
    assert arena.failures == []


@pytest.mark.parametrize("who", CROWD)
async def test_receivers_change_neither_outcome_nor_order(arena: Arena, who: str) -> None:
    CROWD[who](arena)
    arena.crowd_is_in()
    assert await arena.tell_the_story() == await undisturbed(arena)
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY


async def test_all_of_them_at_once_change_neither_outcome_nor_order(arena: Arena) -> None:
    for join in CROWD.values():
        join(arena)
    arena.crowd_is_in()
    assert await arena.tell_the_story() == await undisturbed(arena)
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY
    assert arena.failures


async def test_all_of_them_at_once_in_three_stories_in_a_row(arena: Arena) -> None:
    for join in CROWD.values():
        join(arena)
    arena.crowd_is_in()
    for _ in range(3):
        await arena.tell_the_story()
    check_lawful(arena.first, arena.last)
    assert arena.first.triggers == [trigger for trigger, *_ in STORY] * 3
    assert len(arena.dev.token_requests("authorization_code")) == 3
    assert len(arena.dev.token_requests("refresh_token")) == 3


async def undisturbed(arena: Arena) -> tuple[Any, ...]:
    """The same story on a manager that nobody listens to."""
    quiet = Arena(type(arena.manager), arena.dev)
    try:
        seen = await quiet.tell_the_story()
    finally:
        await quiet.close()
    return (seen[0], *seen[1:])


# ── receivers that act on the very session ───────────────────────────────────────────────────────────


def on_each(arena: Arena, name: str, act: Callable[[Any], Any]) -> list[BaseException]:
    """Connects a receiver of the arena's colour that calls `act(session)`; gives the list of what that raised."""
    raised: list[BaseException] = []

    def receive(session: Any, event: Any, **facts: Any) -> None:
        try:
            act(session)
        except AuthflowError as error:
            raised.append(error)

    async def receive_async(session: Any, event: Any, **facts: Any) -> None:
        try:
            await act(session)
        except AuthflowError as error:
            raised.append(error)

    getattr(arena.manager, name).connect(receive_async if arena.is_async else receive)
    return raised


async def test_a_receiver_that_signs_out_at_once_leaves_a_login_that_was_one(arena: Arena) -> None:
    on_each(arena, "on_login", lambda session: session.logout(end_session=False))
    arena.crowd_is_in()
    session = await arena.login()
    check_lawful(arena.first, arena.last)
    assert arena.last.triggers == ["authorize", "callback", "authenticate", "logout"]
    assert session.state is State.LOGGED_OUT
    with pytest.raises(SignInRequired):
        await arena.call(session.token)


async def test_a_receiver_that_signs_out_on_logout_signs_nobody_out_twice(arena: Arena) -> None:
    on_each(arena, "on_logout", lambda session: session.logout(end_session=False))
    arena.crowd_is_in()
    await arena.tell_the_story()
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY


async def test_a_receiver_that_signs_in_again_on_logout_has_a_new_login(arena: Arena) -> None:
    arena.manager._house.signals.async_limit = PATIENCE
    again = iter([arena.browser()])

    def sign_in(session: Any) -> Any:
        return session.login(open_url=next(again))

    on_each(arena, "on_logout", sign_in)
    arena.crowd_is_in()
    await arena.login()
    await arena.call(lambda: arena.session.logout(end_session=False))
    check_lawful(arena.first, arena.last)
    assert arena.first.triggers == ["authorize", "callback", "authenticate", "logout",
                                    "authorize", "callback", "authenticate"]  # fmt: skip
    assert arena.session.live


async def test_a_receiver_that_signs_in_while_signed_in_is_refused_and_nothing_happens(arena: Arena) -> None:
    raised = on_each(arena, "on_refresh", lambda session: session.login(open_url=print))
    arena.crowd_is_in()
    await arena.tell_the_story()
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY
    assert [type(error) for error in raised] == [AlreadyAuthenticated]


async def test_a_receiver_that_signs_in_during_the_login_is_refused_and_nothing_happens(arena: Arena) -> None:
    def sign_in(session: Any) -> Any:
        return session.login(open_url=print)

    raised = on_each(arena, "on_transition", sign_in)
    arena.crowd_is_in()
    await arena.login()
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY[:3]
    assert {type(error) for error in raised} <= {LoginInProgress, AlreadyAuthenticated}
    assert len(raised) == 3


async def test_a_receiver_that_renews_whenever_it_hears_a_login_gets_one_renewal(arena: Arena) -> None:
    on_each(arena, "on_login", lambda session: session.refresh())
    arena.crowd_is_in()
    await arena.login()
    check_lawful(arena.first, arena.last)
    assert arena.first.triggers == ["authorize", "callback", "authenticate", "refresh", "refreshed"]
    assert len(arena.dev.token_requests("refresh_token")) == 1


async def test_a_receiver_that_asks_for_the_token_gets_it(arena: Arena) -> None:
    raised = on_each(arena, "on_login", lambda session: session.token())
    raised += on_each(arena, "on_refresh", lambda session: session.token())
    arena.crowd_is_in()
    await arena.tell_the_story()
    check_lawful(arena.first, arena.last)
    assert (arena.first.story, raised) == (STORY, [])


@pytest.mark.parametrize("trigger", ["authorize", "callback", "authenticate", "refresh", "refreshed", "logout"])
async def test_a_receiver_that_signs_out_at_any_point_leaves_everything_in_order(arena: Arena, trigger: str) -> None:
    def sign_out(session: Any, event: Any) -> Any:
        return session.logout(end_session=False) if event.trigger == trigger else None

    async def sign_out_async(session: Any, event: Any) -> None:
        await _await(sign_out(session, event))

    arena.manager.on_transition.connect(sign_out_async if arena.is_async else sign_out)
    arena.crowd_is_in()
    with suppress(LoginFailed, SignInRequired):
        await arena.tell_the_story()
    await arena.told()
    check_lawful(arena.first, arena.last)
    assert trigger in arena.first.triggers
    assert arena.session.state in AT_REST
    assert not arena.session.live
    assert not arena.session._run.listeners


async def test_signing_out_while_the_login_waits_is_told_to_the_one_who_waits(arena: Arena) -> None:
    def sign_out(session: Any, event: Any) -> Any:
        return session.logout() if event.target == "authorizing" else None

    async def sign_out_async(session: Any, event: Any) -> None:
        await _await(sign_out(session, event))

    arena.manager.on_transition.connect(sign_out_async if arena.is_async else sign_out)
    arena.crowd_is_in()
    with pytest.raises(LoginCancelled):
        await arena.login()
    check_lawful(arena.first, arena.last)
    assert arena.first.triggers == ["authorize", "cancel"]


async def test_every_command_on_every_signal_at_once_ends_at_rest(arena: Arena) -> None:
    """Whoever gets there first wins; whatever that is, it is lawful and it ends."""
    commands: list[Callable[[Any], Any]] = [
        lambda session: session.logout(end_session=False),
        lambda session: session.refresh(),
        lambda session: session.cancel(),
        lambda session: session.token(),
        lambda session: session.login(open_url=print),
        lambda session: session.forget(),
    ]
    budget = [24]  # receivers that answer each event with another one would go on for ever, rightly

    def spending(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def spend(session: Any) -> Any:
            budget[0] -= 1
            return act(session) if budget[0] >= 0 else _nothing(arena)

        return spend

    def signed_in_already(session: Any) -> Any:
        # A login that waits for a human who never comes would be the application's own hang.
        return session.login(open_url=print) if session.live else _nothing(arena)

    commands[4] = signed_in_already
    for name in SIGNALS:
        for act in commands:
            on_each(arena, name, spending(act))
    for join in CROWD.values():
        join(arena)
    arena.crowd_is_in()
    with suppress(AuthflowError):
        await arena.tell_the_story()
    await arena.told()
    await arena.call(lambda: arena.session.logout(end_session=False))
    await arena.told()
    check_lawful(arena.first, arena.last)
    assert arena.session.state in AT_REST


def _nothing(arena: Arena) -> Awaitable[None] | None:
    return asyncio.sleep(0) if arena.is_async else None


# ── from elsewhere ───────────────────────────────────────────────────────────────────────────────────


async def test_a_manager_that_is_closed_by_a_receiver_ends_all_the_same(arena: Arena) -> None:
    on_each(arena, "on_logout", lambda session: arena.manager.close())
    arena.crowd_is_in()
    await arena.login()
    with suppress(ManagerClosed):
        await arena.call(lambda: arena.session.logout(end_session=False))
    check_lawful(arena.first)
    assert arena.session.state is State.LOGGED_OUT


async def test_a_thread_that_connects_and_disconnects_all_the_while_disturbs_nobody(arena: Arena) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for name in SIGNALS:
                signal = getattr(arena.manager, name)

                def passing(session: Any, event: Any, **facts: Any) -> None:
                    return None

                signal.connect(passing)
                signal.disconnect(passing)

    thread = threading.Thread(target=churn, name="churn")
    arena.crowd_is_in()
    thread.start()
    try:
        await arena.tell_the_story()
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, PATIENCE)
    check_lawful(arena.first, arena.last)
    assert arena.first.story == STORY

"""The same trace replayed gives the same transitions, whatever happened; a trace that was changed diverges."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import AuthflowError
from authflow.testing import DevProvider, VirtualClock
from authflow.trace.replay import count, count_untold, replay
from authflow.trace.story import Decision, Dropped, Story, Trace, Transition
from tests.session.support import ProviderClock, World, go

from .examples import EXAMPLES, LOGIN

ACTS = (
    "sign_in", "begin", "cancel", "deny", "refresh", "busy", "cut", "refuse", "logout", "forget", "wait", "long",
    "forge",
)  # fmt: skip
LONG_LIFE = "sign_in refresh busy wait refuse long logout forget deny begin forge cancel"


class History:
    """What a user, a provider and time do to one session."""

    def __init__(self, world: World, session: Any) -> None:
        self.world, self.session = world, session

    async def act(self, what: str) -> None:
        try:
            await getattr(self, what)()
        except (AuthflowError, httpx.HTTPError):
            return  # it is not possible now, or it failed: that is a part of the history

    async def sign_in(self) -> None:
        await self.world.sign_in(self.session)

    async def begin(self) -> None:
        await go(self.session.begin())

    async def cancel(self) -> None:
        await go(self.session.cancel())

    async def deny(self) -> None:
        request = await go(self.session.begin())
        denied = f"https://app.example/callback?error=access_denied&state={request.state}&iss={self.world.provider.issuer}"
        await go(self.session.complete(denied, binding=request.binding))

    async def refresh(self) -> None:
        await go(self.session.refresh())

    async def busy(self) -> None:
        self.world.provider.fail_next("token", 503)
        await go(self.session.refresh())

    async def cut(self) -> None:
        self.world.provider.fail_next("token", 200, "half", cut=True)
        await go(self.session.refresh())

    async def refuse(self) -> None:
        self.world.provider.fail_next("token", 400, '{"error": "invalid_grant"}')
        await go(self.session.refresh())

    async def logout(self) -> None:
        await go(self.session.logout())

    async def forget(self) -> None:
        await go(self.session.forget())

    async def wait(self) -> None:
        await self.world.pass_time(30.0)

    async def long(self) -> None:
        await self.world.pass_time(1_000.0)

    async def forge(self) -> None:
        await go(self.session.complete("https://app.example/callback?state=forged&code=x"))


async def live_through(colour: str, acts: list[str]) -> Trace | None:
    clock = VirtualClock(patience=1.0)
    its_clock = ProviderClock(clock)
    provider = DevProvider(auto="ada", algorithm="ES256", rotation="grace", clock=its_clock, label="Acme")
    with provider.serve():
        world = World(colour, provider, clock, its_clock)
        try:
            kind = AsyncSessionManager if colour == "async" else SessionManager
            assert kind.__name__.endswith("Manager")
            session = world.manager(trace="all")["acme"]
            history = History(world, session)
            for what in acts:
                await history.act(what)
            trace: Trace | None = session.trace
            return trace
        finally:
            await world.close()


@pytest.mark.parametrize("colour", ["sync", "async"])
@settings(
    max_examples=12, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=8))
async def test_any_history_replayed_gives_the_same_transitions(colour: str, acts: list[str]) -> None:
    trace = await live_through(colour, ["sign_in", *acts])
    assert trace is not None
    again = Trace.from_json(trace.to_json())
    assert replay(again) == []
    assert count(again) >= 3


async def test_both_colours_tell_the_same_transitions() -> None:
    acts = LONG_LIFE.split()
    told = []
    for colour in ("sync", "async"):
        trace = await live_through(colour, acts)
        assert trace is not None
        told.append([(story.kind, one.trigger) for story in trace.stories for one in story.transitions])
    assert told[0] == told[1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_come_out_the_same(name: str) -> None:
    assert [str(one) for one in replay(EXAMPLES[name])] == []


def changed(step: int, **facts: Any) -> Trace:
    (story,) = LOGIN.stories
    steps = list(story.steps)
    steps[step] = msgspec.structs.replace(steps[step], **facts)
    return Trace(stories=(msgspec.structs.replace(story, steps=tuple(steps)),))


def test_a_transition_that_the_chart_does_not_have_diverges() -> None:
    found = replay(changed(0, source="idle", trigger="refresh"))[0]
    assert (found.step, found.replayed) == (1, "refused: InvalidTransition")
    assert "step 1" in str(found)


def test_another_target_diverges() -> None:
    last = len(LOGIN.stories[0].steps) - 1
    assert [one.what for one in replay(changed(last, target="idle"))] == ["the way"]


def test_another_decision_diverges() -> None:
    facts: dict[str, Any] = {
        "rotation": "strict", "same": True, "newer": False, "renewable": True, "held": False, "left": 3.0, "retries": 0,
        "token_lives": True,
    }  # fmt: skip
    good, bad = (Decision(0.0, "before_sending", move, facts) for move in ("keep", "claim"))
    trace = Trace(stories=(Story("a", "refresh", "acme", 0.0, steps=(good, bad)),))
    assert [(one.step, one.told, one.replayed) for one in replay(trace)] == [(2, "claim", "keep")]


def test_a_decision_that_cannot_be_read_diverges() -> None:
    trace = Trace(stories=(Story("a", "refresh", "acme", 0.0, steps=(Decision(0.0, "why", "claim"),)),))
    assert len(replay(trace)) == 1


def test_a_transition_of_which_too_little_is_told_is_looked_up_in_the_chart_and_counted_apart() -> None:
    on, off = (Transition(0.0, "authenticate", source, "authenticated") for source in ("exchanging", "logged_out"))
    trace = Trace(stories=(Story("a", "login", "acme", 0.0, steps=(on, off, Dropped(0.0, "defer", "idle"))),))
    assert [(one.step, one.replayed) for one in replay(trace)] == [(2, "not on the chart")]
    assert (count(trace), count_untold(trace)) == (0, 3)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_recorded_tells_enough(name: str) -> None:
    assert count_untold(EXAMPLES[name]) == 0

"""What a login waits for is told as what it is: the human on another screen, and what came too late."""

from __future__ import annotations

import pytest

from authflow.agents import DeviceCode
from authflow.diagrams import traced
from authflow.errors import LoginCancelled, SignInRequired
from authflow.stores import MemoryStore
from authflow.trace.replay import replay
from authflow.trace.story import Call, Check, Decision, Dropped, Trace, Wait
from authflow.trace.table import render
from tests.logins.waiting import approve, poll
from tests.session.support import Process, World, go


async def test_the_polls_for_a_code_are_one_step_and_the_wait_is_the_humans(world: World) -> None:
    session = world.manager()["acme"]
    request = await go(session.begin(agent=DeviceCode()))
    waiting = world.start(request.wait)
    for _ in range(3):
        await poll(world, waiting, 5)
    approve(request)
    await poll(world, waiting, 5)
    await waiting

    (story,) = session.trace.stories
    polls = [one for one in story.steps if isinstance(one, Call) and one.path == "/token"]
    assert [(one.status, one.times) for one in polls] == [(400, 3), (200, 1)]
    assert [one.who for one in story.steps if isinstance(one, Wait)] == ["human"]
    assert 20.0 <= story.human_seconds <= story.seconds < 30.0
    assert story.flow == "device code"
    text = render(session.trace)
    assert "400 ×3 in" in text
    assert "20.00 s of it the human's" in text
    assert "POST /token ×3" in [message.text for message in traced.draw(story).sequence.messages]
    assert request.user_code not in session.trace.to_json()


async def test_a_check_that_waited_for_its_keys_is_told_once(world: World) -> None:
    session = await world.signed_in()
    (story,) = session.trace.stories
    checks = [(one.of, one.name) for one in story.steps if isinstance(one, Check)]
    assert len(checks) == len(set(checks))
    assert ("ID token", "alg") in checks


async def test_tokens_that_came_after_the_logout_are_told_as_dropped(world: World) -> None:
    manager = world.manager()
    session = manager["acme"]
    url, binding = await world.callback(session)
    with world.hold("token", after=True) as held:
        completing = world.start(lambda: session.complete(url, binding=binding))
        await world.arrived(held)
        await go(session.cancel())
        held.release()
        with pytest.raises(LoginCancelled):
            await completing

    (story,) = [one for one in session.trace.stories if one.kind == "login"]
    (dropped,) = [one for one in story.steps if isinstance(one, Dropped)]
    assert (dropped.trigger, dropped.state) == ("authenticate", "idle")
    assert story.outcome == "cancel"
    assert "authenticate came too late, in idle; it was dropped" in render(session.trace)
    assert "authenticate: dropped" in [message.text for message in traced.draw(story).sequence.messages]
    again = Trace.from_json(session.trace.to_json())
    assert again == session.trace
    assert replay(again) == []


async def test_a_refused_call_of_the_users_own_is_no_late_event(world: World) -> None:
    session = await world.signed_in()
    await go(session.logout())
    with pytest.raises(SignInRequired):
        await go(session.refresh())
    assert not [one for story in session.trace.stories for one in story.steps if isinstance(one, Dropped)]


async def test_what_is_done_about_a_lost_swap_is_a_decision(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    here, there = (world.manager(store=Process(shared)) for _ in range(2))
    session = await world.sign_in(here["acme"])
    assert there["acme"].live
    with world.hold("token", after=True) as held:
        refreshing = world.start(session.refresh)
        await world.arrived(held)
        await go(there["acme"].logout(revoke=False))
        held.release()
        with pytest.raises(SignInRequired):
            await refreshing
    (story,) = [one for one in session.trace.stories if one.kind == "refresh"]
    said = [(one.question, one.move) for one in story.steps if isinstance(one, Decision)]
    assert said[-1] == ("after_lost_swap", "discard")
    assert replay(session.trace) == []

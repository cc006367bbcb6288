"""A recorder keeps the last stories of each session, and only so many; it hears every flow by the same hooks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from authflow.errors import ConfigurationError, LoginFailed, WireError
from authflow.operations.pending import load_pending
from authflow.stores import MemoryStore
from authflow.trace.recorder import Recording
from authflow.trace.shelves import MOST_OPEN, Shelves
from authflow.trace.story import MOST_STEPS, Call, Check, Decision, Hop, Story, Trace, Transition, Wait
from tests.session.support import Process, World, go


def stories(session: Any) -> dict[str, Story]:
    return {story.kind: story for story in session.trace.stories}


async def test_a_login_is_one_story_from_the_click_to_the_token(world: World) -> None:
    session = await world.signed_in()
    story = stories(session)["login"]
    assert [one.trigger for one in story.transitions] == ["authorize", "callback", "authenticate"]
    assert (story.outcome, story.failed, story.provider) == ("authenticate", False, "acme")
    assert [one.path for one in story.steps if isinstance(one, Call)][-2:] == ["/jwks", "/userinfo"]
    assert [one.sender for one in story.steps if isinstance(one, Hop)] == ["application", "provider"]
    assert "PKCE" in story.flow
    assert story.process


async def test_every_check_that_held_is_there(world: World) -> None:
    story = stories(await world.signed_in())["login"]
    passed = {(one.of, one.name) for one in story.steps if isinstance(one, Check) and one.ok}
    assert {
        ("callback", "state"), ("callback", "binding"), ("callback", "iss"), ("userinfo", "userinfo_sub"),
        ("ID token", "alg"), ("ID token", "signature"), ("ID token", "iss"), ("ID token", "aud"),
        ("ID token", "nonce"), ("ID token", "at_hash"),
    } <= passed  # fmt: skip


async def test_the_time_of_the_human_is_told_apart(world: World) -> None:
    session = world.manager()["acme"]
    url, binding = await world.callback(session)
    await world.pass_time(42.0)
    await go(session.complete(url, binding=binding))
    story = stories(session)["login"]
    assert 42.0 <= story.human_seconds <= story.seconds < 60.0
    assert [one.who for one in story.steps if isinstance(one, Wait)] == ["human"]


async def test_a_failed_login_shows_the_check_that_failed_and_both_values(world: World) -> None:
    world.provider.tamper["id_token_claims"] = lambda claims: {**claims, "nonce": "n" * 43}
    session = world.manager()["acme"]
    url, binding = await world.callback(session)
    with pytest.raises(LoginFailed):
        await go(session.complete(url, binding=binding))
    story = stories(session)["login"]
    (failed,) = [one for one in story.checks if not one.ok]
    assert (failed.name, failed.of) == ("nonce", "ID token")
    assert failed.expected.startswith("•••")
    assert failed.got.startswith("•••")
    assert failed.expected != failed.got
    assert story.failed
    assert story.error is not None
    assert [one.path for one in story.steps if isinstance(one, Call)][-1] == "/revoke"


async def test_a_renewal_is_a_story_with_its_decisions(world: World) -> None:
    session = await world.signed_in()
    await go(session.refresh())
    story = stories(session)["refresh"]
    assert [type(one) for one in story.steps][:2] == [Decision, Transition]
    assert (story.outcome, story.flow) == ("refreshed", "refresh token")


async def test_a_session_keeps_the_last_story_of_each_kind(world: World) -> None:
    session = await world.signed_in()
    for _ in range(3):
        await go(session.refresh())
    await go(session.logout())
    await world.sign_in(session)
    assert [story.kind for story in session.trace.stories] == ["refresh", "logout", "login"]
    assert session.trace.stories[-1].outcome == "authenticate"


async def test_all_keeps_every_story(world: World) -> None:
    session = await world.signed_in(trace="all")
    for _ in range(3):
        await go(session.refresh())
    assert [story.kind for story in session.trace.stories] == ["login", "refresh", "refresh", "refresh"]


async def test_without_a_trace_nothing_is_kept(world: World) -> None:
    manager = world.manager(trace=False)
    session = await world.sign_in(manager["acme"])
    assert session.trace is None
    assert manager.trace is None


async def test_a_manager_has_the_stories_of_all_sessions_in_one(world: World) -> None:
    manager = world.manager(world.settings("acme"), world.settings("globex"))
    for name in ("acme", "globex"):
        await world.sign_in(manager[name])
        await world.pass_time(1.0)
    first, second = manager.trace.stories
    assert (first.provider, second.provider) == ("acme", "globex")
    assert first.began < second.began
    assert first.session != second.session


async def test_a_login_begun_in_one_process_and_completed_in_another_is_one_story(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    here, there = (world.manager(store=Process(shared)) for _ in range(2))
    url, binding = await world.callback(here["acme"])
    await world.pass_time(5.0)
    await go(there.complete(url, binding=binding))
    story = stories(there["acme"])["login"]
    assert [one.trigger for one in story.transitions] == ["authorize", "callback", "authenticate"]
    assert story.process == here._house.process
    assert 5.0 <= story.human_seconds < 6.0
    out, back = [one for one in story.steps if isinstance(one, Hop)]
    assert out.params["state"] == back.params["state"]  # the same digits: the same key of the hashes


async def test_a_login_that_no_other_process_can_complete_carries_no_story(world: World) -> None:
    manager = world.manager()
    request = await go(manager["acme"].begin())
    assert load_pending(manager._house, request.state).story is None
    shared = world.manager(store=Process(MemoryStore(time=world.clock.time)))
    request = await go(shared["acme"].begin())
    assert load_pending(shared._house, request.state).story is not None


async def test_a_renewal_won_by_another_process_names_it(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    deaf = Process(shared)
    here, there = world.manager(store=Process(shared)), world.manager(store=deaf)
    session = await world.sign_in(here["acme"])
    other = there["acme"]
    assert other.live
    deaf.deaf = True
    await go(session.refresh())
    await go(other.refresh())
    story = stories(other)["refresh"]
    assert story.outcome == "adopt"
    assert {one.process for one in story.transitions} == {here._house.process}


async def test_a_session_that_moves_takes_its_stories_along(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager.owner("a" * 22)["acme"])
    before = session.trace
    await go(session.move(owner="b" * 22))
    assert session.trace == before
    assert "aaaa" not in before.to_json()


async def test_a_silence_is_told_with_what_became_of_it(world: World) -> None:
    world.provider.rotation = "grace"
    session = await world.signed_in()
    world.provider.fail_next("token", 200, "half", cut=True, times=2)
    with pytest.raises(WireError):
        await go(session.refresh())
    story = stories(session)["refresh"]
    assert [one.failure for one in story.steps if isinstance(one, Call)] == ["wire_error", "wire_error"]
    assert story.outcome == "defer"


async def test_forged_callbacks_by_the_thousand_fill_no_story(world: World) -> None:
    session = world.manager()["acme"]
    await go(session.begin())
    for _ in range(2 * MOST_STEPS):
        with pytest.raises(Exception, match="state"):
            await go(session.complete("https://app.example/callback?state=forged&code=x"))
    story = stories(session)["login"]
    assert len(story.steps) < 10
    assert story.left_out == 2 * MOST_STEPS - 1


async def test_with_identity_the_human_is_named(world: World) -> None:
    session = await world.signed_in(trace=Recording(with_identity=True))
    assert "ada@example.com" in session.trace.to_json()


async def test_without_it_nobody_is_named(world: World) -> None:
    session = await world.signed_in()
    told = session.trace.to_json()
    assert not re.search(r"\bada\b", told, re.I)  # a process's number may spell her name
    assert session.user.id not in told


async def test_what_is_no_trace_setting_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="trace="):
        world.manager(trace="yes")


async def test_a_recorder_that_breaks_breaks_no_login(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(Shelves, "find", broken)
    monkeypatch.setattr(Shelves, "start", broken)
    session = await world.signed_in()
    assert session.live


async def test_abandoned_logins_of_many_owners_are_bounded(world: World) -> None:
    manager = world.manager(trace=Recording(stories=8))
    recorder = manager._house.recorder
    for number in range(40):
        session = manager.owner(f"owner-{number:016d}")["acme"]
        await go(session.begin())
        await go(session.cancel())
    assert sum(map(len, recorder._shelves.kept.values())) == 8
    assert len(recorder._shelves.of) == 8
    assert not recorder._shelves.open
    assert MOST_OPEN <= 1024


async def test_failed_stories_do_not_give_way_to_those_that_went_well(world: World) -> None:
    manager = world.manager(trace=Recording(stories=2))
    bad = manager.owner("o" * 22)["acme"]
    await go(bad.begin())
    await go(bad.cancel())
    for number in range(4):
        await world.sign_in(manager.owner(f"owner-{number:016d}")["acme"])
    assert [story.outcome for story in bad.trace.stories] == ["cancel"]
    assert len(manager.trace.stories) == 3


async def test_old_stories_go(world: World) -> None:
    manager = world.manager(world.settings("acme"), world.settings("globex"), trace=Recording(seconds=60.0))
    old = await world.sign_in(manager["acme"])
    await world.pass_time(61.0)
    await world.sign_in(manager["globex"])
    assert old.trace is None


async def test_what_is_told_is_a_trace_that_can_be_read_again(world: World) -> None:
    session = await world.signed_in()
    assert Trace.from_json(session.trace.to_json()) == session.trace

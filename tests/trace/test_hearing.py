"""What a recorder hears waits while something goes on; then nothing of it is kept that was not redacted."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import httpx
import pytest

from authflow.errors import CallbackRejected, LoginFailed
from authflow.operations.pending import load_pending
from authflow.trace import recorder as recording
from authflow.trace.story import Call
from tests.security.canary import pieces_of, texts_of
from tests.session.support import FaultyStore, World, go


class DurableStore(FaultyStore):
    """One that another process may read."""

    durable = True


def has_secrets(world: World, thing: object) -> bool:
    """Whether a secret of the provider's, or what may hold one, can be reached from there."""
    held: list[str] = []
    pieces = pieces_of(world.provider.secrets)
    texts = [text for _, text in texts_of(thing, "", held)]
    return bool(held) or any(text[at : at + 12] in pieces for text in texts for at in range(max(0, len(text) - 11)))


def heard_of(manager: Any) -> list[Any]:
    recorder = manager._house.recorder
    return [recorder._heard, recorder._shelves.of, recorder._shelves.open, recorder._shelves.kept]


async def test_after_a_login_a_renewal_and_a_logout_nothing_unredacted_is_kept(world: World) -> None:
    session = world.manager()["acme"]
    url, binding = await world.callback(session)
    manager = world._managers[-1]
    assert has_secrets(world, heard_of(manager))  # while it goes on: or this test would see nothing
    await go(session.complete(url, binding=binding))
    assert not has_secrets(world, heard_of(manager))
    await go(session.refresh())
    assert not has_secrets(world, heard_of(manager))
    await go(session.logout())
    await go(session.forget())
    assert not has_secrets(world, heard_of(manager))
    assert not manager._house.recorder._heard


async def test_after_a_failed_login_with_its_late_revocation_neither(world: World) -> None:
    world.provider.tamper["id_token_claims"] = lambda claims: {**claims, "aud": "another-app"}
    manager = world.manager()
    url, binding = await world.callback(manager["acme"])
    with pytest.raises(LoginFailed):
        await go(manager["acme"].complete(url, binding=binding))
    assert not has_secrets(world, heard_of(manager))


async def test_who_looks_at_a_login_that_goes_on_sees_it_redacted(world: World) -> None:
    manager = world.manager()
    await world.callback(manager["acme"])
    assert [one.trigger for one in manager["acme"].trace.stories[0].transitions] == ["authorize"]
    assert not has_secrets(world, heard_of(manager))


async def test_a_recorder_is_neither_printed_nor_pickled_nor_copied(world: World) -> None:
    manager = world.manager()
    await world.callback(manager["acme"])
    recorder = manager._house.recorder
    assert repr(recorder) == "<StoryRecorder of 1 sessions>"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="may hold secrets"):
            take(recorder)


async def test_what_becomes_much_is_redacted_before_it_ends(world: World) -> None:
    manager = world.manager()
    session = manager["acme"]
    await go(session.begin())
    for _ in range(recording.MOST_HEARD):
        with pytest.raises(CallbackRejected):
            await go(session.complete("https://app.example/callback?state=forged&code=x"))
    assert len(manager._house.recorder._heard.get(session.key, ())) < recording.MOST_HEARD


async def test_a_large_answer_is_redacted_as_it_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_HELD", 10)
    manager = world.manager()
    await go(manager["acme"].begin())
    assert not any(isinstance(one, httpx.Response) for one in _objects(manager._house.recorder._heard))


def _objects(heard: dict[Any, list[Any]]) -> list[Any]:
    return [getattr(one, "answer", one) for entries in heard.values() for _, _, given in entries for one in given]


# ── when there is very much of it ────────────────────────────────────────────────────────────────────


async def test_of_many_that_go_well_at_once_some_are_told_and_of_the_others_nothing_is_kept(world: World) -> None:
    manager = world.manager()
    recorder = manager._house.recorder
    recorder._left = 2.0
    sessions = [manager.owner(f"owner-{number:016d}")["acme"] for number in range(4)]
    for session in sessions:
        await world.sign_in(session)
    assert [session.trace is not None for session in sessions] == [True, True, False, False]
    assert not recorder._heard
    await world.pass_time(2.0)
    await go(sessions[3].refresh())
    assert [story.kind for story in sessions[3].trace.stories] == ["refresh"]


async def test_what_fails_is_told_however_many_there_are(world: World) -> None:
    manager = world.manager()
    manager._house.recorder._left = 0.0
    session = manager["acme"]
    world.provider.fail_next("token", 400, '{"error": "invalid_grant"}')
    url, binding = await world.callback(session)
    with pytest.raises(LoginFailed) as caught:
        await go(session.complete(url, binding=binding))
    (story,) = caught.value.trace.stories
    assert [one.trigger for one in story.transitions] == ["authorize", "callback", "fail"]
    assert [one.status for one in story.steps if isinstance(one, Call)][-1] == 400


async def test_all_tells_all(world: World) -> None:
    manager = world.manager(trace="all")
    manager._house.recorder._left = 0.0
    session = await world.sign_in(manager["acme"])
    assert session.trace is not None


async def test_when_one_of_two_logins_is_over_the_other_goes_on_being_heard(world: World) -> None:
    manager = world.manager()
    manager._house.recorder._left = 0.0
    session = await world.sign_in(manager["acme"])
    assert session.trace is None
    request = await go(session.begin(scope=["offline_access"], redirect_uri="https://app.example/callback"))
    await go(session.refresh())
    await go(session.attempt.cancel())
    (story,) = [one for one in session.trace.stories if one.kind == "step_up"]
    assert [one.trigger for one in story.transitions] == ["authorize", "cancel"]
    assert request.state not in session.trace.to_json()


# ── what travels ─────────────────────────────────────────────────────────────────────────────────────


async def calls_of_a_begin(world: World, trace: bool) -> list[str]:
    store = DurableStore(world.clock)
    session = world.manager(store=store, trace=trace)["acme"]
    await go(session.begin())  # whose metadata are fetched
    await go(session.cancel())
    store.calls.clear()
    await go(session.begin())
    return [f"{call} {key.partition('/')[0]}" for call, key in store.calls]


async def test_a_story_that_travels_rides_in_the_write_that_is_made_anyway(world: World) -> None:
    assert await calls_of_a_begin(world, True) == await calls_of_a_begin(world, False)


async def test_what_travels_is_redacted(world: World) -> None:
    manager = world.manager(store=DurableStore(world.clock))
    session = manager["acme"]
    for _ in range(2):  # with the metadata fetched on the way, and foretold
        url, binding = await world.callback(session)
        state = httpx.URL(url).params["state"]
        story = load_pending(manager._house, state).story
        assert not has_secrets(world, story)
        assert b"authorization request" in story
        assert b"authorize" in story
        await go(session.complete(url, binding=binding))
        await go(session.logout())

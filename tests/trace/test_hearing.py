"""What a recorder hears waits while something goes on, and a few seconds after that; then nothing of it is kept that
was not redacted. To tell it is dear: no login that goes well waits for it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import httpx
import pytest

from authflow.drive import Recorder
from authflow.errors import CallbackRejected, LoginFailed
from authflow.operations.pending import load_pending
from authflow.trace import recorder as recording
from authflow.trace import shelves, telling
from authflow.trace.recorder import WAITS, StoryRecorder
from authflow.trace.shelves import Recording
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
    return [recorder._heard, recorder._untold, recorder._shelves.of, recorder._shelves.open, recorder._shelves.kept]


async def test_after_a_login_a_renewal_and_a_logout_nothing_unredacted_is_kept(world: World) -> None:
    session = world.manager()["acme"]
    url, binding = await world.callback(session)
    manager = world._managers[-1]
    assert has_secrets(world, heard_of(manager))  # while it goes on: or this test would see nothing
    await go(session.complete(url, binding=binding))
    await world.pass_time(WAITS + 1.0)
    assert not has_secrets(world, heard_of(manager))
    await go(session.refresh())
    await world.pass_time(WAITS + 1.0)
    assert not has_secrets(world, heard_of(manager))
    assert [one.kind for one in session.trace.stories] == ["login", "refresh"]
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
    return [one for entries in heard.values() for entry in entries for one in entry]


# ── what went well waits to be told ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("trace", [True, "all"])
async def test_a_login_and_a_renewal_that_go_well_redact_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, trace: Any
) -> None:
    made: list[bytes] = []
    plain = shelves.Redactor

    def redactor(key: bytes, **settings: Any) -> Any:
        made.append(key)
        return plain(key, **settings)

    monkeypatch.setattr(shelves, "Redactor", redactor)
    session = await world.signed_in(trace=trace)
    await go(session.refresh())
    assert not made
    assert [story.kind for story in session.trace.stories] == ["login", "refresh"]
    assert len(made) == 2


async def test_what_waits_holds_secrets_for_so_many_seconds_and_no_longer(world: World) -> None:
    manager = world.manager()
    await world.sign_in(manager["acme"])
    await world.pass_time(WAITS - 1.0)
    assert has_secrets(world, heard_of(manager))
    await world.pass_time(2.0)
    assert not has_secrets(world, heard_of(manager))
    assert [story.outcome for story in manager.trace.stories] == ["authenticate"]


async def test_however_many_wait_each_is_told_in_its_time(world: World) -> None:
    manager = world.manager()
    for number in range(2 * recording.AT_A_TIME + 1):
        await world.sign_in(manager.owner(f"owner-{number:016d}")["acme"])
    await world.pass_time(WAITS + 3 * recording.PAUSE)
    assert not has_secrets(world, heard_of(manager))
    assert len(manager.trace.stories) == 2 * recording.AT_A_TIME + 1


async def test_no_more_wait_than_stories_are_kept_and_the_oldest_gives_way_untold(world: World) -> None:
    manager = world.manager(trace=Recording(stories=3))
    sessions = [manager.owner(f"owner-{number:016d}")["acme"] for number in range(5)]
    for session in sessions:
        await world.sign_in(session)
    assert len(manager._house.recorder._untold) == 3
    assert [session.trace is not None for session in sessions] == [False, False, True, True, True]


async def test_of_one_session_the_last_of_a_kind_waits(world: World) -> None:
    session = await world.signed_in()
    for _ in range(3):
        await go(session.refresh())
    assert [kind for _, kind in session._house.recorder._untold] == ["attempt", "refresh"]


async def test_all_tells_every_one(world: World) -> None:
    session = await world.signed_in(trace="all")
    for _ in range(3):
        await go(session.refresh())
    await world.pass_time(WAITS + 1.0)
    assert [story.kind for story in session.trace.stories] == ["login", *["refresh"] * 3]


async def test_with_the_session_its_raw_stories_end(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    await go(session.logout())
    assert not has_secrets(world, heard_of(manager))


async def test_a_manager_that_was_closed_holds_nothing_raw(world: World) -> None:
    manager = world.manager(store=DurableStore(world.clock))
    await world.sign_in(manager.owner("o" * 22)["acme"])
    await go(manager.owner("p" * 22)["acme"].begin())  # another process may complete it
    assert has_secrets(world, heard_of(manager))
    await go(manager.close())
    assert not has_secrets(world, heard_of(manager))
    assert {story.outcome for story in manager.trace.stories} == {"authenticate", ""}


async def test_nothing_raw_is_in_the_repr_of_what_waits(world: World) -> None:
    manager = world.manager()
    await world.sign_in(manager["acme"])
    recorder = manager._house.recorder
    assert repr(recorder._untold).count("<Untold, ") == 1
    assert "tell" not in repr(recorder._untold)


class Both(Recorder):
    """Two recorders hear the same; of one, what goes well is told at once, of the other when it is asked."""

    def __init__(self, clock: Any) -> None:
        self.early, self.late = (
            StoryRecorder(clock, Recording(), lambda act, seconds, it=it: it) for it in (False, True)
        )

    def __getattribute__(self, name: str) -> Any:
        mine = object.__getattribute__(self, "__dict__")
        if name.startswith("__") or name in mine:
            return object.__getattribute__(self, name)

        def both(*given: Any) -> Any:
            answers = [getattr(one, name)(*given) for one in (mine["early"], mine["late"])]
            return answers[0]

        return both


async def test_what_is_told_late_is_told_to_the_letter_as_if_it_had_been_told_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves.secrets, "token_bytes", lambda size: b"k" * size)
    monkeypatch.setattr(telling.secrets, "token_hex", lambda size=32: "5a" * size)
    both = Both(world.clock)
    session = await world.signed_in(trace=both)
    await go(session.refresh())
    assert not both.early._untold
    assert len(both.late._untold) == 2
    await world.pass_time(3600.0)
    world.clock.jump(-7200.0)
    told = both.early.trace().to_json()
    assert both.late.trace().to_json() == told
    assert told.count('"outcome"') == 2


async def test_a_failed_login_is_told_at_once(world: World) -> None:
    manager = world.manager()
    session = manager["acme"]
    world.provider.fail_next("token", 400, '{"error": "invalid_grant"}')
    url, binding = await world.callback(session)
    with pytest.raises(LoginFailed) as caught:
        await go(session.complete(url, binding=binding))
    assert not has_secrets(world, heard_of(manager))
    (story,) = caught.value.trace.stories
    assert [one.trigger for one in story.transitions] == ["authorize", "callback", "fail"]
    assert [one.status for one in story.steps if isinstance(one, Call)][-1] == 400


async def test_when_one_of_two_logins_is_over_the_other_goes_on_being_heard(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
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

"""Whoever records sees every call, every event and every decision of a renewal; and no secret in a decision."""

from __future__ import annotations

from typing import Any

import pytest

from authflow.drive import Asked, Recorder
from authflow.errors import WireError

from .support import World, go


class Notes(Recorder):
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.events: list[str] = []
        self.decisions: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, key: Any, story: str, asked: Asked) -> None:
        self.calls.append(f"{asked.request.method} {asked.request.url.path}")

    def event(self, key: Any, event: Any, planned: Any) -> None:
        self.events.append(event.trigger)

    def decision(self, key: Any, question: str, move: str, facts: Any) -> None:
        self.decisions.append((question, move, dict(facts)))


async def test_a_recorder_sees_calls_events_and_decisions_with_the_policy(world: World) -> None:
    notes = Notes()
    session = await world.signed_in(trace=notes)
    await go(session.refresh())
    assert notes.events == ["authorize", "callback", "authenticate", "refresh", "refreshed"]
    assert [call for call in notes.calls if call.startswith("POST")] == ["POST /token", "POST /token"]
    ((question, move, facts),) = notes.decisions
    assert (question, move, facts["rotation"]) == ("before_sending", "claim", "strict")
    token = await go(session.token())
    assert token.access_token not in repr(notes.decisions)


async def test_a_silence_and_what_is_done_about_it_is_seen_and_explained(world: World) -> None:
    notes = Notes()
    world.provider.rotation = "grace"
    session = await world.signed_in(trace=notes)
    world.provider.fail_next("token", 200, "half", cut=True, times=2)
    with pytest.raises(WireError):
        await go(session.refresh())
    said = [(question, move) for question, move, _ in notes.decisions]
    assert said == [("before_sending", "claim"), ("after_answer", "retry"), ("after_answer", "defer_claimed")]
    assert "rotation='grace'" in session.explain()

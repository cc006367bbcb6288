"""What is drawn of a story is what its steps say."""

from __future__ import annotations

import msgspec
import pytest

from authflow.chart import CHART
from authflow.diagrams import traced
from authflow.diagrams.arrows import Edge, edges
from authflow.trace.story import Hop, Story, Transition, Wait
from tests.trace.examples import EXAMPLES, FAILED_LOGIN, LOGIN, REFRESH_ELSEWHERE

STORIES = [story for trace in EXAMPLES.values() for story in trace.stories]


def lanes(drawn: traced.Drawn) -> list[str]:
    return [lane.label for lane in drawn.sequence.lanes]


def test_a_login_has_three_lanes_and_walks_the_chart() -> None:
    drawn = traced.draw(LOGIN.stories[0])

    assert lanes(drawn) == ["Browser", "Application · authflow", "accounts.example.com"]
    assert [edge.trigger for edge in drawn.path] == ["authorize", "callback", "authenticate"]
    assert [message.text for message in drawn.sequence.messages] == [
        "GET /.well-known/openid-configuration", "200 OK", "open /authorize", "GET /authorize", "the human",
        "302 → /callback", "GET /callback", "POST /token", "200 OK", "GET /jwks.json", "200 OK", "verify the ID token",
        "authenticate: on_login",
    ]  # fmt: skip


def test_checks_stand_with_what_they_looked_at() -> None:
    messages = traced.draw(LOGIN.stories[0]).sequence.messages
    checked = {message.text: [check.name for check in message.checks] for message in messages if message.checks}

    assert checked == {
        "GET /callback": ["state", "iss"],
        "verify the ID token": ["alg", "signature", "iss", "aud", "nonce", "at_hash", "exp"],
    }


def test_a_failed_login_shows_the_check_that_failed() -> None:
    messages = traced.draw(FAILED_LOGIN.stories[0]).sequence.messages
    (broken,) = [check for message in messages for check in message.checks if not check.passed]

    assert (broken.name, broken.expected, broken.got) == ("nonce", "•••e09d", "•••3c11")
    assert [message.text for message in messages if message.failed] == ["verify the ID token", "fail: on_login_failed"]


def test_a_refresh_that_another_process_won_shows_its_lane() -> None:
    drawn = traced.draw(REFRESH_ELSEWHERE.stories[0])

    assert lanes(drawn) == ["Application · authflow", "Process 4be1c07d"]
    assert [one.text for one in drawn.sequence.messages if one.source == "other1"] == ["refresh", "adopt: on_refresh"]


def test_the_humans_time_is_told_apart() -> None:
    spent = [(span.state, span.kind, round(span.seconds, 3)) for span in traced.draw(LOGIN.stories[0]).spans]

    assert spent == [
        ("authorizing", "human", 2.118), ("authorizing", "provider", 0.003), ("authorizing", "here", 0.01),
        ("exchanging", "provider", 0.223), ("exchanging", "here", 0.058),
    ]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda one: f"{one.kind}-{one.outcome}")
def test_a_replay_ends_where_the_story_ends(story: Story) -> None:
    drawn = traced.draw(story)

    assert len(drawn.frames) == len(drawn.sequence.messages)
    assert drawn.frames[-1].passed == len(drawn.path)
    assert drawn.frames[-1].state == story.transitions[-1].target
    assert [frame.passed for frame in drawn.frames] == sorted(frame.passed for frame in drawn.frames)


def test_only_what_the_chart_has_is_a_step_of_the_way() -> None:
    made_up = (Transition(0.0, "logout", "idle", "<b>nowhere</b>"), Transition(0.1, "authorize", "idle", "authorizing"))
    drawn = traced.draw(msgspec.structs.replace(LOGIN.stories[0], steps=made_up))

    assert set(drawn.path) <= set(edges(CHART))
    assert drawn.path == (Edge("idle", "authorize", "authorizing"),)
    assert drawn.sequence.messages[0].text == "logout: refused"


def test_a_lane_is_named_by_the_trace_and_keyed_by_us() -> None:
    odd = (Hop(0.0, 'x"; end', "application", "hello", via=""), Wait(0.0, 1.0, "somebody"))
    drawn = traced.draw(msgspec.structs.replace(LOGIN.stories[0], steps=odd))

    assert [(lane.key, lane.label) for lane in drawn.sequence.lanes][-1] == ("other1", 'x"; end')


def test_a_story_of_nothing_can_be_drawn() -> None:
    drawn = traced.draw(Story(id="1", kind="login", provider="acme", began=1e300))

    assert (drawn.path, drawn.spans, drawn.frames) == ((), (), ())
    assert traced.ending(Story(id="1", kind="login", provider="acme", began=0.0)) == ("not begun", "busy")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0004, "0.4 ms"), (0.182, "182 ms"), (2.411, "2.41 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")],
)
def test_a_time_is_as_exact_as_it_is_useful(value: float, text: str) -> None:
    assert traced.seconds(value) == text

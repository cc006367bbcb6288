"""A trace is data: it goes through JSON and comes back the same; what is no trace is refused with a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from authflow.errors import InvalidCall
from authflow.trace.story import FORMAT, LARGEST_FILE, MOST_STEPS, Call, Trace

from .examples import EXAMPLES, FAILED_LOGIN, LOGIN, REFRESH


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_trace_comes_back_from_json_as_it_was(name: str) -> None:
    trace = EXAMPLES[name]
    assert Trace.from_json(trace.to_json()) == trace


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_trace_is_the_same_bytes(name: str) -> None:
    text = EXAMPLES[name].to_json()
    assert Trace.from_json(text).to_json() == text


def test_json_says_its_format_first() -> None:
    assert next(iter(json.loads(LOGIN.to_json()))) == "format"


def test_a_newer_format_is_refused_with_its_number() -> None:
    with pytest.raises(InvalidCall, match=f"format {FORMAT + 1}"):
        Trace.from_json(json.dumps({"format": FORMAT + 1, "stories": [{"new": "things"}]}))


NO_TRACES = ("", "[]", "{}", '{"format": 1, "stories": 7}', '{"format": 1, "stories": [{}]}', "\ud800")


@pytest.mark.parametrize("text", NO_TRACES)
def test_what_is_no_trace_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InvalidCall, match=r'save\("….json"\)'):
        Trace.from_json(text)


def test_a_member_that_is_not_known_does_no_harm() -> None:
    data = json.loads(LOGIN.to_json())
    data["stories"][0]["colour"] = "green"
    assert Trace.from_json(json.dumps(data)) == LOGIN


def test_a_file_that_is_too_large_is_not_decoded() -> None:
    with pytest.raises(InvalidCall, match="16 MiB"):
        Trace.from_json(b" " * (LARGEST_FILE + 1))


def test_more_steps_than_a_story_may_have_are_refused() -> None:
    data = json.loads(LOGIN.to_json())
    data["stories"][0]["steps"] = data["stories"][0]["steps"][1:2] * (MOST_STEPS + 1)
    with pytest.raises(InvalidCall):
        Trace.from_json(json.dumps(data))


def test_a_file_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(REFRESH.to_json(), encoding="utf-8")
    assert Trace.load(tmp_path / "one.json") == REFRESH


def test_a_story_knows_how_it_ended_and_whose_time_it_took() -> None:
    (good,), (bad,) = LOGIN.stories, FAILED_LOGIN.stories
    assert (good.failed, good.error) == (False, None)
    assert bad.failed
    assert bad.error is not None
    assert bad.error.check == "nonce"
    assert [check.name for check in bad.checks if not check.ok] == ["nonce"]
    assert round(good.seconds, 3) == 2.411
    assert round(good.human_seconds, 4) == 2.1176


def test_a_repr_names_stories_and_nothing_else() -> None:
    assert repr(LOGIN) == "<Trace 1 stories; login of acme: authenticate>"
    assert repr(Trace()) == "<Trace, empty>"
    assert "•••7f3a" not in repr(LOGIN)


def test_times_of_a_story_end_with_its_last_step() -> None:
    (story,) = LOGIN.stories
    assert isinstance(story.steps[1], Call)
    assert story.seconds >= story.steps[1].at + story.steps[1].seconds

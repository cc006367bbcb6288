"""All stories on one axis of time: each can be seen, none lies on another, and a long quiet time is told as one."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authflow.diagrams import axis
from authflow.diagrams.axis import LEFT, RIGHT, WIDTH, place, render
from authflow.diagrams.exports import export
from authflow.trace.story import Story, Trace, Wait
from tests.trace.examples import FAILED_LOGIN, LOGIN, REFRESH, SESSION

NS = "{http://www.w3.org/2000/svg}"


def story(began: float, seconds: float, session: str = "one", provider: str = "acme") -> Story:
    return Story(id="1", kind="login", provider=provider, began=began, session=session, steps=(Wait(0.0, seconds),))


def test_a_session_has_one_row_and_another_account_has_its_own() -> None:
    other = replace(LOGIN.stories[0], session="other", account="work")
    page = place([*SESSION.stories, other])

    assert page.rows == ("Acme", "Acme (work)")
    assert [bar.row for bar in page.bars] == [0, 0, 1]


def test_where_something_happens_the_axis_runs_with_the_clock() -> None:
    first, second = place([story(0.0, 1.0), story(1.0, 3.0, "two")]).bars

    assert (second.box.right - second.box.left) == pytest.approx(3 * (first.box.right - first.box.left), rel=0.05)
    assert second.box.left == pytest.approx(first.box.right, abs=axis.LEAST)


def test_a_time_in_which_nothing_happened_is_a_gap_that_says_how_long_it_was() -> None:
    page = place([story(0.0, 1.0), story(7201.0, 1.0)])
    ((left, right, told),) = page.gaps
    before, after = page.bars

    assert told == "2 h 0 min"
    assert before.box.right <= left < right <= after.box.left
    assert place([story(0.0, 1.0), story(1.2, 1.0)]).gaps == ()


TIMES = st.floats(0, 1e6)


@given(st.lists(st.builds(story, TIMES, st.floats(0, 1e4), st.sampled_from(["one", "two", "three"])), max_size=40))
def test_nothing_overlaps_and_everything_can_be_seen(stories: list[Story]) -> None:
    page = place(sorted(stories, key=lambda one: one.began))

    assert len(page.bars) == len(stories)
    assert not [(a, b) for a, b in combinations(page.bars, 2) if a.row == b.row and a.box.meets(b.box)]
    for bar in page.bars:
        assert LEFT <= bar.box.left < bar.box.right <= WIDTH - RIGHT + 0.001
        assert bar.box.right - bar.box.left > 3
    assert all(a.right <= b.left for a, b in zip(page.gaps, page.gaps[1:], strict=False))


def test_it_is_drawn_from_that_and_each_bar_leads_to_its_story_on_a_page() -> None:
    stories = [*SESSION.stories, *FAILED_LOGIN.stories]
    drawn = ElementTree.fromstring(render(stories, links=["#s1", "", "#s3"]))

    assert [one.get("data-story") for one in drawn.iter(f"{NS}g")] == ["1", "2", "3"]
    assert [one.get("href") for one in drawn.iter(f"{NS}a")] == ["#s1", "#s3"]
    assert [one.text for one in drawn.iter(f"{NS}title")][1:] == [
        "1. A login at Acme: authenticated, 2.41 s", "2. A refresh at Acme: authenticated, 51 ms",
        "3. A login at Acme: failed, 2.43 s",
    ]  # fmt: skip


def test_one_story_needs_no_axis_and_several_have_one_in_the_page_and_in_the_picture() -> None:
    for format in ("html", "svg"):
        assert "data-story=" not in str(export(REFRESH, format))
        assert "data-story=" not in str(export(Trace(), format))
        assert str(export(SESSION, format)).count("data-story=") == 2

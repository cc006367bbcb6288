"""What goes the same way for the same reason is one arrow, and every edge of the chart is in one of them."""

from __future__ import annotations

from authflow.chart import CHART, State
from authflow.diagrams.arrows import Tone, arrows, kind_of


def test_every_edge_of_the_chart_is_in_exactly_one_arrow() -> None:
    drawn = [(arrow.source, t, arrow.target, arrow.emits) for arrow in arrows(CHART) for t in arrow.triggers]

    assert sorted(drawn, key=str) == sorted(
        ((source, row.trigger, row.target, row.emits) for row in CHART for source in row.sources), key=str
    )


def test_three_ways_to_fail_are_one_arrow() -> None:
    (arrow,) = [one for one in arrows(CHART) if (one.source, one.target) == ("authorizing", "idle")]

    assert arrow.text == "fail · cancel · time_out"
    assert (arrow.tone, arrow.emits) == (Tone.FAIL, "on_login_failed")


def test_a_wanted_logout_and_an_unwanted_one_are_two_arrows() -> None:
    found = [(one.text, one.tone) for one in arrows(CHART) if one.target is State.LOGGED_OUT]

    assert found == [("logout", "plain"), ("revoke · expire", "fail")] * 2


def test_what_begins_a_session_is_green() -> None:
    green = [(one.source.value, one.text) for one in arrows(CHART) if one.tone is Tone.ENTER]

    assert green == [
        ("idle", "restore"), ("authorizing", "restore"), ("exchanging", "authenticate"), ("logged_out", "restore"),
    ]  # fmt: skip


def test_states_are_drawn_by_what_they_are() -> None:
    assert {state.value: kind_of(state) for state in State} == {
        "idle": "start",
        "authorizing": "busy",
        "exchanging": "busy",
        "authenticated": "good",
        "refreshing": "busy",
        "logged_out": "end",
    }

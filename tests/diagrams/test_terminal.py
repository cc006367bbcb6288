"""The chart in characters."""

from __future__ import annotations

import pytest

from authflow.chart import CHART, State
from authflow.diagrams.arrows import Edge, arrows
from authflow.diagrams.terminal import HEIGHT, WIDTH, draw, render


def test_every_state_has_its_box() -> None:
    drawing = render()

    for state in State:
        assert state.value in drawing


def test_it_fits_into_a_terminal() -> None:
    lines = draw()

    assert len(lines) == HEIGHT
    assert {sum(len(run.text) for run in line) for line in lines} == {WIDTH}
    assert WIDTH < 80


@pytest.mark.parametrize("state", list(State))
def test_the_present_state_alone_stands_in_a_double_frame(state: State) -> None:
    drawing = render(current=state)

    (line,) = [line for line in drawing.splitlines() if "║" in line]
    assert line.split("║")[1].strip().removesuffix(" ↻") == state.value
    assert drawing.count("╔") == 1


def test_without_a_present_state_there_is_no_double_frame() -> None:
    assert not set("╔║╝") & set(render())


@pytest.mark.parametrize("row", CHART, ids=lambda row: row.trigger)
def test_no_arrow_is_drawn_that_the_chart_does_not_have(row) -> None:
    others = tuple(one for one in CHART if one is not row)
    gone = {(a.source, a.target) for a in arrows(CHART)} - {(a.source, a.target) for a in arrows(others)}

    assert (render(CHART) != render(others)) is bool(gone)


def test_a_way_without_a_road_is_told_in_words() -> None:
    forget = next(row for row in CHART if row.trigger == "forget")
    chart = (*CHART, forget._replace(sources=(State.REFRESHING,), target=State.EXCHANGING))

    assert render(chart).endswith("refreshing → exchanging\n")


def test_a_walked_way_looks_walked_and_so_do_its_ends() -> None:
    path = [Edge(row.sources[0], row.trigger, row.target) for row in CHART if row.trigger == "authorize"]

    looks = {run.look: run.text for line in draw(path=path) for run in line if run.look == "walked"}
    walked = "".join(run.text for line in draw(path=path) for run in line if run.look == "walked")

    assert looks
    assert "─▶" in walked
    assert "idle" in walked
    assert "exchanging" not in walked


def test_the_drawing_looks_like_this() -> None:
    assert render(current=State.AUTHENTICATED) == (
        "              ╭─────────────────────────────────────────────────────────╮\n"
        "              │                               ╭─────────────╮           │\n"
        "              │                               │  refreshing │──────╮    │\n"
        "              │                               ╰─────────────╯      │    │\n"
        "    ╭─────────┼──────┬──────────────────────────╮  ▲     │         │    │\n"
        "    │         ▼      │                          ▼  │     ▼         ▼    │\n"
        "╭──────╮  ╭─────────────╮   ╭────────────╮   ╔═══════════════╗  ╭──────────╮\n"
        "│ idle │─▶│authorizing ↻│──▶│ exchanging │──▶║authenticated ↻║─▶│logged_out│\n"
        "╰──────╯  ╰─────────────╯   ╰────────────╯   ╚═══════════════╝  ╰──────────╯\n"
        "   ▲             │                 │                    ▲          │   │\n"
        "   │             │                 │                    ╰──────────╯   │\n"
        "   ╰─────────────┴─────────────────┴───────────────────────────────────╯\n"
    )

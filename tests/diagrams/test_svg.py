"""The picture says what the chart says, can be read, and looks the same with every viewer."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from authflow.chart import CHART, Actor, Row, State, Trigger
from authflow.diagrams.arrows import arrows
from authflow.diagrams.layout import BOXES, HEIGHT, PANEL, WIDTH, label, routes, strokes
from authflow.diagrams.paint import PALETTE
from authflow.diagrams.svg import render
from authflow.diagrams.text import Box, width

THEMES = ("light", "dark", "auto")
NS = "{http://www.w3.org/2000/svg}"
ROUTES, _ = routes(arrows(CHART))
LABELS = {arrow: label(arrow, route) for arrow, route in ROUTES.items()}


def edges(text: str) -> set[tuple[str, str, str]]:
    found = set()
    for group in ElementTree.fromstring(text).iter(f"{NS}g"):
        for trigger in group.get("data-edge", "").split():
            found.add((group.get("data-source"), trigger, group.get("data-target")))
    return found


@pytest.mark.parametrize("theme", THEMES)
def test_states_and_edges_read_back_are_the_charts(theme) -> None:
    text = render(theme=theme)
    states = [group.get("data-state") for group in ElementTree.fromstring(text).iter(f"{NS}g")]

    assert [state for state in states if state] == [state.value for state in State]
    assert edges(text) == {(source.value, row.trigger, row.target) for row in CHART for source in row.sources}


def test_every_trigger_and_signal_can_be_read() -> None:
    told = [text.text for text in ElementTree.fromstring(render()).iter(f"{NS}text")]

    for arrow in arrows(CHART):
        assert arrow.text in told or set(arrow.triggers) <= set(told)
        assert arrow.emits is None or arrow.emits in told
    assert {state.value for state in State} <= set(told)


def test_no_label_overlaps_another() -> None:
    texts = [line for lines in LABELS.values() for line in lines]

    assert [(a.text, b.text) for a, b in combinations(texts, 2) if a.box.meets(b.box)] == []


def test_no_label_overlaps_a_state() -> None:
    found = [
        (line.text, state) for lines in LABELS.values() for line in lines for state in State
        if line.box.meets(BOXES[state])
    ]  # fmt: skip

    assert found == []


def test_no_label_overlaps_the_arrow_of_another() -> None:
    found = [
        (line.text, str(other.source), other.text)
        for arrow, lines in LABELS.items()
        for line in lines
        for other, route in ROUTES.items()
        if other is not arrow and any(line.box.meets(stroke) for stroke in strokes(route))
    ]

    assert found == []


def test_no_two_arrows_cross_or_touch() -> None:
    found = [
        (a.text, b.text)
        for (a, one), (b, two) in combinations(ROUTES.items(), 2)
        for first in strokes(one)
        for second in strokes(two)
        if first.meets(second)
    ]

    assert found == []


def test_an_arrow_runs_along_the_axes_from_its_source_to_its_target() -> None:
    for arrow, route in ROUTES.items():
        for (ax, ay), (bx, by) in pairwise(route.points):
            assert ax == bx or ay == by
        assert BOXES[arrow.source].holds(*route.points[0])
        assert BOXES[arrow.target].holds(*route.points[-1])


def test_no_arrow_runs_through_a_state() -> None:
    for route in ROUTES.values():
        for stroke in strokes(route):
            inside = [Box(b.left + 2, b.top + 2, b.right - 2, b.bottom - 2) for b in BOXES.values()]
            assert not any(stroke.meets(box) for box in inside)


def test_no_label_lies_on_the_edge_of_the_panel() -> None:
    for lines in LABELS.values():
        for line in lines:
            box = line.box
            corners = [PANEL.holds(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)]
            assert all(corners) or not any(corners), line.text


def test_the_panel_holds_exactly_the_live_states() -> None:
    assert {state for state in State if PANEL.holds(BOXES[state].x, BOXES[state].y)} == {
        state for state in State if state.live
    }


def test_everything_is_on_the_page() -> None:
    page = Box(0, 0, WIDTH, HEIGHT)
    boxes = [line.box for lines in LABELS.values() for line in lines] + list(BOXES.values())

    assert all(page.holds(b.left, b.top) and page.holds(b.right, b.bottom) for b in boxes)


def test_names_fit_their_states() -> None:
    assert all(width(state, 15.5) * 1.12 < BOXES[state].right - BOXES[state].left - 12 for state in State)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_file_needs_no_style(theme) -> None:
    text = render(theme=theme)

    assert "var(" not in text
    assert "<style" not in text
    assert "dominant-baseline" not in text
    assert " class=" not in text


def test_for_a_page_that_follows_the_reader_every_colour_has_its_dark_twin() -> None:
    text = render(theme="auto", id="one")
    used = set(re.findall(r'class="([fs]-[a-z-]+)"', text))

    assert "var(" not in text
    assert "@media (prefers-color-scheme:dark)" in text
    assert used
    for hook in used:
        attribute = "fill" if hook[0] == "f" else "stroke"
        assert f"#one .{hook}{{{attribute}:{PALETTE[hook[2:]][1]}}}" in text


def test_two_drawings_on_one_page_share_no_id() -> None:
    first, second = (set(re.findall(r' id="([^"]+)"', render(id=name))) for name in ("one", "two"))

    assert first
    assert not first & second


def test_every_reference_finds_its_marker() -> None:
    text = render(theme="auto", id="x")

    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(re.findall(r' id="([^"]+)"', text))


def test_the_present_state_is_lit_and_no_other() -> None:
    lit = [
        group.get("data-state") for group in ElementTree.fromstring(render(current=State.EXCHANGING)).iter(f"{NS}g")
        if any(rect.get("stroke") == PALETTE["current"][0] for rect in group.iter(f"{NS}rect"))
    ]  # fmt: skip

    assert lit == ["exchanging"]


def test_the_title_is_escaped() -> None:
    text = render(title="<script>&")

    assert "<script>" not in text
    assert ElementTree.fromstring(text).findtext(f"{NS}title") == "<script>&"


@pytest.mark.parametrize("name", ["", "1a", 'a"b', "a b", "a#b"])
def test_an_id_that_would_break_the_page_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="an id is"):
        render(id=name)


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(ValueError, match="light, dark, auto and page"):
        render(theme="sepia")


def test_an_arrow_that_has_no_place_gets_one_of_its_own() -> None:
    extra = Row(Trigger.FORGET, (State.EXCHANGING,), State.LOGGED_OUT, None, (Actor.USER,), "somebody's own row")
    chart = (*CHART, extra)
    found, height = routes(arrows(chart))

    assert edges(render(chart)) == edges(render()) | {("exchanging", "forget", "logged_out")}
    assert height > HEIGHT
    assert len(found) == len(arrows(chart))
    assert max(y for route in found.values() for _, y in route.points) < height


def test_a_chart_with_fewer_rows_is_drawn_with_fewer_arrows() -> None:
    chart = tuple(row for row in CHART if row.trigger is not Trigger.REVOKE)

    assert not any(trigger == "revoke" for _, trigger, _ in edges(render(chart)))
    assert ">expire</text>" in render(chart)

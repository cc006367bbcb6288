"""The picture of a sequence: everything that is said can be read, and nothing lies on anything else."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authflow.diagrams.flows import FLOWS
from authflow.diagrams.lanes import AGAIN, HEAD, NUMBER, Page, place, render
from authflow.diagrams.sequence import Check, Lane, Message, Sequence
from authflow.diagrams.text import Box

NS = "{http://www.w3.org/2000/svg}"
THREE = (Lane("browser", "Browser"), Lane("app", "App"), Lane("provider", "Provider"))
ONE = THREE[1:2]
FOUR = (*THREE, Lane("other", "Another process"))

WORDS = st.text(st.characters(codec="utf-8"), max_size=60)
CHECKS = st.builds(Check, WORDS, st.booleans(), WORDS, WORDS)


def messages(lanes: tuple[Lane, ...]) -> st.SearchStrategy[Message]:
    keys = st.sampled_from([lane.key for lane in lanes])
    return st.builds(
        Message, keys, keys, WORDS, st.lists(WORDS, max_size=8).map(tuple), st.booleans(),
        st.sampled_from(["", "authorizing", "exchanging"]), st.just("+12.3 s"), st.sampled_from(["", "182 ms"]),
        st.lists(CHECKS, max_size=9).map(tuple), st.booleans(),
    )  # fmt: skip


def overlaps(page: Page) -> list[tuple[str, str]]:
    """Texts that lie on each other, on a number, or beside the page."""
    texts = [words for row in page.rows for words in row.words if words.text]
    found = [(a.text, b.text) for a, b in combinations(texts, 2) if a.box.meets(b.box)]
    for row in page.rows:
        x = page.lanes[row.message.source]
        number = Box(x - NUMBER, row.y - NUMBER, x + NUMBER, row.y + NUMBER)
        found += [(words.text, "a number") for words in texts if words.box.meets(number)]
    whole = Box(0, 0, page.width, page.height)
    corners = [(words, words.box) for words in texts]
    found += [
        (words.text, "the edge")
        for words, b in corners
        if not (whole.holds(b.left, b.top) and whole.holds(b.right, b.bottom))
    ]
    return found


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_nothing_overlaps_in_a_flow(flow) -> None:
    assert overlaps(place(flow.sequence)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([ONE, THREE, FOUR]).flatmap(
        lambda lanes: st.tuples(st.just(lanes), st.lists(messages(lanes), max_size=5))
    )
)
def test_nothing_overlaps_whatever_is_said(drawn) -> None:
    lanes, said = drawn

    assert overlaps(place(Sequence("Any", lanes, tuple(said)))) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(messages(THREE), max_size=4), WORDS)
def test_whatever_is_said_the_picture_can_be_read(said, title) -> None:
    root = ElementTree.fromstring(render(Sequence(title, THREE, tuple(said))))

    assert len([group for group in root.iter(f"{NS}g") if group.get("data-message")]) == len(said)


def test_messages_read_back_are_those_of_the_sequence() -> None:
    for flow in FLOWS:
        root = ElementTree.fromstring(render(flow.sequence))
        found = [
            (group.get("data-from"), group.get("data-to"), group.get("data-band"))
            for group in root.iter(f"{NS}g") if group.get("data-message")
        ]  # fmt: skip

        assert found == [(one.source, one.target, one.band) for one in flow.sequence.messages]


def test_what_is_cut_is_there_in_full_for_who_points_at_it() -> None:
    long = "GET /" + "x" * 200
    root = ElementTree.fromstring(render(Sequence("Long", THREE, (Message("app", "provider", long),))))

    assert any((title.text or "").startswith(long) for title in root.iter(f"{NS}title"))
    assert not any((text.text or "").startswith(long) for text in root.iter(f"{NS}text"))


def test_a_failed_message_is_red_and_says_why() -> None:
    failed = Message("provider", "app", "400", reply=True, failed=True, checks=(Check("iss", False, "a", "b"),))
    text = render(Sequence("Failed", THREE, (failed,)))

    assert ">iss<" in text
    assert "expected a" in text
    assert 'stroke="#dc2626"' in text


def test_a_hostile_text_is_only_text() -> None:
    hostile = Message("app", "provider", "</text><script>alert(1)</script>", ("\x1b[31m\u202e\x00",))
    root = ElementTree.fromstring(render(Sequence("Hostile", THREE, (hostile,))))

    assert not list(root.iter(f"{NS}script"))
    assert "\u202e" not in render(Sequence("Hostile", THREE, (hostile,)))


def test_a_long_conversation_says_again_whose_lane_is_whose() -> None:
    page = place(Sequence("t", THREE, tuple(Message("app", "provider", f"GET /{at}") for at in range(200))))

    assert len(page.heads) > 4
    assert all(b - a < AGAIN + 200 for a, b in zip(page.heads, [*page.heads[1:], page.height], strict=True))
    for top in page.heads:
        assert not [row for row in page.rows if row.top < top + HEAD and top < row.bottom]
    assert overlaps(page) == []

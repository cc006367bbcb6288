"""Which transitions were taken: counted from a manager, added up, drawn on the chart."""

from __future__ import annotations

import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

from authflow import SessionManager
from authflow.chart import CHART, State, Trigger
from authflow.diagrams.arrows import Edge, edges
from authflow.diagrams.coverage import TransitionCounter, render, summary, table
from authflow.diagrams.svg import heat_of
from authflow.errors import InvalidCall, NotSupported
from authflow.providers import GitHub
from authflow.testing import signed_in

NS = "{http://www.w3.org/2000/svg}"
LOGIN = Edge(State.EXCHANGING, Trigger.AUTHENTICATE, State.AUTHENTICATED)
RESTORE = Edge(State.IDLE, Trigger.RESTORE, State.AUTHENTICATED)
LOGOUT = Edge(State.AUTHENTICATED, Trigger.LOGOUT, State.LOGGED_OUT)
SOME = {LOGIN: 7, LOGOUT: 1}


def test_a_counter_counts_what_a_manager_does() -> None:
    counter = TransitionCounter()
    with SessionManager([GitHub("id", "secret")]) as manager:
        manager.on_transition.connect(counter)
        signed_in(manager, "github", user={"id": 1})
        manager["github"].logout(revoke=False)

    assert counter.counts[LOGOUT] == 1
    assert sum(counter.counts.values()) >= 2
    assert LOGOUT not in counter.missed


def test_what_is_no_transition_is_not_counted() -> None:
    counter = TransitionCounter()
    with SessionManager([GitHub("id", "secret")]) as manager:
        manager.on_transition.connect(counter, replay=True)

    assert counter.counts == {}


def test_threads_lose_no_count() -> None:
    counter = TransitionCounter()
    with SessionManager([GitHub("id", "secret")]) as manager:
        events: list[object] = []
        manager.on_transition.connect(lambda session, event: events.append(event))
        signed_in(manager, "github", user={"id": 1})
    threads = [threading.Thread(target=lambda: [counter.count(events[0]) for _ in range(500)]) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sum(counter.counts.values()) == 2000


def test_counts_go_through_json_and_are_added_up() -> None:
    text = TransitionCounter(SOME).to_json()

    assert TransitionCounter.from_json(text).counts == SOME
    assert TransitionCounter.from_json(text, text).counts == {edge: 2 * count for edge, count in SOME.items()}


@pytest.mark.parametrize("text", ["", "{}", '[{"source": "nowhere"}]', "\ud800"])
def test_what_is_no_coverage_is_refused(text: str) -> None:
    with pytest.raises(InvalidCall, match="no coverage"):
        TransitionCounter.from_json(text)


def test_the_text_names_every_transition() -> None:
    lines = table(SOME).splitlines()

    assert len(lines) == len(edges(CHART)) + 2
    assert lines[-1] == f"{summary(SOME)}." == f"2 of {len(edges(CHART))} transitions taken."
    assert [line.split()[-1] for line in lines if "  authenticate " in line] == ["7"]


def test_the_picture_shows_every_count_and_what_nobody_took() -> None:
    root = ElementTree.fromstring(render(SOME))
    counts = [group.get("data-count") for group in root.iter(f"{NS}g") if group.get("data-count")]
    dotted = [
        group.get("data-edge") for group in root.iter(f"{NS}g")
        if group.get("data-edge") and any(path.get("stroke-dasharray") == "2 4" for path in group.iter(f"{NS}path"))
    ]  # fmt: skip

    assert sorted(counts) == sorted([*["0"] * (len(edges(CHART)) - 2), "7", "1"])
    assert len(counts) == len(edges(CHART))
    assert "authenticate" not in dotted
    assert "forget" in dotted


def test_the_more_often_the_darker() -> None:
    heats = [heat_of(count, 1000) for count in (0, 1, 10, 100, 1000)]

    assert heats == ["missed", "heat-1", "heat-2", "heat-4", "heat-5"]
    assert heat_of(1, 1) == "heat-1"


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<svg "), ("a.png", b"\x89PNG"), ("a.json", b"["), ("a.txt", b"idle")]
)
def test_the_names_end_says_the_format(tmp_path: Path, name: str, begins: bytes) -> None:
    assert TransitionCounter(SOME).save(tmp_path / name).read_bytes().startswith(begins)


def test_another_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match=r"a\.gif"):
        TransitionCounter().save(tmp_path / "a.gif")

"""The Graphviz text says what the chart says."""

from __future__ import annotations

import re

import pytest

from authflow.chart import CHART, State
from authflow.diagrams.dot import quote, render


def test_states_and_edges_read_back_are_the_charts() -> None:
    text = render()
    found = set()
    for source, target, label in re.findall(r'^    "(\w+)" -> "(\w+)" \[label="([^"]*)"', text, re.M):
        for trigger in label.split("\\n")[0].split(" · "):
            found.add((source, trigger, target))

    assert re.findall(r'^    "(\w+)" \[', text, re.M) == [state.value for state in State]
    assert found == {(source.value, row.trigger, row.target) for row in CHART for source in row.sources}


def test_failures_are_dashed_and_red() -> None:
    (line,) = [line for line in render().splitlines() if '"refreshing" -> "authenticated" [label="defer' in line]

    assert 'color="#dc2626", style="dashed"' in line


def test_the_present_state_has_a_thick_line() -> None:
    lit = [line for line in render(current=State.IDLE).splitlines() if "penwidth" in line]

    assert len(lit) == 1
    assert lit[0].startswith('    "idle" [')


@pytest.mark.parametrize(("text", "quoted"), [('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("a\nb", '"a\\nb"')])
def test_a_string_is_quoted(text: str, quoted: str) -> None:
    assert quote(text) == quoted

"""The Mermaid text says what the chart says, and nothing that Mermaid would read as its own."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from authflow.chart import CHART, State
from authflow.diagrams.mermaid import escape, render


def edges(text: str) -> set[tuple[str, str, str]]:
    """(source, trigger, target) of every arrow in a Mermaid text."""
    found = set()
    for source, target, label in re.findall(r"^    (\w+) --> (\w+) : (.*)$", text, re.M):
        for trigger in label.split(" / ")[0].split(" · "):
            found.add((source, trigger, target))
    return found


def test_states_and_edges_read_back_are_the_charts() -> None:
    text = render()

    assert re.findall(r'^    state "(\w+)" as \1$', text, re.M) == [state.value for state in State]
    assert edges(text) == {(source.value, row.trigger, row.target) for row in CHART for source in row.sources}


def test_a_signal_stands_beside_its_triggers() -> None:
    assert "authorizing --> idle : fail · cancel · time_out / on_login_failed\n" in render()


def test_a_login_starts_in_idle() -> None:
    assert "    [*] --> idle\n" in render()


def test_the_title_is_front_matter() -> None:
    lines = render(title='He said: "no" # never').splitlines()

    assert (lines[0], lines[2]) == ("---", "---")
    assert json.loads(lines[1].removeprefix("title: ")) == 'He said: "no" # never'


def test_the_present_state_is_lit() -> None:
    text = render(current=State.REFRESHING)

    assert "    class refreshing current\n" in text
    assert text.count(" current\n") == 1


@pytest.mark.parametrize("character", [";", "#", ":", '"', "'", "<", ">", "\n", "[", "]", "{", "}", "|", "%", "`"])
def test_a_character_of_mermaids_own_becomes_an_entity(character: str) -> None:
    escaped = escape(f"a{character}b")

    assert escaped == f"a#{ord(character)};b"
    assert unescape(re.sub(r"#(\d+);", r"&#\1;", escaped)) == f"a{character}b"

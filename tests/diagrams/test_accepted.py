"""Real readers accept what is drawn: Mermaid itself, and Graphviz."""

from __future__ import annotations

import shutil
import subprocess

import mermaidx
import pytest

from authflow.chart import CHART, State
from authflow.diagrams import draw
from authflow.diagrams.sequence import Check, Lane, Message, Sequence, mermaid
from authflow.diagrams.write import render_all

TEXTS = {path: content.decode() for path, content in render_all().items() if path.endswith(".mmd")}
# Presets whose charts differ in nothing but their titles are one text to Mermaid.
DISTINCT = {text.split("---\n", 2)[2]: path for path, text in TEXTS.items()}


def accepted(text: str) -> str:
    """What Mermaid draws; raises when it does not understand."""
    return str(mermaidx.render(text).svg())


@pytest.mark.parametrize("path", sorted(DISTINCT.values()))
def test_mermaid_accepts_it(path: str) -> None:
    assert accepted(TEXTS[path]).startswith("<svg")


def test_mermaid_refuses_what_is_wrong() -> None:
    with pytest.raises(RuntimeError):
        accepted("stateDiagram-v2\n    a --> --> b\n")


def test_mermaid_shows_a_hostile_text_as_text() -> None:
    hostile = "end; <script>alert(1)</script> #quot; %% `x` \"q\" : \n\x1b[31m {{}} ]]>"
    lanes = (Lane("app", hostile), Lane("provider", "Provider"))
    said = Message("app", "provider", hostile, (hostile,), checks=(Check(hostile, False, hostile, hostile),))
    drawn = accepted(mermaid(Sequence(hostile, lanes, (said, Message("app", "app", "end")))))

    assert "<script" not in drawn
    assert "alert(1)" in drawn


@pytest.mark.parametrize("state", [None, *State])
def test_graphviz_accepts_it(state: State | None) -> None:
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("Graphviz is needed: apt-get install graphviz")
    drawn = subprocess.run([dot, "-Tplain"], input=draw("dot", state=state), capture_output=True, text=True, check=True)
    edges = [line.split()[1:3] for line in drawn.stdout.splitlines() if line.startswith("edge ")]

    assert {(source, target) for source, target in edges if source != "start"} == {
        (source.value, row.target.value) for row in CHART for source in row.sources
    }

"""What changed between two charts is read from their drawings, whatever form they have."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from authflow.chart import CHART, Trigger
from authflow.diagrams import draw
from authflow.diagrams.compare import compare, read_chart
from authflow.errors import InvalidCall

DIAGRAMS = Path(__file__).parents[2] / "diagrams"
FORMS = ("svg", "mermaid", "dot")
WITHOUT_FORGET = CHART[:-1]
OTHER_SIGNAL = tuple(row._replace(emits="on_login") if row.trigger is Trigger.RESTORE else row for row in CHART)


@pytest.mark.parametrize("form", FORMS)
def test_a_drawing_read_back_is_the_chart(form: str) -> None:
    assert read_chart(draw(form)) == {
        (source.value, row.trigger.value, row.target.value): row.emits or ""
        for row in CHART for source in row.sources
    }  # fmt: skip


@pytest.mark.parametrize(("old", "new"), list(product(FORMS, FORMS)))
def test_the_same_chart_is_no_change_in_any_two_forms(old: str, new: str) -> None:
    assert compare(draw(old), draw(new)) == ()


@pytest.mark.parametrize("form", FORMS)
def test_what_came_and_what_went_is_told(form: str) -> None:
    less, more = draw(form, chart=WITHOUT_FORGET), draw(form)

    assert [str(one) for one in compare(less, more)] == ["- added: `forget`, logged_out → idle"]
    assert [str(one) for one in compare(more, less)] == ["- removed: `forget`, logged_out → idle"]


@pytest.mark.parametrize("form", FORMS)
def test_another_signal_is_a_change(form: str) -> None:
    told = [str(one) for one in compare(draw(form), draw(form, chart=OTHER_SIGNAL))]

    assert "- changed: `restore`, idle → authenticated: on_restore → on_login" in told
    assert len(told) == 3


@pytest.mark.parametrize("text", ["", "<svg", "<svg></svg>", "# a page", "stateDiagram-v2\n", "digraph {}"])
def test_what_is_no_chart_is_refused(text: str) -> None:
    with pytest.raises(InvalidCall, match="no drawing of a chart"):
        read_chart(text)


def test_the_drawings_that_the_refusal_names_are_there() -> None:
    with pytest.raises(InvalidCall) as caught:
        read_chart("")
    named = re.findall(r"chart[a-z-]*\.[a-z]+", caught.value.hint)
    assert named == ["chart.mmd", "chart.dot", "chart-light.svg", "chart-dark.svg"]
    for name in named:
        assert read_chart((DIAGRAMS / name).read_text())

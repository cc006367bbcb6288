"""A real notebook is executed: a session shows itself as its chart, a trace as what happened, and neither a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from authflow import SessionManager, State
from authflow.diagrams import draw
from authflow.providers import GitHub
from authflow.testing import signed_in

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"
SECONDS = 60


def shown(cell: Any) -> str:
    """The SVG that a cell ends with."""
    (output,) = [one for one in cell.outputs if one.output_type == "execute_result"]
    return str(output.data["image/svg+xml"])


@pytest.fixture(scope="module")
def executed() -> list[Any]:
    pytest.importorskip("ipykernel", reason="pip install -e '.[notebook]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[notebook]'")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_session_in_a_notebook_shows_where_it_is(executed: list[Any]) -> None:
    before, after, _, ended, _ = executed
    pictures = [shown(cell) for cell in (before, after, ended)]
    assert all(picture.startswith("<svg") for picture in pictures)
    for picture, state in zip(pictures, (State.IDLE, State.AUTHENTICATED, State.LOGGED_OUT), strict=True):
        name = re.findall(r' id="(s[0-9a-f]{8})', picture)[0]
        assert picture == draw("svg", state=state, title="A login at Dev Provider", theme="auto", id=name)


def test_a_trace_in_a_notebook_shows_what_happened(executed: list[Any]) -> None:
    svg = shown(executed[2])
    assert svg.startswith("<svg")
    assert "POST /token" in svg
    assert "on_login" in svg
    assert "•••" in svg


def test_drawings_of_one_notebook_do_not_share_their_ids(executed: list[Any]) -> None:
    ids = [set(re.findall(r' id="([^"]+)"', shown(executed[at]))) for at in (1, 2)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_a_session_and_a_trace_have_the_forms_that_a_notebook_asks_for() -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        session = manager["github"]
        assert "idle" in session._repr_svg_()
        signed_in(manager, "github", user={"id": 1})
        assert session._repr_svg_() == session._repr_svg_()
        assert "A login at GitHub" in session._repr_svg_()

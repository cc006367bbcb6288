"""A real notebook is executed: a session shows itself as its chart, a trace as what happened, and neither a secret."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from authflow import SessionManager, State
from authflow.diagrams import draw
from authflow.providers import GitHub
from authflow.testing import signed_in
from authflow.trace.story import Trace
from tests.diagrams.opened import opened
from tests.trace.examples import FAILED_LOGIN

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"
SECONDS = 60


def shown(cell: Any) -> str:
    """The SVG that a cell ends with."""
    return str(result(cell)["image/svg+xml"])


def result(cell: Any) -> Any:
    """All forms of what a cell ends with."""
    (output,) = [one for one in cell.outputs if one.output_type == "execute_result"]
    return output.data


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


def test_a_page_of_it_shows_the_drawing_as_an_image_with_a_sentence_below(executed: list[Any]) -> None:
    """An image, for of a notebook that is opened again Jupyter shows no SVG."""
    said = ["Dev Provider: idle;", "Dev Provider: authenticated", "A login at Dev Provider: authenticated, in "]
    for at, sentence in enumerate(said):
        html = str(result(executed[at])["text/html"])
        source = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', html)
        caption = re.findall("<figcaption>(.*)</figcaption>", html)
        assert len(source) == 1
        assert base64.b64decode(source[0]).startswith(b"<svg ")
        assert sentence in caption[0]
        assert "<svg" not in html


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_in_the_readers_colours_and_asks_for_nothing(
    executed: list[Any], chromium: Any, tmp_path: Path, scheme: str
) -> None:
    page = tmp_path / "notebook.html"
    outputs = "".join(str(result(executed[at])["text/html"]) for at in (1, 2))
    page.write_text(f'<!doctype html><meta charset="utf-8"><title>A notebook</title>{outputs}', encoding="utf-8")

    async def use(shown: Any) -> Any:
        await shown.locator("img").last.screenshot()
        return await shown.evaluate(
            """() => [...document.images].map(image => {
              const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
              pen.drawImage(image, 0, 0);
              return [image.complete, image.naturalWidth > 500, pen.getImageData(3, 3, 1, 1).data[0] > 128,
                image.getBoundingClientRect().right <= innerWidth];
            })"""
        )

    seen = opened(chromium, page, use, scheme=scheme, wide=700)
    assert seen.result == [[True, True, scheme == "light", True]] * 2
    assert ([one for one in seen.requests if not one.startswith("data:")], seen.errors) == ([], [])


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
        assert session.explain() in session._repr_html_()
    assert "failed, in 2.43 s. The ID token&#x27;s nonce is not that of this login." in FAILED_LOGIN._repr_html_()
    assert "Nothing was recorded." in Trace()._repr_html_()

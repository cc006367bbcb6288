"""A PNG is the same on every machine, and says which drawing it was made from."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from authflow.diagrams import draw
from authflow.diagrams.png import drawn_from, render
from authflow.errors import ConfigurationError

FOLDER = Path(__file__).parents[2] / "diagrams"


def test_the_text_in_it_does_not_come_from_the_systems_fonts() -> None:
    bare = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20" font-family="Arial, sans-serif">{}</svg>'

    assert render(bare.format('<text x="2" y="15">login</text>')) != render(bare.format(""))


def test_it_is_twice_as_large_as_the_drawing() -> None:
    png = draw("png")

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (2744, 1100)


def test_the_committed_picture_is_what_is_drawn_here() -> None:
    svg = (FOLDER / "chart-light.svg").read_text(encoding="utf-8")
    committed = (FOLDER / "chart.png").read_bytes()

    assert drawn_from(committed, svg)
    assert hashlib.sha256(render(svg)).hexdigest() == hashlib.sha256(committed).hexdigest()


def test_it_tells_from_which_drawing_it_was_made() -> None:
    svg = draw("svg")
    png = render(svg)

    assert drawn_from(png, svg)
    assert not drawn_from(png, svg + " ")
    assert not drawn_from(b"", svg)


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)

    with pytest.raises(ConfigurationError, match="resvg_py") as raised:
        draw("png")
    assert raised.value.hint == "pip install 'authflow-sessions[png]'"

"""The files of the folder `diagrams/`: what is in them, and whether they are what they should be.

They are generated and committed, so that a change to the chart shows its picture in the same change.

Rule: the same chart, flows and providers give the same bytes. The one picture that needs an extra to be drawn (the
PNG) carries the hash of the drawing that it was made from, so that it can be checked without the extra.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..chart import CHART, Row
from . import dot, lanes, mermaid, png, sequence, svg
from .abilities import abilities, chart_of
from .flows import FLOWS, Flow
from .index import index_page, index_readme
from .presets import presets

TITLE: Final = "A login, as authflow sees it"
PICTURE: Final = "chart.png"


def render_all(chart: tuple[Row, ...] = CHART) -> dict[str, bytes]:
    """Every file of the folder but the PNG, by its path in it."""
    texts = {
        "chart.mmd": mermaid.render(chart, title=TITLE),
        "chart.dot": dot.render(chart, title=TITLE),
        "chart-light.svg": _light(chart),
        "chart-dark.svg": svg.render(chart, theme="dark", title=TITLE, id="authflow-dark"),
    }
    for flow in FLOWS:
        texts[f"flows/{flow.name}.mmd"] = sequence.mermaid(flow.sequence)
        texts[f"flows/{flow.name}.svg"] = _flow(flow)
    for provider in presets():
        own, title = chart_of(provider, chart), f"A login at {provider.label}"
        texts[f"providers/{provider.name}.mmd"] = mermaid.render(own, title=title)
        texts[f"providers/{provider.name}.svg"] = svg.render(
            own, theme="auto", title=title, id=f"chart-{_id(provider.name)}", notes=abilities(provider)
        )
    texts["README.md"] = index_readme(chart, FLOWS, presets())
    texts["index.html"] = index_page(chart, FLOWS, presets())
    return {path: text.encode() for path, text in texts.items()}


def write(folder: Path, chart: tuple[Row, ...] = CHART) -> list[str]:
    """Writes what is missing or different; returns those paths. Raises `OSError` where it cannot write,
    `ConfigurationError` when the PNG is to be drawn and the extra `png` is missing."""
    stale = check(folder, chart)
    files = render_all(chart)
    for path in stale:
        content = png.render(_light(chart)) if path == PICTURE else files[path]
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return stale


def check(folder: Path, chart: tuple[Row, ...] = CHART) -> list[str]:
    """The paths whose bytes are not those of the chart; a missing file is one of them. Nothing is written."""
    stale = [path for path, content in render_all(chart).items() if _read(folder / path) != content]
    return stale if png.drawn_from(_read(folder / PICTURE) or b"", _light(chart)) else [*stale, PICTURE]


def strangers(folder: Path, chart: tuple[Row, ...] = CHART) -> list[str]:
    """Drawings in the folder that belong to nothing any more."""
    known = {*render_all(chart), PICTURE}
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if path not in known)


def _light(chart: tuple[Row, ...]) -> str:
    return svg.render(chart, theme="light", title=TITLE, id="authflow-light")


def _flow(flow: Flow) -> str:
    return lanes.render(flow.sequence, theme="auto", id=f"flow-{flow.name}")


def _id(name: str) -> str:
    return "".join(ch if ch.isalnum() else "-" for ch in name)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None

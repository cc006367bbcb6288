"""A real login, recorded and drawn: what is drawn happened, and no secret of it is in any drawing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from authflow import SessionManager
from authflow.diagrams import traced
from authflow.diagrams.exports import EXPORTS, export
from authflow.testing import DevProvider, ScriptedBrowser
from authflow.trace.story import Trace

from .opened import opened

LONG_ENOUGH = 12  # letters: a shorter piece of a secret may stand in any text


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[DevProvider, Trace]]:
    with (
        DevProvider(label="Acme", auto="ada").serve() as dev,
        SessionManager([dev.settings("acme")], single_user=True) as manager,
        ScriptedBrowser("ada") as browser,
    ):
        session = manager["acme"]
        session.login(open_url=browser)
        session.refresh()
        session.logout()
        yield dev, session.trace


def test_each_story_is_drawn_to_its_end(recorded) -> None:
    _, trace = recorded
    drawn = {story.kind: traced.draw(story) for story in trace.stories}

    assert [edge.trigger for edge in drawn["login"].path] == ["authorize", "callback", "authenticate"]
    assert [edge.trigger for edge in drawn["refresh"].path] == ["refresh", "refreshed"]
    assert [edge.trigger for edge in drawn["logout"].path] == ["logout"]
    assert [lane.key for lane in drawn["login"].sequence.lanes] == ["browser", "application", "provider"]


@pytest.mark.parametrize("format", [name for name in EXPORTS if name != "png"])
def test_no_secret_is_in_any_drawing(recorded, format: str) -> None:
    dev, trace = recorded
    text = str(export(trace, format))
    pieces = {
        secret[at : at + LONG_ENOUGH]
        for secret in dev.secrets
        for at in range(max(1, len(secret) - LONG_ENOUGH + 1))
        if len(secret) >= LONG_ENOUGH
    }

    assert len(pieces) > 100
    assert [piece for piece in pieces if piece in text] == []


def test_its_page_asks_nobody(recorded, chromium, tmp_path: Path) -> None:
    async def use(page) -> int:
        return await page.locator("article").count()

    seen = opened(chromium, recorded[1].save(tmp_path / "session.html"), use)

    assert (seen.requests, seen.errors, seen.result) == ([], [], 3)

"""oidcc-client-basic-certification-test-plan, and the same by form_post."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.conftest import Stage

from .suite import BASIC, named, play

MODES: dict[str, dict[str, Any]] = {"query": {}, "form_post": {"response_mode": "form_post"}}


@pytest.mark.parametrize("settings", MODES.values(), ids=MODES)
@pytest.mark.parametrize("name", named(BASIC))
async def test_module(stage: Stage, name: str, settings: dict[str, Any]) -> None:
    await play(name, stage, **settings)

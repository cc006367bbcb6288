"""The last traces of the command, in the user's own state folder: readable by nobody else, and only so many."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..trace.story import Trace
from .workspace import state_folder

MOST_KEPT: Final = 20


def folder() -> Path:
    """Where they are."""
    return state_folder() / "traces"


def keep(trace: Trace | None) -> Path | None:
    """Writes a trace as JSON, mode 0600, and drops the oldest of too many. None: there was none, or no place for it."""
    if trace is None or not trace.stories:
        return None
    place = folder()
    began = datetime.fromtimestamp(trace.stories[-1].began, UTC).strftime("%Y%m%dT%H%M%S.%f")
    path = place / f"{began}-{secrets.token_hex(2)}.json"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(trace.to_json().encode())
    except OSError:
        return None
    for old in kept()[:-MOST_KEPT]:
        with suppress(OSError):
            old.unlink()
    return path


def kept() -> list[Path]:
    """The files, the oldest first."""
    return sorted(folder().glob("*.json"))

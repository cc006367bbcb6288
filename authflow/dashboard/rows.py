"""One session as the page gets it: the row of `authflow.overview`, and what only the page asks beside that.

Rule: nothing here asks a provider; it may read the store.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..chart import State
from ..overview import row_of
from ..reading import ReadableSession
from ..snapshot import snapshot_of


def page_row(session: ReadableSession) -> dict[str, Any]:
    """The row as JSON types. `ahead`: its token is renewed without anybody asking."""
    row: dict[str, Any] = msgspec.to_builtins(row_of(snapshot_of(session)))
    return {**row, "ahead": session._house.fresh_ahead}


def is_shown(row: dict[str, Any]) -> bool:
    """A visitor of a web application who never signed in is no row."""
    return not row["owner"] or row["state"] != State.IDLE.value or not row["readable"]

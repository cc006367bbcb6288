"""One session as the page gets it: the row of `authflow.overview`, as JSON has it.

Rule: nothing here asks a provider; it may read the store.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..chart import State
from ..overview import row_of_session
from ..reading import ReadableSession


def page_row(session: ReadableSession) -> dict[str, Any]:
    """The row as JSON types."""
    row: dict[str, Any] = msgspec.to_builtins(row_of_session(session))
    return row


def is_shown(row: dict[str, Any]) -> bool:
    """A visitor of a web application who never signed in is no row."""
    return not row["owner"] or row["state"] != State.IDLE.value or not row["readable"]

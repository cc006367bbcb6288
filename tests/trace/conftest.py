"""The world of the session tests, in both colours."""

from __future__ import annotations

from tests.session.conftest import colour, world

__all__ = ["colour", "world"]

"""The stage of the security tests serves here too: a lying provider, both colours, and a canary. Where time must pass,
it is the world of the logins."""

from __future__ import annotations

from tests.logins.conftest import _served, served, world
from tests.security.conftest import canary, colour, dev, provider, stage

__all__ = ["_served", "canary", "colour", "dev", "provider", "served", "stage", "world"]

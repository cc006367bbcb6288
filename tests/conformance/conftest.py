"""The stage of the security tests serves here too: a lying provider, both colours, and a canary."""

from __future__ import annotations

from tests.security.conftest import canary, colour, dev, provider, stage

__all__ = ["canary", "colour", "dev", "provider", "stage"]

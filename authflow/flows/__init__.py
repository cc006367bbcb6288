"""Conversations with a provider, made of the pure steps in `protocol/`: discover, exchange, refresh, revoke.

Each is a generator that yields `httpx.Request` and gets `httpx.Response`; a driver throws a `WireError` into
it when no answer came. Nothing here knows a chart, a session or a clock.
"""

from __future__ import annotations

from .asking import UNAVAILABLE, ask, ask_as_client, ask_for_tokens
from .directory import Directory, discover, fetch_metadata, with_keys
from .profile import fetch_profile, profile_of_claims
from .signed import logout_claims, verified_claims
from .tokens import TokensRefused, accept, exchange, introspect, refresh, revoke

__all__ = [
    "UNAVAILABLE", "Directory", "TokensRefused", "accept", "ask", "ask_as_client", "ask_for_tokens", "discover",
    "exchange", "fetch_metadata", "fetch_profile", "introspect", "logout_claims", "profile_of_claims", "refresh",
    "revoke", "verified_claims", "with_keys",
]  # fmt: skip

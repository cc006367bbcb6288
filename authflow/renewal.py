"""When a token is renewed, and what a failed renewal means. Pure: now and randomness come in.

Rule 1: a token is renewed before it dies, each process at its own moment, never more than a fifth of its
        life too early.
Rule 2: only the provider's clear word (`invalid_grant`) makes a refresh token dead. Being offline, a 5xx, a
        wrong configuration: the session lives on and says why.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from .errors import (
    AuthflowError,
    ConfigurationError,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    OAuthError,
    Recovery,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from .records import SessionRecord

FOREVER: Final = float("inf")
LONGEST_PAUSE: Final = 300.0


def renew_at(record: SessionRecord, jitter: float = 0.0) -> float:
    """When the present token should be renewed (seconds since the epoch); infinity if it never dies.

    The margin before the end is 10 % of the lifetime, between 30 s and 5 min, never more than a fifth of
    the lifetime. `jitter` (0 to 1) takes up to a fifth of the margin away, so that many processes do not
    come at once. A server's `refresh_in` wins.
    """
    token = record.token
    if token is None or token.expires_at is None:
        return FOREVER
    if record.refresh_at is not None and record.refresh_at < token.expires_at:
        return record.refresh_at
    lifetime = token.expires_in if token.expires_in and token.expires_in > 0 else 0.0
    margin = min(max(0.1 * lifetime, 30.0), 300.0, 0.2 * lifetime)
    return token.expires_at - margin * (1.0 - 0.2 * jitter)


def pause(failures: int, jitter: float, retry_after: float | None) -> float:
    """Seconds until the next try: full jitter over 1 s · 2ⁿ, at most 5 min; `Retry-After` is a floor, capped."""
    ceiling = min(LONGEST_PAUSE, 2.0 ** min(failures, 12))
    floor = 0.0 if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
    return max(floor, ceiling * jitter)


class Verdict(StrEnum):
    """What a failed renewal means for the session."""

    TRY_LATER = "try_later"  # the wire, a 5xx, 429: back off, the session lives on
    SIGN_IN_AGAIN = "sign_in_again"  # the refresh token is dead: the session lives as long as its access token
    PAUSE = "pause"  # a configuration error: the session is kept, renewing waits for the remedy


class Judgement(NamedTuple):
    """The verdict, and whether the provider's answer was clear (its error was parsed)."""

    verdict: Verdict
    clear: bool


_CONFIGURATION: Final = (InvalidClient, UnauthorizedClient, UnsupportedGrantType, InvalidScope, ConfigurationError)


def judge(error: AuthflowError) -> Judgement:
    """Classifies a failed renewal (RFC 6749 §5.2)."""
    if isinstance(error, InvalidGrant) or error.recovery is Recovery.SIGN_IN_AGAIN:
        return Judgement(Verdict.SIGN_IN_AGAIN, True)
    if isinstance(error, _CONFIGURATION) or error.recovery is Recovery.FIX_CONFIGURATION:
        return Judgement(Verdict.PAUSE, True)
    return Judgement(Verdict.TRY_LATER, isinstance(error, OAuthError))

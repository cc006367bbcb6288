"""Sessions that are live without a provider, for what needs no network."""

from __future__ import annotations

import time

import msgspec

from authflow import SessionManager, Token
from authflow.chart import Trigger
from authflow.core import SessionCore
from authflow.engine import Facts, Tokens
from authflow.providers import OpenIDConnect
from authflow.records import Profile

PROVIDER = OpenIDConnect("https://op.example", "client", "client-secret", name="op")


def tokens(number: int = 0, now: float | None = None) -> Tokens:
    """What a typical provider gives: 900-byte JWTs, a short refresh token, a profile."""
    now = time.time() if now is None else now
    user = f"user-{number}"
    profile = Profile(id=user, name="Ada", email=f"{user}@example.com", data={"sub": user, "groups": ["a", "b"]})
    claims = {"iss": "https://op.example", "sub": user, "aud": "client", "exp": now + 3600, "iat": now}
    return Tokens(
        token=Token(
            access_token=f"{number:012d}" + "a" * 880,
            scope=("openid", "profile", "email"),
            refresh_token=f"{number:012d}" + "r" * 60,
            id_token=f"{number:012d}" + "i" * 880,
            expires_in=3600.0,
            expires_at=now + 3600.0,
        ),
        issuer="https://op.example",
        subject=user,
        claims=msgspec.json.encode(claims),
        profile=msgspec.json.encode(profile),
    )


def make_live(session: SessionCore, number: int = 0) -> None:
    session._run.ledger.load()
    session._run.ledger.commit(Trigger.RESTORE, Facts(now=time.time(), tokens=tokens(number)))


def strings(number: int) -> tuple[str, ...]:
    """The same secrets and words, and nothing around them."""
    token, user = tokens(number).token, f"user-{number}"
    return token.access_token, token.refresh_token or "", token.id_token or "", user, f"{user}@example.com"


def manager() -> SessionManager:
    return SessionManager([PROVIDER])

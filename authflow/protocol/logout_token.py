"""A provider's word that somebody signed out: logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6).

Rule: a logout token is no ID token and must not pass for one, nor an ID token for it: its own type, its own event,
no nonce. It is believed for ten minutes, so that a memory of ten minutes is enough to know a second use of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import Phase, ValidationFailed
from .jwks import Key
from .jwt import (
    audiences,
    check_audience,
    check_header,
    check_issuer,
    check_times,
    failed,
    moment,
    read_segments,
    verify_signature,
)
from .messages import ServerMetadata

if TYPE_CHECKING:
    from ..providers.base import Provider

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
TYP: Final = "logout+jwt"
BELIEVED_SECONDS: Final = 600.0
LONGEST_NAME: Final = 255  # characters of sub, sid and jti

_WHAT = "logout token"


class LogoutToken(msgspec.Struct, frozen=True):
    """Who signed out: everybody's session of `sub`, or the one that the provider calls `sid`."""

    issuer: str
    jti: str
    sub: str | None = None
    sid: str | None = None


def addressees(logout_token: object) -> tuple[str, set[str]]:
    """The issuer and the audiences that a logout token names, not yet to be believed: whose keys to try.

    Raises `ValidationFailed` for what is no token.
    """
    try:
        _, claims = read_segments(logout_token, _WHAT)
    except ValidationFailed as error:
        raise at_logout(error) from None
    iss = claims.get("iss")
    if not isinstance(iss, str):
        raise at_logout(failed("iss", "The logout token does not say where it comes from."))
    return iss, audiences(claims)


def verify_logout_token(
    provider: Provider, metadata: ServerMetadata, keys: Sequence[Key], logout_token: object, *, now: float
) -> LogoutToken:
    """What a logout token says, once every check of §2.6 has passed, save whether it was used before.

    Raises `ValidationFailed`, or `UnknownKey` when none of `keys` fits.
    """
    header, claims = read_segments(logout_token, _WHAT)
    alg = check_header(provider, header, _WHAT, TYP)
    verify_signature(provider, keys, str(logout_token), header, alg, _WHAT)

    check_issuer(provider, metadata, claims, _WHAT)
    check_audience(provider, claims, _WHAT)
    check_times(claims, now=now, leeway=provider.leeway, what=_WHAT)
    if moment(claims, "iat", _WHAT) + BELIEVED_SECONDS + provider.leeway <= now:
        raise failed("iat", "The logout token is more than ten minutes old.", "Check this machine's clock.")
    if "nonce" in claims:
        raise failed("nonce", "The logout token has a nonce, so it is an ID token.")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise failed("events", "The token does not say that somebody signed out.")

    sub, sid, jti = (_name(claims.get(name), name) for name in ("sub", "sid", "jti"))
    if jti is None:
        raise failed("jti", "The logout token has no jti, so nobody could tell a second use of it.")
    if sub is None and sid is None:
        raise failed("sub", "The logout token does not say who signed out.")
    return LogoutToken(issuer=str(claims["iss"]), jti=jti, sub=sub, sid=sid)


def at_logout(error: ValidationFailed) -> ValidationFailed:
    """The same refusal, told as one of a logout."""
    error.add_facts(phase=Phase.LOGOUT)
    return error


def _name(value: object, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise failed(name, f"The logout token's {name} is no text of 1 to {LONGEST_NAME} characters.")
    return value

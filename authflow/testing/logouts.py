"""The development provider tells its clients that somebody signed out, in both ways that OpenID Connect has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..errors import ConfigurationError
from .grants import Grant, random_secret

if TYPE_CHECKING:
    from .dev_provider import DevProvider

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_SECONDS = 120
SEND_SECONDS = 5.0


def build_logout_token(provider: DevProvider, login: str, client_id: str, by: str) -> str:
    """OpenID Connect Back-Channel Logout 1.0 §2.4, signed; told as `tamper` says."""
    return _sign(provider, last_grant(provider, login, client_id), by)


def send_logout_tokens(provider: DevProvider, login: str) -> list[int]:
    """§2.5: one POST to each client and browser session. Nothing that a client answers changes anything here."""
    import httpx

    grants = provider.grants.living(provider.known_user(login).login)
    told = {(grant.client_id, grant.sid): grant for grant in grants}
    provider.end_browser_sessions({grant.sid for grant in grants})
    statuses = []
    with httpx.Client(trust_env=False, timeout=SEND_SECONDS) as http:
        for grant in told.values():
            uri = provider.clients[grant.client_id].backchannel_logout_uri
            if uri:
                form = {"logout_token": _sign(provider, grant, "sid")}
                statuses.append(http.post(uri, data=form).status_code)
    return statuses


def build_front_channel_url(provider: DevProvider, login: str, client_id: str) -> str:
    """OpenID Connect Front-Channel Logout 1.0 §2, with iss and sid."""
    grant = last_grant(provider, login, client_id)
    uri = provider.clients[client_id].frontchannel_logout_uri
    if not uri:
        raise ConfigurationError(
            f"The client {client_id!r} has no frontchannel_logout_uri.", hint="Pass it to provider.client(…)."
        )
    return uri + ("&" if "?" in uri else "?") + urlencode({"iss": provider.issuer, "sid": grant.sid})


def last_grant(provider: DevProvider, login: str, client_id: str) -> Grant:
    grants = provider.grants.living(provider.known_user(login).login, client_id)
    if not grants:
        raise ConfigurationError(f"{login!r} is not signed in to {client_id!r}.", hint="Sign in first.")
    return grants[-1]


def _sign(provider: DevProvider, grant: Grant, by: str) -> str:
    now = int(provider.now())
    claims: dict[str, Any] = {
        "iss": provider.issuer,
        "aud": grant.client_id,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": random_secret(),
        "sub": grant.user.sub,
        "events": {LOGOUT_EVENT: {}},
    }
    if by == "sid":
        claims["sid"] = grant.sid
    claims = provider.tamper.apply("logout_token_claims", claims)
    signed = provider.sign(claims, {"typ": "logout+jwt"}, kind="logout_token")
    told: str = provider.tamper.apply("logout_token", signed)
    return told

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
    """Signs a user out of every browser session, and tells the clients. Gives the statuses of their answers."""
    sids = frozenset(grant.sid for grant in provider.grants.living(provider.known_user(login).login))
    provider.end_browser_sessions(sids)
    return tell_of_logout(provider, sids)


def tell_of_logout(provider: DevProvider, sids: frozenset[str]) -> list[int]:
    """§2.5: one POST for each client and browser session. What a client answers, or that it does not, changes nothing
    here; 0 is told for one that cannot be reached."""
    import httpx

    statuses = []
    for grant in _told(provider, sids):
        uri = provider.clients[grant.client_id].backchannel_logout_uri
        if uri:
            form = {"logout_token": _sign(provider, grant, "sid")}
            try:
                with httpx.Client(trust_env=False, timeout=SEND_SECONDS) as http:
                    statuses.append(http.post(uri, data=form).status_code)
            except httpx.HTTPError:
                statuses.append(0)
    return statuses


def front_channel_frames(provider: DevProvider, sids: frozenset[str]) -> list[str]:
    """What the sign-out page loads in frames (OpenID Connect Front-Channel Logout 1.0 §2)."""
    return [
        _frame(provider, uri, grant)
        for grant in _told(provider, sids)
        if (uri := provider.clients[grant.client_id].frontchannel_logout_uri)
    ]


def build_front_channel_url(provider: DevProvider, login: str, client_id: str) -> str:
    """One of those, for a test without a browser."""
    grant = last_grant(provider, login, client_id)
    uri = provider.clients[client_id].frontchannel_logout_uri
    if not uri:
        raise ConfigurationError(
            f"The client {client_id!r} has no frontchannel_logout_uri.", hint="Pass it to provider.client(…)."
        )
    return _frame(provider, uri, grant)


def _frame(provider: DevProvider, uri: str, grant: Grant) -> str:
    return uri + ("&" if "?" in uri else "?") + urlencode({"iss": provider.issuer, "sid": grant.sid})


def _told(provider: DevProvider, sids: frozenset[str]) -> list[Grant]:
    """One grant for each client and browser session; a client that is gone is told nothing."""
    grants = [one for one in provider.grants.living() if one.sid in sids and one.client_id in provider.clients]
    return list({(one.client_id, one.sid): one for one in grants}.values())


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

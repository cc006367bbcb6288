"""The grants without a human, as the development provider gives them: client credentials (RFC 6749 §4.4), an assertion
about somebody (RFC 7523 §2.1), a token in place of another (RFC 8693).

Rule: there is no ID token and no refresh token for them, and a token is never worth more than what it was got with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .grants import DevClient, DevUser, Grant, Issued, Refused

if TYPE_CHECKING:
    from .dev_provider import DevProvider

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
GRANT_TYPES: Final = ("client_credentials", JWT_BEARER, TOKEN_EXCHANGE)


def issue_without_human(
    provider: DevProvider, form: Mapping[str, str], client: DevClient, jkt: str | None
) -> Issued:
    """What a token request of one of `GRANT_TYPES` earns. Raises `Refused`."""
    if client.client_secret is None and not client.keys:
        raise Refused("unauthorized_client", "A public client has no such grant.")
    wanted = tuple(one for one in form.get("scope", "").split() if one != "openid")
    if form["grant_type"] == "client_credentials":
        user = DevUser(client.client_id)
    elif form["grant_type"] == JWT_BEARER:
        claims = provider.proofs.grant_claims(client, form.get("assertion", ""))
        user = _known(provider, str(claims.get("sub")))
    else:
        user, had = _subject(provider, form)
        if not set(wanted) <= set(had):
            raise Refused("invalid_scope", "More scope than the subject_token has.")
        wanted = wanted or tuple(one for one in had if one != "openid")
    grant = Grant(client.client_id, user, wanted, provider.now(), "", resource=tuple(form.get("resource", "").split()))
    return provider.grants.issue(grant, provider.now(), provider.access_token_ttl, refreshable=False, jkt=jkt)


def _subject(provider: DevProvider, form: Mapping[str, str]) -> tuple[DevUser, tuple[str, ...]]:
    if form.get("subject_token_type") != ACCESS_TOKEN:
        raise Refused("invalid_request", "Only access tokens are exchanged here.")
    access = provider.grants.look_up(form.get("subject_token", ""), provider.now())
    if access is None:
        raise Refused("invalid_request", "The subject_token is unknown, expired or revoked.")
    return access.grant.user, access.scope


def _known(provider: DevProvider, login: str) -> DevUser:
    user = provider.user(login)
    if user is None:
        raise Refused("invalid_grant", "The assertion speaks of nobody here.")
    return user

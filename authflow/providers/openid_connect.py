"""Any OpenID Connect provider, by its issuer: everything else is read from its metadata.

Specification: OpenID Connect Discovery 1.0, https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from __future__ import annotations

from typing import Literal, Unpack

from .base import Provider
from .fapi import fapi_preset
from .settings import DataFields, Settings


class OpenIDConnectSettings(Settings, DataFields, total=False):
    """What a preset takes, and what an odd provider needs, as data."""

    authorization_endpoint: str | None
    token_endpoint: str | None
    discovery: bool
    profile: Literal["fapi2"] | None


class OpenIDConnect(Provider):
    """Sign in with an OpenID provider: `OpenIDConnect("https://idp.example.com", "client-id", "client-secret")`.

    `issuer` is compared byte for byte with what the metadata and every ID token say, a trailing slash
    included. An endpoint given here stands in for the one in the metadata.

    Without a client_id, `registration=ClientMetadata(client_name="…")` registers the application at the first login
    (RFC 7591), where the provider lets it.

    Redirect URI: `http://127.0.0.1/callback/openidconnect` with any port where the provider follows RFC 8252
    §7.3; otherwise set `loopback_port`, `loopback_host="localhost"`, or `redirect_uri`.

    Add `scopes=["openid", "offline_access"]` for a refresh token where the provider wants to be asked. Say
    with `rotation=` what it does to a used one, when you know it. `groups_claim="groups"` names the claim
    that lists groups.

    `profile="fapi2"` turns on what FAPI 2.0 demands (pushed requests, bound tokens, the issuer in the answer) and
    refuses what it forbids; it needs `client_key=` or `client_certificate=`.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str = "",
        client_secret: str | None = None,
        **settings: Unpack[OpenIDConnectSettings],
    ) -> None:
        self.configure(
            settings,
            client_id=client_id,
            client_secret=client_secret,
            issuer=issuer,
            discovery=True,
            openid=True,
            scopes=("openid",),
            user_scopes=("profile", "email"),
            **fapi_preset(settings),
        )

    @classmethod
    def env_settings(cls) -> tuple[str, ...]:
        return ("issuer", "client_id")

"""Auth0: OpenID Connect by discovery, one issuer per tenant, its trailing slash included.

Vendor's pages: https://auth0.com/docs/get-started/authentication-and-authorization-flow and
https://auth0.com/docs/authenticate/login/logout/log-users-out-of-auth0

Quirks kept here: an access token is opaque unless an `audience` is named; the standard logout endpoint stands
in the metadata only when the tenant switched that on, `/v2/logout` is there always; revocation takes refresh
tokens only.
"""

from __future__ import annotations

from typing import Unpack
from urllib.parse import urlencode

import httpx

from ..errors import ConfigurationError
from ..protocol.messages import ServerMetadata
from ..protocol.step import Moment
from .base import Provider
from .calls import check_host
from .settings import Settings


class Auth0(Provider):
    """Sign in with an Auth0 tenant: `Auth0("tenant.eu.auth0.com", "client-id", "client-secret")`.

    `audience` names the API that the access token is for. `offline=True` (the default) adds
    `offline_access`, for a refresh token.

    Redirect URI: "Allowed Callback URLs" is a list of exact URLs, so loopback has a fixed port here, 8484:
    register `http://127.0.0.1:8484/callback/auth0`, or set `loopback_port`. The same holds for "Allowed
    Logout URLs" and `post_logout_redirect_uri`.

    Rotation of refresh tokens is a setting of the application in Auth0, with an overlap period; tell
    `rotation="grace"` if it is on with an overlap, `"strict"` without one.
    """

    def __init__(
        self,
        domain: str,
        client_id: str,
        client_secret: str | None = None,
        *,
        audience: str | None = None,
        offline: bool = True,
        **settings: Unpack[Settings],
    ) -> None:
        domain = check_host("Auth0", domain, "tenant.eu.auth0.com")
        if "." not in domain:
            raise ConfigurationError(
                "The first argument of Auth0 is the domain of a tenant, and this one has no dot.",
                hint='Write Auth0("tenant.eu.auth0.com", "client-id", "client-secret").',
            )
        self.configure(
            settings,
            client_id=client_id,
            client_secret=client_secret,
            issuer=f"https://{domain}/",
            discovery=True,
            openid=True,
            refresh_tokens=offline,
            scopes=("openid", "offline_access") if offline else ("openid",),
            user_scopes=("profile", "email"),
            authorization_params={} if audience is None else {"audience": audience},
            device_params={} if audience is None else {"audience": audience},
            loopback_port=8484,
            api_origins=(f"https://{domain}",),
        )

    @classmethod
    def env_settings(cls) -> tuple[str, ...]:
        return ("domain", "client_id")

    @classmethod
    def env_options(cls) -> tuple[str, ...]:
        return ("client_secret", "audience")

    def build_revocation_request(
        self, metadata: ServerMetadata, token: str, token_type_hint: str, moment: Moment
    ) -> httpx.Request | None:
        """RFC 7009 for the refresh token; an access token cannot be revoked and lives to its end."""
        if token_type_hint == "access_token":
            return None
        return super().build_revocation_request(metadata, token, token_type_hint, moment)

    def build_end_session_url(
        self,
        metadata: ServerMetadata,
        *,
        id_token_hint: str | None,
        post_logout_redirect_uri: str | None,
        state: str,
    ) -> str | None:
        """The standard endpoint where the tenant shows it, else `/v2/logout`, which returns no `state`."""
        if metadata.end_session_endpoint or self.end_session_endpoint:
            return super().build_end_session_url(
                metadata,
                id_token_hint=id_token_hint,
                post_logout_redirect_uri=post_logout_redirect_uri,
                state=state,
            )
        params = {"client_id": self.client_id}
        if post_logout_redirect_uri:
            params["returnTo"] = post_logout_redirect_uri
        return f"{self.issuer}v2/logout?{urlencode(params)}"

"""Google: OpenID Connect by discovery, with refresh tokens that must be asked for.

Vendor's page: https://developers.google.com/identity/openid-connect/openid-connect

Quirks kept here: a refresh token comes only with `access_type=offline`, and again only with `prompt=consent`;
ID tokens may name the issuer without its scheme; granted scopes come back under longer names; `hd` in the
request is a wish, in the ID token a fact; a sign-in by code calls its page `verification_url`, and its quota error
`error_code`.
"""

from __future__ import annotations

from typing import Unpack

from ..errors import ConfigurationError
from .base import Provider
from .settings import Settings

_USERINFO = "https://www.googleapis.com/auth/userinfo"
_APIS = (
    "www", "people", "gmail", "oauth2", "openidconnect", "sheets", "docs", "drive", "slides", "tasks", "youtube",
    "admin", "cloudresourcemanager", "storage",
)  # fmt: skip


class Google(Provider):
    """Sign in with Google: `Google("client-id", "client-secret")`.

    `offline=True` (the default) asks for a refresh token at every login, and so for the user's consent;
    `offline=False` lets a returning user pass without a screen and keeps the session for one hour.
    `hd="example.com"` admits the accounts of one Workspace domain only: the ID token must say so.

    Redirect URI: a client of the type "Desktop app" needs none registered, `http://127.0.0.1` works with any
    port. A client of the type "Web application" needs the exact URI, port included: give `redirect_uri` or
    `loopback_port`.

    Signing in by code (`agent=DeviceCode()`) needs a client of the type "TVs and Limited Input devices", with its
    secret, and admits few scopes: https://developers.google.com/identity/protocols/oauth2/limited-input-device

    Refresh tokens do not rotate. Google ends them after six months without use, after seven days while the
    consent screen is in testing, and when a user has too many of them.

    Google tells no groups; its Admin SDK needs a service account.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        offline: bool = True,
        hd: str | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        if hd is not None and ("." not in hd or "*" in hd):
            raise ConfigurationError("Google: hd is one Workspace domain.", hint='For example hd="example.com".')
        params = {"access_type": "offline", "prompt": "consent"} if offline else {}
        domain = {} if hd is None else {"hd": hd}
        self.configure(
            settings,
            client_id=client_id,
            client_secret=client_secret,
            issuer="https://accounts.google.com",
            issuer_aliases=("accounts.google.com",),
            discovery=True,
            openid=True,
            refresh_tokens=offline,
            scopes=("openid",),
            user_scopes=("profile", "email"),
            scope_aliases={"profile": f"{_USERINFO}.profile", "email": f"{_USERINFO}.email"},
            authorization_params={**params, **domain},
            required_claims=domain,
            algorithms=("RS256",),
            device_fields={"verification_uri": "verification_url"},
            error_fields=("error_code", "error_description"),
            error_codes={"rate_limit_exceeded": "temporarily_unavailable"},
            rotation="none",
            api_origins=tuple(f"https://{api}.googleapis.com" for api in _APIS),
        )

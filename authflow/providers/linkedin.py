"""LinkedIn: OpenID Connect by discovery, with three departures from it.

Vendor's pages: https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2
and https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow-native

Quirks kept here: the client secret goes into the form, never into a header; the token endpoint answers
`invalid_client` to a confidential client that sends a `code_verifier` (reported by many clients, last in
September 2026); ID tokens carry no `nonce`. What ties the code to the login is then `state`, with the browser's
binding, and the client secret. A client without a secret uses LinkedIn's PKCE endpoint for native clients.
"""

from __future__ import annotations

from typing import Unpack

from .base import Provider
from .settings import Settings

_NATIVE = "https://www.linkedin.com/oauth/native-pkce/authorization"


class LinkedIn(Provider):
    """Sign in with LinkedIn: `LinkedIn("client-id", "client-secret")`.

    The application needs the product "Sign In with LinkedIn using OpenID Connect".

    Redirect URI: the whole URL is compared, so loopback has a fixed port here: register
    `http://localhost:8484/callback/linkedin`, or set `loopback_port`. Without a client secret (LinkedIn must
    enable PKCE for the application) it is `http://127.0.0.1` with any port.

    Access tokens live about 60 days. Refresh tokens are for approved partners only (`refresh_tokens=True`);
    there is no revocation and no logout endpoint, and no groups.
    """

    def __init__(
        self, client_id: str, client_secret: str | None = None, **settings: Unpack[Settings]
    ) -> None:
        native = client_secret is None
        self.configure(
            settings,
            client_id=client_id,
            client_secret=client_secret,
            issuer="https://www.linkedin.com/oauth",
            discovery=True,
            openid=True,
            authorization_endpoint=_NATIVE if native else None,
            scopes=("openid",),
            user_scopes=("profile", "email"),
            algorithms=("RS256",),
            client_auth="none" if native else "client_secret_post",
            loopback_host="127.0.0.1" if native else "localhost",
            loopback_port=0 if native else 8484,
            refresh_tokens=False,
            omits_nonce=True,
            refuses_code_verifier=not native,
            api_origins=("https://api.linkedin.com",),
        )

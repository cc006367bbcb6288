"""`Glewlwyd`: Debian's single sign-on server as a process of this test run, set up by its own administration API.

Its login page is a script that talks to a JSON API. `LoginPage` does what that script does, so that a
`ScriptedBrowser` gets through.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc.jwk import ECKey, KeySet, RSAKey

from authflow.providers import OpenIDConnect
from authflow.testing import ScriptedBrowser

from .server_process import ServerProcess, free_port

TABLES = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")
SECRET = "secret-of-web-that-only-tests-know"
PASSWORD = "pw-ada-that-only-tests-know"
SCOPES = ["openid", "profile", "email"]
CONFIGURATION = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
static_files_path="/usr/share/glewlwyd/webapp/"
allow_origin="*"
log_mode="console"
log_level="WARNING"
cookie_domain="127.0.0.1"
cookie_secure=0
cookie_same_site="empty"
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_session_authentication="cookie"
profile_session_authentication="cookie"
allow_multiple_user_per_session=true
login_api_enabled=true
max_post_size=16778240
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="/usr/lib/glewlwyd/user_middleware"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3"; path = "{database}"; }};
static_files_mime_types = ( {{ extension = ".html"; mime_type = "text/html"; compress = 0; }} )
"""


def missing() -> str:
    """Why it cannot run here, with the remedy; empty when it can."""
    if shutil.which("glewlwyd") is None or not TABLES.is_file():
        return "Glewlwyd is not installed: apt-get install --no-install-recommends glewlwyd"
    return ""


class Glewlwyd:
    """The running server. Its one user is ada."""

    def __init__(self, folder: Path) -> None:
        self.port, self.callback_port = free_port(), free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.issuer = f"{self.api}/oidc"
        self.logged_out = f"http://127.0.0.1:{self.callback_port}/logged-out"
        self.client_key = ECKey.generate_key("P-256", {"kid": "client-ec", "use": "sig", "alg": "ES256"})
        database, configuration = folder / "glewlwyd.db", folder / "glewlwyd.conf"
        with sqlite3.connect(database) as tables:
            tables.executescript(gzip.decompress(TABLES.read_bytes()).decode())
        tables.close()
        configuration.write_text(CONFIGURATION.format(port=self.port, database=database))
        self._process = ServerProcess(["glewlwyd", f"--config-file={configuration}"], folder, self.api)

    def __enter__(self) -> Self:
        self._process.__enter__()
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__()

    def provider(self, client: str = "web", **settings: Any) -> OpenIDConnect:
        """authflow's settings for one of its clients. It compares redirect URIs whole, so the port is fixed."""
        defaults: dict[str, Any] = {
            "name": client,
            "callback_path": "/callback",
            "loopback_port": self.callback_port,
            "scopes": SCOPES,
            "rotation": "strict",
            "allow_insecure_loopback": True,
        }
        secret = SECRET if client == "web" else None
        return OpenIDConnect(self.issuer, client, secret, **{**defaults, **settings})

    def person(self, **habits: Any) -> ScriptedBrowser:
        return ScriptedBrowser("ada", transport=LoginPage(self.api), **habits)

    def _set_up(self) -> None:
        with httpx.Client(timeout=20, trust_env=False) as admin:

            def put(where: str, what: dict[str, Any]) -> None:
                answer = admin.post(f"{self.api}/{where}", json=what)
                if answer.status_code != 200:
                    raise RuntimeError(f"{where}: {answer.status_code} {answer.text[:500]}")

            put("auth/", {"username": "admin", "password": "password"})
            for scope in ("profile", "email"):
                put("scope/", {"name": scope, "display_name": scope, "password_required": True, "scheme": {}})
            put(
                "mod/plugin/",
                {"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": self._settings()},
            )
            user = {"username": "ada", "name": "Ada Example", "email": "ada@example.test", "password": PASSWORD}
            put("user/", {**user, "enabled": True, "scope": ["g_profile", *SCOPES]})
            for client in self._clients():
                put("client/", client)

    def _clients(self) -> list[dict[str, Any]]:
        common = {
            "name": "An application",
            "enabled": True,
            "redirect_uri": [f"http://127.0.0.1:{self.callback_port}/callback"],
            "post_logout_redirect_uri": self.logged_out,
            "authorization_type": ["code", "refresh_token", "device_authorization"],
            "scope": SCOPES,
        }
        basic = {"confidential": True, "client_secret": SECRET, "token_endpoint_auth_method": ["client_secret_basic"]}
        keys = {"keys": [self.client_key.as_dict(private=False)]}
        signed = {"confidential": True, "token_endpoint_auth_method": ["private_key_jwt"], "jwks": keys}
        public = {"confidential": False, "token_endpoint_auth_method": ["none"]}
        return [
            {**common, "client_id": "web", **basic},
            {**common, "client_id": "public", **public},
            {**common, "client_id": "signed", **signed},
        ]

    def _settings(self) -> dict[str, Any]:
        keys = KeySet([RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"})])
        allowed = (
            "jwks-show", "refresh-token-rolling", "allow-non-oidc", "pkce-allowed", "pkce-required",
            "auth-type-code-enabled", "auth-type-code-revoke-replayed", "auth-type-device-enabled",
            "auth-type-refresh-enabled", "introspection-revocation-allowed",
            "introspection-revocation-allow-target-client", "register-client-allowed",
            "register-client-management-allowed", "request-parameter-allow", "session-management-allowed",
            "oauth-dpop-allowed", "oauth-par-allowed", "oauth-as-iss-id",
        )  # fmt: skip
        refused = (
            "auth-type-token-enabled", "auth-type-id-token-enabled", "auth-type-none-enabled",
            "auth-type-password-enabled", "auth-type-client-enabled", "pkce-method-plain-allowed", "oauth-par-required",
            "resource-allowed", "request-parameter-ietf-strict", "register-resource-specify-allowed",
        )  # fmt: skip
        return {
            **dict.fromkeys(allowed, True),
            **dict.fromkeys(refused, False),
            "iss": self.issuer,
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "jwks-private": json.dumps(keys.as_dict(private=True)),
            "default-kid": "rsa",
            "access-token-duration": 300,
            "refresh-token-duration": 86400,
            "refresh-token-one-use": "always",
            "code-duration": 60,
            "device-authorization-expiration": 600,
            "device-authorization-interval": 1,
            "subject-type": "public",
            "allowed-scope": SCOPES,
            "introspection-revocation-auth-scope": [],
            "register-client-auth-scope": [],
            "register-client-credentials-scope": [],
            "register-resource-default": [],
            "request-maximum-exp": 3600,
            "client-pubkey-parameter": "pubkey",
            "client-jwks-parameter": "jwks",
            "client-jwks_uri-parameter": "jwks_uri",
            "session-cookie-name": "GLEWLWYD2_OIDC_SID",
            "session-cookie-expiration": 2419200,
            "oauth-dpop-iat-duration": 60,
            "oauth-par-request_uri-prefix": "urn:ietf:params:oauth:request_uri:",
            "oauth-par-duration": 90,
            "name-claim": "on-demand",
            "name-claim-scope": ["profile"],
            "email-claim": "on-demand",
            "email-claim-scope": ["email"],
            "scope-claim": "no",
        }


class LoginPage(httpx.BaseTransport):
    """The way to the server; in place of its login page comes what the page's script would bring about."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._wire = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/login.html":
            return self._wire.handle_request(request)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(str(request.url)).query).items()}
        if "callback_url" not in asked or asked.get("prompt", "").startswith("device"):
            return httpx.Response(200, html=f"<p>{asked.get('prompt', 'nothing to do')}</p>")  # the end of the way
        with httpx.Client(trust_env=False, timeout=10) as script:
            script.post(f"{self._api}/auth/", json={"username": "ada", "password": PASSWORD}).raise_for_status()
            if "client_id" in asked:
                grant = f"{self._api}/auth/grant/{asked['client_id']}"
                script.put(grant, json={"scope": asked.get("scope", "openid")}).raise_for_status()
            session = [("set-cookie", f"{one.name}={one.value}; Path=/") for one in script.cookies.jar]
        back = asked["callback_url"]
        return httpx.Response(302, headers=[("location", f"{back}{'&' if '?' in back else '?'}g_continue"), *session])

    def close(self) -> None:
        self._wire.close()

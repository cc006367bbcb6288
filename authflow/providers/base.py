"""`Provider`: everything authflow knows about one identity provider, as data, and a few pure hooks.

A preset sets fields. If a provider seems to need an `if` in a flow, the quirk gets a field here; the flow
asks for the quirk, never for the vendor. Hooks are for what no field can say; they are pure, or generators
that yield requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, TypedDict
from urllib.parse import urlsplit

import httpx

from ..errors import ConfigurationError
from ..protocol.messages import ServerMetadata, TokenResponse
from ..protocol.step import Flow
from ..records import Group, Profile, Token

Rotation = Literal["none", "grace", "strict", "unknown"]
ClientAuth = Literal["client_secret_basic", "client_secret_post", "none"]

# Asymmetric algorithms an ID token may be signed with unless a provider narrows or widens the list.
# `none` is never accepted; HS* only where a preset says so, with the client secret as the key.
ID_TOKEN_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512")


class Settings(TypedDict, total=False):
    """The keyword arguments that every provider class takes."""

    name: str
    label: str
    scopes: Sequence[str]
    user_scopes: Sequence[str]
    group_scopes: Sequence[str]
    redirect_uri: str | None
    loopback_host: str
    loopback_port: int
    callback_path: str
    authorization_params: Mapping[str, str]
    token_params: Mapping[str, str]
    api_origins: Sequence[str]
    client_auth: ClientAuth | None
    algorithms: Sequence[str]
    leeway: float
    rotation: Rotation
    timeout: float
    post_logout_redirect_uri: str | None
    allow_insecure_loopback: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Provider:
    """One identity provider and this application's registration with it. Frozen; `repr` hides the secret.

    `name` is the key in the manager; it stands in the redirect URI, so letters, digits, `-`, `_` and `.`.
    """

    # ── this application's registration ──
    client_id: str = field(kw_only=False)
    client_secret: str | None = field(default=None, repr=False, kw_only=False)
    name: str = ""
    label: str = ""
    redirect_uri: str | None = None  # the web callback, or a fixed loopback URI; None: loopback, any port
    loopback_host: str = "127.0.0.1"  # "localhost" where a provider refuses the IP literal
    loopback_port: int = 0  # 0: any free port (RFC 8252 §7.3)
    callback_path: str = ""  # "" means /callback/{name}
    post_logout_redirect_uri: str | None = None
    scopes: Sequence[str] = ()  # always asked for
    user_scopes: Sequence[str] = ()  # added when the user is fetched
    group_scopes: Sequence[str] = ()  # added when groups are fetched
    authorization_params: Mapping[str, str] = field(default_factory=dict)
    token_params: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_auth: ClientAuth | None = None  # None: what the metadata allows, basic first; `none` without a secret
    api_origins: Sequence[str] = ()  # scheme://host[:port] that session.auth may send the token to

    # ── the provider ──
    issuer: str | None = None  # compared byte for byte (OIDC Discovery §4.3, RFC 9207)
    discovery: bool = False  # metadata is fetched from the issuer
    openid: bool = False  # an ID token is expected
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    jwks_uri: str | None = None
    algorithms: Sequence[str] = ID_TOKEN_ALGORITHMS
    leeway: float = 60.0  # seconds of clock skew allowed in exp, nbf, iat; at most 300
    rotation: Rotation = "unknown"  # what happens to a refresh token when it is used
    timeout: float = 10.0  # seconds, total, of one call to the provider
    allow_insecure_loopback: bool = False  # http:// endpoints on loopback, for development only

    # ── named quirks ──
    scope_separator: str = " "
    client_id_param: str = "client_id"
    client_secret_param: str = "client_secret"
    token_method: Literal["POST", "GET"] = "POST"
    userinfo_method: Literal["GET", "POST"] = "GET"
    userinfo_params: Mapping[str, str] = field(default_factory=dict)
    error_fields: tuple[str, str] = ("error", "error_description")
    id_path: str = "sub"  # dotted path in the profile; also name_path, email_path, picture_path
    name_path: str = "name"
    email_path: str = "email"
    email_verified_path: str = "email_verified"
    picture_path: str = "picture"
    groups_claim: str | None = None  # ID token or userinfo claim that lists groups
    iss_in_response: bool | None = None  # RFC 9207: True demands it, None follows the metadata
    issuer_claim_template: str | None = None  # Entra: "https://…/{tid}/v2.0", filled from the token's own claims
    issuer_aliases: Sequence[str] = ()  # Google's ID tokens without the scheme
    required_claims: Mapping[str, str] = field(default_factory=dict)  # Google's hd, Entra's tid
    refresh_scope: bool = True  # whether the refresh request may repeat the scope

    def __post_init__(self) -> None:
        def put(attribute: str, value: object) -> None:
            object.__setattr__(self, attribute, value)

        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str) and one.name in _SEQUENCES:
                raise ConfigurationError(
                    f"{type(self).__name__}: {one.name} must be a list of strings, not one string.",
                    hint=f"Write {one.name}=[{value!r}].",
                )
            if one.name in _SEQUENCES:
                put(one.name, tuple(value))
            elif isinstance(value, Mapping):
                put(one.name, dict(value))
        put("name", self.name or type(self).__name__.lower())
        put("label", self.label or type(self).__name__)
        put("callback_path", self.callback_path or f"/callback/{self.name}")
        check_settings(self)

    @classmethod
    def from_env(cls, prefix: str | None = None, **settings: Any) -> Self:
        """Reads `{PREFIX}_CLIENT_ID` and `{PREFIX}_CLIENT_SECRET`; `GITHUB_` for `GitHub`, and so on.

        Raises `ConfigurationError` naming the variable that is missing. A client without a secret (a
        public client, RFC 6749 §2.1) sets the id only.
        """
        prefix = (prefix or cls.__name__).upper().rstrip("_")
        values = {name: read_env(f"{prefix}_{name.upper()}") for name in cls.env_settings()}
        values["client_secret"] = os.environ.get(f"{prefix}_CLIENT_SECRET") or None
        return cls(**{**values, **settings})

    @classmethod
    def env_settings(cls) -> tuple[str, ...]:
        """The settings `from_env` cannot do without."""
        return ("client_id",)

    # ── hooks ────────────────────────────────────────────────────────────────────────────────────────

    def amend_authorization_params(self, params: dict[str, str]) -> dict[str, str]:
        """Last word on the authorization request's parameters. `state`, `nonce` and PKCE are put in after."""
        return params

    def amend_token_request(self, request: httpx.Request) -> httpx.Request:
        """Last word on a token request (exchange and refresh)."""
        return request

    def read_token_response(self, response: httpx.Response) -> TokenResponse:
        """Reads what the token endpoint said; raises `OAuthError` or `ResponseInvalid`."""
        from ..protocol.token import read_token_response

        return read_token_response(self, response)

    def fetch_user(self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]) -> Flow[Profile | None]:
        """The signed-in human: userinfo merged over the ID token's claims, read by the `*_path` fields."""
        from ..protocol.userinfo import fetch_userinfo

        return (yield from fetch_userinfo(self, token, metadata, claims))

    def fetch_groups(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any], profile: Profile
    ) -> Flow[Sequence[Group] | None]:
        """The user's groups; None when the provider says there are more than it tells."""
        from ..protocol.userinfo import read_groups

        return read_groups(self, {**claims, **profile.data})
        yield

    def build_revocation_request(
        self, metadata: ServerMetadata, token: str, token_type_hint: str
    ) -> httpx.Request | None:
        """RFC 7009 §2.1, or the provider's own way; None when it has none."""
        from ..protocol.revocation import build_revocation_request

        return build_revocation_request(self, metadata, token, token_type_hint)

    def build_end_session_url(
        self, metadata: ServerMetadata, *, id_token_hint: str | None, post_logout_redirect_uri: str | None, state: str
    ) -> str | None:
        """OpenID Connect RP-Initiated Logout §2, or the provider's own way; None when it has none."""
        from ..protocol.end_session import build_end_session_url

        return build_end_session_url(
            self,
            metadata,
            id_token_hint=id_token_hint,
            post_logout_redirect_uri=post_logout_redirect_uri,
            state=state,
        )


_SEQUENCES = frozenset({"scopes", "user_scopes", "group_scopes", "api_origins", "algorithms", "issuer_aliases"})
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
UserIdFn = Callable[[Mapping[str, Any]], Any]


def read_env(variable: str) -> str:
    """The variable's value, or `ConfigurationError` with the line that sets it."""
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(
            f"The environment variable {variable} is not set.", hint=f"Set it: export {variable}=…"
        )
    return value


def check_settings(provider: Provider) -> None:
    """Refuses at construction what could not work later. Raises `ConfigurationError`."""
    who = f"{type(provider).__name__}({provider.name!r})"
    if not provider.client_id or not isinstance(provider.client_id, str):
        raise ConfigurationError(f"{who} needs a client_id.", hint="Register the application with the provider.")
    if not set(provider.name) <= _NAME_CHARACTERS or provider.name in (".", ".."):
        raise ConfigurationError(
            f"{who}: the name stands in the redirect URI.", hint="Use letters, digits, '-', '_' and '.'."
        )
    if not provider.callback_path.startswith("/"):
        raise ConfigurationError(f"{who}: callback_path must begin with '/'.")
    if not 0 <= provider.leeway <= 300:
        raise ConfigurationError(f"{who}: leeway must lie between 0 and 300 seconds.")
    if any(alg.lower() == "none" for alg in provider.algorithms) or not provider.algorithms:
        raise ConfigurationError(f"{who}: an unsigned ID token proves nothing.", hint="Name signing algorithms.")
    if any(alg.startswith("HS") for alg in provider.algorithms) and not provider.client_secret:
        raise ConfigurationError(f"{who}: HS algorithms need the client_secret as their key.")
    for origin in provider.api_origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.path not in ("", "/"):
            raise ConfigurationError(
                f"{who}: {origin!r} is no origin.", hint="An origin is scheme://host[:port], without a path."
            )

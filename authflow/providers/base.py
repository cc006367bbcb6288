"""`Provider`: everything authflow knows about one identity provider, as data, and a few pure hooks.

A preset sets fields. If a provider seems to need an `if` in a flow, the quirk gets a field here; the flow
asks for the quirk, never for the vendor. Hooks are for what no field can say; they are pure, or generators
that yield requests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import httpx

from ..errors import ConfigurationError, OAuthError, oauth_error
from ..protocol.messages import ServerMetadata, TokenResponse
from ..protocol.registration import ClientMetadata
from ..protocol.step import Flow, Moment
from ..records import Group, Profile, Token
from .asking import ResponseMode, ResponseType
from .checks import check_settings, did_you_mean, read_env, read_list, read_mapping, read_pair
from .credentials import ClientAssertion, ClientCertificate, ClientKey, read_client_key, read_client_keys
from .settings import ClientAuth, Rotation

if TYPE_CHECKING:
    from ..protocol.private_key import PrivateKey

# Asymmetric algorithms an ID token may be signed with unless a provider narrows or widens the list.
# `none` is never accepted; HS* only where a preset says so, with the client secret as the key.
ID_TOKEN_ALGORITHMS = (
    "RS256", "PS256", "ES256", "EdDSA", "Ed25519", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Provider:
    """One identity provider and this application's registration with it. Frozen; `repr` hides the secret.

    `name` is the key in the manager; it stands in the redirect URI, so letters, digits, `-`, `_` and `.`.
    """

    # ── this application's registration ──
    client_id: str = field(kw_only=False)
    client_secret: str | None = field(default=None, kw_only=False)
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
    token_params: Mapping[str, str] = field(default_factory=dict)
    registration: ClientMetadata | None = None  # who asks, where there is no client_id yet (RFC 7591)
    client_auth: ClientAuth | ClientAssertion | None = None  # None: by what is set; for a secret what is listed
    client_key: ClientKey | None = None  # signs client assertions: a PrivateKey, or what makes one
    client_certificate: ClientCertificate | None = None  # shown in every TLS handshake with the provider
    profile: str | None = None  # "fapi2": what FAPI 2.0 forbids is refused; OpenIDConnect turns on what it demands
    dpop: bool | Literal["optional"] = False  # bind tokens to a key (RFC 9449); "optional": bearer tokens are taken
    dpop_alg: str = "ES256"  # of the proofs
    assertion_alg: str | None = None  # None: the key's own, or the best that the provider lists
    assertion_audience: str | None = None  # None: the issuer; "token_endpoint"; or the very text
    assertion_typ: str = "JWT"  # "client-authentication+jwt" where that is wanted
    assertion_headers: Mapping[str, str] = field(default_factory=dict)  # Entra: {"x5t#S256": thumbprint}
    api_origins: Sequence[str] = ()  # scheme://host[:port] that session.auth may send the token to

    # ── the provider ──
    issuer: str | None = None  # compared byte for byte (OIDC Discovery §4.3, RFC 9207)
    resource: str | None = None  # the API that says which issuer is its own (RFC 9728)
    discovery: bool = False  # metadata is fetched from the issuer
    openid: bool = False  # an ID token is expected
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    jwks_uri: str | None = None
    algorithms: Sequence[str] = ID_TOKEN_ALGORITHMS
    leeway: float = 60.0  # seconds of clock skew allowed in exp, nbf, iat; at most 300
    refresh_tokens: bool = True  # whether this application can have any: its chart shows it
    rotation: Rotation = "unknown"  # what happens to a refresh token when it is used
    timeout: float = 10.0  # seconds, total, of one call to the provider
    allow_insecure_loopback: bool = False  # http:// endpoints on loopback, for development only

    # ── how it is asked, and how it answers ──
    response_type: ResponseType = "code"
    response_mode: ResponseMode | None = None  # None: the query; with `jwt` in it, the answer is a signed JWT (JARM)
    require_pushed_authorization_requests: bool = False  # RFC 9126; done anyway where the metadata demand it
    request_object_signing_alg: str | None = None  # the request is a JWT, signed by client_key (RFC 9101); CIBA's too
    request_object_encryption_alg: str | None = None  # and encrypted for the provider
    request_object_encryption_enc: str = "A128CBC-HS256"
    allow_unsigned_request_object_for_conformance: bool = False
    decryption_keys: Sequence[ClientKey] = ()  # open what the provider encrypts for this client
    id_token_encrypted_response_alg: str | None = None  # as registered; a token that is not encrypted so is refused
    id_token_encrypted_response_enc: str = "A128CBC-HS256"
    userinfo_signed_response_alg: str | None = None  # None: signed or not, as it comes
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str = "A128CBC-HS256"
    authorization_encrypted_response_alg: str | None = None  # with JARM
    authorization_encrypted_response_enc: str = "A128CBC-HS256"

    # ── named quirks ──
    scope_separator: str = " "
    client_id_param: str = "client_id"
    client_secret_param: str = "client_secret"
    token_method: Literal["POST", "GET"] = "POST"
    userinfo_method: Literal["GET", "POST"] = "GET"
    userinfo_token_in_form_body: bool = False  # RFC 6750 §2.2; the header is better, and every provider takes it
    userinfo_params: Mapping[str, str] = field(default_factory=dict)
    error_fields: tuple[str, str] = ("error", "error_description")
    device_params: Mapping[str, str] = field(default_factory=dict)  # of the device authorization request
    device_grant_type: str = "urn:ietf:params:oauth:grant-type:device_code"  # Amazon: "device_code"
    device_fields: Mapping[str, str] = field(default_factory=dict)  # RFC 8628's name → the provider's own in its answer
    device_sends_user_code: bool = False  # a poll must hold the user_code too (Amazon)
    error_codes: Mapping[str, str] = field(default_factory=dict)  # the provider's own code → the RFC's
    id_path: str = "sub"  # dotted path in the profile; also name_path, email_path, picture_path
    name_path: str = "name"
    email_path: str = "email"
    email_verified_path: str = "email_verified"
    picture_path: str = "picture"
    groups_claim: str | None = None  # ID token or userinfo claim that lists groups
    iss_in_response: bool | None = None  # RFC 9207: True demands it, None follows the metadata
    issuer_claim_template: str | None = None  # Entra: "https://…/{tid}/v2.0", filled from the token's own claims
    issuer_aliases: Sequence[str] = ()  # Google's ID tokens without the scheme
    claims_issuers: Sequence[str] = ()  # whose aggregated and distributed claims are believed (OIDC Core §5.6.2)
    required_claims: Mapping[str, str] = field(default_factory=dict)  # Google's hd, Entra's tid
    required_scopes: Sequence[str] = ()  # always asked for; a login that is not granted one of them fails
    refresh_scope: bool = True  # whether the refresh request may repeat the scope
    scope_aliases: Mapping[str, str] = field(default_factory=dict)  # scope asked for → its name when granted
    authorization_fragment: str = ""  # WeChat's authorization URL ends in "#wechat_redirect"
    omits_nonce: bool = False  # the ID token never carries the nonce: none is demanded (LinkedIn)
    refuses_code_verifier: bool = False  # the token endpoint answers invalid_client to one (LinkedIn)
    assumes_s256: bool = False  # the server does PKCE by S256, though its metadata do not say so

    def __post_init__(self) -> None:
        def put(attribute: str, value: object) -> None:
            object.__setattr__(self, attribute, value)

        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in _SEQUENCES:
                put(one.name, read_list(type(self).__name__, one.name, value))
            elif one.name in _MAPPINGS:
                put(one.name, read_mapping(type(self).__name__, one.name, value))
        put("error_fields", read_pair(type(self).__name__, "error_fields", self.error_fields))
        if self.openid and "openid" not in self.scopes:
            put("scopes", ("openid", *self.scopes))
        put("api_origins", tuple(origin.rstrip("/") for origin in self.api_origins))
        put("name", self.name or type(self).__name__.lower())
        put("label", self.label or type(self).__name__)
        put("callback_path", self.callback_path or f"/callback/{self.name}")
        put("client_key", read_client_key(self.client_key))
        put("decryption_keys", read_client_keys(self.decryption_keys))
        check_settings(self)

    @property
    def enrols(self) -> bool:
        """Its issuer is found by an API, or its client is registered, at the first login."""
        return self.resource is not None or not self.client_id

    @property
    def tells_no_user(self) -> bool:
        """Nobody can be asked who signed in: a server that an API named, and that was not set up for it."""
        return self.resource is not None and not self.openid and self.userinfo_endpoint is None

    @property
    def private_key(self) -> PrivateKey | None:
        """`client_key`, imported."""
        return cast("PrivateKey | None", self.client_key)

    @property
    def opening_keys(self) -> tuple[PrivateKey, ...]:
        """`decryption_keys`, imported."""
        return cast("tuple[PrivateKey, ...]", self.decryption_keys)

    def __repr__(self) -> str:
        secret = ", client_secret=…" if self.client_secret else ""
        issuer = f", issuer={self.issuer!r}" if self.issuer else ""
        return f"{type(self).__name__}(name={self.name!r}, client_id={self.client_id!r}{secret}{issuer})"

    def configure(self, settings: Mapping[str, object], **preset: object) -> None:
        """For the `__init__` of a preset: the preset's values, and over them what the application set.

        Scopes that are always asked for and parameters of a request are joined, everything else is replaced.
        Raises `ConfigurationError` for a setting that does not exist, naming the nearest one.
        """
        chosen = dict(settings)
        if "redirect_url" in chosen:
            redirect_url = chosen.pop("redirect_url")
            if redirect_url and chosen.get("redirect_uri") not in (None, redirect_url):
                raise ConfigurationError(
                    f"{type(self).__name__}: redirect_url and redirect_uri differ.",
                    hint="They are two spellings of one setting: give one of them.",
                )
            chosen["redirect_uri"] = chosen.get("redirect_uri") or redirect_url
        known = {one.name for one in fields(Provider)}
        for name in chosen:
            if name not in known:
                raise ConfigurationError(
                    f"{type(self).__name__} has no setting {name!r}.",
                    hint=did_you_mean(name, known) or "See docs/providers.md for the settings.",
                )
        for name in _JOINED:
            if isinstance(chosen.get(name), Mapping) and isinstance(preset.get(name), Mapping):
                chosen[name] = {**preset[name], **chosen[name]}  # type: ignore[dict-item]
        if isinstance(chosen.get("scopes"), (list, tuple)):
            chosen["scopes"] = (*preset.get("scopes", ()), *chosen["scopes"])  # type: ignore[misc]
        values: dict[str, Any] = {**preset, **chosen}
        Provider.__init__(self, **values)

    def replace(self, **changes: Any) -> Self:
        """A copy with other settings; the original stays as it is. Raises `ConfigurationError`."""
        copy = object.__new__(type(self))
        for one in fields(self):
            object.__setattr__(copy, one.name, changes.pop(one.name, getattr(self, one.name)))
        if changes:
            raise ConfigurationError(f"{type(self).__name__} has no setting {next(iter(changes))!r}.")
        copy.__post_init__()
        return copy

    def requested_scopes(
        self, scope: Sequence[str] = (), *, fetch_user: bool = True, fetch_groups: bool = False
    ) -> tuple[str, ...]:
        """What one login asks for, each scope once, in order: the provider's own, then the caller's."""
        user = self.user_scopes if fetch_user else ()
        groups = self.group_scopes if fetch_groups else ()
        return tuple(dict.fromkeys((*self.scopes, *self.required_scopes, *user, *groups, *scope)))

    def missing_scopes(self, asked: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
        """What was asked for and not granted, told by the provider's own names for scopes."""
        have = set(granted)
        return tuple(one for one in asked if one not in have and self.scope_aliases.get(one, one) not in have)

    @classmethod
    def from_env(cls, prefix: str | None = None, **settings: Any) -> Self:
        """Reads `{PREFIX}_CLIENT_ID` and `{PREFIX}_CLIENT_SECRET`; `GITHUB_` for `GitHub`, and so on.

        Raises `ConfigurationError` naming the variable that is missing. A client without a secret (a
        public client, RFC 6749 §2.1) sets the id only. A setting given as an argument is not looked up.
        """
        prefix = (prefix or cls.__name__).upper().rstrip("_")
        values: dict[str, Any] = {"client_secret": None}
        for name in cls.env_options():
            value = os.environ.get(f"{prefix}_{name.upper()}")
            if value:
                values[name] = value
        for name in cls.env_settings():
            if name not in settings:
                values[name] = read_env(f"{prefix}_{name.upper()}")
        return cls(**{**values, **settings})

    @classmethod
    def env_settings(cls) -> tuple[str, ...]:
        """The settings `from_env` cannot do without."""
        return ("client_id",)

    @classmethod
    def env_options(cls) -> tuple[str, ...]:
        """The settings `from_env` reads when their variable is set."""
        return ("client_secret",)

    # ── hooks ────────────────────────────────────────────────────────────────────────────────────────

    def amend_authorization_params(self, params: dict[str, str]) -> dict[str, str]:
        """Last word on the authorization request's parameters. `state`, `nonce` and PKCE are put in after."""
        return params

    def amend_token_request(self, request: httpx.Request) -> httpx.Request:
        """Last word on a token request (exchange and refresh)."""
        if self.refuses_code_verifier:
            from .calls import without_parameter

            return without_parameter(request, "code_verifier")
        return request

    def read_token_response(self, response: httpx.Response) -> TokenResponse:
        """Reads what the token endpoint said; raises `OAuthError` or `ResponseInvalid`."""
        from ..protocol.token import read_token_response

        try:
            return read_token_response(self, response)
        except OAuthError as error:
            code = error.error or ""
            if code not in self.error_codes:
                raise
            said = f"{code}: {error.error_description}" if error.error_description else code
            raise oauth_error(
                self.error_codes[code], said, phase=error.phase, retry_after=error.retry_after, hint=error.hint
            ) from error

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
        self, metadata: ServerMetadata, token: str, token_type_hint: str, moment: Moment
    ) -> httpx.Request | None:
        """RFC 7009 §2.1, or the provider's own way; None when it has none."""
        from ..protocol.revocation import build_revocation_request

        return build_revocation_request(self, metadata, token, token_type_hint, moment)

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


_SEQUENCES = frozenset(
    {
        "scopes", "user_scopes", "group_scopes", "required_scopes", "api_origins", "algorithms", "issuer_aliases",
        "claims_issuers",
    }
)  # fmt: skip
_MAPPINGS = frozenset(
    {
        "authorization_params", "token_params", "userinfo_params", "required_claims", "error_codes", "scope_aliases",
        "assertion_headers", "device_params", "device_fields",
    }
)  # fmt: skip
_JOINED = ("authorization_params", "token_params", "userinfo_params", "device_params", "required_claims")

"""What providers say, as typed structs. Decoding is strict: a wrong type is an error, never a guess."""

from __future__ import annotations

from typing import Any

import msgspec

from ..records import Profile, Redacted, Token


class ServerMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """OpenID Connect Discovery §3 and RFC 8414 §2; or a preset's endpoints in the same shape."""

    issuer: str = ""
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    backchannel_authentication_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    introspection_endpoint: str | None = None
    registration_endpoint: str | None = None
    scopes_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] | None = None
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False
    client_id_metadata_document_supported: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    dpop_signing_alg_values_supported: tuple[str, ...] | None = None
    mtls_endpoint_aliases: dict[str, str] | None = None


class TokenResponse(Redacted, msgspec.Struct, frozen=True):
    """RFC 6749 §5.1, normalised: what any provider's token endpoint said, after its quirks were read."""

    access_token: str
    token_type: str = "Bearer"
    scope: tuple[str, ...] | None = None
    expires_in: float | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    refresh_in: float | None = None
    extra: dict[str, Any] = {}


class Granted(Redacted, msgspec.Struct, frozen=True):
    """The outcome of an exchange or a refresh: tokens, and whose they are.

    `subject` with `issuer` names the human; both are empty when a provider without OpenID Connect was not
    asked for the user. `warning` says what could not be had (the profile, the groups) without ending the
    login.
    """

    token: Token
    issuer: str = ""
    subject: str = ""
    claims: dict[str, Any] | None = None
    profile: Profile | None = None
    refresh_in: float | None = None
    warning: Any = None

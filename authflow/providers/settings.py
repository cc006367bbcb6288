"""The keyword arguments of the provider classes, as type checkers see them; what each means stands at its field of
`Provider`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from ..protocol.registration import ClientMetadata
from .asking import AskingSettings
from .credentials import ClientAssertion, ClientCertificate, ClientKey

Rotation = Literal["none", "grace", "strict", "unknown"]
ClientAuth = Literal[
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
]


class CommonSettings(AskingSettings, total=False):
    """The keyword arguments of every provider class, whatever its positional ones are."""

    name: str
    label: str
    redirect_uri: str | None
    loopback_host: str
    loopback_port: int
    callback_path: str
    token_params: Mapping[str, str]
    required_scopes: Sequence[str]
    api_origins: Sequence[str]
    registration: ClientMetadata | None
    client_auth: ClientAuth | ClientAssertion | None
    client_key: ClientKey | None
    client_certificate: ClientCertificate | None
    dpop: bool | Literal["optional"]
    dpop_alg: str
    assertion_alg: str | None
    assertion_audience: str | None
    assertion_typ: str
    assertion_headers: Mapping[str, str]
    algorithms: Sequence[str]
    leeway: float
    refresh_tokens: bool
    rotation: Rotation
    timeout: float
    post_logout_redirect_uri: str | None
    allow_insecure_loopback: bool


class Settings(CommonSettings, total=False):
    """The keyword arguments that every preset takes. `redirect_url` is Flet's spelling of `redirect_uri`."""

    redirect_url: str | None
    scopes: Sequence[str]
    user_scopes: Sequence[str]
    group_scopes: Sequence[str]
    authorization_params: Mapping[str, str]


class DataFields(TypedDict, total=False):
    """What the generic classes take besides: the provider's endpoints and quirks, as data."""

    userinfo_endpoint: str | None
    revocation_endpoint: str | None
    end_session_endpoint: str | None
    device_authorization_endpoint: str | None
    pushed_authorization_request_endpoint: str | None
    jwks_uri: str | None
    device_params: Mapping[str, str]
    device_grant_type: str
    device_fields: Mapping[str, str]
    device_sends_user_code: bool
    scope_separator: str
    client_id_param: str
    client_secret_param: str
    token_method: Literal["POST", "GET"]
    userinfo_method: Literal["GET", "POST"]
    userinfo_token_in_form_body: bool
    claims_issuers: Sequence[str]
    userinfo_params: Mapping[str, str]
    error_fields: tuple[str, str]
    error_codes: Mapping[str, str]
    id_path: str
    name_path: str
    email_path: str
    email_verified_path: str
    picture_path: str
    groups_claim: str | None
    iss_in_response: bool | None
    issuer_claim_template: str | None
    issuer_aliases: Sequence[str]
    required_claims: Mapping[str, str]
    refresh_scope: bool
    scope_aliases: Mapping[str, str]
    authorization_fragment: str
    omits_nonce: bool
    refuses_code_verifier: bool
    assumes_s256: bool

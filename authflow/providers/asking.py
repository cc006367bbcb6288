"""How a provider is asked to sign somebody in, and how it is to answer: settings, and which of them go together.

Rule: a response type with `token` in it brings an access token through the browser, where it leaks (RFC 9700
§2.1.2); an answer in the fragment reaches no server at all. Neither is offered: what is no code comes by form_post.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from ..errors import ConfigurationError
from ..protocol.jwe import CONTENT_ALGORITHMS, KEY_ALGORITHMS
from .credentials import ClientKey

if TYPE_CHECKING:
    from .base import Provider

ResponseType = Literal["code", "id_token", "code id_token"]
ResponseMode = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]

RESPONSE_TYPES = ("code", "id_token", "code id_token")
RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
_BY_FORM = ("form_post", "form_post.jwt")


class AskingSettings(TypedDict, total=False):
    """What every provider class takes about the authorization request and its answer."""

    response_type: ResponseType
    response_mode: ResponseMode | None
    require_pushed_authorization_requests: bool
    request_object_signing_alg: str | None
    request_object_encryption_alg: str | None
    request_object_encryption_enc: str
    allow_unsigned_request_object_for_conformance: bool
    decryption_keys: Sequence[ClientKey]
    id_token_encrypted_response_alg: str | None
    id_token_encrypted_response_enc: str
    userinfo_signed_response_alg: str | None
    userinfo_encrypted_response_alg: str | None
    userinfo_encrypted_response_enc: str
    authorization_encrypted_response_alg: str | None
    authorization_encrypted_response_enc: str


def check_asking(provider: Provider, who: str) -> None:
    """Refuses what cannot work, or should not. Raises `ConfigurationError`."""
    if "token" in str(provider.response_type).split():
        raise ConfigurationError(
            f"{who}: a response type with token in it sends the access token through the browser.",
            hint="Use response_type='code'; RFC 9700 §2.1.2 says why.",
        )
    if provider.response_type not in RESPONSE_TYPES:
        raise ConfigurationError(
            f"{who}: response_type {provider.response_type!r} is not offered.", hint=f"Use one of {RESPONSE_TYPES}."
        )
    if provider.response_mode not in (None, *RESPONSE_MODES):
        raise ConfigurationError(
            f"{who}: response_mode {provider.response_mode!r} is not offered.",
            hint=f"Use one of {RESPONSE_MODES}; an answer in the fragment reaches no server.",
        )
    _check_request_object(provider, who)
    _check_encryption(provider, who)
    if provider.response_type == "code":
        return
    if not provider.openid:
        raise ConfigurationError(f"{who}: only OpenID Connect has an ID token.", hint="Use response_type='code'.")
    if provider.omits_nonce:
        raise ConfigurationError(
            f"{who}: only the nonce ties an ID token that comes through the browser to its attempt.",
            hint="Use response_type='code' where ID tokens have no nonce.",
        )
    if provider.response_mode not in _BY_FORM:
        raise ConfigurationError(
            f"{who}: the answer to response_type={provider.response_type!r} must come by form_post.",
            hint="Set response_mode='form_post'; by itself it comes in the fragment, which reaches no server.",
        )


def _check_request_object(provider: Provider, who: str) -> None:
    alg, key = provider.request_object_signing_alg, provider.private_key
    if alg == "none" and not provider.allow_unsigned_request_object_for_conformance:
        raise ConfigurationError(f"{who}: an unsigned request object proves nothing.", hint="Use ES256 or PS256.")
    if alg not in (None, "none") and (key is None or alg not in key.algorithms):
        raise ConfigurationError(
            f"{who}: request_object_signing_alg needs a client_key that signs with it.", hint="Set client_key=."
        )
    if provider.request_object_encryption_alg is not None and alg is None:
        raise ConfigurationError(
            f"{who}: a request object is signed before it is encrypted.", hint="Set request_object_signing_alg=."
        )


def _check_encryption(provider: Provider, who: str) -> None:
    for what in ("id_token", "userinfo", "authorization", "request_object"):
        kind = "encryption" if what == "request_object" else "encrypted_response"
        alg, enc = getattr(provider, f"{what}_{kind}_alg"), getattr(provider, f"{what}_{kind}_enc")
        if alg is None:
            continue
        if alg not in KEY_ALGORITHMS or enc not in CONTENT_ALGORITHMS:
            raise ConfigurationError(
                f"{who}: {what} cannot be encrypted with {str(alg)[:32]!r} and {str(enc)[:32]!r}.",
                hint=f"Use one of {', '.join(KEY_ALGORITHMS)} with one of {', '.join(CONTENT_ALGORITHMS)}.",
            )
        if what != "request_object" and not any(key.opens(alg) for key in provider.opening_keys):
            others = sorted({key.alg for key in provider.opening_keys if key.alg not in (None, alg)})
            raise ConfigurationError(
                f"{who}: none of decryption_keys opens {alg}.",
                hint=f"They say themselves that they are for {', '.join(others)}. Make one with "
                f"PrivateKey.generate({alg!r})."
                if others
                else "Set decryption_keys=[…], PEM or JWK.",
            )
    signed = provider.userinfo_signed_response_alg
    if signed is not None and signed.lower() == "none":
        raise ConfigurationError(
            f"{who}: userinfo that is not signed is not asked for by userinfo_signed_response_alg.",
            hint="Leave it out: without it userinfo may be signed or not.",
        )
    if signed is not None and signed not in provider.algorithms:
        raise ConfigurationError(f"{who}: userinfo_signed_response_alg is not among algorithms.", hint=f"Add {signed}.")

"""An authorization response that is a JWT (JARM, "JWT Secured Authorization Response Mode for OAuth 2.0").

Rule: only a signed one is an answer. `alg: none` is refused like any algorithm that is not on the provider's list,
and so is a plain answer where a JWT was asked for, be it an error: anybody could have written it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import Phase, ValidationFailed
from .callback import CallbackParams
from .jwe import open_jwt
from .jwks import Key
from .jwt import check_audience, check_header, check_issuer, check_times, failed, read_segments, verify_signature
from .messages import ServerMetadata

if TYPE_CHECKING:
    from ..providers.base import Provider

WHAT = "authorization response"
_READ = ("code", "iss", "error", "error_description", "error_uri", "id_token")


def read_state(response: str, providers: Iterable[Provider]) -> str:
    """The state that a JWT says, not to be believed: it only leads to the attempt whose provider can check the JWT.
    Empty when there is none. An encrypted one is opened by those of `providers` that have a key for it."""
    inner = response
    if response.count(".") == 4:
        for provider in providers:
            try:
                inner = open_response(provider, response)
            except ValidationFailed:
                continue
            if inner != response:
                break
    _, claims = read_segments(inner, WHAT)
    state = claims.get("state")
    return state if isinstance(state, str) else ""


def open_response(provider: Provider, response: str) -> str:
    """The signed JWT inside an encrypted one (JARM §2.2); itself where nothing is to be encrypted."""
    alg, enc = provider.authorization_encrypted_response_alg, provider.authorization_encrypted_response_enc
    return open_jwt(provider, response, WHAT, alg, enc)


def verify_response(
    provider: Provider, metadata: ServerMetadata, keys: Sequence[Key], params: CallbackParams, *, now: float
) -> CallbackParams:
    """What the JWT in `params` says, once its checks have passed (JARM §2.4): signature, iss, aud, exp.

    Raises `ValidationFailed`; `UnknownKey` when none of `keys` fits.
    """
    if params.response is None:
        raise ValidationFailed(
            "The callback is no signed JWT, and one was asked for.",
            check="response",
            hint="Compare response_mode= with what the provider supports.",
            phase=Phase.CALLBACK,
        )
    signed = open_response(provider, params.response)
    header, claims = read_segments(signed, WHAT)
    alg = check_header(provider, header, WHAT)
    verify_signature(provider, keys, signed, header, alg, WHAT)
    check_issuer(provider, metadata, claims, WHAT)
    check_audience(provider, claims, WHAT)
    check_times(claims, now=now, leeway=provider.leeway, what=WHAT, iat_demanded=False)
    if claims.get("state") != params.state:
        raise failed("state", f"The {WHAT} belongs to another login attempt.", "Begin the login again.")
    kept = {name: value for name in _READ if isinstance(value := claims.get(name), str) and value}
    return msgspec.convert({**kept, "state": params.state}, CallbackParams)

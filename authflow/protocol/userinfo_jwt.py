"""Userinfo that is a JWT: signed, encrypted, or both (OpenID Connect Core §5.3.2, §16.14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Recovery, ResponseInvalid
from .jwe import open_jwt
from .jwks import Key
from .jwt import check_audience, check_header, check_issuer, check_times, failed, read_segments, verify_signature
from .messages import ServerMetadata
from .reading import decode_object

if TYPE_CHECKING:
    from ..providers.base import Provider

WHAT = "userinfo response"


def verify_userinfo(
    provider: Provider, metadata: ServerMetadata, keys: Sequence[Key], token: str, *, now: float
) -> dict[str, Any]:
    """The claims in the JWT, once its checks have passed: encrypted and signed as registered, and where it says an
    issuer, an audience or an end, they must be right.

    Raises `ValidationFailed`; `UnknownKey` when none of `keys` fits.
    """
    encrypted, signed = provider.userinfo_encrypted_response_alg, provider.userinfo_signed_response_alg
    inner = open_jwt(provider, token, WHAT, encrypted, provider.userinfo_encrypted_response_enc)
    if encrypted is not None and signed is None and inner.startswith("{"):
        try:
            return decode_object(inner.encode(), WHAT)
        except ResponseInvalid:
            raise failed("format", f"The {WHAT} is no JSON object.") from None

    header, claims = read_segments(inner, WHAT)
    alg = check_header(provider, header, WHAT)
    if signed not in (None, alg):
        raise failed(
            "alg",
            f"The {WHAT} is signed with {alg}, and this client asked for {signed}.",
            "Compare the client's registration with userinfo_signed_response_alg=.",
            recovery=Recovery.FIX_CONFIGURATION,
        )
    verify_signature(provider, keys, inner, header, alg, WHAT)
    if claims.get("iss") is not None:
        check_issuer(provider, metadata, claims, WHAT)
    if claims.get("aud") is not None:
        check_audience(provider, claims, WHAT)
    if claims.get("exp") is not None:
        check_times(claims, now=now, leeway=provider.leeway, what=WHAT, iat_demanded=False)
    return claims

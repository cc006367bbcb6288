"""What the provider says of a token now (RFC 7662), also as a signed answer (RFC 9701).

Rule: nothing is concluded here. That a token is not active ends no session: the provider may not want to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from ..errors import Phase, ResponseInvalid
from ..records import Redacted
from .client_auth import authenticate_client
from .endpoints import endpoint_of
from .messages import ServerMetadata
from .reading import error_of, read_object
from .step import Limits, Moment, build_request

if TYPE_CHECKING:
    from ..providers.base import Provider
    from .jwks import Key

TYP: Final = "token-introspection+jwt"
SIGNED: Final = "application/" + TYP

_WHAT = "introspection response"


class Introspection(Redacted, msgspec.Struct, frozen=True):
    """Whether the token is active, and what else the provider said, as it came (`scope`, `exp`, `sub`, `aud`, …)."""

    active: bool
    claims: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Introspection(active={self.active})"

    __str__ = __repr__


def build_introspection_request(
    provider: Provider,
    metadata: ServerMetadata,
    moment: Moment,
    *,
    token: str,
    token_type_hint: str,
    signed: bool = False,
) -> httpx.Request:
    """RFC 7662 §2.1. `signed` asks for a JWT (RFC 9701 §4). Raises `MissingEndpoint`, `InsecureURL`."""
    endpoint = endpoint_of(provider, metadata, "introspection_endpoint", hint="This provider has no introspection.")
    headers = {"accept": SIGNED} if signed else {}
    form, headers = authenticate_client(
        provider, metadata, {"token": token, "token_type_hint": token_type_hint}, headers, moment
    )
    return build_request("POST", endpoint, form=form, headers=headers, limits=Limits(seconds=provider.timeout))


def read_introspection_response(provider: Provider, response: httpx.Response) -> Introspection:
    """RFC 7662 §2.2. Raises the `OAuthError` that the answer is, or `ResponseInvalid`."""
    return _introspection(read_object(provider, response, _WHAT, phase=Phase.VALIDATE))


def check_signed_introspection(provider: Provider, response: httpx.Response) -> str:
    """The JWT of a signed answer, not yet to be believed. Raises the error that the answer is, or
    `ResponseInvalid` when it is not signed."""
    error = error_of(provider, response, None, _WHAT, phase=Phase.VALIDATE)
    if error is not None:
        raise error
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() != SIGNED:
        raise ResponseInvalid(
            "The introspection response is not signed.",
            hint="Register the client with introspection_signed_response_alg, or leave signed= away.",
            phase=Phase.VALIDATE,
        )
    return response.text


def verify_signed_introspection(
    provider: Provider, metadata: ServerMetadata, keys: Sequence[Key], answer: str
) -> Introspection:
    """RFC 9701 §5: its type, its signature, from whom and for whom it is. Raises `ValidationFailed`, `UnknownKey`."""
    from .jwt import check_audience, check_header, check_issuer, failed, moment, read_segments, verify_signature

    header, claims = read_segments(answer, _WHAT)
    alg = check_header(provider, header, _WHAT, TYP)
    if str(header.get("typ", "")).lower().removeprefix("application/") != TYP:
        raise failed("typ", "This is another kind of token, not an introspection response.")
    verify_signature(provider, keys, answer, header, alg, _WHAT)
    check_issuer(provider, metadata, claims, _WHAT)
    check_audience(provider, claims, _WHAT)
    moment(claims, "iat", _WHAT)
    said = claims.get("token_introspection")
    if not isinstance(said, dict):
        raise failed("token_introspection", "The introspection response says nothing of a token.")
    return _introspection(said)


def _introspection(members: Mapping[str, Any]) -> Introspection:
    active = members.get("active")
    if not isinstance(active, bool):
        raise ResponseInvalid(
            "The introspection response does not say whether the token is active.", phase=Phase.VALIDATE
        )
    return Introspection(active=active, claims={name: value for name, value in members.items() if name != "active"})

"""Claims that others say about the human (OpenID Connect Core §5.6.2): aggregated ones come along as a JWT, distributed
ones lie at an endpoint.

Rule 1: only an issuer that the application named is believed, by a signature with that issuer's own keys, and only
        about the claims that the provider said are there. Who the human is, nobody else says.
Rule 2: they add. A claim that the provider itself made stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from ..errors import Phase, ResponseInvalid
from ..records import Profile, Redacted
from .jwks import Key
from .jwt import (
    LONGEST_JWT,
    check_audience,
    check_header,
    check_issuer,
    check_times,
    failed,
    read_segments,
    verify_signature,
)
from .messages import ServerMetadata
from .reading import dig, error_of
from .step import Limits, build_request
from .urls import check_endpoint
from .userinfo import PROTOCOL_CLAIMS, without_sources

if TYPE_CHECKING:
    from ..providers.base import Provider

WHAT = "claim source"
MOST_SOURCES = 4
_NEVER = PROTOCOL_CLAIMS | {"sub", "_claim_names", "_claim_sources"}


class ClaimSource(Redacted, msgspec.Struct, frozen=True):
    """Where some claims come from: a JWT at hand, or an endpoint with a token for it."""

    names: frozenset[str]
    token: str | None = None
    endpoint: str | None = None
    access_token: str | None = None


def read_sources(data: Mapping[str, Any]) -> list[ClaimSource]:
    """The first sources that `_claim_names` and `_claim_sources` tell of; what is none is left out."""
    names, sources = data.get("_claim_names"), data.get("_claim_sources")
    if not isinstance(names, Mapping) or not isinstance(sources, Mapping):
        return []
    found = []
    for label, source in list(sources.items())[:MOST_SOURCES]:
        wanted = frozenset(name for name, where in names.items() if where == label and name not in _NEVER)
        if not isinstance(source, Mapping) or not wanted:
            continue
        token, endpoint, access_token = (source.get(name) for name in ("JWT", "endpoint", "access_token"))
        if isinstance(token, str):
            found.append(ClaimSource(wanted, token=token))
        elif isinstance(endpoint, str) and isinstance(access_token, (str, type(None))):
            found.append(ClaimSource(wanted, endpoint=endpoint, access_token=access_token))
    return found


def build_source_request(provider: Provider, source: ClaimSource) -> httpx.Request:
    """Asks for distributed claims, with the token that is for them and no other. Raises `InsecureURL`."""
    endpoint = check_endpoint(source.endpoint or "", allow_insecure_loopback=provider.allow_insecure_loopback)
    token = source.access_token
    usable = token is not None and token.isascii() and token.isprintable() and " " not in token
    headers = {"authorization": f"Bearer {token}"} if usable else {}
    limits = Limits(most_bytes=LONGEST_JWT, seconds=provider.timeout)
    return build_request("GET", endpoint, headers={**headers, "accept": "application/jwt"}, limits=limits)


def read_source_response(provider: Provider, response: httpx.Response) -> str:
    """The JWT of distributed claims, as it came."""
    error = error_of(provider, response, None, WHAT, phase=Phase.VALIDATE, bearer=True)
    if error is not None:
        raise error
    try:
        return response.content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ResponseInvalid(f"The {WHAT} is no JWT.", phase=Phase.VALIDATE) from None


def source_issuer(provider: Provider, token: str) -> str:
    """Whose word a source is, not yet to be believed: one of those that the application named."""
    iss = read_segments(token, WHAT)[1].get("iss")
    if not isinstance(iss, str) or iss not in provider.claims_issuers:
        raise failed("iss", f"The {WHAT} is the word of somebody not named in claims_issuers.", "Add the issuer there.")
    return iss


def verify_source(
    issuer: Provider, metadata: ServerMetadata, keys: Sequence[Key], token: str, names: frozenset[str], *, now: float
) -> dict[str, Any]:
    """The claims called `names`, as `issuer` says them. Raises `ValidationFailed`, or `UnknownKey`."""
    header, claims = read_segments(token, WHAT)
    alg = check_header(issuer, header, WHAT)
    verify_signature(issuer, keys, token, header, alg, WHAT)
    check_issuer(issuer, metadata, claims, WHAT)
    if claims.get("aud") is not None:
        check_audience(issuer, claims, WHAT)
    if claims.get("exp") is not None:
        check_times(claims, now=now, leeway=issuer.leeway, what=WHAT, iat_demanded=False)
    return {name: claims[name] for name in names if name in claims}


def with_claims(provider: Provider, profile: Profile, found: Mapping[str, Any]) -> Profile:
    """`profile` with what others said, beneath what the provider said; the tokens for the sources are dropped."""
    profile = without_sources(profile)
    data = {**found, **profile.data}

    def text(present: str | None, path: str) -> str | None:
        value = dig(data, path)
        return present or (value if isinstance(value, str) and value else None)

    return msgspec.structs.replace(
        profile,
        data=data,
        name=text(profile.name, provider.name_path),
        email=text(profile.email, provider.email_path),
        picture=text(profile.picture, provider.picture_path),
    )

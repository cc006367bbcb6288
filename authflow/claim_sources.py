"""Collecting what others say about the human (OpenID Connect Core §5.6.2), from the issuers that the application named.

Rule: it only adds to a login. A source that fails, lies or is nobody's is a warning; its claims are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from .errors import AuthflowError, ErrorInfo, Phase
from .flows import Directory, ask, fetch_metadata, with_keys
from .protocol.messages import Granted
from .protocol.step import Flow
from .protocol.userinfo import without_sources

if TYPE_CHECKING:
    from .protocol.claim_sources import ClaimSource
    from .protocol.jwks import IssuerKeys
    from .providers.base import Provider


def with_claims_of_others(
    provider: Provider, directory: Directory, granted: Granted, *, now: float
) -> Flow[Granted]:
    """`granted` with its profile completed, where `claims_issuers` names somebody and the provider told of sources."""
    if granted.profile is None:
        return granted
    if not provider.claims_issuers:
        return replace(granted, profile=without_sources(granted.profile))
    from .protocol.claim_sources import read_sources, with_claims

    warning: ErrorInfo | None = granted.warning
    found: dict[str, Any] = {}
    for source in read_sources(granted.profile.data):
        try:
            said = yield from _claims_of(provider, directory, source, now)
        except AuthflowError as error:
            error.add_facts(phase=Phase.VALIDATE)
            warning = warning or error.info
        else:
            found = {**said, **found}
    return replace(granted, profile=with_claims(provider, granted.profile, found), warning=warning)


def _claims_of(
    provider: Provider, directory: Directory, source: ClaimSource, now: float
) -> Flow[Mapping[str, Any]]:
    from .protocol.claim_sources import build_source_request, read_source_response, source_issuer
    from .providers.base import ID_TOKEN_ALGORITHMS, Provider

    token = source.token
    if token is None:
        token = read_source_response(provider, (yield from ask(build_source_request(provider, source))))
    issuer = Provider(
        provider.client_id,
        name=provider.name,
        issuer=source_issuer(provider, token),
        discovery=True,
        algorithms=[alg for alg in provider.algorithms if alg in ID_TOKEN_ALGORITHMS] or ID_TOKEN_ALGORITHMS,
        leeway=provider.leeway,
        timeout=provider.timeout,
        allow_insecure_loopback=provider.allow_insecure_loopback,
    )
    name = issuer.issuer or ""
    metadata = directory.metadata(name, now)
    if metadata is None:
        metadata = yield from fetch_metadata(issuer, name)
        directory.keep_metadata(name, metadata, now)
    verify = partial(_verify, issuer, metadata, token, source.names, now)
    return (yield from with_keys(issuer, metadata, directory, verify, now))


def _verify(
    issuer: Provider, metadata: Any, token: str, names: frozenset[str], now: float, keys: IssuerKeys | None
) -> dict[str, Any]:
    from .protocol.claim_sources import verify_source

    return verify_source(issuer, metadata, keys.keys if keys else (), token, names, now=now)

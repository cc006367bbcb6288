"""Pushed authorization requests (RFC 9126): the parameters go to the provider directly, by a client that proves
itself; the browser carries a reference to them, and nothing else.

Rule: a reference is good for one attempt. None is kept for the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx

from ..errors import Phase, ResponseInvalid
from .client_auth import authenticate_client
from .endpoints import endpoint_of
from .messages import ServerMetadata
from .reading import is_number, read_object
from .step import Limits, Moment, build_request

if TYPE_CHECKING:
    from ..providers.base import Provider

LONGEST_REQUEST_URI = 2048  # characters


def is_pushed(provider: Provider, metadata: ServerMetadata) -> bool:
    """Whether the request is to be pushed: the setting says so, or the provider takes no other (§5, §6)."""
    return provider.require_pushed_authorization_requests or metadata.require_pushed_authorization_requests


def build_par_request(
    provider: Provider, metadata: ServerMetadata, moment: Moment, request: Mapping[str, str | tuple[str, ...]]
) -> httpx.Request:
    """§2.1: the parameters of the authorization request, and the client's proof. Raises `MissingEndpoint`,
    `InsecureURL`, `ConfigurationError`."""
    endpoint = endpoint_of(
        provider,
        metadata,
        "pushed_authorization_request_endpoint",
        hint="Set it, or leave require_pushed_authorization_requests out.",
    )
    proof, headers = authenticate_client(provider, metadata, {}, {}, moment)
    limits = Limits(seconds=provider.timeout)
    return build_request("POST", endpoint, form={**request, **proof}, headers=headers, limits=limits)


def read_par_response(provider: Provider, response: httpx.Response) -> str:
    """§2.2: the `request_uri`. Raises the `OAuthError` that the answer is, or `ResponseInvalid`."""
    members = read_object(provider, response, "pushed authorization response", phase=Phase.AUTHORIZE)
    request_uri = members.get("request_uri")
    good = isinstance(request_uri, str) and request_uri.isascii() and request_uri.isprintable()
    if not isinstance(request_uri, str) or not good or not 0 < len(request_uri) <= LONGEST_REQUEST_URI:
        raise ResponseInvalid("The pushed authorization response has no usable request_uri.", phase=Phase.AUTHORIZE)
    if not is_number(members.get("expires_in")) or members["expires_in"] <= 0:
        raise ResponseInvalid("The pushed authorization response has no expires_in.", phase=Phase.AUTHORIZE)
    return request_uri

"""Revoking a token at the provider (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from ..errors import Phase, ResponseInvalid
from .client_auth import authenticate_client
from .messages import ServerMetadata
from .reading import decode_object, error_of
from .step import Limits, Moment, build_request
from .urls import check_endpoint

if TYPE_CHECKING:
    from ..providers.base import Provider


def build_revocation_request(
    provider: Provider, metadata: ServerMetadata, token: str, token_type_hint: str, moment: Moment
) -> httpx.Request | None:
    """RFC 7009 §2.1; None when the provider has no revocation endpoint.

    `token_type_hint` is `access_token` or `refresh_token`. Where there is a refresh token, that is the one to
    revoke: its access tokens go with it (§2.1).
    """
    if not metadata.revocation_endpoint:
        return None
    endpoint = check_endpoint(
        metadata.revocation_endpoint, allow_insecure_loopback=provider.allow_insecure_loopback
    )
    form, headers = authenticate_client(
        provider, metadata, {"token": token, "token_type_hint": token_type_hint}, {}, moment
    )
    return build_request("POST", endpoint, form=form, headers=headers, limits=Limits(seconds=provider.timeout))


def read_revocation_response(provider: Provider, response: httpx.Response) -> None:
    """Returns when the token is dead: any 2xx, or "I do not know that token" (§2.2).

    Raises the `OAuthError` that the answer is, or `ResponseInvalid`.
    """
    try:
        members = decode_object(response.content, "revocation response")
    except ResponseInvalid:
        # The specification asks for no body, and providers send all sorts.
        members = None
    error = error_of(provider, response, members, "revocation response", phase=Phase.REVOKE)
    if error is not None and error.error != "invalid_token":
        raise error

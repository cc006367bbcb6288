"""Signing out at the provider (OpenID Connect RP-Initiated Logout 1.0 §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import ServerMetadata
from .urls import add_query, check_endpoint, check_redirect_uri

if TYPE_CHECKING:
    from ..providers.base import Provider


def build_end_session_url(
    provider: Provider,
    metadata: ServerMetadata,
    *,
    id_token_hint: str | None,
    post_logout_redirect_uri: str | None,
    state: str,
) -> str | None:
    """The URL to send the browser to; None when the provider has no end_session_endpoint.

    `state` goes along only with a `post_logout_redirect_uri`, which it comes back to. Raises `InsecureURL`.
    """
    if not metadata.end_session_endpoint:
        return None
    endpoint = check_endpoint(
        metadata.end_session_endpoint, allow_insecure_loopback=provider.allow_insecure_loopback
    )
    params = {"client_id": provider.client_id}
    if id_token_hint:
        params["id_token_hint"] = id_token_hint
    if post_logout_redirect_uri:
        params["post_logout_redirect_uri"] = check_redirect_uri(post_logout_redirect_uri)
        params["state"] = state
    return add_query(endpoint, params)

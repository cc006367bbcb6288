"""Client authentication at the token and revocation endpoints (RFC 6749 §2.3, OpenID Connect Core §9)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from ..errors import ConfigurationError
from .messages import ServerMetadata

if TYPE_CHECKING:
    from ..providers.base import ClientAuth, Provider


def authenticate_client(
    provider: Provider, metadata: ServerMetadata, form: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """`form` and `headers` with the client's proof in the one or the other.

    Raises `ConfigurationError` when the method needs a secret that is not there, or none is supported.
    """
    form, headers = dict(form), dict(headers)
    method = choose_client_auth(provider, metadata)
    secret = provider.client_secret

    if method == "none":
        form[provider.client_id_param] = provider.client_id
        return form, headers
    if not secret:
        raise ConfigurationError(
            f"{provider.name}: {method} needs a client_secret.",
            hint="Set client_secret, or client_auth='none' for a public client.",
        )
    if method == "client_secret_post":
        form[provider.client_id_param] = provider.client_id
        form[provider.client_secret_param] = secret
        return form, headers

    # RFC 6749 §2.3.1: both are form-encoded before base64, or a ':' '%' or '+' in them is misread.
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
    headers["authorization"] = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
    return form, headers


def choose_client_auth(provider: Provider, metadata: ServerMetadata) -> ClientAuth:
    """What the provider's settings say; else `none` without a secret; else what the metadata lists, basic
    first, which is also the default of RFC 8414 §2."""
    if provider.client_auth is not None:
        return provider.client_auth
    if not provider.client_secret:
        return "none"

    # A provider with its own names for the two parameters reads them from the form, not from Basic.
    if provider.client_id_param != "client_id" or provider.client_secret_param != "client_secret":
        return "client_secret_post"
    listed = metadata.token_endpoint_auth_methods_supported
    if not listed or "client_secret_basic" in listed:
        return "client_secret_basic"
    if "client_secret_post" in listed:
        return "client_secret_post"
    raise ConfigurationError(
        f"{provider.name} takes neither client_secret_basic nor client_secret_post.",
        hint="Register the client with one of them, or set client_auth=.",
    )

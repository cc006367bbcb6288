"""The authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1), with PKCE S256 always.

Rule: what binds the answer to this attempt (`state`, `nonce`, PKCE, `redirect_uri`, `response_type`) is put
in last. No parameter of a caller, a preset or a hook can replace it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import MissingEndpoint
from .messages import ServerMetadata
from .pkce import code_challenge
from .urls import add_query, check_endpoint, check_redirect_uri

if TYPE_CHECKING:
    from ..providers.base import Provider


def build_authorization_url(
    provider: Provider,
    metadata: ServerMetadata,
    *,
    redirect_uri: str,
    scope: Sequence[str],
    state: str,
    nonce: str | None,
    code_verifier: str,
    params: Mapping[str, str],
) -> str:
    """The URL to send the browser to.

    `params` are the caller's own (`login_hint`, `prompt`, `max_age`, `acr_values`, `ui_locales`, …); they
    win over the provider's `authorization_params`, and the provider's hook has the last word on both.
    Raises `MissingEndpoint`, `InsecureURL`, and `InvalidCall` for a `code_verifier` that is none.
    """
    if not metadata.authorization_endpoint:
        raise MissingEndpoint(
            f"{provider.name}: no authorization_endpoint is known.",
            hint="Set authorization_endpoint=, or an issuer with discovery.",
        )
    endpoint = check_endpoint(
        metadata.authorization_endpoint, allow_insecure_loopback=provider.allow_insecure_loopback
    )

    # OpenID Connect Core §3.1.2.1: without this scope value the request is not an OpenID request.
    wanted = list(dict.fromkeys(scope))
    if provider.openid and "openid" not in wanted:
        wanted.insert(0, "openid")

    asked = {**provider.authorization_params, **params}
    if wanted:
        asked["scope"] = provider.scope_separator.join(wanted)
    asked = dict(provider.amend_authorization_params(asked))

    bound = {
        "response_type": "code",
        provider.client_id_param: provider.client_id,
        "redirect_uri": check_redirect_uri(redirect_uri),
        "state": state,
        "code_challenge": code_challenge(code_verifier),
        "code_challenge_method": "S256",
    }
    if nonce is not None:
        bound["nonce"] = nonce
    asked.pop("nonce", None)
    url = add_query(endpoint, {**asked, **bound})
    return f"{url}#{provider.authorization_fragment}" if provider.authorization_fragment else url

"""The authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, §3.2.2.1, §3.3.2.1), with PKCE S256
wherever there is a code.

Rule: what binds the answer to this attempt (`state`, `nonce`, PKCE, `redirect_uri`, `response_type`, `response_mode`)
is put in last. No parameter of a caller, a preset or a hook can replace it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .endpoints import endpoint_of
from .messages import ServerMetadata
from .pkce import code_challenge
from .urls import add_query, check_redirect_uri

if TYPE_CHECKING:
    from ..providers.base import Provider

# Nobody else has a say in these, not even where this request has none.
OUR_PARAMETERS = frozenset(
    {
        "client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge",
        "code_challenge_method", "code_verifier", "request", "request_uri",
    }
)  # fmt: skip


def build_authorization_request(
    provider: Provider,
    *,
    redirect_uri: str,
    scope: Sequence[str],
    state: str,
    nonce: str | None,
    code_verifier: str,
    params: Mapping[str, str],
    resource: Sequence[str] = (),
) -> dict[str, str | tuple[str, ...]]:
    """The parameters of the request, whichever way they travel.

    `params` are the caller's own (`login_hint`, `prompt`, `max_age`, `acr_values`, `claims`, …); they win over
    the provider's `authorization_params`, and the provider's hook has the last word on both. `resource`: the APIs
    that the tokens are for (RFC 8707 §2), one parameter each.
    Raises `InsecureURL`, and `InvalidCall` for a `code_verifier` that is none.
    """
    # OpenID Connect Core §3.1.2.1: without this scope value the request is not an OpenID request.
    wanted = list(dict.fromkeys(scope))
    if provider.openid and "openid" not in wanted:
        wanted.insert(0, "openid")

    asked = {**provider.authorization_params, **params}
    if wanted:
        asked["scope"] = provider.scope_separator.join(wanted)
    asked = dict(provider.amend_authorization_params(asked))
    for name in OUR_PARAMETERS:
        asked.pop(name, None)

    bound: dict[str, str | tuple[str, ...]] = {
        "response_type": provider.response_type,
        provider.client_id_param: provider.client_id,
        "redirect_uri": check_redirect_uri(redirect_uri),
        "state": state,
    }
    if "code" in provider.response_type.split():
        bound["code_challenge"] = code_challenge(code_verifier)
        bound["code_challenge_method"] = "S256"
    if provider.response_mode is not None:
        bound["response_mode"] = provider.response_mode
    if nonce is not None:
        bound["nonce"] = nonce
    if resource:
        bound["resource"] = tuple(dict.fromkeys(resource))
    return {**asked, **bound}


def build_authorization_url(
    provider: Provider, metadata: ServerMetadata, request: Mapping[str, str | tuple[str, ...]]
) -> str:
    """The URL to send the browser to. Raises `MissingEndpoint`, `InsecureURL`."""
    endpoint = endpoint_of(
        provider, metadata, "authorization_endpoint", hint="Set authorization_endpoint=, or an issuer with discovery."
    )
    url = add_query(endpoint, request)
    return f"{url}#{provider.authorization_fragment}" if provider.authorization_fragment else url

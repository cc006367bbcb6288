"""Client-initiated backchannel authentication (OpenID Connect CIBA Core 1.0), by poll and by ping.

    build_ciba_request → read_ciba_response → build_ciba_token_request, once for each poll
    read_ping            the provider says that there is an answer

Rule: a client that signs its authorization requests signs these as well (§7.1.1); the provider may take no other, as
FAPI-CIBA §5.2.2 has it. They are not encrypted: they go straight to the provider.

Push is declined: it would send tokens to a route of ours that nobody but the provider's word protects, and the tokens
would be there before anybody asked for them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import httpx

from ..errors import CallbackRejected, ConfigurationError, Phase, ResponseInvalid
from .client_auth import authenticate_client
from .endpoints import endpoint_of
from .jar import sign_request
from .messages import ServerMetadata
from .reading import decode_object, read_object
from .step import Limits, Moment, build_request
from .terms import Terms, read_terms
from .token import build_grant_request, grant_text

if TYPE_CHECKING:
    from ..providers.base import Provider

GRANT_TYPE: Final = "urn:openid:params:grant-type:ciba"
REQUEST_CLAIM: Final = "urn:openid:params:jwt:claim:auth_req_id"
HINTS: Final = ("login_hint", "login_hint_token", "id_token_hint")
LONGEST_PING: Final = 16 * 1024  # bytes

_WHAT: Final = "backchannel authentication response"


def build_ciba_request(
    provider: Provider,
    metadata: ServerMetadata,
    moment: Moment,
    *,
    signing: Moment,
    scope: Sequence[str],
    params: Mapping[str, str],
    resource: Sequence[str] = (),
) -> httpx.Request:
    """§7.1: `params` hold exactly one hint, and what else is asked. With `request_object_signing_alg` all of it is in
    a JWT, and nothing beside that but the client's proof; `signing` is its moment: its `jti` is not the proof's.

    Raises `ConfigurationError`, `MissingEndpoint`.
    """
    endpoint = endpoint_of(
        provider,
        metadata,
        "backchannel_authentication_endpoint",
        hint="This provider asks nobody on their phone; use another agent.",
        phase=Phase.AUTHORIZE,
    )
    if sum(bool(params.get(name)) for name in HINTS) != 1:
        raise ConfigurationError(
            "Exactly one hint must say whom to ask.", hint=f"Give one of {', '.join(HINTS)} (CIBA Core §7.1)."
        )
    wanted = dict.fromkeys(("openid", *scope))
    form = {**params, "scope": provider.scope_separator.join(wanted)}
    if resource:
        form["resource"] = resource[0]
    if provider.request_object_signing_alg is not None:
        form = {"request": _signed(provider, metadata, signing, form)}
    proof, headers = authenticate_client(provider, metadata, form, {}, moment)
    return build_request("POST", endpoint, form=proof, headers=headers, limits=Limits(seconds=provider.timeout))


def read_ciba_response(provider: Provider, response: httpx.Response) -> Terms:
    """§7.3. Raises the `OAuthError` that the answer is, or `ResponseInvalid`."""
    return read_terms(read_object(provider, response, _WHAT, phase=Phase.AUTHORIZE), "auth_req_id", _WHAT)


def build_ciba_token_request(
    provider: Provider, metadata: ServerMetadata, moment: Moment, *, auth_req_id: str
) -> httpx.Request:
    """One poll (§10.1)."""
    return build_grant_request(provider, metadata, moment, GRANT_TYPE, {"auth_req_id": auth_req_id})


def read_ping(authorization: str, body: bytes | str | Mapping[str, Any]) -> tuple[str, str]:
    """The client_notification_token and auth_req_id of a ping (§10.2). Raises `CallbackRejected`."""
    scheme, _, token = (authorization if isinstance(authorization, str) else "").strip().partition(" ")
    if scheme.lower() != "bearer" or not 16 <= len(token) <= 1024 or not token.isascii() or not token.isprintable():
        raise _rejected("brings no token of ours")
    if isinstance(body, str):
        body = body.encode("utf-8", "replace")
    if isinstance(body, bytes):
        if len(body) > LONGEST_PING:
            raise _rejected("is too long")
        try:
            body = decode_object(body, "ping")
        except ResponseInvalid:
            raise _rejected("is no JSON object") from None
    if not isinstance(body, Mapping):  # a framework has read it
        raise _rejected("is no JSON object")
    try:
        code = grant_text(body, "auth_req_id", "ping")
    except ResponseInvalid:
        code = None
    if code is None:
        raise _rejected("names no auth_req_id")
    return token, code


def fits(code: str, known: str) -> bool:
    """Whether a ping is about the request that its token was made for."""
    return hmac.compare_digest(code.encode(), known.encode())


def _signed(provider: Provider, metadata: ServerMetadata, moment: Moment, form: Mapping[str, str]) -> str:
    if provider.request_object_signing_alg == "none":
        raise ConfigurationError(
            f"{provider.name}: an unsigned request asks nobody on their phone (CIBA Core §7.1.1).",
            hint="Set request_object_signing_alg='ES256' and client_key=, or leave it out.",
        )
    return sign_request(provider, metadata, moment, form)


def _rejected(why: str) -> CallbackRejected:
    return CallbackRejected(f"This notification {why}.", hint="Nothing was ended by it.", check="ping")

"""The token endpoint (RFC 6749 §4.1.3, §5, §6): requests, answers with all their quirks, and the `Token`.

Rule: an access token ends up in a header, so it must be made of what a header may carry (RFC 6750 §2.1);
a lifetime ends up in arithmetic, so it must be a sane number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from ..errors import Phase, ResponseInvalid, ValidationFailed
from ..records import Token, shared_scope
from .client_auth import authenticate_client
from .endpoints import endpoint_of
from .messages import ServerMetadata, TokenResponse
from .rar import check_granted_details
from .reading import decode_object, error_of, is_number
from .step import Limits, Moment, build_request
from .urls import add_query

if TYPE_CHECKING:
    from ..providers.base import Provider

LONGEST_CODE = 4096  # characters of a device_code or auth_req_id
LONGEST_LIFETIME = 10 * 365 * 86_400.0  # seconds; what is said to live longer lives this long

TOKEN_CHARACTERS = re.compile(r"[\x21-\x7e]+")  # RFC 6750 b64token and what providers add (| : !), no space
_GRANT_CHARACTERS = re.compile(r"[\x20-\x7e]+")  # RFC 6749 §A.12, §A.17
_TOKEN_TYPES = {"bearer": "Bearer", "dpop": "DPoP"}
_READ = frozenset(
    {"access_token", "token_type", "scope", "expires_in", "expires", "refresh_token", "id_token", "refresh_in"}
)


def build_token_request(
    provider: Provider,
    metadata: ServerMetadata,
    moment: Moment,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    resource: Sequence[str] = (),
) -> httpx.Request:
    """The exchange of a code (RFC 6749 §4.1.3, RFC 7636 §4.5). It must be sent once only.

    Of several `resource`s that were asked for, the access token is for the first (RFC 8707 §2.2).
    """
    form = {
        **provider.token_params,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
        **({"resource": resource[0]} if resource else {}),
    }
    return _build(provider, metadata, moment, form)


def build_refresh_request(
    provider: Provider,
    metadata: ServerMetadata,
    moment: Moment,
    *,
    refresh_token: str,
    scope: Sequence[str] | None = None,
    resource: str | None = None,
) -> httpx.Request:
    """A refresh (RFC 6749 §6). `scope` is left out where the provider does not want it repeated; `resource` is the
    API that the access token is for (RFC 8707 §2.2)."""
    form = {**provider.token_params, "grant_type": "refresh_token", "refresh_token": refresh_token}
    if scope and provider.refresh_scope:
        form["scope"] = provider.scope_separator.join(scope)
    if resource:
        form["resource"] = resource
    return _build(provider, metadata, moment, form)


def build_grant_request(
    provider: Provider,
    metadata: ServerMetadata,
    moment: Moment,
    grant_type: str,
    form: Mapping[str, str | tuple[str, ...]],
) -> httpx.Request:
    """A token request of any other grant (RFC 6749 §4.5): `form` is what that grant is asked with."""
    return _build(provider, metadata, moment, {**provider.token_params, "grant_type": grant_type, **form})


def _build(
    provider: Provider, metadata: ServerMetadata, moment: Moment, form: Mapping[str, str | tuple[str, ...]]
) -> httpx.Request:
    endpoint = endpoint_of(
        provider, metadata, "token_endpoint", hint="Set token_endpoint=, or an issuer with discovery."
    )
    proof, headers = authenticate_client(provider, metadata, {}, {}, moment)
    form = {**form, **proof}
    limits = Limits(seconds=provider.timeout)
    if provider.token_method == "GET":
        request = build_request("GET", add_query(endpoint, form), headers=headers, limits=limits)
    else:
        request = build_request("POST", endpoint, form=form, headers=headers, limits=limits)
    return provider.amend_token_request(request)


def read_token_response(provider: Provider, response: httpx.Response) -> TokenResponse:
    """What the token endpoint said.

    Raises `OAuthError` (also for a 200 with an error in it), `ResponseInvalid`, and `ValidationFailed`
    (`check="token_type"`) for a kind of token that authflow cannot use. The phase is `exchange`; a
    refresh sets its own.
    """
    members = _members(response)
    error = error_of(provider, response, members, "token response", phase=Phase.EXCHANGE)
    if error is not None:
        raise error
    if members is None:
        raise _invalid("is neither JSON nor a form")
    return token_response(members)


def token_response(members: Mapping[str, Any]) -> TokenResponse:
    """The members of a good answer, checked; what has no field here is in `extra`."""
    access_token = _text(members, "access_token", TOKEN_CHARACTERS)
    if access_token is None:
        raise _invalid("has no access_token")
    check_granted_details(members)

    expires_in, read = _seconds(members, "expires_in"), _READ
    if expires_in is None:
        # Older providers call it `expires`. A number too big for a lifetime is a date: ours to keep, not to read.
        expires_in = _seconds(members, "expires")
        if expires_in == LONGEST_LIFETIME:
            expires_in, read = None, _READ - {"expires"}
    return TokenResponse(
        access_token=access_token,
        token_type=_token_type(members),
        scope=_scope(members),
        expires_in=expires_in,
        refresh_token=_text(members, "refresh_token", _GRANT_CHARACTERS),
        id_token=_text(members, "id_token", TOKEN_CHARACTERS),
        refresh_in=_seconds(members, "refresh_in"),
        extra={name: value for name, value in members.items() if name not in read},
    )


def to_token(
    response: TokenResponse, *, now: float, requested_scope: Sequence[str] = (), previous: Token | None = None
) -> Token:
    """The `Token` to keep: `expires_at` made absolute with `now`, and what the answer left out filled in.

    No scope means the one that was asked for (RFC 6749 §5.1) or had before (§6). A refresh that brings no
    new refresh token, ID token or extra member keeps the old one.
    """
    scope = response.scope
    if scope is None:
        scope = tuple(requested_scope) or (previous.scope if previous else ())
    return Token(
        access_token=response.access_token,
        token_type=response.token_type,
        scope=shared_scope(tuple(scope)),
        expires_in=response.expires_in,
        expires_at=None if response.expires_in is None else now + response.expires_in,
        refresh_token=response.refresh_token or (previous.refresh_token if previous else None),
        id_token=response.id_token or (previous.id_token if previous else None),
        extra={**(previous.extra if previous else {}), **response.extra},
    )


def grant_text(members: Mapping[str, Any], name: str, what: str) -> str | None:
    """A code or identifier that will be sent back in a form (RFC 6749 §A.11); None where there is none. Raises
    `ResponseInvalid`."""
    value = members.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_CODE or not _GRANT_CHARACTERS.fullmatch(value):
        raise ResponseInvalid(f"The {what} has an unusable {name}.", phase=Phase.AUTHORIZE)
    return value


def with_id_token(token: Token, id_token: str | None) -> Token:
    """`token` with another ID token."""
    return msgspec.structs.replace(token, id_token=id_token)


def _members(response: httpx.Response) -> dict[str, Any] | None:
    """JSON, or a form as GitHub, Facebook and Stack Exchange send it; None for anything else."""
    body = response.content
    try:
        return decode_object(body, "token response", phase=Phase.EXCHANGE)
    except ResponseInvalid:
        pass
    start = body[:1]
    if not body or start in b"{[<" or not re.match(rb"[A-Za-z_]+=", body):
        return None
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=64, errors="strict")
    except ValueError:
        return None
    members = dict(pairs)
    if len(members) != len(pairs) or not {"access_token", "error"} & members.keys():
        return None
    return members


def _text(members: Mapping[str, Any], name: str, characters: re.Pattern[str]) -> str | None:
    value = members.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not characters.fullmatch(value):
        raise _invalid(f"has an unusable {name}")
    return value


def _token_type(members: Mapping[str, Any]) -> str:
    value = members.get("token_type")
    if value is None or value == "":
        return "Bearer"
    kind = _TOKEN_TYPES.get(value.lower()) if isinstance(value, str) else None
    if kind is None:
        # RFC 6749 §7.1: a client must not use a token whose type it does not understand.
        raise ValidationFailed(
            "The provider issued a kind of token that authflow cannot use.",
            check="token_type",
            hint="Only Bearer tokens are understood; read another kind in Provider.read_token_response.",
            phase=Phase.EXCHANGE,
        )
    return kind


def _seconds(members: Mapping[str, Any], name: str) -> float | None:
    value = members.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:32])
    if not is_number(value):
        raise _invalid(f"has an {name} that is no number of seconds")
    return float(min(max(value, 0), LONGEST_LIFETIME))


def _scope(members: Mapping[str, Any]) -> tuple[str, ...] | None:
    value = members.get("scope")
    if value is None:
        return None
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _invalid("has a scope that is neither text nor a list of texts")
    return tuple(dict.fromkeys(value))


def _invalid(why: str) -> ResponseInvalid:
    return ResponseInvalid(
        f"The token response {why}.", hint="Check that token_endpoint is the provider's.", phase=Phase.EXCHANGE
    )

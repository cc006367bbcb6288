"""Request objects (JAR, RFC 9101; OpenID Connect Core §6): the parameters of the authorization request as a JWT
that the client signed, and encrypted where the provider's settings say so.

Rule: an unsigned one (`alg: none`) proves nothing. It is made for conformance tests alone, by a setting whose name
says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ConfigurationError, InvalidCall
from .messages import ServerMetadata
from .par import is_pushed
from .step import Moment
from .urls import check_endpoint

if TYPE_CHECKING:
    from ..providers.base import Provider

TYPE = "oauth-authz-req+jwt"
OBJECT_SECONDS = 300
LONGEST_REQUEST_URI = 512  # RFC 9101 §5.2
_JSON = ("claims", "authorization_details")  # RFC 9101 §4: JSON is JSON there, and not text


def is_object(provider: Provider, metadata: ServerMetadata) -> bool:
    """Whether the request is to be a request object. Raises `ConfigurationError` when the provider takes no other
    (§10.5), and nothing to sign with is set."""
    if provider.request_object_signing_alg is not None:
        return True
    if metadata.require_signed_request_object:
        raise ConfigurationError(
            f"{provider.name} takes signed request objects only.",
            hint="Set request_object_signing_alg= and client_key=.",
        )
    return False


def check_hosted(provider: Provider, metadata: ServerMetadata, request_uri: str) -> None:
    """Whether the application can host its request object at `request_uri` (§5.2.1). Raises `InvalidCall`,
    `InsecureURL`."""
    check_endpoint(request_uri, allow_insecure_loopback=provider.allow_insecure_loopback)
    if len(request_uri) > LONGEST_REQUEST_URI or not is_object(provider, metadata) or is_pushed(provider, metadata):
        raise InvalidCall(
            "request_uri= names where the application serves a request object: 512 characters at most.",
            hint="Set request_object_signing_alg=, and leave request_uri= out where requests are pushed.",
        )


def build_request_object(
    provider: Provider, metadata: ServerMetadata, moment: Moment, request: Mapping[str, str | tuple[str, ...]]
) -> str:
    """The signed JWT (RFC 9101 §4). Raises `ConfigurationError` for a client without a key that fits."""
    return sign_request(provider, metadata, moment, {name: _typed(name, value) for name, value in request.items()})


def sign_request(
    provider: Provider, metadata: ServerMetadata, moment: Moment, parameters: Mapping[str, Any]
) -> str:
    """A JWT of `parameters`, from this client to the provider. Raises `ConfigurationError`."""
    now = int(moment.now)
    claims = {
        **parameters,
        "iss": provider.client_id,
        "aud": metadata.issuer or provider.issuer or metadata.authorization_endpoint,
        "jti": moment.jti,
        "iat": now,
        "nbf": now,
        "exp": now + OBJECT_SECONDS,
    }
    header, alg = {"typ": TYPE}, provider.request_object_signing_alg or ""
    if alg == "none":
        return _unsigned(header, claims)
    key = provider.private_key
    if key is None:
        raise ConfigurationError(f"{provider.name}: a request object needs a client_key.", hint="Set client_key=.")
    return key.sign(header, claims, key.choose_alg(None, alg))


def build_front_channel(
    provider: Provider, request: Mapping[str, str | tuple[str, ...]], reference: Mapping[str, str]
) -> dict[str, str | tuple[str, ...]]:
    """What the browser carries beside a request object (`request`) or where it lies (`request_uri`).

    RFC 9101 §5 wants the client_id; OpenID Connect Core §6.1 the response type and the scope as well.
    """
    beside = ("response_type", "scope") if provider.openid else ()
    kept = {name: request[name] for name in (provider.client_id_param, *beside) if name in request}
    return {**kept, **reference}


def _typed(name: str, value: str | tuple[str, ...]) -> Any:
    if isinstance(value, tuple):
        return value[0] if len(value) == 1 else list(value)
    try:
        if name in _JSON:
            return msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError):
        return value
    return int(value) if name == "max_age" and value.isascii() and value.isdigit() else value


def _unsigned(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    from joserfc.jwk import OctKey

    from .private_key import sign_jwt

    nobodys = OctKey.import_key(b"the algorithm none has no key")
    return sign_jwt({"alg": "none", **header}, claims, nobodys)

"""Where a provider's endpoints are: its discovery document, its preset's fields, or both.

Rule 1: the `issuer` in a document is the issuer that was asked, byte for byte (OpenID Connect Discovery
        §4.3, RFC 8414 §3.3). A document about somebody else is refused whole.
Rule 2: no endpoint that is not https, and none at a private address unless the issuer itself lives at one:
        a document must not send our secrets into our own network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from ..errors import ConfigurationError, InsecureURL, Phase, ResponseInvalid, ValidationFailed, printable
from .client_certificate import with_aliases
from .messages import ServerMetadata
from .reading import read_object
from .step import CALL_SECONDS, DOCUMENT_BYTES, Limits, build_request
from .urls import check_endpoint, host_of, is_private_host

if TYPE_CHECKING:
    from ..providers.base import Provider

ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "revocation_endpoint",
    "end_session_endpoint",
    "device_authorization_endpoint",
    "backchannel_authentication_endpoint",
    "pushed_authorization_request_endpoint",
    "introspection_endpoint",
    "registration_endpoint",
)

_PLACEHOLDER = re.compile(r"\{[A-Za-z_]+\}")


def build_discovery_requests(
    issuer: str,
    *,
    allow_insecure_loopback: bool = False,
    seconds: float = CALL_SECONDS,
    every_form: bool = False,
) -> list[httpx.Request]:
    """The documents to ask for, in this order, until one is there: OpenID Connect Discovery §4.1 (appended
    to the issuer), RFC 8414 §3.1 (between host and path). `every_form` asks by RFC 8414 first, and for OpenID
    Connect's document in both places (§5): of a server that an API named, nobody knows which kind it is.

    Raises `InsecureURL` for an issuer that is no clean https URL, or that has a query.
    """
    check_endpoint(issuer, allow_insecure_loopback=allow_insecure_loopback)
    parts = urlsplit(issuer)
    if "?" in issuer:
        raise InsecureURL("An issuer has no query (RFC 8414 §2).", hint="Set issuer= as the provider documents it.")
    path = parts.path.removesuffix("/")
    limits = Limits(most_bytes=DOCUMENT_BYTES, seconds=seconds)
    appended, inserted = path + "/.well-known/openid-configuration", "/.well-known/openid-configuration" + path
    oauth = "/.well-known/oauth-authorization-server" + path
    paths = dict.fromkeys((oauth, inserted, appended) if every_form else (appended, oauth))
    return [
        build_request("GET", urlunsplit((parts.scheme, parts.netloc, one, "", "")), limits=limits) for one in paths
    ]


def read_metadata(response: httpx.Response, issuer: str, provider: Provider) -> ServerMetadata:
    """What a discovery document says, checked by `check_metadata`.

    Raises `ResponseInvalid` or `OAuthError` for an answer that is no document, `ValidationFailed`
    (`check="issuer"`), `InsecureURL`.
    """
    members = read_object(provider, response, "discovery document", phase=Phase.PREPARE)
    known = {name: members[name] for name in ServerMetadata.__struct_fields__ if members.get(name) is not None}
    try:
        metadata = msgspec.convert(known, ServerMetadata)
    except msgspec.ValidationError:
        raise ResponseInvalid("The discovery document has members of a wrong type.", phase=Phase.PREPARE) from None
    return check_metadata(metadata, issuer, provider)


def check_metadata(metadata: ServerMetadata, issuer: str, provider: Provider) -> ServerMetadata:
    """`metadata`, if it is about `issuer` and none of its endpoints is a trap."""
    template = provider.issuer_claim_template
    fits = metadata.issuer == issuer or (template is not None and fits_template(template, metadata.issuer))
    if not fits:
        raise ValidationFailed(
            "The discovery document is about another issuer.",
            check="issuer",
            hint=f"Expected {printable(issuer, 200)!r}, got {printable(metadata.issuer, 200)!r}; "
            "set issuer= exactly as the provider writes it, trailing slash included.",
            phase=Phase.PREPARE,
        )
    check_endpoints(metadata, provider)
    if not is_private_host(host_of(issuer)):
        for name, url in named_endpoints(metadata):
            if is_private_host(host_of(url)):
                raise InsecureURL(
                    f"The discovery document puts {name} at a private address.",
                    hint=f"If that is meant, set {name}= on the provider.",
                    phase=Phase.PREPARE,
                )
    return metadata


def check_endpoints(metadata: ServerMetadata, provider: Provider) -> None:
    """Raises `InsecureURL` for the first endpoint that no secret may be sent to."""
    for name, url in named_endpoints(metadata):
        try:
            check_endpoint(url, allow_insecure_loopback=provider.allow_insecure_loopback)
        except InsecureURL as error:
            raise InsecureURL(f"{provider.name}, {name}: {error.message}", hint=error.hint) from None


def configured_metadata(provider: Provider) -> ServerMetadata:
    """The endpoints that the provider's own fields name. Raises `InsecureURL`."""
    metadata = merge_metadata(provider, ServerMetadata(issuer=provider.issuer or ""))
    check_endpoints(metadata, provider)
    return metadata


def merge_metadata(provider: Provider, discovered: ServerMetadata) -> ServerMetadata:
    """What was discovered, under what the provider's fields say; with a certificate, at the endpoints for it."""
    if provider.client_certificate is not None:
        discovered = with_aliases(discovered)
    own = {name: url for name in ENDPOINTS if (url := getattr(provider, name, None))}
    merged = msgspec.structs.replace(discovered, **own)
    if own:
        check_endpoints(merged, provider)
    return merged


def issuer_of(provider: Provider) -> str:
    """The issuer to discover. Raises `ConfigurationError` when the provider has none."""
    if not provider.issuer:
        raise ConfigurationError(f"{provider.name}: discovery needs an issuer.", hint="Set issuer=https://….")
    return provider.issuer


def fits_template(template: str, issuer: str) -> bool:
    """Whether `issuer` is `template` with one path segment in place of its `{claim}`, or with another
    placeholder there (Entra's metadata says `{tenantid}` in so many letters)."""
    literal = [re.escape(part) for part in _PLACEHOLDER.split(template)]
    return bool(re.fullmatch(r"(?:[A-Za-z0-9._~\-]+|\{[A-Za-z_]+\})".join(literal), issuer))


def has_placeholder(issuer: str) -> bool:
    return bool(_PLACEHOLDER.search(issuer))


def named_endpoints(metadata: ServerMetadata) -> Iterable[tuple[str, str]]:
    own = ((name, url) for name in ENDPOINTS if (url := getattr(metadata, name)) is not None)
    return (*own, *(metadata.mtls_endpoint_aliases or {}).items())

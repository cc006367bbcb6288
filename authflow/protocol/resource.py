"""From an API to the server that signs people in to it: protected resource metadata (RFC 9728).

    the API's 401 → where its metadata are → the metadata → the authorization server

Rule 1: an API speaks for itself only. Its metadata must be about the very URL that is called, or one above it on the
        same origin, or they are not used.
Rule 2: an API chooses where somebody signs in, so where it points is judged as metadata are: https, no tricks, and
        from a public API into no private network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from ..errors import InsecureURL, Phase, ResponseInvalid, ValidationFailed, printable
from .challenge import read_resource_challenge
from .reading import read_object
from .step import DOCUMENT_BYTES, Limits, build_request
from .urls import check_endpoint, host_of, is_private_host, origin_of

if TYPE_CHECKING:
    from ..providers.base import Provider

MOST_SERVERS: Final = 16
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_WHAT = "protected resource metadata"


class ResourceMetadata(msgspec.Struct, frozen=True):
    """RFC 9728 §2, as far as it is read."""

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()


def build_probe_request(provider: Provider, url: str) -> httpx.Request:
    """A request without a token: its 401 says where the metadata are (RFC 9728 §5.1)."""
    check_endpoint(url, allow_insecure_loopback=provider.allow_insecure_loopback)
    # An MCP server answers a GET by a stream of events.
    headers = {"accept": "application/json, text/event-stream"}
    return build_request("GET", url, headers=headers, limits=Limits(seconds=provider.timeout))


def read_probe_response(response: httpx.Response) -> tuple[str | None, tuple[str, ...]]:
    """Where the metadata are, and the scope that the request would have needed; None and nothing for an answer that
    does not say."""
    if response.status_code != 401:
        return None, ()
    return read_resource_challenge(response.headers.get_list("www-authenticate"))


def build_resource_metadata_requests(provider: Provider, url: str, challenged: str | None) -> list[httpx.Request]:
    """The documents to ask for, in this order, until one is there: where the 401 said, and no other then; or the
    well-known ones, with the resource's path and without (RFC 9728 §3.1).

    Raises `InsecureURL`.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if challenged is not None:
        places = [challenged]
    else:
        tails = dict.fromkeys((WELL_KNOWN + path + (f"?{parts.query}" if parts.query else ""), WELL_KNOWN))
        places = [f"{parts.scheme}://{parts.netloc}{tail}" for tail in tails]
    limits = Limits(most_bytes=DOCUMENT_BYTES, seconds=provider.timeout)
    for place in places:
        _check_place(provider, url, place, "The API puts its metadata")
    return [build_request("GET", place, limits=limits) for place in places]


def read_resource_metadata(provider: Provider, url: str, response: httpx.Response) -> ResourceMetadata:
    """RFC 9728 §3.2, §3.3. Raises `ResponseInvalid`, `ValidationFailed` (`check="resource"`), `InsecureURL`."""
    members = read_object(provider, response, _WHAT, phase=Phase.PREPARE)
    known = {name: members[name] for name in ResourceMetadata.__struct_fields__ if members.get(name) is not None}
    try:
        found = msgspec.convert(known, ResourceMetadata)
    except msgspec.ValidationError:
        raise ResponseInvalid(f"The {_WHAT} have members of a wrong type.", phase=Phase.PREPARE) from None
    if not is_about(found.resource, url):
        raise ValidationFailed(
            f"The {_WHAT} are about another resource.",
            check="resource",
            hint=f"They speak of {printable(found.resource, 200)!r}, asked was {printable(url, 200)!r}.",
            phase=Phase.PREPARE,
        )
    if not 0 < len(found.authorization_servers) <= MOST_SERVERS:
        raise ResponseInvalid(
            f"The {_WHAT} name no authorization server.",
            hint="Name it yourself: OpenIDConnect(issuer, …) or OAuth2(…) with api_origins=[…].",
            phase=Phase.PREPARE,
        )
    for server in found.authorization_servers:
        _check_place(provider, url, server, "The API names an authorization server")
    return found


def is_about(resource: str, url: str) -> bool:
    """Whether a resource is `url`, or lies above it on the same origin (an MCP server that speaks for its host)."""
    try:
        check_endpoint(resource, allow_insecure_loopback=True)
        there, here = urlsplit(resource), urlsplit(url)
    except (InsecureURL, ValueError):
        return False
    if resource == url:
        return True
    path = there.path.rstrip("/")
    return origin_of(resource) == origin_of(url) and not there.query and (
        here.path.rstrip("/") == path or here.path.startswith(path + "/")
    )


def choose_server(provider: Provider, found: ResourceMetadata) -> str:
    """The issuer to sign in at: the one that the application is registered with, or else the API's first.

    Raises `ValidationFailed` (`check="issuer"`) when the API has left the server that this application's credentials
    are for: they are not sent to another.
    """
    if provider.issuer is None:
        return found.authorization_servers[0]
    if provider.issuer not in found.authorization_servers:
        raise ValidationFailed(
            "The API does not accept the authorization server any more that this client is registered with.",
            check="issuer",
            hint=f"It names {printable(found.authorization_servers[0], 200)!r}; register there and set issuer=.",
            phase=Phase.PREPARE,
        )
    return provider.issuer


def resource_scopes(found: ResourceMetadata, challenged: Sequence[str], server: Sequence[str]) -> tuple[str, ...]:
    """What to ask for: what the 401 named, or else what the API supports; and to stay signed in, where the server
    offers it."""
    asked = tuple(challenged) or found.scopes_supported
    stay = ("offline_access",) if "offline_access" in server else ()
    return tuple(dict.fromkeys((*asked, *stay)))


def _check_place(provider: Provider, url: str, place: str, what: str) -> None:
    try:
        check_endpoint(place, allow_insecure_loopback=provider.allow_insecure_loopback)
    except InsecureURL as error:
        raise InsecureURL(f"{what} at an address that is not safe: {error.message}", hint=error.hint) from None
    if is_private_host(host_of(place)) and not is_private_host(host_of(url)):
        raise InsecureURL(
            f"{what} at a private address.",
            hint="An API on the public network does not lead there.",
            phase=Phase.PREPARE,
        )

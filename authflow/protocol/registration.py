"""Registering this application with a server that does not know it (RFC 7591), and managing that (RFC 7592).

Two ways, in this order: a client id that is the https URL of a document which the server reads itself
(draft-ietf-oauth-client-id-metadata-document), and a registration by request.

Rule 1: what a server gave is good at that server only. `ClientInformation.issuer` says which; nobody sends it to
        another.
Rule 2: a registration access token goes to the server that made it, at its own origin, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from ..errors import ConfigurationError, InsecureURL, NotSupported, Phase, ResponseInvalid, printable
from ..records import Redacted
from .endpoints import endpoint_of
from .messages import ServerMetadata
from .reading import error_of, is_number, read_object
from .step import Limits, build_request
from .token import TOKEN_CHARACTERS
from .urls import check_endpoint, check_redirect_uri, host_of, is_loopback, origin_of

if TYPE_CHECKING:
    from ..providers.base import Provider

LONGEST_TEXT: Final = 4096  # characters of one value
EXPIRES_SOON: Final = 60.0  # seconds; a client secret that ends within them has ended
METHODS: Final = ("none", "client_secret_basic", "client_secret_post")

_WHAT = "registration response"


class ClientMetadata(Redacted, msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How this application presents itself (RFC 7591 §2). `redirect_uris`, `application_type` and
    `token_endpoint_auth_method` are made from what the login uses, unless they are given here.

    `client_id_metadata_url`: where the application serves the same as a document (`client_id_document`).
    `initial_access_token`: where the server lets in only who has one. `more`: any further member.
    """

    client_name: str
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    software_id: str | None = None
    software_version: str | None = None
    software_statement: str | None = None
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    frontchannel_logout_uri: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    application_type: str | None = None
    token_endpoint_auth_method: str | None = None
    id_token_signed_response_alg: str | None = None
    client_id_metadata_url: str | None = None
    initial_access_token: str | None = None
    more: dict[str, Any] = {}


class ClientInformation(Redacted, msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a server gave (RFC 7591 §3.2.1). `expires_at`: when the secret ends (seconds since the epoch); None: never.

    `configuration_uri` and `registration_access_token` manage it (RFC 7592 §3), where the server lets one.
    """

    issuer: str
    client_id: str
    client_secret: str | None = None
    expires_at: float | None = None
    token_endpoint_auth_method: str = "none"
    redirect_uris: tuple[str, ...] = ()
    configuration_uri: str | None = None
    registration_access_token: str | None = None
    resource: str | None = None  # the API that led here, by its own name, and the scope that it wants
    scope: tuple[str, ...] = ()

    def is_over(self, now: float) -> bool:
        """Its secret has ended, or is about to."""
        return self.expires_at is not None and now + EXPIRES_SOON >= self.expires_at


def choose_application_type(redirect_uri: str) -> str:
    """OpenID Connect Registration §2: `native` for loopback and private-use schemes, else `web`."""
    parts = urlsplit(redirect_uri)
    native = parts.scheme not in ("http", "https") or is_loopback(parts.hostname or "")
    return "native" if native else "web"


def choose_auth_method(metadata: ServerMetadata, application_type: str) -> str:
    """A native application keeps no secret (RFC 8252 §8.5) where the server can do without; a web one has one."""
    listed = metadata.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    wanted = METHODS if application_type == "native" else ("client_secret_basic", "client_secret_post", "none")
    for method in wanted:
        if method in listed:
            return method
    raise NotSupported(
        "The server registers clients with none of the ways that authflow can ask for.",
        hint=f"It lists {printable(' '.join(listed), 200)}; register the client by hand.",
        phase=Phase.PREPARE,
    )


def build_registration_request(
    provider: Provider, metadata: ServerMetadata, client: ClientMetadata, redirect_uri: str
) -> httpx.Request:
    """RFC 7591 §3.1. Raises `MissingEndpoint` where the server has no registration."""
    endpoint = endpoint_of(
        provider,
        metadata,
        "registration_endpoint",
        said=f"{provider.name}: the server does not know this application, and registers none.",
        hint="Register it by hand and pass client_id=, or serve its metadata: "
        "registration=ClientMetadata(…, client_id_metadata_url=…).",
        phase=Phase.PREPARE,
    )
    headers = _bearer(client.initial_access_token)
    return _build("POST", endpoint, provider, headers, client_members(client, metadata, redirect_uri))


def client_members(client: ClientMetadata, metadata: ServerMetadata, redirect_uri: str) -> dict[str, Any]:
    """The members of a registration request. Raises `InsecureURL`."""
    uris = [check_redirect_uri(uri) for uri in client.redirect_uris or (redirect_uri,)]
    kind = client.application_type or choose_application_type(uris[0])
    own = {name: value for name, value in msgspec.to_builtins(client).items() if name not in _NOT_SENT}
    return {
        **client.more,
        **own,
        "redirect_uris": uris,
        "grant_types": list(client.grant_types),
        "response_types": ["code"],
        "application_type": kind,
        "token_endpoint_auth_method": client.token_endpoint_auth_method or choose_auth_method(metadata, kind),
    }


def client_id_document(client: ClientMetadata, *redirect_uris: str) -> dict[str, Any]:
    """What to serve as JSON at `client_id_metadata_url`: the application's metadata, its own URL as `client_id`.

    Raises `ConfigurationError`, `InsecureURL`.
    """
    url = check_client_id_url(client.client_id_metadata_url or "")
    uris = client.redirect_uris or redirect_uris
    if not uris:
        raise ConfigurationError("A client id document lists the redirect URIs.", hint="Pass redirect_uris=(…).")
    listing = msgspec.structs.replace(client, redirect_uris=uris)
    members = client_members(listing, ServerMetadata(token_endpoint_auth_methods_supported=("none",)), uris[0])
    members = {name: value for name, value in members.items() if not name.startswith("client_secret")}  # draft §4.1
    return {**members, "client_id": url, "token_endpoint_auth_method": "none"}


def check_client_id_url(url: str) -> str:
    """draft-ietf-oauth-client-id-metadata-document §3: https, with a path, without dot segments."""
    try:
        path = urlsplit(check_endpoint(url)).path
    except InsecureURL as error:
        raise ConfigurationError(f"client_id_metadata_url: {error.message}", hint=error.hint) from None
    if path in ("", "/") or {".", ".."} & set(path.split("/")):
        raise ConfigurationError(
            "client_id_metadata_url must have a path, without dot segments.", hint="https://app.example/client.json"
        )
    return url


def read_registration_response(
    provider: Provider, metadata: ServerMetadata, response: httpx.Response
) -> ClientInformation:
    """RFC 7591 §3.2.1; also of a read or an update (RFC 7592 §3). Raises the `OAuthError` that the answer is, or
    `ResponseInvalid`."""
    members = read_object(provider, response, _WHAT, phase=Phase.PREPARE)
    client_id = _text(members, "client_id")
    if client_id is None:
        raise _invalid("has no client_id")
    secret = _text(members, "client_secret")
    method = _text(members, "token_endpoint_auth_method") or ("none" if secret is None else "client_secret_basic")
    if method not in METHODS:
        raise _invalid("registers a client authentication that was not asked for")
    if method != "none" and secret is None:
        raise _invalid("has no client_secret")
    uris = members.get("redirect_uris") or ()
    if not isinstance(uris, (list, tuple)) or not all(isinstance(uri, str) for uri in uris):
        raise _invalid("has redirect_uris that are no texts")
    uri, token = _management(provider, metadata, members)
    return ClientInformation(
        issuer=metadata.issuer,
        client_id=client_id,
        client_secret=secret if method != "none" else None,
        expires_at=_expiry(members) if secret is not None else None,
        token_endpoint_auth_method=method,
        redirect_uris=tuple(uris),
        configuration_uri=uri,
        registration_access_token=token,
    )


def build_configuration_request(
    provider: Provider, known: ClientInformation, method: str, members: Mapping[str, Any] | None = None
) -> httpx.Request:
    """RFC 7592 §2: GET reads, PUT replaces, DELETE ends a registration. Raises `NotSupported` for one that cannot be
    managed."""
    if known.configuration_uri is None or known.registration_access_token is None:
        raise NotSupported(
            f"{provider.name}: this registration cannot be managed.", hint="The server gave no configuration endpoint."
        )
    endpoint = check_endpoint(known.configuration_uri, allow_insecure_loopback=provider.allow_insecure_loopback)
    body = None
    if members is not None:
        # §2.2: all of it, and what proves whose it is; not what the server alone decides.
        body = {**members, "client_id": known.client_id}
        if known.client_secret is not None:
            body["client_secret"] = known.client_secret
    return _build(method, endpoint, provider, _bearer(known.registration_access_token), body)


def keep_management(known: ClientInformation, answered: ClientInformation) -> ClientInformation:
    """An answer to a read or update may leave out what has not changed (RFC 7592 §3). Raises `ResponseInvalid` when it
    is about another client."""
    if answered.client_id != known.client_id:
        raise _invalid("is about another client")
    return msgspec.structs.replace(
        answered,
        configuration_uri=answered.configuration_uri or known.configuration_uri,
        registration_access_token=answered.registration_access_token or known.registration_access_token,
        redirect_uris=answered.redirect_uris or known.redirect_uris,
        resource=known.resource,
        scope=known.scope,
    )


def read_deletion_response(provider: Provider, response: httpx.Response) -> None:
    """RFC 7592 §2.3: 204; a 401 says that it was gone already."""
    error = error_of(provider, response, None, "answer to the deletion", phase=Phase.PREPARE)
    if error is not None and response.status_code not in (401, 404):
        raise error


_NOT_SENT: Final = frozenset({"client_id_metadata_url", "initial_access_token", "more"})


def _build(
    method: str, endpoint: str, provider: Provider, headers: Mapping[str, str], members: Mapping[str, Any] | None
) -> httpx.Request:
    request = build_request(method, endpoint, headers=headers, limits=Limits(seconds=provider.timeout))
    if members is None:
        return request
    return httpx.Request(
        method,
        request.url,
        content=msgspec.json.encode(members),
        headers={
            **{name: value for name, value in request.headers.items() if name not in ("host", "content-length")},
            "content-type": "application/json",
        },
        extensions=request.extensions,
    )


def _bearer(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not TOKEN_CHARACTERS.fullmatch(token):
        raise ConfigurationError("initial_access_token is no token that a header can hold.", hint="Copy it anew.")
    return {"authorization": f"Bearer {token}"}


def _management(
    provider: Provider, metadata: ServerMetadata, members: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """Both or none; and only at an origin of this very server."""
    uri, token = _text(members, "registration_client_uri"), _text(members, "registration_access_token")
    if token is not None and not TOKEN_CHARACTERS.fullmatch(token):
        raise _invalid("has a registration_access_token that no header can hold")
    if uri is None or token is None:
        return None, token if uri is None else None
    check_endpoint(uri, allow_insecure_loopback=provider.allow_insecure_loopback)
    own = {origin_of(one) for one in (metadata.issuer, metadata.registration_endpoint) if one and host_of(one)}
    if origin_of(uri) not in own:
        raise _invalid("wants the registration access token sent to another origin")
    return uri, token


def _expiry(members: Mapping[str, Any]) -> float | None:
    value = members.get("client_secret_expires_at")
    if value is None or value == 0:
        return None
    if not is_number(value) or value < 0:
        raise _invalid("has a client_secret_expires_at that is no time")
    return float(value)


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable() or value.strip() != value:
        raise _invalid(f"has an unusable {name}")
    return value


def _invalid(why: str) -> ResponseInvalid:
    return ResponseInvalid(
        f"The {_WHAT} {why}.", hint="Register the client by hand and pass client_id=.", phase=Phase.PREPARE
    )

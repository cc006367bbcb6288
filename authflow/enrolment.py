"""Becoming a client: which server an API's users sign in at, and what this application is called there.

Generators, as in `flows/`. Nothing is kept here; whoever runs them keeps what a server gave, with its issuer.

Rule: what is known already is used first, what the application itself set before all. A server is asked to register a
client only when it cannot read who that is by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .errors import AuthflowError, ConfigurationError, Phase, ProviderError
from .flows import UNAVAILABLE, ask
from .protocol import registration
from .protocol.registration import ClientInformation, ClientMetadata
from .protocol.resource import (
    ResourceMetadata,
    build_probe_request,
    build_resource_metadata_requests,
    choose_server,
    read_probe_response,
    read_resource_metadata,
)

if TYPE_CHECKING:
    from .protocol.messages import ServerMetadata
    from .protocol.step import Flow
    from .providers.base import Provider


def find_server(provider: Provider, url: str) -> Flow[tuple[str, ResourceMetadata, tuple[str, ...]]]:
    """The issuer that signs people in to the API at `url`, the API's metadata, and the scope its 401 asked for.

    Raises what the answers are, `ValidationFailed` for metadata of another resource or another server than the one
    this client is registered with, `InsecureURL` for an API that leads where it must not.
    """
    place, scope = read_probe_response((yield from ask(build_probe_request(provider, url))))
    requests = build_resource_metadata_requests(provider, url, place)
    missing: AuthflowError | None = None
    for request in requests:
        try:
            found = read_resource_metadata(provider, url, (yield from ask(request)))
        except (*UNAVAILABLE, ConfigurationError):
            raise
        except ProviderError as error:
            if error.check is not None:
                raise
            missing = missing or error
        else:
            return choose_server(provider, found), found, scope
    raise missing or ConfigurationError(f"{provider.name}: the API publishes no metadata.")


def enrol(provider: Provider, metadata: ServerMetadata, redirect_uri: str) -> Flow[ClientInformation]:
    """What this application is called at the server: by its own document where the server reads those, or else by a
    registration (RFC 7591). Raises `MissingEndpoint` where neither is possible."""
    client = described(provider)
    if client.client_id_metadata_url is not None and metadata.client_id_metadata_document_supported:
        url = registration.check_client_id_url(client.client_id_metadata_url)
        return ClientInformation(issuer=metadata.issuer, client_id=url, redirect_uris=(redirect_uri,))
    request = registration.build_registration_request(provider, metadata, client, redirect_uri)
    try:
        given = registration.read_registration_response(provider, metadata, (yield from ask(request)))
    except AuthflowError as error:
        error.add_facts(phase=Phase.PREPARE)
        raise
    # Not every server repeats them.
    return given if given.redirect_uris else msgspec.structs.replace(given, redirect_uris=(redirect_uri,))


def read_registration(
    provider: Provider, metadata: ServerMetadata, known: ClientInformation
) -> Flow[ClientInformation]:
    """The registration as the server has it now (RFC 7592 §2.1); its secret and token may be new ones."""
    request = registration.build_configuration_request(provider, known, "GET")
    answered = registration.read_registration_response(provider, metadata, (yield from ask(request)))
    return registration.keep_management(known, answered)


def update_registration(
    provider: Provider, metadata: ServerMetadata, known: ClientInformation, client: ClientMetadata
) -> Flow[ClientInformation]:
    """The registration after it was replaced by `client` (RFC 7592 §2.2)."""
    uris = client.redirect_uris or known.redirect_uris
    if not uris:
        raise ConfigurationError("A registration lists redirect URIs.", hint="Pass redirect_uris=(…).")
    members = registration.client_members(
        msgspec.structs.replace(
            client,
            redirect_uris=uris,
            token_endpoint_auth_method=client.token_endpoint_auth_method or known.token_endpoint_auth_method,
        ),
        metadata,
        uris[0],
    )
    request = registration.build_configuration_request(provider, known, "PUT", members)
    answered = registration.read_registration_response(provider, metadata, (yield from ask(request)))
    return registration.keep_management(known, answered)


def delete_registration(provider: Provider, known: ClientInformation) -> Flow[None]:
    """Ends the registration at the server (RFC 7592 §2.3)."""
    request = registration.build_configuration_request(provider, known, "DELETE")
    registration.read_deletion_response(provider, (yield from ask(request)))


def described(provider: Provider) -> ClientMetadata:
    """How the application presents itself. Raises `ConfigurationError` when it does not."""
    if provider.registration is None:
        raise ConfigurationError(
            f"{provider.name} has neither a client_id nor a registration.",
            hint='Pass client_id=, or registration=ClientMetadata(client_name="My application").',
        )
    return provider.registration


def check_pkce(provider: Provider, metadata: ServerMetadata) -> None:
    """A server that was found by an API must say that it does PKCE by S256, or nobody could tell whether it looks at
    the code_verifier at all. Raises `ConfigurationError`."""
    if provider.resource is None or provider.assumes_s256:
        return
    if "S256" in (metadata.code_challenge_methods_supported or ()):
        return
    raise ConfigurationError(
        f"{provider.name}: the authorization server does not say that it supports PKCE with S256.",
        hint="If its documentation does, set assumes_s256=True.",
        phase=Phase.PREPARE,
    )

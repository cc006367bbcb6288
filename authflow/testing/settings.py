"""The development provider as authflow's users configure a provider: one call, and its redirect URIs are registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..providers import GitHub, OpenIDConnect
from ..providers.base import Provider

if TYPE_CHECKING:
    from .dev_provider import DevProvider
    from .grants import DevClient


def provider_settings(dev: DevProvider, name: str, client_id: str, settings: Mapping[str, Any]) -> Provider:
    """`OpenIDConnect(…)` or `GitHub(…)` for `dev`; `settings` go to that class and win."""
    client = dev.clients.get(client_id) or dev.client(client_id)
    common = {
        "name": name,
        "label": dev.label,
        "rotation": dev.rotation,
        "allow_insecure_loopback": True,
        "api_origins": [dev.url],
        **settings,
    }
    provider = _github(dev, client, common) if dev.style == "github" else _openid(dev, client, common)
    register(client, provider)
    return provider


def _openid(dev: DevProvider, client: DevClient, settings: Mapping[str, Any]) -> Provider:
    full = {"groups_claim": "groups", "group_scopes": ["groups"], **settings}
    return OpenIDConnect(dev.issuer, client.client_id, client.client_secret, **full)


def _github(dev: DevProvider, client: DevClient, settings: Mapping[str, Any]) -> Provider:
    url = dev.url
    return GitHub(client.client_id, client.client_secret, **settings).replace(
        issuer=dev.issuer,
        authorization_endpoint=f"{url}/login/oauth/authorize",
        token_endpoint=f"{url}/login/oauth/access_token",
        userinfo_endpoint=f"{url}/user",
        revocation_endpoint=f"{url}/applications/{client.client_id}/token",
        device_authorization_endpoint=f"{url}/login/device/code",
    )


def register(client: DevClient, provider: Provider) -> None:
    """Adds to the client what `provider` will send as redirect URIs, the public halves of its keys, and what
    it wants signed, encrypted and pushed."""
    loopback = [f"http://{host}{provider.callback_path}" for host in ("127.0.0.1", "[::1]")]
    if provider.loopback_port:
        loopback.append(f"http://{provider.loopback_host}:{provider.loopback_port}{provider.callback_path}")
    for uri in (provider.redirect_uri, *loopback):
        if uri and uri not in client.redirect_uris:
            client.redirect_uris.append(uri)
    key = provider.private_key
    if key is not None and provider.client_auth in (None, "private_key_jwt") and key.public_jwk() not in client.keys:
        client.keys.append(key.public_jwk())
    client.unsigned_requests = provider.request_object_signing_alg == "none"
    signs = key is not None and provider.request_object_signing_alg not in (None, "none")
    client.request_keys = [key.public_jwk()] if key is not None and signs else []
    client.must_push = provider.require_pushed_authorization_requests
    client.signs_userinfo = provider.userinfo_signed_response_alg is not None
    client.encrypts = {}
    for what in ("id_token", "userinfo", "authorization"):
        alg, enc = (getattr(provider, f"{what}_encrypted_response_{part}") for part in ("alg", "enc"))
        opening = next((one for one in provider.opening_keys if alg is not None and one.opens(alg)), None)
        if opening is not None:
            client.encrypts[what] = alg, enc, {**opening.public_jwk(), "use": "enc", "kid": opening.name}
    after = provider.post_logout_redirect_uri
    if after and after not in client.post_logout_redirect_uris:
        client.post_logout_redirect_uris.append(after)

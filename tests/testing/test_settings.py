from __future__ import annotations

import pytest

from authflow.providers import GitHub, OpenIDConnect
from authflow.testing import DevProvider
from authflow.testing.grants import registered


def test_an_openid_provider_is_configured_by_its_issuer() -> None:
    with DevProvider(rotation="grace").serve() as dev:
        acme = dev.settings("acme", scopes=["openid", "profile"])
        assert isinstance(acme, OpenIDConnect)
        assert (acme.name, acme.issuer, acme.rotation) == ("acme", dev.issuer, "grace")
        assert acme.client_secret == dev.clients["dev-app"].client_secret
        assert (acme.scopes, acme.api_origins) == (("openid", "profile"), (dev.url,))


def test_one_that_poses_as_github_is_a_github() -> None:
    with DevProvider(style="github").serve() as dev:
        hub = dev.settings("hub")
        assert isinstance(hub, GitHub)
        assert (hub.name, hub.issuer) == ("hub", f"{dev.url}/login/oauth")
        endpoints = [hub.authorization_endpoint, hub.token_endpoint, hub.userinfo_endpoint, hub.revocation_endpoint]
        assert all(endpoint and endpoint.startswith(dev.url) for endpoint in endpoints)
        assert hub.device_authorization_endpoint == f"{dev.url}/login/device/code"


@pytest.mark.parametrize("style", ["oidc", "github"])
def test_the_redirect_uris_that_authflow_will_use_are_registered(style: str) -> None:
    dev = DevProvider(style=style, issuer="https://op.example")  # type: ignore[arg-type]
    dev.settings(
        "acme",
        redirect_uri="https://app.example/callback",
        post_logout_redirect_uri="https://app.example/bye",
    )
    dev.settings("fixed", loopback_host="localhost", loopback_port=8400)
    client = dev.clients["dev-app"]
    for uri in ("http://127.0.0.1:1/callback/acme", "http://[::1]:1/callback/acme", "https://app.example/callback",
                "http://localhost:8400/callback/fixed"):  # fmt: skip
        assert registered(uri, client.redirect_uris)
    assert client.post_logout_redirect_uris == ["https://app.example/bye"]


def test_a_client_that_is_not_there_yet_is_registered() -> None:
    dev = DevProvider(issuer="https://op.example")
    assert dev.settings("acme", client_id="another").client_secret == dev.clients["another"].client_secret


def test_a_public_client_stays_public() -> None:
    dev = DevProvider(issuer="https://op.example")
    dev.client("phone", None)
    assert dev.settings("acme", client_id="phone").client_secret is None

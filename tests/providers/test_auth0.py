"""Auth0, against answers in the shapes that Auth0 sends."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from authflow import flows
from authflow.errors import ConfigurationError, ValidationFailed
from authflow.protocol.messages import ServerMetadata
from authflow.providers import Auth0
from tests.providers.recorded import NONCE, RecordedProvider, json_answer, login, run, sign

HOME = "https://app.example.com/"


@pytest.fixture
def auth0(idp: RecordedProvider) -> Auth0:
    idp.publish("/", revocation_endpoint=f"{idp.origin}/oauth/revoke")
    claims = {"iss": f"{idp.origin}/", "aud": "the-id", "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "nonce": NONCE}
    answer = {
        "access_token": "eyJz93a.k4laUWw",
        "refresh_token": "GEbRxBN.edjnXbL",
        "id_token": sign(claims),
        "scope": "openid profile email offline_access",
        "expires_in": 86400,
        "token_type": "Bearer",
    }
    idp.on("POST", "/token", json_answer(answer))
    idp.on("GET", "/userinfo", json_answer({"sub": claims["sub"], "name": "Ada", "email": "ada@example.com"}))
    return Auth0("tenant.eu.auth0.com", "the-id", "the-secret").replace(
        issuer=f"{idp.origin}/", allow_insecure_loopback=True
    )


def logout_url(auth0: Auth0, metadata: ServerMetadata) -> str:
    url = auth0.build_end_session_url(
        metadata, id_token_hint="the-id-token", post_logout_redirect_uri=HOME, state="s"
    )
    return url or ""


def test_a_login_tells_who_it_is_by_sub(auth0: Auth0) -> None:
    assert login(auth0).profile.id == "auth0|5f7c8ec7c33c6c004bbafe82"


def test_the_issuer_ends_in_a_slash_and_without_it_is_another(idp: RecordedProvider, auth0: Auth0) -> None:
    assert Auth0("tenant.eu.auth0.com", "the-id").issuer == "https://tenant.eu.auth0.com/"
    with pytest.raises(ValidationFailed):
        login(auth0.replace(issuer=idp.origin))


def test_an_audience_goes_into_the_authorization_request() -> None:
    auth0 = Auth0("tenant.eu.auth0.com", "the-id", audience="https://api.example.com")
    assert auth0.authorization_params == {"audience": "https://api.example.com"}
    assert Auth0("tenant.eu.auth0.com", "the-id").authorization_params == {}


def test_a_tenant_that_does_not_show_its_logout_endpoint_has_the_old_one(idp: RecordedProvider, auth0: Auth0) -> None:
    url = urlsplit(logout_url(auth0, run(flows.discover(auth0, flows.Directory(), 0))))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{idp.origin}/v2/logout"
    assert parse_qs(url.query) == {"client_id": ["the-id"], "returnTo": [HOME]}


def test_a_tenant_that_shows_its_logout_endpoint_is_asked_there(idp: RecordedProvider, auth0: Auth0) -> None:
    idp.publish("/", end_session_endpoint=f"{idp.origin}/oidc/logout")
    url = logout_url(auth0, run(flows.discover(auth0, flows.Directory(), 0)))
    assert url.startswith(f"{idp.origin}/oidc/logout?")
    assert "id_token_hint=the-id-token" in url


def test_only_the_refresh_token_can_be_revoked(idp: RecordedProvider, auth0: Auth0) -> None:
    idp.on("POST", "/oauth/revoke", json_answer({}))
    metadata = run(flows.discover(auth0, flows.Directory(), 0))
    assert run(flows.revoke(auth0, metadata, token="x", token_type_hint="access_token")) is False
    assert run(flows.revoke(auth0, metadata, token="x", token_type_hint="refresh_token")) is True
    assert len(idp.asked("/oauth/revoke")) == 1


def test_a_refresh_token_is_asked_for_by_default() -> None:
    assert "offline_access" in Auth0("tenant.eu.auth0.com", "the-id").requested_scopes()
    assert "offline_access" not in Auth0("tenant.eu.auth0.com", "the-id", offline=False).requested_scopes()


@pytest.mark.parametrize("domain", ["https://tenant.eu.auth0.com", "tenant.eu.auth0.com/", ""])
def test_a_domain_is_a_domain(domain: str) -> None:
    with pytest.raises(ConfigurationError, match="host name"):
        Auth0(domain, "the-id")


def test_arguments_in_the_wrong_order_are_noticed() -> None:
    with pytest.raises(ConfigurationError, match=r"no dot\. Write Auth0\(\"tenant\.eu\.auth0\.com\", \"client-id\""):
        Auth0("the-id", "tenant.eu.auth0.com")

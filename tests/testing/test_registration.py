"""The development provider's registration endpoint keeps the rules that a strict one keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from authflow.testing import DevProvider

WEB = {"redirect_uris": ["https://app.example/cb"], "application_type": "web"}


@pytest.fixture
def provider() -> DevProvider:
    return DevProvider(issuer="https://op.example", auto="ada", algorithm="ES256")


@pytest.fixture
async def http(provider: DevProvider) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(provider.app), base_url=provider.url) as made:
        yield made


async def test_a_client_is_registered_and_its_secrets_are_on_the_ledger(
    provider: DevProvider, http: httpx.AsyncClient
) -> None:
    answer = await http.post("/register", json=WEB)
    made = answer.json()
    assert answer.status_code == 201
    assert provider.clients[made["client_id"]].redirect_uris == WEB["redirect_uris"]
    assert made["client_secret_expires_at"] == 0
    assert {made["client_secret"], made["registration_access_token"]} <= provider.secrets


async def test_a_public_client_has_no_secret(http: httpx.AsyncClient) -> None:
    members = {**WEB, "token_endpoint_auth_method": "none"}
    assert "client_secret" not in (await http.post("/register", json=members)).json()


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": "x"}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://127.0.0.1/cb"]}, "invalid_redirect_uri"),  # a web client, by default
        ({"redirect_uris": ["http://app.example/cb"], "application_type": "native"}, "invalid_redirect_uri"),
        ({**WEB, "token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
    ],
)
async def test_what_cannot_be_registered_is_refused(http: httpx.AsyncClient, members: Any, error: str) -> None:
    answer = await http.post("/register", json=members)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert (await http.post("/register", content=b"no json")).status_code == 400


async def test_only_its_own_token_manages_a_registration(provider: DevProvider, http: httpx.AsyncClient) -> None:
    made = (await http.post("/register", json=WEB)).json()
    uri, token = made["registration_client_uri"], made["registration_access_token"]
    assert (await http.get(uri)).status_code == 401
    assert (await http.get(uri, headers={"authorization": "Bearer other"})).status_code == 401

    read = (await http.get(uri, headers={"authorization": f"Bearer {token}"})).json()
    assert read["client_id"] == made["client_id"]
    assert (await http.get(uri, headers={"authorization": f"Bearer {token}"})).status_code == 401  # it was rotated

    owner = {"authorization": f"Bearer {read['registration_access_token']}"}
    foreign = await http.put(uri, json={**WEB, "client_id": "another"}, headers=owner)
    assert foreign.status_code == 400
    changed = await http.put(uri, json={**WEB, "client_id": made["client_id"], "client_name": "New"}, headers=owner)
    assert changed.json()["client_name"] == "New"

    owner = {"authorization": f"Bearer {changed.json()['registration_access_token']}"}
    assert (await http.delete(uri, headers=owner)).status_code == 204
    assert made["client_id"] not in provider.clients


async def test_the_api_says_who_signs_people_in_to_it(provider: DevProvider, http: httpx.AsyncClient) -> None:
    challenge = (await http.get("/api/me")).headers["www-authenticate"]
    where = challenge.split('resource_metadata="')[1].split('"')[0]
    told = (await http.get(where)).json()
    assert (told["resource"], told["authorization_servers"]) == (provider.resource, [provider.issuer])
    assert (await http.get("/.well-known/oauth-protected-resource")).json() == told

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import httpx
import pytest

from authflow.testing import DevProvider, DevUser
from tests.testing.plain_client import ISSUER, REDIRECT_URI, PlainClient, answer_of


@pytest.fixture
def provider() -> DevProvider:
    teams = [f"team-{n}" for n in range(70)]
    return DevProvider(style="github", issuer=ISSUER, auto="ada", users=[DevUser("ada", "Ada Lovelace", groups=teams)])


@pytest.fixture
async def client(provider: DevProvider) -> AsyncIterator[PlainClient]:
    async with PlainClient(provider) as made:
        yield made


async def access_token(client: PlainClient, **changes: str) -> str:
    token: str = (await client.exchange(await client.code(**changes))).json()["access_token"]
    return token


async def test_the_callback_carries_an_issuer_that_is_not_the_origin(client: PlainClient) -> None:
    assert answer_of(await client.authorize())["iss"] == f"{ISSUER}/login/oauth"


async def test_there_is_no_openid_here(client: PlainClient) -> None:
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks"):
        assert (await client.get(path)).status_code == 404
    answer = (await client.exchange(await client.code(scope="openid user:email"))).json()
    assert "id_token" not in answer


async def test_a_token_comes_as_json_when_asked_for(client: PlainClient) -> None:
    answer = (await client.exchange()).json()
    assert answer == {"access_token": answer["access_token"], "token_type": "bearer", "scope": "user:email,read:org"}
    assert answer["access_token"].startswith("gho_")


async def test_a_token_comes_as_a_form_otherwise(client: PlainClient) -> None:
    form = {"code": await client.code(), "redirect_uri": REDIRECT_URI, "code_verifier": client.verifier}
    answer = await client.token(form)
    assert answer.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert set(parse_qs(answer.text)) == {"access_token", "token_type", "scope"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "unknown-code"}, "bad_verification_code"),
        ({"client_secret": "wrong-secret", "client_id": "dev-app"}, "incorrect_client_credentials"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_errors_come_with_status_200(client: PlainClient, changes: dict[str, str], error: str) -> None:
    form = {"code": await client.code(), "redirect_uri": REDIRECT_URI, "code_verifier": client.verifier}
    headers = {"accept": "application/json"}
    auth = None if "client_id" in changes else ("dev-app", client.provider.clients["dev-app"].client_secret or "")
    answer = await client.http.post("/login/oauth/access_token", data={**form, **changes}, headers=headers, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (200, error)


async def test_pkce_is_enforced_here_too(client: PlainClient) -> None:
    assert answer_of(await client.authorize(code_challenge=None))["error"] == "invalid_request"
    assert (await client.exchange(code_verifier="w" * 43)).json()["error"] == "bad_verification_code"


async def test_the_user_has_a_number_and_no_public_email(client: PlainClient) -> None:
    answer = await client.get("/user", await access_token(client))
    user = answer.json()
    assert isinstance(user["id"], int)
    assert (user["login"], user["name"], user["email"]) == ("ada", "Ada Lovelace", None)
    assert answer.headers["x-oauth-scopes"] == "user:email, read:org"


async def test_the_primary_email_stands_among_others(client: PlainClient) -> None:
    emails = (await client.get("/user/emails", await access_token(client))).json()
    assert [one["email"] for one in emails if one["primary"] and one["verified"]] == ["ada@example.com"]
    assert len(emails) == 2


async def test_emails_want_their_scope(client: PlainClient) -> None:
    assert (await client.get("/user/emails", await access_token(client, scope="read:user"))).status_code == 404


async def test_teams_want_their_scope(client: PlainClient) -> None:
    assert (await client.get("/user/teams", await access_token(client, scope="read:user"))).status_code == 403


async def test_teams_come_in_pages_linked_by_a_header(client: PlainClient) -> None:
    token = await access_token(client)
    answer = await client.get("/user/teams", token, params={"per_page": "30"})
    names, pages = [one["slug"] for one in answer.json()], 1
    while "next" in answer.links:
        answer = await client.get(answer.links["next"]["url"], token)
        names, pages = names + [one["slug"] for one in answer.json()], pages + 1
    assert (len(names), pages) == (70, 3)
    assert len((await client.get("/user/teams", token, params={"per_page": "100"})).json()) == 70


async def test_the_api_is_also_where_enterprise_has_it(client: PlainClient) -> None:
    assert (await client.get("/api/v3/user", await access_token(client))).status_code == 200


async def test_a_bad_token_is_told_in_githubs_words(client: PlainClient) -> None:
    answer = await client.get("/user", "no-such-token")
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


@pytest.mark.parametrize("what", ["token", "grant"])
async def test_a_token_is_revoked_by_delete(provider: DevProvider, client: PlainClient, what: str) -> None:
    first, second = await access_token(client), await access_token(client)
    auth = ("dev-app", provider.clients["dev-app"].client_secret or "")
    path = f"/applications/dev-app/{what}"
    answer = await client.http.request("DELETE", path, json={"access_token": first}, auth=auth)
    assert answer.status_code == 204
    assert not provider.accepts(first)
    assert provider.accepts(second) is (what == "token")
    again = await client.http.request("DELETE", path, json={"access_token": first}, auth=auth)
    assert again.status_code == 422
    assert provider.count("revoke") == 2


async def test_only_the_application_itself_may_revoke(provider: DevProvider, client: PlainClient) -> None:
    token = await access_token(client)
    for auth in (("dev-app", "wrong-secret"), ("stranger", "wrong-secret")):
        answer = await client.http.request(
            "DELETE", "/applications/dev-app/token", content=json.dumps({"access_token": token}), auth=auth
        )
        assert answer.status_code == 401
    assert provider.accepts(token)


async def test_expiring_tokens_come_with_a_refresh_token(provider: DevProvider, client: PlainClient) -> None:
    provider.refresh_tokens = True
    first = (await client.exchange()).json()
    assert first["refresh_token"].startswith("ghr_")
    assert first["expires_in"] == 3600
    headers = {"accept": "application/json"}
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert "access_token" in (await client.token(form, headers=headers)).json()
    reused: httpx.Response = await client.token(form, headers=headers)
    assert reused.json()["error"] == "bad_refresh_token"

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from authflow.errors import ConfigurationError
from authflow.testing import DevProvider
from tests.testing.plain_client import ISSUER, PlainClient, answer_of, transaction_of


@pytest.fixture
def provider() -> DevProvider:
    return DevProvider(issuer=ISSUER, auto="ada", algorithm="ES256")


@pytest.fixture
async def client(provider: DevProvider) -> AsyncIterator[PlainClient]:
    async with PlainClient(provider) as made:
        yield made


@pytest.fixture
def served() -> Iterator[DevProvider]:
    with DevProvider(auto="ada", algorithm="ES256").serve() as provider:
        yield provider


# ── what it records ──────────────────────────────────────────────────────────────────────────────────


async def test_every_request_is_on_record_without_its_query(provider: DevProvider, client: PlainClient) -> None:
    await client.exchange()
    await client.get("/nowhere?code=x")
    assert provider.requests == [("GET", "/authorize", 303), ("POST", "/token", 200), ("GET", "/nowhere", 404)]


async def test_requests_are_counted_by_endpoint(provider: DevProvider, client: PlainClient) -> None:
    await client.get("/.well-known/openid-configuration")
    await client.get("/.well-known/oauth-authorization-server")
    assert (provider.count("metadata"), provider.count("token")) == (2, 0)
    with pytest.raises(ConfigurationError, match="tokn"):
        provider.count("tokn")


async def test_token_requests_are_told_apart_by_their_grant(provider: DevProvider, client: PlainClient) -> None:
    first = (await client.exchange()).json()
    await client.refresh(first["refresh_token"])
    await client.refresh("made-up-token")
    assert [one.status for one in provider.token_requests()] == [200, 200, 400]
    assert [one.status for one in provider.token_requests("refresh_token")] == [200, 400]
    provider.forget_requests()
    assert provider.requests == []


async def test_an_unanswered_request_has_no_status(provider: DevProvider, client: PlainClient) -> None:
    with provider.hold("jwks") as hold:
        task = asyncio.create_task(client.get("/jwks"))
        await asyncio.to_thread(hold.wait)
        assert provider.requests == [("GET", "/jwks", 0)]
        hold.release()
        await task
    assert provider.requests == [("GET", "/jwks", 200)]


async def test_the_ledger_holds_every_secret_of_a_login(provider: DevProvider, client: PlainClient) -> None:
    provider.auto = None
    asked = await client.authorize()
    transaction = transaction_of(asked)
    entered = await client.http.post("/login", data={"transaction": transaction, "login": "ada"})
    code = answer_of(await client.http.post("/consent", data={"transaction": transaction, "answer": "allow"}))["code"]
    first = (await client.exchange(code)).json()
    second = (await client.refresh(first["refresh_token"])).json()
    await client.get("/userinfo", second["access_token"])

    cookie = re.search(r"=([^;]+);", entered.headers["set-cookie"])
    secret = provider.clients["dev-app"].client_secret
    known = {client.state, client.nonce, client.verifier, code, transaction, secret, cookie and cookie[1]}
    for answer in (first, second):
        known |= {answer["access_token"], answer["refresh_token"], answer["id_token"]}
    assert known <= provider.secrets


async def test_the_ledger_holds_what_was_received_and_refused(provider: DevProvider, client: PlainClient) -> None:
    provider.fail_next("token")
    await client.token({"grant_type": "refresh_token", "refresh_token": "refused-refresh-token"})
    await client.get("/api/me", "refused-access-token")
    await client.authorize(state="refused-state", redirect_uri="https://evil.example/")
    await client.http.get("/jwks", headers={"cookie": "stray=refused-cookie"})
    await client.http.request("DELETE", "/applications/x/token", json={"access_token": "refused-json-token"})
    await client.token({}, auth=("dev-app", "refused:secret"))
    for end in ("refresh-token", "access-token", "state", "cookie", "json-token"):
        assert f"refused-{end}" in provider.secrets
    assert "refused:secret" in provider.secrets


async def test_the_ledger_holds_tampered_secrets(provider: DevProvider, client: PlainClient) -> None:
    provider.tamper["token_response"] = lambda answer: {**answer, "access_token": "tampered-access-token"}
    await client.exchange()
    assert "tampered-access-token" in provider.secrets


async def test_what_cannot_be_told_from_text_is_no_secret(provider: DevProvider, client: PlainClient) -> None:
    await client.authorize(state="x")
    assert "x" not in provider.secrets


# ── who may come ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1"])
async def test_a_caller_from_the_network_is_turned_away(provider: DevProvider, address: str) -> None:
    transport = httpx.ASGITransport(provider.app, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport) as http:
        assert (await http.get(f"{ISSUER}/jwks")).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "op.example.evil.example", "op.example:443", ""])
async def test_another_host_name_is_turned_away(client: PlainClient, host: str) -> None:
    assert (await client.http.get("/jwks", headers={"host": host})).status_code == 421


async def test_an_endless_body_is_turned_away(client: PlainClient) -> None:
    assert (await client.http.post("/token", content=b"x" * 100_000)).status_code == 413


# ── how it misbehaves ────────────────────────────────────────────────────────────────────────────────


async def test_the_next_request_fails_and_the_one_after_does_not(provider: DevProvider, client: PlainClient) -> None:
    provider.fail_next("jwks", headers={"Retry-After": "7"})
    failed = await client.get("/jwks")
    assert (failed.status_code, failed.headers["retry-after"], failed.content) == (503, "7", b"")
    assert (await client.get("/jwks")).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [({"error": "slow_down"}, "application/json"), ("<html>", "text/plain"), (b"\xff\xfe", "text/plain")],
)
async def test_a_failure_says_what_it_is_told_to(
    provider: DevProvider, client: PlainClient, body: object, kind: str
) -> None:
    provider.fail_next("jwks", 429, body)
    failed = await client.get("/jwks")
    assert failed.status_code == 429
    assert failed.headers["content-type"].startswith(kind)


async def test_failures_queue_up(provider: DevProvider, client: PlainClient) -> None:
    provider.fail_next("jwks", 500, times=2)
    provider.fail_next("jwks", 502)
    assert [(await client.get("/jwks")).status_code for _ in range(4)] == [500, 500, 502, 200]


async def test_a_lost_answer_leaves_the_request_carried_out(provider: DevProvider, client: PlainClient) -> None:
    first = (await client.exchange()).json()
    provider.fail_next("token", 502, after=True)
    assert (await client.refresh(first["refresh_token"])).status_code == 502
    assert not provider.accepts(first["refresh_token"])


def test_a_cut_answer_breaks_the_connection(served: DevProvider) -> None:
    served.fail_next("jwks", 200, '{"keys": ', cut=True)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{served.url}/jwks", trust_env=False)


def test_a_held_answer_waits_until_it_is_released(served: DevProvider) -> None:
    said: list[int] = []
    hold = served.hold("jwks", after=True)
    thread = threading.Thread(target=lambda: said.append(httpx.get(f"{served.url}/jwks", trust_env=False).status_code))
    thread.start()
    hold.wait()
    assert said == []
    hold.release()
    thread.join(5)
    assert said == [200]


def test_nobody_arriving_at_a_hold_says_so(served: DevProvider) -> None:
    with served.hold("jwks") as hold, pytest.raises(TimeoutError, match="no request"):
        hold.wait(0.01)


async def test_a_delayed_endpoint_answers_after_all(provider: DevProvider, client: PlainClient) -> None:
    provider.delay("jwks", 0.05)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.get("/jwks"), 0.01)
    provider.delay("jwks", 0)
    assert (await asyncio.wait_for(client.get("/jwks"), 5)).status_code == 200


async def test_a_lie_may_change_in_place_or_return_something_else(provider: DevProvider, client: PlainClient) -> None:
    provider.tamper["metadata"] = lambda document: document.pop("issuer") and None
    assert "issuer" not in (await client.get("/.well-known/openid-configuration")).json()
    provider.tamper["metadata"] = lambda document: ["no", "object"]
    assert (await client.get("/.well-known/openid-configuration")).json() == ["no", "object"]


async def test_a_lie_lasts_as_long_as_its_block(provider: DevProvider, client: PlainClient) -> None:
    token = (await client.exchange()).json()["access_token"]
    with provider.lie("userinfo", lambda claims: {**claims, "sub": "somebody-else"}):
        assert (await client.get("/userinfo", token)).json()["sub"] == "somebody-else"
    assert (await client.get("/userinfo", token)).json()["sub"] == provider.users[0].sub


async def test_every_part_of_an_id_token_can_be_a_lie(provider: DevProvider, client: PlainClient) -> None:
    provider.tamper["id_token_claims"] = lambda claims: {**claims, "iss": "https://evil.example"}
    provider.tamper["id_token_header"] = lambda header: {**header, "kid": "unknown-kid"}
    claimed = (await client.exchange()).json()["id_token"]
    assert provider.read_hint(claimed) is None
    provider.tamper["id_token"] = lambda token: token + "x"
    assert (await client.exchange()).json()["id_token"].endswith("x")


async def test_the_callback_can_say_a_thing_twice(provider: DevProvider, client: PlainClient) -> None:
    provider.tamper["callback_params"] = lambda params: [*params.items(), ("state", "another")]
    assert (await client.authorize()).headers["location"].count("state=") == 2


def test_a_lie_about_nothing_is_refused(provider: DevProvider) -> None:
    with pytest.raises(ConfigurationError, match="token_respons"):
        provider.tamper["token_respons"] = dict
    with pytest.raises(ConfigurationError, match="no endpoint"):
        provider.fail_next("tokn")

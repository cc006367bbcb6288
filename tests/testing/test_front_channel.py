from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from authflow.testing import DevProvider, DevUser, VirtualClock
from tests.testing.plain_client import ISSUER, REDIRECT_URI, PlainClient, answer_of, transaction_of


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def provider(clock: VirtualClock) -> DevProvider:
    return DevProvider(issuer=ISSUER, algorithm="ES256", clock=clock)


@pytest.fixture
async def client(provider: DevProvider) -> AsyncIterator[PlainClient]:
    async with PlainClient(provider) as made:
        yield made


async def sign_in(client: PlainClient, user: str = "ada", answer: str = "allow", **changes: str) -> dict[str, str]:
    """By hand, through both pages."""
    asked = await client.authorize(**changes)
    transaction = transaction_of(asked)
    entered = await client.http.post("/login", data={"transaction": transaction, "login": user})
    if not entered.headers["location"].startswith("/consent"):
        return answer_of(entered)
    await client.http.get(entered.headers["location"])
    return answer_of(await client.http.post("/consent", data={"transaction": transaction, "answer": answer}))


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_human_signs_in_and_allows(client: PlainClient) -> None:
    back = await sign_in(client)
    assert back["state"] == client.state
    assert (await client.exchange(back["code"])).status_code == 200


async def test_the_login_page_lists_the_users_and_says_what_it_is(client: PlainClient) -> None:
    page = (await client.authorize()).text
    assert "Development provider: no real accounts here" in page
    for name in ("Ada Lovelace", "Grace Hopper", "Alan Turing", "dev-app"):
        assert name in page


async def test_the_consent_page_tells_what_is_asked_and_where_it_leads(client: PlainClient) -> None:
    transaction = transaction_of(await client.authorize(scope="openid tickets:write"))
    entered = await client.http.post("/login", data={"transaction": transaction, "login": "ada"})
    page = (await client.http.get(entered.headers["location"])).text
    for text in ("tickets:write", "Ada Lovelace", "127.0.0.1:53682", "Deny", "Allow"):
        assert text in page


async def test_the_redirect_after_a_form_is_a_303(client: PlainClient) -> None:
    transaction = transaction_of(await client.authorize())
    denied = await client.http.post("/login", data={"transaction": transaction, "answer": "deny"})
    assert denied.status_code == 303


async def test_cancelling_the_login_page_denies_access(client: PlainClient) -> None:
    transaction = transaction_of(await client.authorize())
    back = answer_of(await client.http.post("/login", data={"transaction": transaction, "answer": "deny"}))
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", client.state, ISSUER)


async def test_denying_consent_denies_access(client: PlainClient) -> None:
    assert (await sign_in(client, answer="deny"))["error"] == "access_denied"


async def test_answering_twice_gives_the_same_answer(client: PlainClient) -> None:
    transaction = transaction_of(await client.authorize())
    twice = [
        answer_of(await client.http.post("/login", data={"transaction": transaction, "answer": "deny"}))
        for _ in range(2)
    ]
    assert twice[0] == twice[1]


async def test_a_transaction_that_nobody_began_is_a_page_and_no_redirect(client: PlainClient) -> None:
    answer = await client.http.post("/login", data={"transaction": "made-up", "login": "ada"})
    assert (answer.status_code, "location" in answer.headers) == (400, False)


async def test_consent_is_given_only_in_the_browser_that_signed_in(client: PlainClient) -> None:
    transaction = transaction_of(await client.authorize())
    await client.http.post("/login", data={"transaction": transaction, "login": "ada"})
    client.http.cookies.clear()
    answer = await client.http.post("/consent", data={"transaction": transaction, "answer": "allow"})
    assert answer.status_code == 400


async def test_an_unknown_account_cannot_sign_in(client: PlainClient) -> None:
    transaction = transaction_of(await client.authorize())
    answer = await client.http.post("/login", data={"transaction": transaction, "login": "mallory"})
    assert answer.status_code == 400


async def test_text_from_outside_is_escaped() -> None:
    nasty = '"><script>alert(1)</script>'
    provider = DevProvider(issuer=ISSUER, label=nasty, users=[DevUser("eve", nasty, nasty)])
    provider.client(nasty, redirect_uris=[REDIRECT_URI])
    async with PlainClient(provider, nasty) as client:
        login = await client.authorize(scope=f"openid {nasty}", login_hint=nasty)
        entered = await client.http.post("/login", data={"transaction": transaction_of(login), "login": "eve"})
        consent = await client.http.get(entered.headers["location"])
        unknown = await client.authorize(client_id=nasty + "2", redirect_uri=nasty)
    for page in (login, consent, unknown):
        assert page.headers["content-type"].startswith("text/html")
        assert "<script" not in page.text


async def test_a_page_loads_nothing_and_cannot_be_framed(client: PlainClient) -> None:
    page = await client.authorize()
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:53682;" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_pages_may_carry_more_headers(provider: DevProvider, client: PlainClient) -> None:
    provider.page_headers["cross-origin-opener-policy"] = "same-origin"
    assert (await client.authorize()).headers["cross-origin-opener-policy"] == "same-origin"


async def test_form_post_brings_the_answer_in_a_form(provider: DevProvider, client: PlainClient) -> None:
    provider.auto = "ada"
    page = await client.authorize(response_mode="form_post")
    assert f'action="{REDIRECT_URI}"' in page.text
    assert f'name="state" value="{client.state}"' in page.text
    assert "script-src 'sha256-" in page.headers["content-security-policy"]


# ── what it remembers ────────────────────────────────────────────────────────────────────────────────


async def test_the_second_time_neither_page_is_shown(client: PlainClient) -> None:
    await sign_in(client)
    assert "code" in answer_of(await client.authorize())


async def test_more_scope_asks_for_consent_again(client: PlainClient) -> None:
    await sign_in(client, scope="openid")
    page = await client.authorize(scope="openid email")
    assert "Allow" in page.text


async def test_a_provider_may_never_ask_for_consent(provider: DevProvider, client: PlainClient) -> None:
    provider.consent = False
    assert "code" in await sign_in(client)


async def test_everybody_can_be_signed_out(provider: DevProvider, client: PlainClient) -> None:
    await sign_in(client)
    provider.sign_everybody_out()
    assert "Choose an account" in (await client.authorize()).text


async def test_prompt_login_shows_the_login_page_to_somebody_signed_in(client: PlainClient) -> None:
    await sign_in(client)
    assert "Choose an account" in (await client.authorize(prompt="login")).text


async def test_prompt_consent_asks_again(client: PlainClient) -> None:
    await sign_in(client)
    assert "Allow" in (await client.authorize(prompt="consent")).text


async def test_prompt_none_without_a_session_is_login_required(client: PlainClient) -> None:
    assert answer_of(await client.authorize(prompt="none"))["error"] == "login_required"


async def test_prompt_none_without_consent_is_consent_required(client: PlainClient) -> None:
    await sign_in(client, scope="openid")
    assert answer_of(await client.authorize(prompt="none", scope="openid email"))["error"] == "consent_required"


async def test_prompt_none_with_both_gives_a_code(client: PlainClient) -> None:
    await sign_in(client)
    assert "code" in answer_of(await client.authorize(prompt="none"))


async def test_prompt_none_stands_alone(client: PlainClient) -> None:
    assert answer_of(await client.authorize(prompt="none login"))["error"] == "invalid_request"


async def test_max_age_asks_whoever_signed_in_longer_ago(client: PlainClient, clock: VirtualClock) -> None:
    await sign_in(client)
    clock.advance(100)
    assert "code" in answer_of(await client.authorize(max_age="100"))
    clock.advance(1)
    assert "Choose an account" in (await client.authorize(max_age="100")).text


async def test_max_age_of_nothing_asks_always(client: PlainClient) -> None:
    await sign_in(client)
    assert answer_of(await client.authorize(max_age="0", prompt="none"))["error"] == "login_required"


async def test_auth_time_is_when_the_human_signed_in(
    provider: DevProvider, client: PlainClient, clock: VirtualClock
) -> None:
    began = int(clock.time())
    await sign_in(client)
    clock.advance(500)
    answer = (await client.exchange(await client.code())).json()
    assert (provider.read_hint(answer["id_token"]) or {})["auth_time"] == began


async def test_login_hint_puts_that_account_first(client: PlainClient) -> None:
    page = (await client.authorize(login_hint="grace@example.com")).text
    assert page.index("Grace Hopper") < page.index("Ada Lovelace")


async def test_login_hint_for_somebody_else_asks_again(client: PlainClient) -> None:
    await sign_in(client, "ada")
    assert "Choose an account" in (await client.authorize(login_hint="grace")).text


async def test_login_hint_chooses_among_the_automatic(provider: DevProvider, client: PlainClient) -> None:
    provider.auto = "ada"
    token = (await client.exchange(await client.code(login_hint="grace"))).json()["access_token"]
    assert (await client.get("/api/me", token)).json()["login"] == "grace"


# ── what it refuses ──────────────────────────────────────────────────────────────────────────────────


async def test_an_unknown_client_is_told_on_a_page(client: PlainClient) -> None:
    answer = await client.authorize(client_id="stranger")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/callback", "http://127.0.0.1:1/callback/", "http://127.0.0.1:1/other", "http://localhost:1/callback",
     "http://127.0.0.1.evil.example/callback", "http://127.0.0.1@evil.example/callback", "https://127.0.0.1:1/callback",
     "http://127.0.0.1:1/callback#x", "http://127.0.0.1:1/callback?x=1", ""],
)  # fmt: skip
async def test_a_redirect_uri_that_is_not_registered_gets_nothing(client: PlainClient, uri: str) -> None:
    answer = await client.authorize(redirect_uri=uri)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/callback", "http://127.0.0.1/callback", "http://[::1]:65000/callback"])
async def test_the_port_of_a_loopback_literal_is_free(client: PlainClient, uri: str) -> None:
    assert (await client.authorize(redirect_uri=uri)).status_code == 200


async def test_the_port_of_a_name_is_not_free(provider: DevProvider, client: PlainClient) -> None:
    provider.client("dev-app", redirect_uris=["http://localhost:8000/callback"])
    assert (await client.authorize(redirect_uri="http://localhost:8000/callback")).status_code == 200
    assert (await client.authorize(redirect_uri="http://localhost:8001/callback")).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
    ],
)
async def test_other_bad_requests_go_back_as_errors(client: PlainClient, changes: dict[str, str], error: str) -> None:
    back = answer_of(await client.authorize(**changes))
    assert (back["error"], back["state"]) == (error, client.state)


async def test_a_parameter_given_twice_is_refused(client: PlainClient) -> None:
    query = [*client.params().items(), ("nonce", "another")]
    back = answer_of(await client.http.get("/authorize", params=query))
    assert back["error"] == "invalid_request"


# ── signing out ──────────────────────────────────────────────────────────────────────────────────────


async def test_end_session_with_a_hint_signs_out_and_comes_back_with_state(
    provider: DevProvider, client: PlainClient
) -> None:
    provider.clients["dev-app"].post_logout_redirect_uris.append("https://app.example/bye")
    id_token = (await client.exchange((await sign_in(client))["code"])).json()["id_token"]
    params = {"id_token_hint": id_token, "post_logout_redirect_uri": "https://app.example/bye", "state": "bye-state"}
    answer = await client.get("/end_session", params=params)
    assert answer.headers["location"] == "https://app.example/bye?state=bye-state"
    assert answer_of(await client.authorize(prompt="none"))["error"] == "login_required"


async def test_an_expired_id_token_is_hint_enough(
    provider: DevProvider, client: PlainClient, clock: VirtualClock
) -> None:
    id_token = (await client.exchange((await sign_in(client))["code"])).json()["id_token"]
    clock.advance(10**6)
    provider.rotate_keys(keep_old=False)
    assert "You are signed out" in (await client.get("/end_session", params={"id_token_hint": id_token})).text


async def test_an_unregistered_return_address_is_refused(provider: DevProvider, client: PlainClient) -> None:
    id_token = (await client.exchange((await sign_in(client))["code"])).json()["id_token"]
    params = {"id_token_hint": id_token, "post_logout_redirect_uri": "https://evil.example/"}
    answer = await client.get("/end_session", params=params)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


async def test_without_a_hint_the_human_is_asked(client: PlainClient) -> None:
    await sign_in(client)
    page = await client.get("/end_session")
    assert "Sign out?" in page.text
    stayed = await client.http.post("/end_session", data={"transaction": transaction_of(page), "answer": "deny"})
    assert "Still signed in" in stayed.text
    again = transaction_of(await client.get("/end_session"))
    left = await client.http.post("/end_session", data={"transaction": again, "answer": "sign_out"})
    assert "You are signed out" in left.text
    assert answer_of(await client.authorize(prompt="none"))["error"] == "login_required"


async def test_a_forged_hint_is_no_hint(client: PlainClient) -> None:
    forged = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJkZXYtYXBwIn0."
    assert "Sign out?" in (await client.get("/end_session", params={"id_token_hint": forged})).text

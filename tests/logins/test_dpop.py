"""Tokens bound to a key of the session (RFC 9449), from the sign-in to the API, in both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from authflow import AsyncSession, LoginFailed, SessionManager, State
from authflow.errors import ConfigurationError, InvalidCall, SignInRequired, ValidationFailed
from authflow.protocol.private_key import PrivateKey
from authflow.stores import MemoryStore
from authflow.testing import DevProvider, ScriptedBrowser
from tests.protocol.test_dpop import read

from .conftest import go

SEALING = bytes(range(32))
REDIRECT = "https://app.example/callback"


@pytest.fixture
def bound() -> Iterator[DevProvider]:
    """A provider whose one client must prove a key, with a nonce."""
    with DevProvider(auto="ada", algorithm="ES256").serve() as provider:
        provider.client(dpop=True)
        provider.dpop_nonces = True
        yield provider


@pytest.fixture
async def manager(colour: Any, bound: DevProvider) -> AsyncIterator[Any]:
    made = colour([bound.settings(dpop=True)], sealing_key=SEALING)
    yield made
    await go(made.close())


async def call(session: Any, url: str) -> httpx.Response:
    """A GET in a client of the session's colour."""
    if isinstance(session, AsyncSession):
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(url, auth=session.auth)
    with httpx.Client(trust_env=False) as client:
        return client.get(url, auth=session.auth)


def arrived_at(url: str) -> str:
    """Where the provider sends a browser back to that began at `url`."""
    with httpx.Client(trust_env=False, follow_redirects=False) as client:
        answer = client.get(url)
        while answer.is_redirect and not answer.headers["location"].startswith(REDIRECT):
            answer = client.get(answer.headers["location"])
    return str(answer.headers["location"])


async def test_a_login_brings_tokens_that_work_only_with_a_proof(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    session = await go(manager.login("acme", open_url=browser))
    token = await go(session.token())
    assert token.token_type == "DPoP"
    assert session.user.name == "Ada Lovelace"

    stolen = httpx.get(f"{bound.url}/api/me", headers={"authorization": f"Bearer {token.access_token}"})
    assert stolen.status_code == 401
    assert (await call(session, f"{bound.url}/api/me?x=1")).json()["login"] == "ada"


async def test_the_servers_nonce_costs_one_more_request_and_then_none(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    session = await go(manager.login("acme", open_url=browser))
    assert [request.status for request in bound.token_requests()] == [400, 200]
    await go(session.refresh())
    assert [request.status for request in bound.token_requests()] == [400, 200, 200]
    bound.dpop_nonces = True  # a new one
    bound.forget_requests()
    assert (await call(session, f"{bound.url}/api/me")).status_code == 200
    assert (await call(session, f"{bound.url}/api/me")).status_code == 200
    assert [request.status for request in bound.requests] == [401, 200, 200]


async def test_a069_a_server_that_is_never_content_with_a_nonce_is_asked_twice(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    session = await go(manager.login("acme", open_url=browser))
    refusal = {"www-authenticate": 'DPoP error="use_dpop_nonce"'}
    for nonce in ("n-1", "n-2", "n-3"):
        bound.fail_next("api", 401, headers={**refusal, "dpop-nonce": nonce})
    bound.forget_requests()
    await call(session, f"{bound.url}/api/me")
    # Two for the nonce; then the token is renewed, as after any 401, and that is shown once more.
    assert bound.count("api") == 4
    bound.fail_next("token", 400, {"error": "use_dpop_nonce"}, {"dpop-nonce": "x"}, times=5)
    bound.forget_requests()
    with pytest.raises(Exception, match="use_dpop_nonce"):
        await go(session.refresh())
    assert bound.count("token") == 2


async def test_a_renewed_token_is_bound_to_the_same_key(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    session = await go(manager.login("acme", open_url=browser))
    before, _ = read(session.prove("GET", f"{bound.url}/api/me"))
    await go(session.refresh())
    after, claims = read(session.prove("GET", f"{bound.url}/api/me"))
    assert before["jwk"] == after["jwk"]
    assert claims["htu"] == f"{bound.url}/api/me"


async def test_every_session_has_a_key_of_its_own(colour: Any, bound: DevProvider, browser: ScriptedBrowser) -> None:
    manager = colour([bound.settings(dpop=True)], single_user=True)
    try:
        keys = []
        for account in ("one", "two", "two"):
            session = manager["acme", account]
            await go(session.login(open_url=browser))
            keys.append(read(session.prove("GET", bound.url))[0]["jwk"]["x"])
            await go(session.logout())
        assert len(set(keys)) == 3
    finally:
        await go(manager.close())


async def test_another_process_completes_the_login_and_goes_on_with_the_same_key(
    colour: Any, bound: DevProvider
) -> None:
    store = MemoryStore()
    settings = bound.settings(dpop=True, redirect_uri=REDIRECT)
    first, second = (colour([settings], store=store, store_tokens_in_plaintext=True) for _ in range(2))
    try:
        request = await go(first.owner("o")["acme"].begin(redirect_uri=REDIRECT))
        done = await go(second.complete(arrived_at(request.url), binding=request.binding))
        assert done.session.state is State.AUTHENTICATED
        await go(done.session.refresh())
        mine = first.owner("o")["acme"]
        assert (await call(mine, f"{bound.url}/api/me")).status_code == 200
    finally:
        await go(first.close())
        await go(second.close())


async def test_a_dump_holds_the_key_and_is_restored_elsewhere(
    manager: Any, colour: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    session = await go(manager.login("acme", open_url=browser))
    saved = session.dump()
    with pytest.raises(InvalidCall, match="dump"):
        session.dump_plaintext()
    elsewhere = colour([bound.settings(dpop=True)], sealing_key=SEALING)
    try:
        back = elsewhere["acme"]
        await go(back.restore(saved))
        await go(back.refresh())
        assert (await call(back, f"{bound.url}/api/me")).status_code == 200
        with pytest.raises(InvalidCall, match="key"):
            await go(elsewhere["acme", "x"].restore(session._settled().token))
    finally:
        await go(elsewhere.close())


async def test_a_bearer_token_in_place_of_a_bound_one_is_refused_and_revoked(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    with bound.lie("token_response", lambda answer: {**answer, "token_type": "Bearer"}), pytest.raises(LoginFailed):
        await go(manager.login("acme", open_url=browser))
    assert manager["acme"].state is State.IDLE
    assert manager["acme"].error.check == "token_type"
    assert bound.count("revoke") == 2


async def test_it_is_taken_where_the_settings_say_so(colour: Any, bound: DevProvider, browser: ScriptedBrowser) -> None:
    bound.client(dpop=False)
    manager = colour([bound.settings(dpop="optional")])
    try:
        with bound.lie("token_response", lambda answer: {**answer, "token_type": "Bearer"}):
            session = await go(manager.login("acme", open_url=browser, fetch_user=False))
        assert (await go(session.token())).token_type == "Bearer"
    finally:
        await go(manager.close())


async def test_a_bound_token_that_nobody_asked_for_is_refused(
    colour: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    bound.client(dpop=False)
    manager = colour([bound.settings()])
    try:
        lie = bound.lie("token_response", lambda answer: {**answer, "token_type": "DPoP"})
        with lie, pytest.raises(LoginFailed) as caught:
            await go(manager.login("acme", open_url=browser))
        assert isinstance(caught.value.__cause__, ValidationFailed)
        with pytest.raises(SignInRequired):
            await go(manager["acme"].token())
        with pytest.raises(InvalidCall, match="dpop=True"):
            manager["acme"].prove("GET", bound.url)
    finally:
        await go(manager.close())


async def test_a_code_works_only_with_the_key_that_the_login_began_with(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    seen: list[str] = []

    def show(url: str) -> None:
        other = PrivateKey.generate().thumbprint()
        seen.append(httpx.URL(url).params["dpop_jkt"])
        browser(str(httpx.URL(url).copy_set_param("dpop_jkt", other)))

    with pytest.raises(LoginFailed):
        await go(manager.login("acme", open_url=show))
    assert len(seen[0]) == 43
    assert manager["acme"].error.error == "invalid_grant"


async def test_a069_every_session_has_a_key_of_its_own(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    one, other = manager["acme"], manager["acme", "work"]
    await go(one.login(open_url=browser))
    await go(other.login(open_url=browser))
    keys = [PrivateKey.load(session._settled().dpop_key).thumbprint() for session in (one, other)]
    assert keys[0] != keys[1]
    await go(one.logout())
    await go(one.login(open_url=browser))
    assert PrivateKey.load(one._settled().dpop_key).thumbprint() not in keys


@pytest.mark.parametrize("key", ["its own", "another"])
async def test_a_pushed_request_names_the_key_that_its_code_will_work_with(
    colour: Any, bound: DevProvider, key: str
) -> None:
    settings = bound.settings(dpop=True, redirect_uri=REDIRECT, require_pushed_authorization_requests=True)
    manager = colour([settings], sealing_key=SEALING, single_user=True)
    try:
        request = await go(manager["acme"].begin())
        assert httpx.URL(request.url).params.keys() == {"client_id", "request_uri"}
        _, pushed, _ = bound.asked._pushed[httpx.URL(request.url).params["request_uri"]]
        assert len(pushed["dpop_jkt"]) == 43
        if key == "another":
            pushed["dpop_jkt"] = PrivateKey.generate().thumbprint()
        complete = manager.complete
        callback = arrived_at(request.url)
        if key == "its own":
            assert (await go(complete(callback, binding=request.binding))).session.live
            return
        with pytest.raises(LoginFailed) as caught:
            await go(complete(callback, binding=request.binding))
        assert caught.value.error == "invalid_grant"
    finally:
        await go(manager.close())


async def test_a_provider_that_takes_no_such_proof_is_told_before_anything_is_sent(
    manager: Any, bound: DevProvider, browser: ScriptedBrowser
) -> None:
    lie = bound.lie("metadata", lambda said: {**said, "dpop_signing_alg_values_supported": ["PS512"]})
    with lie, pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser))
    assert isinstance(caught.value.__cause__, ConfigurationError)
    assert bound.count("token") == 0


def test_no_key_is_shown(bound: DevProvider, browser: ScriptedBrowser) -> None:
    with SessionManager([bound.settings(dpop=True)], sealing_key=SEALING) as manager:
        session = manager.login("acme", open_url=browser)
        secret = PrivateKey.load(session._settled().dpop_key).dump().decode()
        hidden = secret.partition('"d":"')[2].partition('"')[0]
        shown = repr(session) + repr(session._settled()) + str(manager.snapshot()) + session.explain()
        assert len(hidden) == 43
        assert hidden not in shown

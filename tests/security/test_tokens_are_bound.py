"""Whose a token is, and where it goes: no answer, callback, dump or request makes one session's token another's."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from authflow import LoginFailed, State
from authflow.errors import (
    AuthflowError,
    CallbackRejected,
    InvalidCall,
    OriginNotAllowed,
    SealedDataInvalid,
    SignInRequired,
    ValidationFailed,
)
from authflow.testing import DevProvider

from .conftest import REDIRECT_URI, Stage, go


async def begun(stage: Stage, owner: str, name: str = "acme") -> Any:
    request = await go(stage.manager.owner(owner)[name].begin(redirect_uri=REDIRECT_URI))
    stage.canary.note(request.state, request.binding)
    return request


def changed(url: str, **params: str) -> str:
    """The URL with other values for some parameters."""
    before = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    return f"{url.split('?')[0]}?{urlencode({**before, **params})}"


async def token_of(session: Any) -> str:
    return str((await go(session.token())).access_token)


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────


async def test_two_owners_have_two_tokens_of_one_provider(stage: Stage) -> None:
    one, two = await begun(stage, "one"), await begun(stage, "two")
    await go(stage.manager.complete(stage.walk(one.url), binding=one.binding))
    stage.dev.auto = "grace"
    await go(stage.manager.complete(stage.walk(two.url), binding=two.binding))
    first, second = (stage.manager.owner(name)["acme"] for name in ("one", "two"))
    assert (first.user.name, second.user.name) == ("Ada Lovelace", "Grace Hopper")
    assert await token_of(first) != await token_of(second)


async def test_a_callback_signs_in_the_session_that_began_and_no_other(stage: Stage) -> None:
    one, two = await begun(stage, "one"), await begun(stage, "two")
    done = await go(stage.manager.complete(stage.walk(one.url), binding=one.binding))
    assert done.session is stage.manager.owner("one")["acme"]
    assert stage.manager.owner("two")["acme"].state is State.AUTHORIZING
    assert two.binding != one.binding


async def test_a_stolen_code_is_worth_nothing_in_the_thiefs_own_login(stage: Stage) -> None:
    """RFC 7636: the code is bound to the verifier of the attempt that it was issued for."""
    victim, thief = await begun(stage, "victim"), await begun(stage, "thief")
    code = parse_qs(urlsplit(stage.walk(victim.url)).query)["code"][0]
    injected = changed(stage.walk(thief.url), code=code)
    error = await stage.fails(lambda: stage.manager.complete(injected, binding=thief.binding), LoginFailed)
    assert error.error == "invalid_grant"
    assert not stage.manager.owner("thief")["acme"].live


async def test_a_callback_does_not_change_providers(stage: Stage) -> None:
    """RFC 9207: what began at `acme` is not completed by an answer that says it is another issuer's."""
    request = await begun(stage, "one")
    mixed_up = changed(stage.walk(request.url), iss="https://evil.example")
    error = await stage.fails(lambda: stage.manager.complete(mixed_up, binding=request.binding), LoginFailed)
    assert error.check == "iss"
    assert stage.dev.count("token") == 0


async def test_another_sessions_binding_opens_nothing(stage: Stage) -> None:
    one, two = await begun(stage, "one"), await begun(stage, "two")
    link = stage.walk(one.url)
    await stage.fails(lambda: stage.manager.complete(link, binding=two.binding), CallbackRejected)
    assert stage.manager.owner("one")["acme"].state is State.AUTHORIZING
    assert (await go(stage.manager.complete(link, binding=one.binding))).session.live  # nothing was lost by it


async def test_a_session_takes_no_callback_of_another_session(stage: Stage) -> None:
    one = await begun(stage, "one")
    await begun(stage, "one", "globex")
    other = stage.manager.owner("one")["globex"]
    link = stage.walk(one.url)
    await stage.fails(lambda: other.complete(link, binding=one.binding), CallbackRejected)
    assert other.state is State.AUTHORIZING


async def test_a_callback_that_comes_again_brings_no_second_exchange(stage: Stage) -> None:
    one = await begun(stage, "one")
    link = stage.walk(one.url)
    await go(stage.manager.complete(link, binding=one.binding))
    again = await go(stage.manager.complete(link, binding=one.binding))
    assert again.event.trigger == "authenticate"
    assert len(stage.dev.token_requests("authorization_code")) == 1


# ── the provider's answers ───────────────────────────────────────────────────────────────────────────


async def test_an_id_token_of_another_login_is_refused(stage: Stage) -> None:
    """OpenID Connect Core §3.1.3.7: signed by the right provider, for the right client, and still not ours."""
    session = await stage.sign_in()
    replayed = (await go(session.token())).id_token
    await go(session.logout(end_session=False))
    with stage.dev.lie("token_response", lambda answer: {**answer, "id_token": replayed}):
        error = await stage.fails(lambda: stage.session.login(open_url=stage.browser()), LoginFailed)
    assert error.check in ("nonce", "at_hash")


async def test_an_access_token_that_the_id_token_does_not_vouch_for_is_refused(stage: Stage) -> None:
    session = await stage.sign_in()
    foreign = await token_of(session)
    await go(session.logout(end_session=False, revoke=False))
    with stage.dev.lie("token_response", lambda answer: {**answer, "access_token": foreign}):
        error = await stage.fails(lambda: stage.session.login(open_url=stage.browser()), LoginFailed)
    assert error.check == "at_hash"


async def test_an_id_token_for_another_client_is_refused(stage: Stage) -> None:
    with stage.dev.lie("id_token_claims", lambda claims: {**claims, "aud": ["dev-app", "other"], "azp": "other"}):
        error = await stage.fails(lambda: stage.session.login(open_url=stage.browser()), LoginFailed)
    assert error.check in ("aud", "azp")


async def test_a_profile_of_somebody_else_is_refused(stage: Stage) -> None:
    """OpenID Connect Core §5.3.2."""
    with stage.dev.lie("userinfo", lambda claims: {**claims, "sub": "somebody-else"}):
        error = await stage.fails(lambda: stage.session.login(open_url=stage.browser()), LoginFailed)
    assert error.check == "userinfo_sub"


async def test_a_renewal_does_not_change_the_user(stage: Stage) -> None:
    session = await stage.sign_in()
    before = await token_of(session)
    with stage.dev.lie("id_token_claims", lambda claims: {**claims, "sub": "somebody-else"}):
        await stage.fails(session.refresh, ValidationFailed)
    assert session.user.name == "Ada Lovelace"
    assert await token_of(session) == before


async def test_a_step_up_does_not_change_the_user(stage: Stage) -> None:
    session = await stage.sign_in()
    before = await token_of(session)
    stage.dev.auto = "grace"
    error = await stage.fails(lambda: session.step_up(open_url=stage.browser(), prompt="login"), LoginFailed)
    assert error.check == "other_user"
    assert (session.user.name, await token_of(session)) == ("Ada Lovelace", before)


async def test_tokens_that_were_refused_are_dead_at_the_provider(stage: Stage) -> None:
    issued: list[str] = []

    def keep(answer: dict[str, Any]) -> dict[str, Any]:
        issued.extend((answer["access_token"], answer["refresh_token"]))
        return answer

    with stage.dev.lie("token_response", keep), stage.dev.lie("id_token_claims", lambda c: {**c, "nonce": "another"}):
        await stage.fails(lambda: stage.session.login(open_url=stage.browser()), LoginFailed)
    assert [token for token in issued if stage.dev.accepts(token)] == []


# ── what was saved ───────────────────────────────────────────────────────────────────────────────────


async def test_a_dump_opens_for_its_own_provider_and_account_only(stage: Stage) -> None:
    await stage.sign_in()
    dump = stage.session.dump()
    other = stage.make([stage.settings("acme"), stage.settings("globex")])
    await stage.fails(lambda: other["globex"].restore(dump), SealedDataInvalid)
    await stage.fails(lambda: other["acme", "work"].restore(dump), SealedDataInvalid)
    assert (await go(other["acme"].restore(dump))).live


async def test_a_saved_session_does_not_replace_a_live_one(stage: Stage) -> None:
    await stage.sign_in()
    dump = stage.session.dump()
    await stage.fails(lambda: stage.session.restore(dump), InvalidCall)
    assert stage.session.live


async def test_a_token_of_another_provider_is_no_session_here(stage: Stage) -> None:
    with DevProvider(label="Evil", auto="ada").serve() as evil:
        stage.canary.watch(lambda: set(evil.secrets))
        abroad = stage.make([evil.settings("evil")])
        await go(abroad["evil"].login(open_url=stage.browser()))
        token = abroad["evil"].dump_plaintext()
    await stage.fails(lambda: stage.session.restore(token), AuthflowError)
    assert not stage.session.live


# ── where it goes ────────────────────────────────────────────────────────────────────────────────────

FOREIGN = [
    "https://elsewhere.example/api/me",
    "http://localhost:{port}/api/me",
    "https://127.0.0.1:{port}/api/me",
    "http://127.0.0.1:1/api/me",
    "http://127.0.0.1.evil.example:{port}/api/me",
    "http://127.0.0.1:{port}@evil.example/api/me",
]


class Listening(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A network that notes what it is asked to carry."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.carried: list[httpx.Request] = []
        self.status = status
        self.headers = headers

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.carried.append(request)
        status = self.status if len(self.carried) == 1 else 200
        return httpx.Response(status, headers=self.headers if status != 200 else {})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


async def get(stage: Stage, network: Listening, url: str, **how: Any) -> httpx.Response:
    if stage.is_async:
        async with httpx.AsyncClient(transport=network, auth=stage.session.auth, **how) as client:
            return await client.get(url)
    with httpx.Client(transport=network, auth=stage.session.auth, **how) as client:
        return client.get(url)


@pytest.mark.parametrize("url", FOREIGN)
async def test_a_token_goes_to_the_providers_own_apis_only(stage: Stage, url: str) -> None:
    await stage.sign_in()
    network = Listening()
    port = urlsplit(stage.dev.url).port
    await stage.fails(lambda: get(stage, network, url.format(port=port)), OriginNotAllowed)
    assert network.carried == []


async def test_a_redirect_takes_no_token_to_another_host(stage: Stage) -> None:
    await stage.sign_in()
    network = Listening(307, location="https://evil.example/api/me")
    try:
        await get(stage, network, f"{stage.dev.url}/api/me", follow_redirects=True)
    except OriginNotAllowed as error:
        stage.canary.error(error)
    assert network.carried[0].headers["authorization"].startswith("Bearer ")
    assert [one.url.host for one in network.carried if "authorization" in one.headers] == ["127.0.0.1"]


async def test_after_a_logout_no_token_is_given_to_anybody(stage: Stage) -> None:
    session = await stage.sign_in()
    await go(session.logout(end_session=False))
    network = Listening()
    await stage.fails(session.token, SignInRequired)
    await stage.fails(lambda: get(stage, network, f"{stage.dev.url}/api/me"), SignInRequired)
    assert network.carried == []


async def test_a_renewal_that_a_logout_overtook_brings_no_token_back(stage: Stage) -> None:
    session = await stage.sign_in()
    with stage.dev.hold("token", after=True) as hold:
        if stage.is_async:
            renewal = asyncio.create_task(session.refresh())
        else:
            renewal = asyncio.create_task(asyncio.to_thread(session.refresh))
        await asyncio.to_thread(hold.wait)
        await go(session.logout(end_session=False))
    with pytest.raises(AuthflowError) as ended:
        await renewal
    stage.canary.error(ended.value)
    assert session.state is State.LOGGED_OUT
    await stage.fails(session.token, SignInRequired)
    alive = [secret for secret in stage.dev.secrets - stage.canary.earlier if stage.dev.accepts(secret)]
    assert alive == []

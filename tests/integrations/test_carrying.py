"""A session's token on calls by requests and by aiohttp: the same rules, each over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import aiohttp
import pytest
import requests

from authflow import AsyncSessionManager, Session, SessionManager
from authflow.errors import InvalidCall, OriginNotAllowed, SignInRequired
from authflow.integrations.aiohttp import AiohttpAuth
from authflow.integrations.requests import RequestsAuth
from authflow.testing import DevProvider, ScriptedBrowser

from .api import API, serve


class Call(Protocol):
    def __call__(self, session: Session, url: str, *, method: str = "GET", data: Any = None) -> int: ...


def by_requests(session: Session, url: str, *, method: str = "GET", data: Any = None) -> int:
    body = iter(data) if isinstance(data, list) else data
    with requests.Session() as client:
        client.trust_env = False
        client.auth = RequestsAuth(session)
        return client.request(method, url, data=body, timeout=20).status_code


def by_aiohttp(session: Any, url: str, *, method: str = "GET", data: Any = None) -> int:
    async def call() -> int:
        async with aiohttp.ClientSession(middlewares=[AiohttpAuth(session)]) as client:
            body = stream(data) if isinstance(data, list) else data
            async with client.request(method, url, data=body) as response:
                return response.status

    return asyncio.run(call())


async def stream(pieces: Iterable[bytes]) -> Any:
    for piece in pieces:
        yield piece


@pytest.fixture(params=[by_requests, by_aiohttp], ids=["requests", "aiohttp"])
def call(request: pytest.FixtureRequest) -> Call:
    made: Call = request.param
    return made


@pytest.fixture
def acme() -> Iterator[DevProvider]:
    with DevProvider(label="Acme").serve() as provider:
        yield provider


@pytest.fixture
def api(acme: DevProvider) -> Iterator[API]:
    with serve(acme.accepts) as api:
        yield api


@pytest.fixture
def elsewhere() -> Iterator[API]:
    with serve(lambda token: True) as api:
        yield api


@pytest.fixture
def session(acme: DevProvider, api: API) -> Iterator[Session]:
    settings = acme.settings("acme", scopes=["offline_access"], api_origins=[api.url])
    with SessionManager([settings], single_user=True) as manager, ScriptedBrowser(user="ada") as ada:
        yield manager["acme"].login(open_url=ada)


def test_the_token_goes_along(call: Call, session: Session, api: API) -> None:
    assert call(session, f"{api.url}/me") == 200
    assert api.tokens == [f"Bearer {session.token().access_token}"]


def test_a_refused_token_is_renewed_once_and_the_call_repeated(
    call: Call, session: Session, api: API, acme: DevProvider
) -> None:
    first = session.token().access_token
    api.accepts = lambda token: token != first and acme.accepts(token)

    assert call(session, f"{api.url}/me", method="POST", data=b"once more") == 200

    assert api.tokens == [f"Bearer {first}", f"Bearer {session.token().access_token}"]
    assert [body for *_, body in api.asked] == [b"once more", b"once more"]


def test_an_api_that_refuses_every_token_is_asked_twice_and_no_more(call: Call, session: Session, api: API) -> None:
    api.accepts = lambda token: False

    assert call(session, f"{api.url}/me") == 401
    assert len(api.asked) == 2


def test_a_body_that_is_used_up_is_not_sent_again(call: Call, session: Session, api: API) -> None:
    api.accepts = lambda token: False

    assert call(session, f"{api.url}/me", method="POST", data=[b"a", b"b"]) == 401
    assert [body for *_, body in api.asked] == [b"ab"]


def test_another_address_gets_no_token_and_no_call(call: Call, session: Session, elsewhere: API) -> None:
    with pytest.raises(OriginNotAllowed):
        call(session, f"{elsewhere.url}/me")

    assert elsewhere.asked == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_address_loses_the_token(
    call: Call, session: Session, api: API, elsewhere: API, status: int
) -> None:
    api.moves["/away"] = (status, f"{elsewhere.url}/me")

    assert call(session, f"{api.url}/away") == 200
    assert elsewhere.tokens == [None]


def test_a_token_that_was_lost_on_the_way_does_not_come_back(
    call: Call, session: Session, api: API, elsewhere: API
) -> None:
    api.moves["/away"] = (302, f"{elsewhere.url}/back")
    elsewhere.moves["/back"] = (302, f"{api.url}/me")

    assert call(session, f"{api.url}/away") == 401
    assert api.tokens[1:] == [None]


def test_a_redirect_within_the_api_keeps_the_token_and_is_renewed_like_any_other(
    call: Call, session: Session, api: API, acme: DevProvider
) -> None:
    first = session.token().access_token
    api.accepts = lambda token: token != first and acme.accepts(token)
    api.moves["/old"] = (302, "/me")

    assert call(session, f"{api.url}/old") == 200
    assert [path for _, path, *_ in api.asked] == ["/old", "/me", "/me"]


def test_who_is_signed_out_has_no_token_to_send(call: Call, session: Session, api: API) -> None:
    session.logout()

    with pytest.raises(SignInRequired):
        call(session, f"{api.url}/me")
    assert api.asked == []


def test_a_token_that_is_bound_to_a_key_goes_with_a_proof_and_the_apis_nonce(call: Call, acme: DevProvider) -> None:
    acme.dpop_nonces = True
    settings = acme.settings("bound", dpop=True)
    with SessionManager([settings], single_user=True) as manager, ScriptedBrowser(user="ada") as ada:
        session = manager["bound"].login(open_url=ada)

        assert session.token().token_type == "DPoP"
        assert call(session, acme.resource) == 200


@pytest.mark.parametrize("refusals", [0, 1])
def test_a_redirect_to_another_address_loses_the_proof_too(
    call: Call, acme: DevProvider, api: API, elsewhere: API, refusals: int
) -> None:
    def refuse(token: str) -> bool:
        api.moves["/away"] = (302, f"{elsewhere.url}/me")
        return False

    api.accepts = refuse
    if not refusals:
        refuse("")
    settings = acme.settings("bound", dpop=True, scopes=["offline_access"], api_origins=[api.url])
    with SessionManager([settings], single_user=True) as manager, ScriptedBrowser(user="ada") as ada:
        assert call(manager["bound"].login(open_url=ada), f"{api.url}/away") == 200

    assert len(set(api.proofs)) == refusals + 1
    assert None not in api.proofs
    assert (elsewhere.tokens, elsewhere.proofs) == ([None], [None])


async def test_an_async_session_is_awaited_by_aiohttp_and_refused_by_requests(acme: DevProvider, api: API) -> None:
    settings = acme.settings("acme", scopes=["offline_access"], api_origins=[api.url])
    with ScriptedBrowser(user="ada") as ada:
        async with AsyncSessionManager([settings], single_user=True) as manager:
            session = await manager["acme"].login(open_url=ada)
            first = (await session.token()).access_token
            api.accepts = lambda token: token != first and acme.accepts(token)

            async with (
                aiohttp.ClientSession(middlewares=[AiohttpAuth(session)]) as client,
                client.get(f"{api.url}/me") as response,
            ):
                assert response.status == 200

            with pytest.raises(InvalidCall, match="sync client"):
                requests.get(f"{api.url}/me", auth=RequestsAuth(session), timeout=20)


def test_neither_shows_a_token(session: Session) -> None:
    for auth in (RequestsAuth(session), AiohttpAuth(session)):
        assert session.token().access_token not in repr(auth)

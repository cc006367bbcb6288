"""DPoP with a certified provider: bound tokens, its nonces, and an API that wants the proof."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from authflow import AsyncSessionManager, LoginFailed, SessionManager
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

Person = Callable[..., ScriptedBrowser]


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "Ed25519"])
def test_tokens_are_bound_and_renewed_and_open_the_api(panva: Panva, person: Person, alg: str) -> None:
    provider = panva.provider("dpop", dpop=True, dpop_alg=alg, api_origins=[panva.issuer])
    with SessionManager([provider], single_user=True) as manager:
        session = manager["dpop"].login(open_url=person("ada"))
        assert session.token().token_type == "DPoP"
        assert session.user.name == "ada Example"
        session.refresh()
        answer = httpx.get(f"{panva.issuer}/me", auth=session.auth, trust_env=False)
        assert answer.json()["sub"] == "ada"
        said = panva.introspect(session.token().access_token, "dpop")
        assert said["cnf"]["jkt"]
        stolen = {"authorization": f"Bearer {session.token().access_token}"}
        assert httpx.get(f"{panva.issuer}/me", headers=stolen, trust_env=False).status_code == 401


async def test_a_server_that_wants_its_nonce_gets_it_in_both_places(panva: Panva, person: Person) -> None:
    provider = panva.provider("dpop-nonce", dpop=True, api_origins=[panva.issuer])
    async with AsyncSessionManager([provider], single_user=True) as manager:
        session = await manager["dpop-nonce"].login(open_url=person("ada"))
        await session.refresh()
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(2):
                answer = await client.get(f"{panva.issuer}/me", auth=session.auth)
                assert answer.json()["sub"] == "ada"
        assert panva.introspect((await session.token()).access_token, "dpop-nonce")["active"]


def test_a_sync_program_gets_through_the_nonces_likewise(panva: Panva, person: Person) -> None:
    provider = panva.provider("dpop-nonce", dpop=True)
    with SessionManager([provider], single_user=True) as manager:
        session = manager["dpop-nonce"].login(open_url=person("ada"))
        session.refresh()
        assert session.logout(end_session=False).revoked == {"refresh_token": True, "access_token": True}


def test_a_client_that_must_prove_a_key_and_does_not_gets_no_tokens(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider("dpop")], single_user=True) as manager, pytest.raises(LoginFailed):
        manager["dpop"].login(open_url=person("ada"))


def test_a_client_that_need_not_gets_bound_tokens_when_it_asks(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider("basic", dpop="optional")], single_user=True) as manager:
        assert manager["basic"].login(open_url=person("ada")).token().token_type == "DPoP"


def test_a_signature_that_it_does_not_list_is_a_matter_of_configuration(panva: Panva, person: Person) -> None:
    provider, remedy = panva.provider("dpop", dpop=True, dpop_alg="PS256"), "Set dpop_alg= to one of ES256"
    with SessionManager([provider], single_user=True) as manager, pytest.raises(LoginFailed, match=remedy):
        manager["dpop"].login(open_url=person("ada"))

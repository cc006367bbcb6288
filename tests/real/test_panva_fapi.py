"""FAPI 2.0 with a certified provider that holds the client to it."""

from __future__ import annotations

from collections.abc import Callable

from authflow import AsyncSessionManager, SessionManager
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

Person = Callable[..., ScriptedBrowser]


def test_a_login_by_the_profile(panva: Panva, person: Person) -> None:
    provider = panva.provider("fapi2", profile="fapi2", client_key=panva.client_keys["EC"], api_origins=[panva.issuer])
    before = panva.requests("pushed_authorization_request")
    with SessionManager([provider], single_user=True) as manager:
        session = manager["fapi2"].login(open_url=person("ada"))
        assert session.token().token_type == "DPoP"
        assert session.user.name == "ada Example"
        session.refresh()
        assert session.logout(end_session=False).revoked["refresh_token"]
    assert panva.requests("pushed_authorization_request") == before + 1


async def test_a_login_by_the_profile_under_asyncio(panva: Panva, person: Person) -> None:
    provider = panva.provider("fapi2", profile="fapi2", client_key=panva.client_keys["RSA"])
    async with AsyncSessionManager([provider], single_user=True) as manager:
        session = await manager["fapi2"].login(open_url=person("ada"))
        assert (await session.token()).token_type == "DPoP"

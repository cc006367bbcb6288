"""One login and several APIs at a certified provider (RFC 8707)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import InvalidTarget
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

Person = Callable[..., ScriptedBrowser]
READ, WRITE, OTHER = (f"https://api.example.test/{name}" for name in ("read", "write", "other"))


def test_each_api_gets_a_token_for_itself(panva: Panva, person: Person) -> None:
    provider = panva.provider(scopes=["openid", "offline_access", "read"])
    with SessionManager([provider], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"), resource=[READ, WRITE], fetch_user=False)
        own = session.token()
        assert panva.introspect(own.access_token)["aud"] == READ
        write = session.token(resource=WRITE)
        assert panva.introspect(write.access_token)["aud"] == WRITE
        assert session.token(resource=WRITE) == write
        assert session.token(resource=READ).access_token == own.access_token
        session.refresh()
        assert panva.introspect(session.token().access_token)["aud"] == READ
        with pytest.raises(InvalidTarget):
            session.token(resource=OTHER)
        assert session.live


async def test_each_api_gets_a_token_for_itself_under_asyncio(panva: Panva, person: Person) -> None:
    provider = panva.provider("dpop", dpop=True, scopes=["openid", "offline_access", "read"])
    async with AsyncSessionManager([provider], single_user=True) as manager:
        session = await manager["dpop"].login(open_url=person("ada"), resource=[READ, WRITE], fetch_user=False)
        write = await session.token(resource=WRITE, scope=["read"])
        assert (write.token_type, write.scope) == ("DPoP", ("read",))
        assert panva.introspect(write.access_token, "dpop")["aud"] == WRITE

"""How a client proves itself to a certified provider, in every way that it offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from authflow import AsyncSessionManager, LoginFailed, SessionManager
from authflow.errors import InvalidClient
from authflow.protocol.private_key import PrivateKey
from authflow.providers import ClientAssertion
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

Person = Callable[..., ScriptedBrowser]


def live_and_leave(manager: SessionManager, name: str, ada: ScriptedBrowser) -> None:
    """Every request that a client is asked to prove itself in: exchange, refresh, revocation."""
    session = manager[name].login(open_url=ada)
    first = session.token()
    session.refresh()
    assert session.token() != first
    assert session.logout(end_session=False).revoked == {"refresh_token": True, "access_token": True}


@pytest.mark.parametrize("kind", ["RSA", "EC", "OKP"])
def test_a_client_proves_itself_by_a_signature_of_its_key(panva: Panva, person: Person, kind: str) -> None:
    provider = panva.provider("private-key-jwt", client_key=panva.client_keys[kind])
    with SessionManager([provider], single_user=True) as manager:
        live_and_leave(manager, "private-key-jwt", person("ada"))


async def test_an_async_client_proves_itself_by_a_signature_likewise(panva: Panva, person: Person) -> None:
    provider = panva.provider("private-key-jwt", client_key=panva.client_keys["EC"])
    async with AsyncSessionManager([provider], single_user=True) as manager:
        session = await manager["private-key-jwt"].login(open_url=person("ada"))
        await session.refresh()
        result = await session.logout(end_session=False)
        assert result.revoked == {"refresh_token": True, "access_token": True}


def test_a_client_proves_itself_by_a_signature_made_with_its_secret(panva: Panva, person: Person) -> None:
    provider = panva.provider("secret-jwt", client_auth="client_secret_jwt")
    with SessionManager([provider], single_user=True) as manager:
        live_and_leave(manager, "secret-jwt", person("ada"))


def test_a_signature_of_another_key_is_no_proof(panva: Panva, person: Person) -> None:
    stranger = PrivateKey.generate("ES256")
    provider = panva.provider("private-key-jwt", client_key=PrivateKey(stranger, kid="client-ec"))
    with SessionManager([provider], single_user=True) as manager:
        with pytest.raises(LoginFailed) as caught:
            manager["private-key-jwt"].login(open_url=person("ada"))
        assert isinstance(caught.value.__cause__, InvalidClient)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_somebody_else_may_vouch_for_the_client(panva: Panva, person: Person, asynchronous: bool) -> None:
    """The other party is played by a provider's settings that hold the key: it signs what authflow would."""
    from authflow.protocol.client_auth import build_client_assertion
    from authflow.protocol.messages import ServerMetadata
    from authflow.protocol.step import Moment

    holder = panva.provider("private-key-jwt", client_key=panva.client_keys["EC"])
    asked: list[Any] = []

    def vouch() -> str:
        import secrets
        import time

        asked.append(None)
        moment = Moment(time.time(), secrets.token_urlsafe(16))
        return build_client_assertion(holder, ServerMetadata(issuer=panva.issuer), "private_key_jwt", moment)

    async def vouch_later() -> str:
        return vouch()

    assertion = ClientAssertion(vouch_later if asynchronous else vouch)
    provider = panva.provider("private-key-jwt", client_auth=assertion)
    async with AsyncSessionManager([provider], single_user=True) as manager:
        session = await manager["private-key-jwt"].login(open_url=person("ada"))
        await session.refresh()
    assert len(asked) == 2


# ── tokens without a human ───────────────────────────────────────────────────────────────────────────


def test_a_service_gets_a_token_for_itself_and_for_an_api(panva: Panva) -> None:
    resource = "https://api.example.test/reports"
    with SessionManager([panva.provider("service")]) as manager:
        token = manager.client_credentials("service", scope=["read"], resource=[resource]).token()
        said = panva.introspect(token.access_token, "service")
        assert (said["active"], said["aud"], said["scope"]) == (True, resource, "read")


async def test_an_async_service_likewise_with_a_bound_token(panva: Panva) -> None:
    async with AsyncSessionManager([panva.provider("service", dpop=True)]) as manager:
        token = await manager.client_credentials("service").token()
        assert token.token_type == "DPoP"
        assert panva.introspect(token.access_token, "service")["cnf"]["jkt"]

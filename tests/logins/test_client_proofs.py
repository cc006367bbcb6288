"""How a client proves itself over a whole login, in both colours, with a provider that looks closely."""

from __future__ import annotations

from typing import Any

import pytest

from authflow import LoginFailed, State
from authflow.errors import ConfigurationError, InvalidClient, SignInRequired
from authflow.protocol.client_auth import build_client_assertion
from authflow.protocol.messages import ServerMetadata
from authflow.protocol.private_key import PrivateKey
from authflow.protocol.step import Moment
from authflow.providers import ClientAssertion
from authflow.testing import DevProvider, ScriptedBrowser

from .conftest import go

KEY = PrivateKey.generate("ES256")
LONG = "a-secret-that-is-long-enough-to-sign-with-it"


@pytest.fixture
def op() -> Any:
    with DevProvider(auto="ada", algorithm="ES256").serve() as provider:
        yield provider


async def test_a_signing_client_signs_in_renews_and_revokes(
    colour: Any, op: DevProvider, browser: ScriptedBrowser
) -> None:
    manager = colour([op.settings(client_key=KEY)])
    try:
        session = await go(manager.login("acme", open_url=browser))
        await go(session.refresh())
        result = await go(session.logout())
        assert result.revoked == {"refresh_token": True, "access_token": True}
        assert KEY.public_jwk() in op.clients["dev-app"].keys
    finally:
        await go(manager.close())


async def test_a068_an_assertion_works_once(colour: Any, op: DevProvider, browser: ScriptedBrowser) -> None:
    op.client(keys=[KEY.public_jwk()])
    holder = op.settings(client_key=KEY)
    metadata = ServerMetadata(issuer=op.issuer)
    same = build_client_assertion(holder, metadata, "private_key_jwt", Moment(op.now(), "one-and-only"))
    manager = colour([op.settings(client_auth=ClientAssertion(lambda: same))])
    try:
        session = await go(manager.login("acme", open_url=browser))
        with pytest.raises(InvalidClient):
            await go(session.refresh())
        assert session.live
    finally:
        await go(manager.close())


async def test_a_client_that_has_a_key_cannot_use_its_secret(
    colour: Any, op: DevProvider, browser: ScriptedBrowser
) -> None:
    op.client(keys=[KEY.public_jwk()])
    manager = colour([op.settings()])
    try:
        with pytest.raises(LoginFailed):
            await go(manager.login("acme", open_url=browser))
        assert manager["acme"].error.error == "invalid_client"
    finally:
        await go(manager.close())


async def test_a_secret_signs_and_stays_here(colour: Any, op: DevProvider, browser: ScriptedBrowser) -> None:
    op.client(client_secret=LONG)
    op.secrets.discard(LONG)
    manager = colour([op.settings(client_auth="client_secret_jwt")])
    try:
        await go(manager.login("acme", open_url=browser))
        assert LONG not in op.secrets
    finally:
        await go(manager.close())


@pytest.mark.parametrize("audience", ["https://other.example", "token_endpoint"])
async def test_the_audience_is_what_the_provider_takes(
    colour: Any, op: DevProvider, browser: ScriptedBrowser, audience: str
) -> None:
    manager = colour([op.settings(client_key=KEY, assertion_audience=audience)])
    try:
        if audience == "token_endpoint":
            await go(manager.login("acme", open_url=browser))
            return
        with pytest.raises(LoginFailed):
            await go(manager.login("acme", open_url=browser))
        assert manager["acme"].error.error == "invalid_client"
    finally:
        await go(manager.close())


async def test_somebody_elses_word_that_cannot_be_had_fails_the_login_before_the_code_is_shown(
    colour: Any, op: DevProvider, browser: ScriptedBrowser
) -> None:
    def broken() -> str:
        raise OSError("canary: no such token")

    manager = colour([op.settings(client_auth=ClientAssertion(broken))])
    try:
        with pytest.raises(LoginFailed) as caught:
            await go(manager.login("acme", open_url=browser))
        cause = caught.value.__cause__
        assert isinstance(cause, ConfigurationError)
        assert "canary" not in str(caught.value)
        assert cause.__context__ is None
        assert op.count("token") == 0
        assert manager["acme"].state is State.IDLE
        with pytest.raises(SignInRequired):
            await go(manager["acme"].token())
    finally:
        await go(manager.close())

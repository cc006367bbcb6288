"""FAPI 2.0 over a whole login, in both colours: honest, and with a provider that keeps less than it should."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from authflow import LoginFailed, State
from authflow.providers import PrivateKey
from authflow.testing import DevProvider, ScriptedBrowser

from .conftest import go

KEY = PrivateKey.generate("ES256")


@pytest.fixture
def bank() -> Iterator[DevProvider]:
    with DevProvider(auto="ada", algorithm="ES256").serve() as provider:
        provider.client(client_secret=None, keys=[KEY.public_jwk()], dpop=True)
        yield provider


@pytest.fixture
async def manager(colour: Any, bank: DevProvider) -> AsyncIterator[Any]:
    made = colour([bank.settings(profile="fapi2", client_key=KEY)], single_user=True)
    yield made
    await go(made.close())


async def test_an_honest_provider_signs_in(manager: Any, browser: ScriptedBrowser) -> None:
    session = await go(manager["acme"].login(open_url=browser))
    assert (await go(session.token())).token_type == "DPoP"
    assert browser.opened[0].count("=") == 2  # client_id and request_uri


@pytest.mark.parametrize("lie", ["no iss", "a bearer token", "nowhere to push to"])
async def test_one_that_keeps_less_than_the_profile_does_not(
    manager: Any, bank: DevProvider, browser: ScriptedBrowser, lie: str
) -> None:
    without = {"no iss": ("callback_params", "iss"), "nowhere to push to": ("metadata", PUSHED)}
    if lie in without:
        name, member = without[lie]
        bank.tamper[name] = lambda said: {key: value for key, value in said.items() if key != member}
    else:
        bank.tamper["token_response"] = lambda said: {**said, "token_type": "Bearer"}
    with pytest.raises(LoginFailed):
        await go(manager["acme"].login(open_url=browser))
    assert manager["acme"].state is State.IDLE
    assert bank.count("token") == (1 if lie == "a bearer token" else 0)


PUSHED = "pushed_authorization_request_endpoint"

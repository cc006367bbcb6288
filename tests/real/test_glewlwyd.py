"""The whole life of a login at Glewlwyd: an issuer with a path, refusals without a word, one use per refresh token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from authflow import State
from authflow.agents import DeviceCode
from authflow.errors import ResponseInvalid
from authflow.providers import ClientMetadata, OpenIDConnect
from authflow.testing import ScriptedBrowser

from .conftest import go
from .glewlwyd_provider import Glewlwyd


@pytest.fixture
def ada(glewlwyd: Glewlwyd) -> Iterator[ScriptedBrowser]:
    with glewlwyd.person() as browser:
        yield browser


@pytest.mark.parametrize("client", ["web", "public"])
async def test_a_person_signs_in_and_is_known(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any, client: str) -> None:
    session = make(glewlwyd.provider(client))[client]
    await go(session.login(open_url=ada))
    assert session.state is State.AUTHENTICATED
    assert (session.claims["iss"], session.claims["aud"]) == (glewlwyd.issuer, client)
    assert session.claims["auth_time"] == 0
    assert session.user.email == "ada@example.test"


async def test_a_refresh_token_is_used_once(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any) -> None:
    session = make(glewlwyd.provider())["web"]
    await go(session.login(open_url=ada))
    first = await go(session.token())
    await go(session.refresh())
    second = await go(session.token())
    assert second.access_token != first.access_token
    assert second.refresh_token != first.refresh_token


async def test_a_used_refresh_token_is_refused_without_a_word(
    glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any
) -> None:
    """A 400 with nothing in it is no verdict (RFC 6749 §5.2): a session keeps the access token that it has."""
    session = make(glewlwyd.provider())["web"]
    await go(session.login(open_url=ada))
    saved = session.dump_plaintext()
    await go(session.refresh())

    again = make(glewlwyd.provider())["web"]
    await go(again.login(saved_token=saved))
    with pytest.raises(ResponseInvalid, match="status 400 and no OAuth error"):
        await go(again.refresh())
    assert again.live
    with pytest.raises(ResponseInvalid):
        await go(session.refresh())  # the reuse ended the whole family
    assert session.live


async def test_logout_revokes_both_tokens(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any) -> None:
    session = make(glewlwyd.provider())["web"]
    await go(session.login(open_url=ada))
    said = await go(session.introspect("refresh_token"))
    assert said.active
    result = await go(session.logout(end_session=False))
    assert result.revoked == {"refresh_token": True, "access_token": True}
    assert session.state is State.LOGGED_OUT


async def test_a_logout_leads_to_the_servers_own_page(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any) -> None:
    session = make(glewlwyd.provider(post_logout_redirect_uri=glewlwyd.logged_out))["web"]
    await go(session.login(open_url=ada))
    assert (await go(session.logout())).end_session_opened
    page = ada.result()
    assert (page.status, "prompt=end_session" in page.url) == (200, True)


async def test_an_application_registers_itself(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any) -> None:
    app = OpenIDConnect(
        glewlwyd.issuer,
        name="app",
        registration=ClientMetadata(client_name="By itself"),
        callback_path="/callback",
        loopback_port=glewlwyd.callback_port,
        allow_insecure_loopback=True,
    )
    manager = make(app)
    known = await go(manager.register("app", redirect_uri=f"http://127.0.0.1:{glewlwyd.callback_port}/callback"))
    assert known.client_secret
    await go(manager["app"].login(open_url=ada, timeout=10))
    assert manager["app"].claims["aud"] == known.client_id


async def test_a_client_proves_itself_and_its_tokens_by_keys(
    glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any
) -> None:
    session = make(
        glewlwyd.provider("signed", client_key=glewlwyd.client_key, assertion_audience="token_endpoint", dpop=True)
    )["signed"]
    await go(session.login(open_url=ada))
    assert (await go(session.token())).token_type == "DPoP"
    await go(session.refresh())


async def test_a_request_is_pushed(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any) -> None:
    session = make(glewlwyd.provider(require_pushed_authorization_requests=True))["web"]
    await go(session.login(open_url=ada))
    assert session.state is State.AUTHENTICATED
    assert "request_uri=" in ada.opened[-1]


async def test_a_person_signs_in_on_another_screen(glewlwyd: Glewlwyd, ada: ScriptedBrowser, make: Any) -> None:
    session = make(glewlwyd.provider())["web"]
    request = await go(session.begin(agent=DeviceCode()))
    ada(request.verification_uri_complete)
    assert "deviceComplete" in ada.result().text
    await go(request.wait())
    assert session.state is State.AUTHENTICATED

"""The whole life of a login at django-oauth-toolkit: an issuer with a path, and metadata that name little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from authflow import LoginDenied, State
from authflow.errors import InvalidGrant
from authflow.testing import ScriptedBrowser

from .conftest import go
from .django_provider import DjangoOAuthToolkit

Person = Callable[..., ScriptedBrowser]


@pytest.fixture(scope="session")
def dot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoOAuthToolkit]:
    """django-oauth-toolkit, running."""
    if why := DjangoOAuthToolkit.missing():
        pytest.skip(why)
    with DjangoOAuthToolkit(tmp_path_factory.mktemp("django")) as running:
        yield running


@pytest.mark.parametrize("client", ["confidential", "public"])
async def test_a_person_signs_in_and_is_known(dot: DjangoOAuthToolkit, person: Person, make: Any, client: str) -> None:
    session = make(dot.provider(client))[client]
    await go(session.login(open_url=person("ada"), timeout=10))
    assert session.state is State.AUTHENTICATED
    assert (session.claims["iss"], session.claims["aud"]) == (dot.issuer, client)
    assert session.user.id == session.claims["sub"]


async def test_a_used_refresh_token_ends_its_family(dot: DjangoOAuthToolkit, person: Person, make: Any) -> None:
    session = make(dot.provider())["confidential"]
    await go(session.login(open_url=person("ada"), timeout=10))
    first = await go(session.token())
    saved = session.dump_plaintext()
    await go(session.refresh())
    assert (await go(session.token())).refresh_token != first.refresh_token

    again = make(dot.provider())["confidential"]
    await go(again.login(saved_token=saved, fetch_user=False))
    with pytest.raises(InvalidGrant):
        await go(again.refresh())
    with pytest.raises(InvalidGrant):
        await go(session.refresh())
    assert session.error.recovery == "sign_in_again"


async def test_logout_revokes_both_tokens(dot: DjangoOAuthToolkit, person: Person, make: Any) -> None:
    session = make(dot.provider())["confidential"]
    await go(session.login(open_url=person("ada"), timeout=10))
    token = await go(session.token())
    result = await go(session.logout(end_session=False))
    assert result.revoked == {"refresh_token": True, "access_token": True}
    bearer = {"authorization": f"Bearer {token.access_token}"}
    assert httpx.get(f"{dot.issuer}/userinfo/", headers=bearer, trust_env=False).status_code == 401


async def test_logout_ends_the_session_at_the_provider_as_well(
    dot: DjangoOAuthToolkit, person: Person, make: Any
) -> None:
    ada = person("ada")
    session = make(dot.provider())["confidential"]
    await go(session.login(open_url=ada, timeout=10))
    result = await go(session.logout(revoke=False))
    assert result.end_session_opened
    assert ada.result().url == dot.issuer.removesuffix("o")  # signed out, and sent to the site's first page


async def test_a_denied_login_leaves_the_session_idle(dot: DjangoOAuthToolkit, person: Person, make: Any) -> None:
    session = make(dot.provider())["confidential"]
    with pytest.raises(LoginDenied) as caught:
        await go(session.login(open_url=person("ada", deny=True), timeout=10))
    assert caught.value.error == "access_denied"
    assert session.state is State.IDLE

"""The whole life of a login at Canaille: ID tokens by RS512, an `auth_time` with a fraction, and one for nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from authflow import LoginFailed, State
from authflow.errors import InvalidGrant
from authflow.providers import ClientMetadata, OpenIDConnect
from authflow.testing import ScriptedBrowser

from .canaille_provider import Canaille
from .conftest import go

Person = Callable[..., ScriptedBrowser]


@pytest.fixture(scope="session")
def canaille(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaille]:
    """Canaille, running."""
    if why := Canaille.missing():
        pytest.skip(why)
    with Canaille(tmp_path_factory.mktemp("canaille")) as running:
        yield running


async def test_a_person_signs_in_and_is_known(canaille: Canaille, person: Person, make: Any) -> None:
    session = make(canaille.provider())["web"]
    await go(session.login(open_url=person("ada"), timeout=10))
    assert session.state is State.AUTHENTICATED
    assert (session.user.id, session.user.email) == ("ada", "ada@example.test")
    assert isinstance(session.claims["auth_time"], float)


async def test_an_id_token_for_nobody_signs_nobody_in(canaille: Canaille, person: Person, make: Any) -> None:
    session = make(canaille.provider("no-audience"))["no-audience"]
    with pytest.raises(LoginFailed) as caught:
        await go(session.login(open_url=person("ada"), timeout=10))
    assert caught.value.__cause__.check == "aud"
    assert session.state is State.IDLE


async def test_a_used_refresh_token_is_refused(canaille: Canaille, person: Person, make: Any) -> None:
    session = make(canaille.provider())["web"]
    await go(session.login(open_url=person("ada"), timeout=10))
    first = await go(session.token())
    saved = session.dump_plaintext()
    await go(session.refresh())
    assert (await go(session.token())).refresh_token != first.refresh_token

    again = make(canaille.provider())["web"]
    await go(again.login(saved_token=saved, fetch_user=False))
    with pytest.raises(InvalidGrant):
        await go(again.refresh())
    assert again.error.recovery == "sign_in_again"


async def test_logout_revokes_both_tokens(canaille: Canaille, person: Person, make: Any) -> None:
    session = make(canaille.provider())["web"]
    await go(session.login(open_url=person("ada"), timeout=10))
    assert (await go(session.introspect())).active
    result = await go(session.logout(end_session=False))
    assert result.revoked == {"refresh_token": True, "access_token": True}
    assert session.state is State.LOGGED_OUT


async def test_an_application_registers_itself(canaille: Canaille, make: Any) -> None:
    app = OpenIDConnect(
        canaille.issuer,
        name="app",
        registration=ClientMetadata(client_name="By itself"),
        allow_insecure_loopback=True,
    )
    manager = make(app)
    known = await go(manager.register("app", redirect_uri="http://127.0.0.1:8484/callback"))
    assert known.client_id

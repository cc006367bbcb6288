"""A session that lives: renewals that lie, logouts that are not heard, receivers that misbehave."""

from __future__ import annotations

import pytest

from authflow import State
from authflow.errors import ServiceUnavailable, ValidationFailed
from authflow.testing import Lie
from tests.security.conftest import go
from tests.security.judge import Judge


async def test_a112_a_provider_that_fails_signs_nobody_out(judge: Judge) -> None:
    session = await judge.sign_in()
    before = (await go(session.token())).access_token
    judge.dev.fail_next("token", 503)
    await judge.stage.fails(session.refresh, ServiceUnavailable)
    assert (await go(session.token())).access_token == before
    assert judge.heard.names == ["on_login", "on_refresh_failed"]


async def test_a115_without_a_new_refresh_token_the_old_one_is_kept(judge: Judge) -> None:
    judge.dev.rotation = "none"
    session = await judge.sign_in()
    before = session._run.record.token.refresh_token
    with judge.told(Lie.TOKENS_WITHOUT_A_REFRESH_TOKEN):
        await go(session.refresh())
    await go(session.refresh())
    assert session._run.record.token.refresh_token == before
    judge.dev.rotation = "strict"


async def test_a115_a_refresh_token_that_was_replaced_is_never_sent_again(judge: Judge) -> None:
    session = await judge.sign_in()
    for _ in range(3):
        await go(session.refresh())  # strict rotation: an old one would end the family
    assert judge.heard.names == ["on_login", "on_refresh", "on_refresh", "on_refresh"]


@pytest.mark.parametrize(
    ("lie", "check"),
    [
        (Lie.ID_TOKEN_OF_ANOTHER_ISSUER, "iss"),
        (Lie.ID_TOKEN_OF_SOMEBODY_ELSE, "sub"),
        (Lie.ID_TOKEN_FOR_ANOTHER_CLIENT, "aud"),
    ],
)
async def test_a116_a_renewed_id_token_of_another_login_is_refused(judge: Judge, lie: Lie, check: str) -> None:
    await judge.refuses_renewal(lie, check=check, kind=ValidationFailed)


async def test_a119_a_revocation_that_is_not_heard_is_told_and_signs_out_all_the_same(judge: Judge) -> None:
    session = await judge.sign_in()
    judge.heard.forget()
    judge.dev.fail_next("revoke", 503, times=2)
    result = await go(session.logout(end_session=False))
    assert not any(result.revoked.values())
    assert session.state is State.LOGGED_OUT
    assert session._run.record.token is None
    assert judge.heard.names == ["on_logout"]


async def test_a122_a_receiver_that_raises_or_signs_out_changes_no_login(judge: Judge) -> None:
    heard: list[str] = []

    def raises(session: object, event: object) -> None:
        raise RuntimeError("a receiver of the application")

    def signs_out(session: object, event: object) -> object:
        heard.append("second")
        return judge.session.logout(end_session=False)

    async def signs_out_async(session: object, event: object) -> None:
        heard.append("second")
        await judge.session.logout(end_session=False)

    judge.manager.on_login.connect(raises)
    judge.manager.on_login.connect(signs_out_async if judge.stage.is_async else signs_out)
    judge.manager.on_login.connect(lambda session, event: heard.append("third"))
    request, callback = await judge.callback()
    done = await judge.complete(request, callback)
    assert done.event.trigger == "authenticate"
    assert heard == ["second", "third"]
    assert judge.heard.names == ["on_login", "on_logout"]
    assert judge.session.state is State.LOGGED_OUT

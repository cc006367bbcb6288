"""No export of any trace holds a secret, whatever happened; the canary of this folder searches each of them."""

from __future__ import annotations

from typing import Any

import pytest

from authflow.errors import AuthflowError, LoginFailed

from .conftest import Stage, go

LIES: dict[str, Any] = {
    "nonce": lambda claims: {**claims, "nonce": "n" * 43},
    "aud": lambda claims: {**claims, "aud": "another-app"},
    "iss": lambda claims: {**claims, "iss": "https://evil.example"},
    "exp": lambda claims: {**claims, "exp": 1},
}


@pytest.mark.parametrize("check", LIES)
async def test_a_failed_check_tells_no_secret(stage: Stage, check: str) -> None:
    stage.dev.tamper["id_token_claims"] = LIES[check]
    url, binding = await stage.callback()
    error = await stage.fails(lambda: stage.session.complete(url, binding=binding), LoginFailed)
    assert check in error.trace.to_json()
    assert stage.canary.heard("LoginFailed.trace as html")


async def test_a_whole_life_tells_no_secret(stage: Stage) -> None:
    await stage.sign_in()
    await go(stage.session.refresh())
    stage.dev.fail_next("token", 503)
    await stage.fails(stage.session.refresh, AuthflowError)
    await go(stage.session.logout())
    assert {story.kind for story in stage.manager.trace.stories} == {"login", "refresh", "logout"}


async def test_an_answer_that_repeats_secrets_where_words_belong_is_not_repeated(stage: Stage) -> None:
    stage.dev.tamper["token_response"] = lambda honest: {
        **honest, "error_uri": f"https://x.example/{honest['access_token']}",
        honest["access_token"]: honest["access_token"], "token_type_hint": f"see {honest.get('refresh_token')}",
    }  # fmt: skip
    url, binding = await stage.callback()
    try:
        await go(stage.session.complete(url, binding=binding))
    except AuthflowError as error:
        stage.canary.error(error)
    assert stage.manager.trace is not None
    stage.canary.trace("the trace", stage.manager.trace)


async def test_what_is_kept_with_identity_is_no_secret_either(stage: Stage) -> None:
    from authflow.trace.recorder import Recording

    manager = stage.make([stage.settings("acme")], trace=Recording(every=True, with_identity=True))
    await stage.sign_in(manager["acme"])
    stage.canary.trace("with identity", manager.trace)
    assert "ada@example.com" in manager.trace.to_json()

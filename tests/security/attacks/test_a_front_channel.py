"""What comes through the browser: is this answer the answer to that request?"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authflow import LoginFailed, State
from authflow.errors import (
    AuthflowError,
    BindingRequired,
    CallbackRejected,
    ConfigurationError,
    ServerError,
)
from authflow.testing import Lie
from tests.security.conftest import REDIRECT_URI, go
from tests.security.judge import Judge, with_params


def asked(url: str) -> dict[str, str]:
    """What an authorization URL asks for."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_a001_a_callback_without_state_is_rejected_and_sends_nothing(judge: Judge) -> None:
    await judge.rejects(Lie.CALLBACK_WITHOUT_STATE, check=None)


async def test_a002_a_wrong_state_is_rejected_and_the_pending_login_is_not_burnt(judge: Judge) -> None:
    await judge.rejects(Lie.CALLBACK_WITH_ANOTHER_STATE, check="state")


async def test_a003_a_state_of_another_browser_is_rejected(judge: Judge) -> None:
    victim = judge.manager.owner("victim")["acme"]
    thief = judge.manager.owner("thief")["acme"]
    ours = await go(victim.begin(redirect_uri=REDIRECT_URI))
    theirs = await go(thief.begin(redirect_uri=REDIRECT_URI))
    link = judge.stage.walk(theirs.url)
    error = await judge.stage.fails(lambda: judge.manager.complete(link, binding=ours.binding), CallbackRejected)
    assert error.check == "binding"
    await judge.stage.fails(lambda: judge.manager.complete(link), BindingRequired)
    assert (victim.state, thief.state) == (State.AUTHORIZING, State.AUTHORIZING)
    assert judge.dev.count("token") == 0


async def test_a004_a_callback_that_is_replayed_brings_no_second_exchange(judge: Judge) -> None:
    request, callback = await judge.callback()
    await judge.complete(request, callback)
    again = await judge.complete(request, callback)
    assert again.event.trigger == "authenticate"
    assert len(judge.dev.token_requests("authorization_code")) == 1
    assert judge.heard.names == ["on_login"]


@pytest.mark.parametrize("planted", ["state", "nonce", "code_challenge", "code_verifier"])
async def test_a005_nobody_chooses_state_nonce_or_verifier(judge: Judge, planted: str) -> None:
    with pytest.raises(TypeError):
        await judge.begin(**{planted: "A" * 43})
    await judge.stage.fails(lambda: judge.begin(params={planted: "A" * 43}), AuthflowError)
    with pytest.raises(ConfigurationError):
        judge.stage.settings("planted", authorization_params={planted: "A" * 43})
    assert judge.dev.requests == []


async def test_a006_state_nonce_verifier_and_binding_are_256_bits_and_never_twice(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is made for an attempt comes from `secrets`, 32 bytes or more at a time."""
    drawn: list[int] = []
    honest = secrets.token_urlsafe

    def token_urlsafe(size: int) -> str:
        drawn.append(size)
        return honest(size)

    monkeypatch.setattr(secrets, "token_urlsafe", token_urlsafe)
    made = [await judge.begin() for _ in range(5)]
    texts = [text for one in made for text in (one.state, one.binding, asked(one.url)["nonce"])]
    assert len(set(texts)) == len(texts)
    assert min(len(text) for text in texts) >= 43
    assert sorted(drawn) == sorted([32, 32, 32, 48] * 5)
    assert len({honest(32) for _ in range(100_000)}) == 100_000


async def test_a008_doubled_parameters_are_refused(judge: Judge) -> None:
    await judge.rejects(Lie.CALLBACK_WITH_TWO_STATES, check=None)


@pytest.mark.parametrize("lie", [Lie.CALLBACK_WITH_TWO_CODES, Lie.CALLBACK_WITH_TWO_ISSUERS])
async def test_a008_a_doubled_code_or_issuer_ends_the_login(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="callback_parameters", reached="authorize")


async def test_a009_a_code_beside_an_error_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.CALLBACK_WITH_CODE_AND_ERROR, check="callback_parameters", reached="authorize")


async def test_a010_a_forged_error_ends_no_login(judge: Judge) -> None:
    def forged(callback: str) -> str:
        return with_params(callback, code=None, error="access_denied", state="A" * 43)

    await judge.rejects(change=forged)


async def test_a010_a_forged_error_leaves_a_live_session(judge: Judge) -> None:
    await judge.sign_in()
    forged = f"{REDIRECT_URI}?error=access_denied&state={'A' * 43}"
    await judge.stage.fails(lambda: judge.manager.complete(forged, binding="B" * 43), CallbackRejected)
    assert judge.session.live
    assert judge.heard.names == ["on_login"]


async def test_a011_what_an_error_says_is_made_fit_to_print(judge: Judge) -> None:
    error = await judge.refuses(Lie.CALLBACK_ERROR_WITH_MARKUP, reached="authorize", cause=ServerError)
    assert len(error.error_description) <= 512
    assert error.error_description.isprintable()
    assert "javascript:" not in str(error)


async def test_a012_a_callback_without_the_promised_issuer_is_refused_before_the_exchange(judge: Judge) -> None:
    await judge.refuses(Lie.CALLBACK_WITHOUT_ISSUER, check="iss", reached="authorize")


async def test_a013_a_callback_of_another_issuer_is_refused_before_the_exchange(judge: Judge) -> None:
    await judge.refuses(Lie.CALLBACK_OF_ANOTHER_ISSUER, check="iss", reached="authorize")


async def test_a014_a_code_on_one_providers_path_never_goes_to_another(judge: Judge) -> None:
    """RFC 9700 §4.4.2.2: for providers that do not say who they are, each has a redirect URI of its own."""

    def on_the_others_path(callback: str) -> str:
        return with_params(callback, iss=None).replace("/callback", "/other/callback")

    error = await judge.rejects(check="redirect_uri", change=on_the_others_path)
    assert "route" in error.hint


@pytest.mark.parametrize("lie", [Lie.METADATA_WITHOUT_S256, Lie.METADATA_WITH_PLAIN_ONLY])
async def test_a015_no_metadata_make_the_challenge_plain(judge: Judge, lie: Lie) -> None:
    with judge.told(lie):
        request = await judge.begin()
    said = asked(request.url)
    assert said["code_challenge_method"] == "S256"
    assert len(said["code_challenge"]) == 43


async def test_a016_every_attempt_has_a_challenge_of_its_own(judge: Judge) -> None:
    begun = [await judge.begin() for _ in range(3)]
    begun += [await go(judge.manager.owner(who)["acme"].begin(redirect_uri=REDIRECT_URI)) for who in ("one", "two")]
    assert len({asked(one.url)["code_challenge"] for one in begun}) == len(begun)


async def test_a018_a_stolen_code_is_worth_nothing_in_another_attempt(judge: Judge) -> None:
    """RFC 9700 §4.5: the verifier that is sent is that of the attempt, not that of the code."""
    stolen = asked((await judge.callback())[1])["code"]
    await go(judge.session.cancel())
    judge.heard.forget()
    judge._asked_at_the_end = None
    judge.dev.forget_requests()
    request, callback = await judge.callback()
    error = await judge.stage.fails(
        lambda: judge.complete(request, with_params(callback, code=stolen)), LoginFailed
    )
    assert error.error == "invalid_grant"
    await judge.is_signed_out("on_login_failed", error)


@pytest.mark.parametrize("lie", [Lie.ID_TOKEN_WITHOUT_NONCE, Lie.ID_TOKEN_OF_ANOTHER_ATTEMPT])
async def test_a019_an_id_token_without_this_attempts_nonce_is_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="nonce")


async def test_a019_an_id_token_of_an_earlier_login_is_refused(judge: Judge) -> None:
    session = await judge.sign_in()
    earlier = (await go(session.token())).id_token
    await go(session.logout(end_session=False))
    fresh = judge.at()
    with judge.dev.lie("id_token", lambda honest: earlier):
        await fresh.refuses(check="nonce")


async def test_a020_tokens_in_the_callback_are_never_read(judge: Judge, caplog: pytest.LogCaptureFixture) -> None:
    session = await judge.sign_in(Lie.CALLBACK_WITH_TOKENS)
    (told,) = [one.getMessage() for one in caplog.records if one.name == "authflow"]
    assert told.startswith("A callback of acme brought access_token, id_token:")
    token = await go(session.token())
    assert "planted" not in token.access_token + (token.id_token or "")
    assert len(judge.dev.token_requests("authorization_code")) == 1


async def test_a023_two_identical_callbacks_at_once_make_one_exchange(judge: Judge) -> None:
    request, callback = await judge.callback()

    async def once() -> Any:
        if judge.stage.is_async:
            return await judge.manager.complete(callback, binding=request.binding)
        return await asyncio.to_thread(judge.manager.complete, callback, binding=request.binding)

    one, other = await asyncio.gather(once(), once())
    assert one.event == other.event
    assert len(judge.dev.token_requests("authorization_code")) == 1
    assert judge.heard.names == ["on_login"]


async def test_a024_a_sign_in_older_than_max_age_is_refused(judge: Judge) -> None:
    error = await judge.refuses(Lie.ID_TOKEN_OF_AN_OLD_SIGN_IN, check="auth_time", max_age=60)
    assert error.recovery == "step_up"


async def test_a024_a_sign_in_of_no_known_age_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_WITHOUT_AUTH_TIME, check="auth_time", max_age=60)


async def test_a024_a_weaker_sign_in_than_was_asked_is_refused(judge: Judge) -> None:
    error = await judge.refuses(Lie.ID_TOKEN_OF_A_WEAKER_SIGN_IN, check="acr", acr_values=["strong"])
    assert error.recovery == "step_up"


async def test_a026_steps_out_of_order_are_refused_and_change_nothing(judge: Judge) -> None:
    for step in ("refresh", "forget"):
        await judge.stage.fails(getattr(judge.session, step), AuthflowError)
    assert judge.session.state is State.IDLE
    assert judge.heard.triggers == []
    assert judge.dev.requests == []

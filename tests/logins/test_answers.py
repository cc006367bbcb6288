"""How the provider answers: by query or form, as a signed JWT, with an ID token through the browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authflow import LoginDenied, LoginFailed, State
from authflow.errors import ConfigurationError, NotSupported
from authflow.testing import DevProvider, ScriptedBrowser

from .conftest import Heard, go

Make = Callable[..., Any]


@pytest.fixture
async def make(colour: Any, dev: DevProvider) -> AsyncIterator[Make]:
    """A manager of each colour whose provider `acme` has these settings."""
    async with AsyncExitStack() as stack:

        def manager(**settings: Any) -> Any:
            made = colour([dev.settings(name="acme", **settings)], single_user=True)
            stack.push_async_callback(_close, made)
            return made

        yield manager


async def _close(manager: Any) -> None:
    await go(manager.close())


MODES = [
    {},
    {"response_mode": "form_post"},
    {"response_mode": "jwt"},
    {"response_mode": "query.jwt"},
    {"response_mode": "form_post.jwt"},
    {"response_type": "code id_token", "response_mode": "form_post"},
    {"response_type": "code id_token", "response_mode": "form_post.jwt"},
]
HYBRID = {"response_type": "code id_token", "response_mode": "form_post"}


@pytest.mark.parametrize("settings", MODES, ids=lambda one: " ".join(one.values()) or "query")
async def test_a_login_ends_well_however_it_is_answered(
    make: Make, browser: ScriptedBrowser, settings: dict[str, str]
) -> None:
    manager = make(**settings)
    session = await go(manager.login("acme", open_url=browser))
    assert session.state is State.AUTHENTICATED
    assert session.user.name == "Ada Lovelace"
    page = await asyncio.to_thread(browser.result, 5)
    assert (page.status, "signed in to Acme" in page.text) == (200, True)


async def failed(manager: Any, browser: ScriptedBrowser, dev: DevProvider) -> Any:
    """How a login ends that must not end well: the cause, one event, and not one request for tokens."""
    heard = Heard(manager)
    with pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser))
    assert heard.signals == ["on_login_failed"]
    assert manager["acme"].state is State.IDLE
    assert dev.count("token") == 0
    return caught.value.__cause__


# ── as a JWT (JARM) ──


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": None}, "aud"),
        ({"exp": 1}, "exp"),
        ({"exp": None}, "exp"),
    ],
)
async def test_a_signed_answer_that_is_not_ours_or_of_today_is_refused(
    make: Make, browser: ScriptedBrowser, dev: DevProvider, claims: dict[str, Any], check: str
) -> None:
    def lie(honest: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**honest, **claims}.items() if value is not None}

    dev.tamper["response_claims"] = lie
    assert (await failed(make(response_mode="jwt"), browser, dev)).check == check


async def test_an_answer_with_a_wrong_signature_is_refused(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    dev.tamper["response"] = lambda jwt: jwt[:-8] + ("AAAAAAAA" if jwt[-8:] != "AAAAAAAA" else "BAAAAAAA")
    assert (await failed(make(response_mode="form_post.jwt"), browser, dev)).check == "signature"


async def test_a_plain_answer_is_refused_where_a_jwt_was_asked_for(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    manager = make(response_mode="query.jwt")

    class Plain(ScriptedBrowser):
        def go(self, url: str) -> Any:
            return super().go(url.replace("response_mode=query.jwt", "response_mode=query"))

    with Plain(user="ada") as meddler:
        assert (await failed(manager, meddler, dev)).check == "response"


async def test_an_error_in_a_signed_answer_is_that_error(make: Make, dev: DevProvider) -> None:
    dev.auto = None
    manager = make(response_mode="jwt")
    with ScriptedBrowser(user="ada", deny=True) as nobody, pytest.raises(LoginDenied):
        await go(manager.login("acme", open_url=nobody))


@pytest.mark.parametrize("by_form", [False, True])
async def test_a_web_route_gets_a_signed_answer_as_url_or_form(make: Make, by_form: bool) -> None:
    manager = make(response_mode="jwt", redirect_uri="http://127.0.0.1:8000/callback")
    request = await go(manager["acme"].begin())
    answer = await asyncio.to_thread(httpx.get, request.url, follow_redirects=False, trust_env=False)
    callback = answer.headers["location"]
    form = {"response": parse_qs(urlsplit(callback).query)["response"][0]} if by_form else callback
    assert (await go(manager.complete(form, binding=request.binding))).session.live


# ── with an ID token through the browser (hybrid) ──


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"c_hash": None}, "c_hash"),
        ({"c_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "c_hash"),
        ({"s_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "s_hash"),
        ({"nonce": None}, "nonce"),
        ({"nonce": "of-another-attempt"}, "nonce"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
        ({"exp": 1}, "exp"),
    ],
)
async def test_a_code_whose_id_token_is_wrong_is_not_used(
    make: Make, browser: ScriptedBrowser, dev: DevProvider, claims: dict[str, Any], check: str
) -> None:
    def lie(honest: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**honest, **claims}.items() if value is not None}

    dev.tamper["id_token_claims"] = lie
    assert (await failed(make(**HYBRID), browser, dev)).check == check


async def test_a_code_of_another_login_does_not_fit_the_id_token_beside_it(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    dev.tamper["callback_params"] = lambda honest: {**honest, "code": "code-of-another-login"}
    assert (await failed(make(**HYBRID), browser, dev)).check == "c_hash"


@pytest.mark.parametrize("missing", ["code", "id_token"])
async def test_half_an_answer_is_refused(make: Make, browser: ScriptedBrowser, dev: DevProvider, missing: str) -> None:
    dev.tamper["callback_params"] = lambda honest: {name: value for name, value in honest.items() if name != missing}
    assert (await failed(make(**HYBRID), browser, dev)).check == "callback_parameters"


async def test_both_id_tokens_of_a_login_are_about_the_same_human(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    def lie(honest: dict[str, Any]) -> dict[str, Any]:
        return honest if "c_hash" in honest else {**honest, "sub": "somebody-else"}

    dev.tamper["id_token_claims"] = lie
    manager = make(**HYBRID)
    with pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser))
    assert caught.value.__cause__.check == "sub"
    assert dev.count("revoke") == 2  # the tokens that came are not left lying about


# ── an ID token alone ──


async def test_an_id_token_alone_signs_in_and_opens_no_api(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    manager = make(response_type="id_token", response_mode="form_post")
    session = await go(manager.login("acme", open_url=browser))
    assert session.live
    assert session.user.name == "Ada Lovelace"
    assert session.expires_at == session.claims["exp"]
    assert (dev.count("token"), dev.count("userinfo")) == (0, 0)
    with pytest.raises(NotSupported, match="no access token"):
        await go(session.token())
    await go(session.logout())
    assert session.state is State.LOGGED_OUT


async def test_an_id_token_alone_is_checked_like_any(make: Make, browser: ScriptedBrowser, dev: DevProvider) -> None:
    dev.tamper["id_token_claims"] = lambda honest: {**honest, "nonce": "of-another-attempt"}
    manager = make(response_type="id_token", response_mode="form_post")
    assert (await failed(manager, browser, dev)).check == "nonce"


async def test_a_response_mode_is_no_parameter_of_one_login(make: Make, browser: ScriptedBrowser) -> None:
    with pytest.raises(ConfigurationError, match="response_mode"):
        await go(make()["acme"].login(open_url=browser, params={"response_mode": "query"}))

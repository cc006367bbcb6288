"""How the provider is asked: pushed, signed, encrypted; and what was asked is held against the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from authflow import LoginFailed, State
from authflow.errors import CallbackRejected, ConfigurationError, InvalidCall, InvalidClient, ServiceUnavailable
from authflow.providers import PrivateKey
from authflow.testing import DevProvider, ScriptedBrowser
from tests.testing.hosting import hosted

from .conftest import Heard, go

Make = Callable[..., Any]
KEY = PrivateKey.generate("ES256")
OPENING = PrivateKey(ECKey.generate_key("P-256"))
PUSH = {"require_pushed_authorization_requests": True}
SIGN = {"client_key": KEY, "request_object_signing_alg": "ES256", "client_auth": "client_secret_basic"}


@pytest.fixture
async def make(colour: Any, dev: DevProvider) -> AsyncIterator[Make]:
    """A manager of each colour whose provider `acme` has these settings."""
    async with AsyncExitStack() as stack:

        def manager(**settings: Any) -> Any:
            made = colour([dev.settings(name="acme", **settings)], single_user=True)
            stack.push_async_callback(close, made)
            return made

        yield manager
    dev.settings(name="acme")  # what the client registered for here, it does not want elsewhere


async def close(manager: Any) -> None:
    await go(manager.close())


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


async def test_a_pushed_request_shows_the_browser_a_reference_only(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    session = await go(make(**PUSH).login("acme", open_url=browser, max_age=60))
    assert session.state is State.AUTHENTICATED
    assert query(browser.opened[0]).keys() == {"client_id", "request_uri"}
    assert dev.count("par") == 1


async def test_metadata_that_demand_it_are_obeyed(make: Make, browser: ScriptedBrowser, dev: DevProvider) -> None:
    manager = make()
    manager["acme"]._house.directory.forget(dev.issuer)
    with dev.lie("metadata", lambda honest: {**honest, "require_pushed_authorization_requests": True}):
        await go(manager.login("acme", open_url=browser))
    assert query(browser.opened[0]).keys() == {"client_id", "request_uri"}


async def test_each_attempt_pushes_anew(make: Make, dev: DevProvider) -> None:
    manager = make(redirect_uri="http://127.0.0.1:8000/callback", **PUSH)
    first, second = [await go(manager["acme"].begin()) for _ in range(2)]
    assert query(first.url)["request_uri"] != query(second.url)["request_uri"]
    assert dev.count("par") == 2


async def test_a_push_that_is_refused_is_a_failed_login_and_heard(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    manager = make(**PUSH)
    heard = Heard(manager)
    dev.fail_next("par", 401, {"error": "invalid_client"})
    with pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser))
    assert isinstance(caught.value.__cause__, InvalidClient)
    assert (heard.triggers, heard.signals) == (["authorize", "fail"], ["on_login_failed"])
    assert browser.opened == []
    assert manager["acme"].state is State.IDLE
    assert (await go(manager.login("acme", open_url=browser))).live


async def test_a_provider_that_is_busy_when_pushed_to_is_that(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    manager = make(**PUSH)
    dev.fail_next("par", 503)
    with pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser))
    assert isinstance(caught.value.__cause__, ServiceUnavailable)


async def test_a_signed_request_is_read_by_the_provider(make: Make, browser: ScriptedBrowser) -> None:
    session = await go(make(**SIGN).login("acme", open_url=browser, max_age=60))
    assert session.live
    assert query(browser.opened[0]).keys() == {"client_id", "response_type", "scope", "request"}


async def test_a_signed_request_is_pushed(make: Make, browser: ScriptedBrowser) -> None:
    await go(make(**SIGN, **PUSH).login("acme", open_url=browser))
    assert query(browser.opened[0]).keys() == {"client_id", "request_uri"}


async def test_a_request_object_that_the_application_hosts(make: Make, dev: DevProvider) -> None:
    manager = make(redirect_uri="http://127.0.0.1:8000/callback", **SIGN)
    with hosted() as host:
        request = await go(manager["acme"].begin(request_uri=host.url("/1")))
        host.put("/1", request.request_object)
        assert query(request.url).keys() == {"client_id", "response_type", "scope", "request_uri"}
        assert request.request_object.count(".") == 2
        assert request.request_object not in repr(request)
        answer = await asyncio.to_thread(httpx.get, request.url, follow_redirects=False, trust_env=False)
    assert (await go(manager.complete(answer.headers["location"], binding=request.binding))).session.live


async def test_what_is_hosted_in_its_place_begins_no_login(make: Make, dev: DevProvider) -> None:
    manager = make(redirect_uri="http://127.0.0.1:8000/callback", **SIGN)
    with hosted() as host:
        request, other = [await go(manager["acme"].begin(request_uri=host.url("/1"))) for _ in range(2)]
        host.put("/1", other.request_object)
        answer = await asyncio.to_thread(httpx.get, request.url, follow_redirects=False, trust_env=False)
    # It is the other attempt's, and so is the answer: this browser has no binding for it.
    with pytest.raises(CallbackRejected):
        await go(manager.complete(answer.headers["location"], binding=request.binding))
    assert dev.count("token") == 0


async def test_there_is_nothing_to_host_without_a_signature(make: Make) -> None:
    manager = make(redirect_uri="http://127.0.0.1:8000/callback")
    with pytest.raises(LoginFailed) as caught:
        await go(manager["acme"].begin(request_uri="https://app.example/requests/1"))
    assert isinstance(caught.value.__cause__, InvalidCall)


# ── encrypted and signed answers ──


@pytest.mark.parametrize(
    "settings",
    [
        {"id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A256GCM"},
        {"userinfo_signed_response_alg": "RS256"},
        {"userinfo_signed_response_alg": "RS256", "userinfo_encrypted_response_alg": "ECDH-ES+A128KW"},
        {"authorization_encrypted_response_alg": "ECDH-ES", "response_mode": "jwt"},
        {"authorization_encrypted_response_alg": "ECDH-ES+A256KW", "response_mode": "form_post.jwt"},
    ],
    ids=lambda one: " ".join(one),
)
async def test_what_is_sealed_for_this_client_is_opened(
    make: Make, browser: ScriptedBrowser, settings: dict[str, Any]
) -> None:
    session = await go(make(decryption_keys=[OPENING], **settings).login("acme", open_url=browser))
    assert session.user.name == "Ada Lovelace"
    await go(session.refresh())
    assert session.live


async def test_a_refreshed_id_token_is_kept_opened(make: Make, browser: ScriptedBrowser) -> None:
    manager = make(decryption_keys=[OPENING], id_token_encrypted_response_alg="ECDH-ES")
    session = await go(manager.login("acme", open_url=browser))
    first = (await go(session.token())).id_token
    await go(session.refresh())
    second = (await go(session.token())).id_token
    assert (first.count("."), second.count("."), first == second) == (2, 2, False)


@pytest.mark.parametrize(
    ("lie", "check"),
    [
        ({"sub": "somebody-else"}, "userinfo_sub"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
    ],
)
async def test_signed_userinfo_of_somebody_else_is_no_login(
    make: Make, browser: ScriptedBrowser, dev: DevProvider, lie: dict[str, str], check: str
) -> None:
    dev.tamper["userinfo"] = lambda honest: {**honest, **lie}
    manager = make(userinfo_signed_response_alg="RS256")
    with pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser))
    assert caught.value.__cause__.check == check
    assert dev.count("revoke") == 2


async def test_userinfo_with_a_wrong_signature_is_no_login(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    dev.tamper["userinfo_jwt"] = lambda jwt: jwt[:-8] + ("AAAAAAAA" if jwt[-8:] != "AAAAAAAA" else "BAAAAAAA")
    with pytest.raises(LoginFailed) as caught:
        await go(make(userinfo_signed_response_alg="RS256").login("acme", open_url=browser))
    assert caught.value.__cause__.check == "signature"


# ── what was asked is owed ──


async def test_an_essential_claim_that_is_contradicted_is_no_login(make: Make, browser: ScriptedBrowser) -> None:
    asked = {"id_token": {"acr": {"essential": True, "values": ["urn:mfa"]}}}
    with pytest.raises(LoginFailed) as caught:
        await go(make().login("acme", open_url=browser, claims=asked))
    assert caught.value.__cause__.check == "acr"


async def test_an_essential_claim_of_userinfo_is_held_against_userinfo(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    asked = {"userinfo": {"tenant": {"essential": True, "value": "blue"}}}
    dev.tamper["userinfo"] = lambda honest: {**honest, "tenant": "blue"}
    assert (await go(make().login("acme", open_url=browser, claims=asked))).live
    dev.tamper["userinfo"] = lambda honest: {**honest, "tenant": "red"}
    with pytest.raises(LoginFailed) as caught:
        await go(make().login("acme", open_url=browser, claims=asked))
    assert caught.value.__cause__.check == "tenant"


async def test_a_hint_of_one_human_is_not_answered_by_another(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    manager = make()
    session = await go(manager.login("acme", open_url=browser))
    hint = (await go(session.token())).id_token
    await go(session.logout(end_session=False))
    dev.auto = "grace"
    with pytest.raises(LoginFailed) as caught:
        await go(manager.login("acme", open_url=browser, id_token_hint=hint))
    assert caught.value.__cause__.check == "sub"
    dev.auto = "ada"
    assert (await go(manager.login("acme", open_url=browser, id_token_hint=hint))).live


async def test_rich_authorization_is_asked_for_and_kept(make: Make, browser: ScriptedBrowser) -> None:
    payment = {"type": "payment_initiation", "amount": "12.50"}
    session = await go(make().login("acme", open_url=browser, authorization_details=[payment]))
    assert (await go(session.token())).authorization_details == (payment,)
    await go(session.refresh())
    assert (await go(session.token())).authorization_details == (payment,)


@pytest.mark.parametrize("settings", [{}, PUSH, SIGN], ids=["query", "pushed", "signed"])
async def test_several_apis_are_asked_for_however_the_request_travels(
    make: Make, browser: ScriptedBrowser, settings: dict[str, Any]
) -> None:
    apis = ["https://a.example/", "https://b.example/"]
    session = await go(make(**settings).login("acme", open_url=browser, resource=apis))
    assert session.live
    if not settings:
        assert query(browser.opened[0])["resource"] == apis


@pytest.mark.parametrize(
    "arguments",
    [
        {"claims": "acr"}, {"claims": {"acr": None}}, {"authorization_details": [{"no": "type"}]},
        {"resource": "https://a.example/"}, {"display": 7}, {"params": {"request_uri": "https://x.example"}},
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_before_anything_begins(
    make: Make, arguments: dict[str, Any], dev: DevProvider
) -> None:
    manager = make()
    dev.forget_requests()
    with pytest.raises(ConfigurationError):
        await go(manager["acme"].login(**arguments))
    assert dev.requests == []


# ── claims of others, and userinfo asked in another way ──


@pytest.mark.parametrize("named", [True, False])
async def test_claims_of_others_join_the_profile_where_their_issuer_was_named(
    make: Make, browser: ScriptedBrowser, dev: DevProvider, named: bool
) -> None:
    said = {"iss": dev.issuer, "credit_score": 650}

    def bring_along(honest: dict[str, Any]) -> dict[str, Any]:
        sources = {"one": {"JWT": dev.sign(said)}}
        return {**honest, "_claim_names": {"credit_score": "one"}, "_claim_sources": sources}

    dev.tamper["userinfo"] = bring_along
    manager = make(claims_issuers=[dev.issuer] if named else [])
    session = await go(manager.login("acme", open_url=browser))
    assert session.user.get("credit_score") == (650 if named else None)
    assert session.user["_claim_names"] == {"credit_score": "one"}
    assert "_claim_sources" not in session.user  # tokens of others, and nobody's business
    assert session.error is None


async def test_a_source_that_lies_is_a_warning_and_no_end_of_a_login(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    forged = dev.sign({"iss": "https://evil.example", "email": "evil@example.com"})
    dev.tamper["userinfo"] = lambda honest: {
        "sub": honest["sub"], "_claim_names": {"email": "one"}, "_claim_sources": {"one": {"JWT": forged}},
    }  # fmt: skip
    session = await go(make(claims_issuers=[dev.issuer]).login("acme", open_url=browser))
    assert session.live
    assert session.user.get("email") != "evil@example.com"
    assert session.error.check == "iss"


async def test_userinfo_is_asked_with_the_token_in_the_form_by_a_setting(
    make: Make, browser: ScriptedBrowser, dev: DevProvider
) -> None:
    session = await go(make(userinfo_token_in_form_body=True).login("acme", open_url=browser))
    assert session.user.name == "Ada Lovelace"
    assert [one.method for one in dev.requests if one.path == "/userinfo"] == ["POST"]

"""Registration, step-up, introspection and the provider's logout let no secret out. (The stage asks, at the end.)"""

from __future__ import annotations

import httpx
import pytest

from authflow.errors import AuthflowError, ConfigurationError, ResponseInvalid, ValidationFailed
from authflow.events import StepUp
from authflow.providers import ClientMetadata, OAuth2, OpenIDConnect

from .conftest import REDIRECT_URI, Stage, go

INITIAL = "initial-access-token-of-this-test-0123456789"


async def test_a_client_that_registers_itself_keeps_what_it_was_given(stage: Stage) -> None:
    stage.canary.note(INITIAL)
    app = ClientMetadata(client_name="My application", initial_access_token=INITIAL, software_statement="x" * 40)
    provider = OpenIDConnect(stage.dev.issuer, name="self", registration=app, allow_insecure_loopback=True)
    manager = stage.make([provider])
    session = await stage.sign_in(manager["self"])
    stage.canary.session(session)
    stage.canary.show("provider", session.provider)
    stage.canary.show("template", provider)
    stage.canary.show("metadata", app)
    for known in (
        await go(manager.register("self")),
        await go(manager.read_registration("self")),
        await go(manager.update_registration("self", app)),
    ):
        stage.canary.show("registration", known)
        with pytest.raises(TypeError):
            known.__reduce__()
    await go(session.refresh())
    stage.canary.manager(manager)
    await go(manager.delete_registration("self"))
    await stage.fails(lambda: manager.read_registration("self"), ConfigurationError)


async def test_a_registration_that_is_refused_says_nothing_of_what_was_sent(stage: Stage) -> None:
    stage.canary.note(INITIAL)
    app = ClientMetadata(client_name="My application", initial_access_token=INITIAL)
    provider = OpenIDConnect(stage.dev.issuer, name="self", registration=app, allow_insecure_loopback=True)
    manager = stage.make([provider])
    for status, body in ((400, {"error": "invalid_client_metadata", "error_description": INITIAL}), (500, INITIAL)):
        stage.dev.fail_next("register", status, body)
        await stage.fails(lambda: manager.register("self"), AuthflowError)
    stage.dev.tamper["registration"] = lambda told: {**told, "registration_client_uri": "https://evil.example/"}
    await stage.fails(lambda: manager.register("self"), AuthflowError)
    stage.canary.manager(manager)


async def test_an_api_is_told_nothing_before_there_is_a_token_and_keeps_the_one_it_gets(stage: Stage) -> None:
    api = OAuth2.for_resource(stage.dev.resource, name="api", allow_insecure_loopback=True)
    manager = stage.make([api])
    session = await stage.sign_in(manager["api"])
    stage.dev.demand(scope=["files:write"])
    if stage.is_async:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(stage.dev.resource, auth=session.auth)
    else:
        httpx.get(stage.dev.resource, auth=session.auth, trust_env=False)
    stage.dev.demand()
    stage.canary.show("what is asked", session.step_up_required)
    stage.canary.session(session)
    stage.canary.manager(manager)


async def test_what_an_api_asks_with_our_own_token_in_it_is_not_told(stage: Stage) -> None:
    """A hostile API repeats the token in its challenge, where a scope or an acr value should be."""
    session = await stage.sign_in()
    token = await go(session.token())
    said = token.access_token
    scope, acr_values = (said, f"x{said[4:30]}y", "files:write"), (said[-20:], "gold")
    asked = StepUp("insufficient_scope", scope=scope, acr_values=acr_values)
    await go(session.notice_step_up(said, asked))
    assert session.step_up_required == StepUp("insufficient_scope", scope=("files:write",), acr_values=("gold",))


async def test_introspection_shows_what_the_provider_says_and_no_token(stage: Stage) -> None:
    session = await stage.sign_in()
    stage.canary.show("introspection", await go(session.introspect()))
    stage.dev.fail_next("introspect", 400, {"error": "invalid_request", "error_description": "no"})
    await stage.fails(session.introspect)
    await stage.fails(lambda: session.introspect(signed=True), ResponseInvalid)


async def test_a_logout_token_stands_in_no_error(stage: Stage) -> None:
    await stage.sign_in()
    for lie in (
        {"aud": "another-client"}, {"nonce": "n"}, {"events": {}}, {"exp": 1}, {"jti": 7},
    ):  # fmt: skip
        stage.dev.tamper["logout_token_claims"] = lambda claims, lie=lie: {**claims, **lie}
        token = stage.dev.logout_token("ada")
        await stage.fails(lambda token=token: stage.manager.back_channel_logout(token), ValidationFailed)
    del stage.dev.tamper["logout_token_claims"]
    done = await go(stage.manager.back_channel_logout(stage.dev.logout_token("ada")))
    stage.canary.show("what it did", done)


async def test_the_way_back_from_a_logout_tells_no_state(stage: Stage) -> None:
    session = await stage.sign_in()
    result = await go(session.logout(post_logout_redirect_uri=REDIRECT_URI))
    state = httpx.URL(result.end_session_url).params["state"]
    stage.canary.note(state)
    stage.canary.show("logout", result)
    await stage.fails(lambda: stage.manager.complete_logout(f"https://app.example/elsewhere?state={state}"))
    stage.canary.show("return", await go(stage.manager.complete_logout(f"{REDIRECT_URI}?state={state}")))

"""Signing in by a question on the user's own phone (OpenID Connect CIBA Core 1.0), polled for and pinged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from authflow import LoginCancelled, LoginDenied, LoginFailed, LoginTimedOut, State
from authflow.agents import CIBA, Instructions
from authflow.errors import CallbackRejected, ConfigurationError
from authflow.providers import PrivateKey
from authflow.stores import MemoryStore
from authflow.testing import ScriptedBrowser
from authflow.testing.grants import DEFAULT_CLIENT
from tests.session.support import Heard, World, go

from .waiting import Shown, poll, until_waiting

KEY = PrivateKey.generate("ES256")
BY_KEY = {"client_key": KEY, "request_object_signing_alg": "ES256"}
BY_SECRET = {**BY_KEY, "client_auth": "client_secret_basic"}
Pings = list[tuple[str, dict[str, str]]]


def answer(world: World, *, deny: bool = False) -> str:
    """The user looks at their phone and answers."""
    with ScriptedBrowser("ada", deny=deny) as phone:
        return phone.go(f"{world.provider.url}/phone").text


@pytest.fixture
def pings(world: World) -> Iterator[Pings]:
    """The client is registered for pings; they arrive here, and the test brings them to a manager."""
    arrived: Pings = []
    client = world.provider.clients[DEFAULT_CLIENT]
    client.ciba_ping = lambda authorization, body: arrived.append((authorization, dict(body)))
    yield arrived
    client.ciba_ping = None


async def test_a_yes_on_the_phone_signs_in_here(world: World) -> None:
    manager = world.manager()
    heard = Heard(manager)
    session = manager["acme"]
    shown = Shown()
    agent = CIBA(login_hint="ada", binding_message="TILL-7", show=shown)
    waiting = world.start(lambda: session.login(agent=agent))
    await poll(world, waiting, 5)
    assert [one.status for one in world.provider.token_requests()] == [400]
    assert "TILL-7" in shown.told[0].text
    assert "You are signed in" in answer(world)
    await poll(world, waiting, 5)
    assert (await waiting).live
    assert session.user.name == "Ada Lovelace"
    assert heard.triggers == ["authorize", "callback", "authenticate"]
    assert heard.names == ["on_login"]


async def test_a_no_on_the_phone_is_a_no_here(world: World) -> None:
    session = world.manager()["acme"]
    request = await go(session.begin(agent=CIBA(login_hint="ada")))
    assert (request.user_code, request.verification_uri, request.url) == (None, None, "")
    waiting = world.start(request.wait)
    answer(world, deny=True)
    await poll(world, waiting, 5)
    with pytest.raises(LoginDenied):
        await waiting
    assert session.state is State.IDLE


async def test_nobody_answers(world: World) -> None:
    request = await go(world.manager()["acme"].begin(agent=CIBA(login_hint="ada", requested_expiry=30)))
    assert request.expires_at == world.clock.time() + 30
    waiting = world.start(request.wait)
    await poll(world, waiting, 30)
    with pytest.raises(LoginTimedOut):
        await waiting


async def test_somebody_whom_nobody_knows_is_not_asked(world: World) -> None:
    with pytest.raises(LoginFailed) as unknown:
        await go(world.manager()["acme"].begin(agent=CIBA(login_hint="nobody")))
    assert unknown.value.code == "unknown_user_id"


async def test_an_id_token_may_say_who_is_asked(world: World) -> None:
    session = await world.signed_in()
    world.provider.auto = None
    hint = (await go(session.token())).id_token
    waiting = world.start(lambda: session.step_up(agent=CIBA(id_token_hint=hint, show=Shown())))
    await until_waiting(world, waiting)
    answer(world)
    await poll(world, waiting, 5)
    await waiting
    assert session.live


async def test_tokens_of_another_request_are_refused_and_revoked(world: World) -> None:
    name = "urn:openid:params:jwt:claim:auth_req_id"
    session = world.manager()["acme"]
    request = await go(session.begin(agent=CIBA(login_hint="ada")))
    world.provider.tamper["id_token_claims"] = lambda claims: {**claims, name: "of-somebody-else"}
    waiting = world.start(request.wait)
    answer(world)
    await poll(world, waiting, 5)
    with pytest.raises(LoginFailed) as failed:
        await waiting
    assert failed.value.check == name
    assert world.provider.count("revoke") >= 1


# ── signed ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def signing(world: World) -> Iterator[World]:
    """What a client is registered for with its key ends with the test."""
    yield world
    client = world.provider.clients[DEFAULT_CLIENT]
    client.keys.clear()
    client.request_keys.clear()


@pytest.mark.parametrize("proof", [BY_KEY, BY_SECRET], ids=["assertion", "secret"])
async def test_a_signed_question_is_answered_like_any_other(signing: World, proof: dict[str, Any]) -> None:
    world = signing
    session = world.manager(world.settings(**proof))["acme"]
    shown = Shown()
    agent = CIBA(login_hint="ada", binding_message="TILL-7", requested_expiry=60, show=shown)
    waiting = world.start(lambda: session.login(agent=agent))
    await until_waiting(world, waiting)
    assert shown.told[0].expires_in <= 60
    assert "TILL-7" in httpx.get(f"{world.provider.url}/phone", trust_env=False).text
    answer(world)
    await poll(world, waiting, 5)
    assert (await waiting).live
    assert session.user.name == "Ada Lovelace"


async def test_a_signed_question_is_pinged_for(signing: World, pings: Pings) -> None:
    manager = signing.manager(signing.settings(**BY_SECRET))
    await go(manager["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    answer(signing)
    assert (await go(manager.ciba_notification(*pings[0]))).trigger == "authenticate"
    assert manager["acme"].live


async def test_a_provider_that_takes_signed_questions_only_refuses_the_others(signing: World) -> None:
    manager = signing.manager()
    signing.provider.clients[DEFAULT_CLIENT].request_keys.append(KEY.public_jwk())
    with pytest.raises(LoginFailed, match="must sign") as refused:
        await go(manager["acme"].begin(agent=CIBA(login_hint="ada")))
    assert refused.value.code == "invalid_request"


async def test_a_question_signed_by_somebody_else_is_asked_of_nobody(signing: World) -> None:
    manager = signing.manager(signing.settings(**BY_SECRET))
    signing.provider.clients[DEFAULT_CLIENT].request_keys[:] = [PrivateKey.generate("ES256").public_jwk()]
    with pytest.raises(LoginFailed) as refused:
        await go(manager["acme"].begin(agent=CIBA(login_hint="ada")))
    assert refused.value.code == "invalid_request"
    assert manager["acme"].state is State.IDLE


# ── ping ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_ping_brings_the_tokens_at_once(world: World, pings: Pings) -> None:
    manager = world.manager()
    request = await go(manager["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    waiting = world.start(request.wait)
    await poll(world, waiting, 20)
    assert world.provider.token_requests() == []
    answer(world)
    event = await go(manager.ciba_notification(*pings[0]))
    assert event.trigger == "authenticate"
    assert (await waiting).trigger == "authenticate"
    assert manager["acme"].live
    assert await go(manager.ciba_notification(*pings[0])) is None
    assert len(world.provider.token_requests()) == 1


async def test_a_ping_may_reach_another_process(world: World, pings: Pings) -> None:
    store = MemoryStore(time=world.clock.time)
    begun = world.manager(store=store)
    heard = Heard(begun)
    await go(begun["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    answer(world)
    other = world.manager(store=store)
    assert (await go(other.ciba_notification(*pings[0]))).trigger == "authenticate"
    assert other["acme"].live
    await heard.until_told("on_restore")
    assert begun["acme"].live


async def test_a_ping_that_is_lost_costs_half_a_minute(world: World, pings: Pings) -> None:
    request = await go(world.manager()["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    waiting = world.start(request.wait)
    answer(world)
    await poll(world, waiting, 30)
    assert (await waiting).live


async def test_a_ping_that_says_no_ends_the_login(world: World, pings: Pings) -> None:
    manager = world.manager()
    await go(manager["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    answer(world, deny=True)
    with pytest.raises(LoginDenied):
        await go(manager.ciba_notification(*pings[0]))
    assert manager["acme"].state is State.IDLE


@pytest.mark.parametrize(
    ("authorization", "body"),
    [
        ("", {"auth_req_id": "x"}),
        ("Bearer short", {"auth_req_id": "x"}),
        ("Bearer " + "x" * 43, {"auth_req_id": "x"}),
        ("Basic " + "x" * 43, {"auth_req_id": "x"}),
        ("Bearer " + "x" * 43, b"no json"),
        ("Bearer " + "x" * 43, b"[" * 20_000),
        ("Bearer " + "x" * 43, "{}"),
        ("Bearer " + "x" * 43, {"auth_req_id": ["x"]}),
    ],
)
async def test_a_forged_ping_ends_nothing(world: World, pings: Pings, authorization: str, body: Any) -> None:
    manager = world.manager()
    await go(manager["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    with pytest.raises(CallbackRejected):
        await go(manager.ciba_notification(authorization, body))
    assert manager["acme"].state is State.AUTHORIZING
    assert world.provider.token_requests() == []


async def test_a_ping_with_another_requests_id_ends_nothing(world: World, pings: Pings) -> None:
    manager = world.manager()
    await go(manager["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    answer(world)
    with pytest.raises(CallbackRejected):
        await go(manager.ciba_notification(pings[0][0], {"auth_req_id": "another"}))
    assert manager["acme"].state is State.AUTHORIZING


async def test_a_cancelled_login_hears_no_ping(world: World, pings: Pings) -> None:
    manager = world.manager()
    request = await go(manager["acme"].begin(agent=CIBA(login_hint="ada", ping=True)))
    waiting = world.start(request.wait)
    await until_waiting(world, waiting)
    await go(manager["acme"].cancel())
    with pytest.raises(LoginCancelled):
        await waiting
    answer(world)
    with pytest.raises(CallbackRejected):
        await go(manager.ciba_notification(*pings[0]))


@pytest.mark.parametrize(
    "wrong",
    [{}, {"login_hint": "a", "id_token_hint": "b"}, {"login_hint": "a", "binding_message": "x" * 65},
     {"login_hint": "a", "binding_message": "two\nlines"}, {"login_hint": "a", "requested_expiry": 0}],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        CIBA(**wrong)


def test_what_is_shown_names_no_secret() -> None:
    told = Instructions(label="Acme", expires_in=120.0, binding_message="TILL-7")
    assert "your own device" in told.text
    assert "ada" not in repr(CIBA(login_hint="ada"))

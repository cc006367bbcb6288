"""CIBA: the human is asked on a phone of their own, and the provider pings when they have answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from authflow import LoginDenied, LoginFailed, State
from authflow.agents import CIBA
from authflow.errors import CallbackRejected
from authflow.testing import Lie, ScriptedBrowser
from tests.security.canary import HUMAN
from tests.security.conftest import go

from ..suite import RelyingParty, case

Ping = tuple[str, dict[str, str]]


@contextmanager
def pinged(rp: RelyingParty) -> Iterator[list[Ping]]:
    """The client is registered for pings; they arrive here."""
    arrived: list[Ping] = []
    client = rp.dev.clients[rp.settings["client_id"]]
    client.ciba_ping = lambda authorization, body: arrived.append((authorization, dict(body)))
    rp.dev.auto = None
    try:
        yield arrived
    finally:
        client.ciba_ping = None


def phone(rp: RelyingParty, *, deny: bool = False) -> None:
    """The human looks at it, and answers."""

    def answer() -> None:
        with ScriptedBrowser("ada", deny=deny) as browser:
            browser.go(f"{rp.dev.url}/phone")

    human = threading.Thread(target=answer, name=HUMAN)
    human.start()
    human.join(10)


async def signs_in(rp: RelyingParty, *lies: Lie) -> Any:
    with pinged(rp) as pings, rp.judge.told(*lies):
        await go(rp.session.begin(agent=CIBA(login_hint="ada", ping=True)))
        phone(rp)
        await go(rp.judge.manager.ciba_notification(*pings[0]))
    assert rp.session.live
    return rp.session


async def refuses(rp: RelyingParty, *lies: Lie, check: str | None = None, error: str | None = None) -> None:
    """The login fails, and nothing more is asked but to revoke."""
    with pinged(rp) as pings, rp.judge.told(*lies):

        async def attempt() -> None:
            await go(rp.session.begin(agent=CIBA(login_hint="ada", ping=True)))
            phone(rp)
            await go(rp.judge.manager.ciba_notification(*pings[0]))

        failed = await rp.stage.fails(attempt, LoginFailed)
    assert (failed.check, failed.error) == (check, error)
    assert rp.dev.count("userinfo") == 0
    assert rp.session.state is State.IDLE
    assert rp.judge.heard.names == ["on_login_failed"]
    rp.judge.is_silent()


@case("test")
async def a_login(rp: RelyingParty) -> None:
    session = await signs_in(rp)
    assert session.user.name == "Ada Lovelace"


@case("fapi-ciba-id1-client-refresh-token-test")
async def a_renewal(rp: RelyingParty) -> None:
    session = await signs_in(rp)
    await go(session.refresh())
    assert rp.judge.heard.names == ["on_login", "on_refresh"]


@case("valid-aud-as-array-test")
async def aud_as_array(rp: RelyingParty) -> None:
    with rp.dev.lie("id_token_claims", lambda claims: {**claims, "aud": [claims["aud"]]}):
        await signs_in(rp)


@case("no-scope-in-token-endpoint-response-test")
async def no_scope(rp: RelyingParty) -> None:
    session = await signs_in(rp, Lie.TOKENS_WITHOUT_SCOPE)
    assert "openid" in session.scopes


@case("invalid-missing-authreqid-test")
async def no_id(rp: RelyingParty) -> None:
    with rp.dev.lie("ciba_response", lambda answer: {**answer, "auth_req_id": None}):
        await refuses(rp)


@case("invalid-missing-expiresin-test")
async def no_expiry(rp: RelyingParty) -> None:
    with rp.dev.lie("ciba_response", lambda answer: {**answer, "expires_in": None}):
        await refuses(rp)


REFUSALS = {
    "invalid-expired-id-token-hint-test": "expired_login_hint_token",
    "invalid-unknown-user-id-test": "unknown_user_id",
    "invalid-id-token-hint-test": "invalid_request",
    "invalid-request-test": "invalid_request",
}
LIES = {
    "invalid-iss-test": (Lie.ID_TOKEN_OF_ANOTHER_ISSUER, "iss"),
    "invalid-aud-test": (Lie.ID_TOKEN_FOR_ANOTHER_CLIENT, "aud"),
    "invalid-secondary-aud-test": (Lie.ID_TOKEN_FOR_STRANGERS_TOO, "azp"),
    "invalid-signature-test": (Lie.ID_TOKEN_SIGNED_BY_A_STRANGER, "signature"),
    "invalid-null-alg-test": (Lie.ID_TOKEN_UNSIGNED, "alg"),
    "invalid-expired-exp-test": (Lie.ID_TOKEN_EXPIRED, "exp"),
    "invalid-missing-aud-test": (Lie.ID_TOKEN_WITHOUT_AUDIENCE, "aud"),
    "invalid-missing-exp-test": (Lie.ID_TOKEN_WITHOUT_EXPIRY, "exp"),
    "invalid-missing-iss-test": (Lie.ID_TOKEN_WITHOUT_ISSUER, "iss"),
}


def _register_refusal(name: str, error: str) -> None:
    @case(name)
    async def is_not_asked(rp: RelyingParty) -> None:
        rp.dev.fail_next("ciba", 400, {"error": error})
        await refuses(rp, error=error)


def _register_lie(name: str, lie: Lie, check: str) -> None:
    @case(name)
    async def is_refused(rp: RelyingParty) -> None:
        await refuses(rp, lie, check=check)


for _name, _error in REFUSALS.items():
    _register_refusal(_name, _error)
for _name, (_lie, _check) in LIES.items():
    _register_lie(_name, _lie, _check)


@case("invalid-alternate-alg-test")
async def another_algorithm(rp: RelyingParty) -> None:
    await refuses(rp.at(algorithms=["ES256"]), Lie.ID_TOKEN_SIGNED_IN_AN_UNLISTED_WAY, check="alg")


@case("invalid-iat-is-week-in-past-test")
async def of_last_week(rp: RelyingParty) -> None:
    await refuses(rp, Lie.ID_TOKEN_OF_LAST_WEEK, check="iat")


@case("invalid-access-denied-test")
async def a_no(rp: RelyingParty) -> None:
    with pinged(rp) as pings:
        await go(rp.session.begin(agent=CIBA(login_hint="ada", ping=True)))
        phone(rp, deny=True)
        await rp.stage.fails(lambda: rp.judge.manager.ciba_notification(*pings[0]), LoginDenied)
    assert rp.session.state is State.IDLE


@case("invalid-expired-token-test")
async def too_late(rp: RelyingParty) -> None:
    rp.dev.fail_next("token", 400, {"error": "expired_token"})
    with pinged(rp) as pings:
        await go(rp.session.begin(agent=CIBA(login_hint="ada", ping=True)))
        phone(rp)
        await rp.stage.fails(lambda: rp.judge.manager.ciba_notification(*pings[0]), LoginFailed)
    assert rp.session.state is State.IDLE
    assert rp.judge.heard.names == ["on_login_failed"]


@case("ping-with-invalid-bearer-token-test")
async def a_forged_ping(rp: RelyingParty) -> None:
    with pinged(rp) as pings:
        await go(rp.session.begin(agent=CIBA(login_hint="ada", ping=True)))
        phone(rp)
        forged = ("Bearer " + "x" * 43, pings[0][1])
        await rp.stage.fails(lambda: rp.judge.manager.ciba_notification(*forged), CallbackRejected)
        assert rp.session.state is State.AUTHORIZING
        assert rp.dev.count("token") == 0
        await go(rp.judge.manager.ciba_notification(*pings[0]))
    assert rp.session.live

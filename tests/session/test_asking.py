"""Introspection (RFC 7662, RFC 9701): what the provider says of the session's token, as data."""

from __future__ import annotations

import pytest

from authflow.errors import InvalidCall, MissingEndpoint, OAuthError, ResponseInvalid, SignInRequired, ValidationFailed
from authflow.protocol.introspection import SIGNED, read_introspection_response
from tests.protocol.issuer import answer, openid

from .support import World, go


async def test_a_live_token_is_active_and_its_scope_told(world: World) -> None:
    session = await world.signed_in()
    said = await go(session.introspect())
    assert said.active
    assert said.claims["client_id"] == "dev-app"
    assert set(said.claims["scope"].split()) == set(session.scopes)
    assert "openid" not in repr(said)


async def test_a_revoked_token_is_not_active_and_the_session_stays(world: World) -> None:
    session = await world.signed_in()
    world.provider.end_grants()
    said = await go(session.introspect("refresh_token"))
    assert (said.active, said.claims, session.live) == (False, {}, True)


async def test_who_is_not_signed_in_has_nothing_to_ask_about(world: World) -> None:
    with pytest.raises(SignInRequired):
        await go(world.manager()["acme"].introspect())
    assert world.provider.requests == []


async def test_a_token_that_the_session_does_not_have_is_refused(world: World) -> None:
    session = await world.signed_in()
    with pytest.raises(InvalidCall):
        await go(session.introspect("id_token"))


async def test_a_provider_without_introspection_says_so(world: World) -> None:
    with world.provider.lie("metadata", lambda told: {**told, "introspection_endpoint": None}):
        session = await world.signed_in()
        with pytest.raises(MissingEndpoint):
            await go(session.introspect())


async def test_a_signed_answer_is_asked_for_and_believed_by_its_signature(world: World) -> None:
    session = await world.signed_in()
    issuer, now = world.provider.issuer, int(world.clock.time())
    claims = {"iss": issuer, "aud": "dev-app", "iat": now, "token_introspection": {"active": True, "scope": "x"}}

    def sign(typ: str = "token-introspection+jwt", **changes: object) -> None:
        token = world.provider.sign({**claims, **changes}, {"typ": typ})
        world.provider.fail_next("introspect", 200, token, {"content-type": SIGNED})

    sign()
    said = await go(session.introspect(signed=True))
    assert (said.active, said.claims) == (True, {"scope": "x"})

    for changes, check in (
        ({"aud": "another"}, "aud"), ({"iss": "https://other.example"}, "iss"), ({"iat": None}, "iat"),
        ({"token_introspection": None}, "token_introspection"), ({"typ": "JWT"}, "typ"), ({"typ": "at+jwt"}, "typ"),
    ):  # fmt: skip
        sign(**changes)  # type: ignore[arg-type]
        with pytest.raises(ValidationFailed) as failed:
            await go(session.introspect(signed=True))
        assert failed.value.check == check


async def test_where_a_signed_answer_was_asked_for_no_other_is_taken(world: World) -> None:
    session = await world.signed_in()
    with pytest.raises(ResponseInvalid, match="not signed"):
        await go(session.introspect(signed=True))


@pytest.mark.parametrize("body", [{}, {"active": "true"}, {"active": 1}, [], b"<html>", b""])
def test_an_answer_that_does_not_say_it_is_refused(body: object) -> None:
    with pytest.raises(ResponseInvalid):
        read_introspection_response(openid(), answer(body))


def test_a_refusal_is_the_error_that_it_is() -> None:
    with pytest.raises(OAuthError):
        read_introspection_response(openid(), answer({"error": "invalid_client"}, 401))

"""Logout: the client's own, and what the provider tells by back channel and front channel."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authflow import State
from authflow.errors import CallbackRejected, ValidationFailed
from authflow.testing import Lie
from tests.security.conftest import REDIRECT_URI, go

from ..suite import RelyingParty, case

RETURN = "https://app.example/signed-out"


async def leaves(rp: RelyingParty, session: Any = None) -> str:
    """Signs out, and in before; the state that the browser took along."""
    session = session or await rp.signs_in()
    result = await go(session.logout(post_logout_redirect_uri=RETURN))
    asked = parse_qs(urlsplit(result.end_session_url).query)
    assert asked["id_token_hint"]
    state = asked["state"][0]
    rp.stage.canary.note(state)
    return state


@case("rp-init-logout")
async def with_its_state(rp: RelyingParty) -> None:
    state = await leaves(rp)
    back = await go(rp.judge.manager.complete_logout(f"{RETURN}?state={state}"))
    assert back.session is rp.session


@case("rp-init-logout-other-state")
async def with_another_state(rp: RelyingParty) -> None:
    await leaves(rp)
    error = await rp.stage.fails(lambda: rp.judge.manager.complete_logout(f"{RETURN}?state=another"), CallbackRejected)
    assert error.check == "state"


@case("rp-init-logout-no-state")
async def without_a_state(rp: RelyingParty) -> None:
    await leaves(rp)
    error = await rp.stage.fails(lambda: rp.judge.manager.complete_logout(RETURN), CallbackRejected)
    assert error.check == "state"


@case("rp-backchannel-rpinitlogout")
async def a_logout_token(rp: RelyingParty) -> None:
    """The client begins it, and the provider tells it as well; a later sign-in ends by the provider's word alone."""
    session = await rp.signs_in()
    told = rp.dev.logout_token("ada")  # now: of a sign-in whose tokens are revoked it would know no more
    state = await leaves(rp, session)
    await go(rp.judge.manager.back_channel_logout(told))
    assert rp.judge.heard.names == ["on_login", "on_logout"]
    assert (await go(rp.judge.manager.complete_logout(f"{RETURN}?state={state}"))).session is rp.session
    session = await rp.signs_in()
    await go(rp.judge.manager.back_channel_logout(rp.dev.logout_token("ada")))
    assert session.state is State.LOGGED_OUT
    assert rp.judge.heard.names == ["on_login", "on_logout"] * 2


BACK_CHANNEL = {
    "rp-backchannel-rpinitlogout-alg-none": (Lie.LOGOUT_TOKEN_UNSIGNED, None),
    "rp-backchannel-rpinitlogout-no-event": (Lie.LOGOUT_TOKEN_WITHOUT_EVENT, "events"),
    "rp-backchannel-rpinitlogout-with-nonce": (Lie.LOGOUT_TOKEN_WITH_A_NONCE, "nonce"),
    "rp-backchannel-rpinitlogout-wrong-alg": (Lie.LOGOUT_TOKEN_SIGNED_IN_AN_UNLISTED_WAY, "alg"),
    "rp-backchannel-rpinitlogout-wrong-aud": (Lie.LOGOUT_TOKEN_FOR_ANOTHER_CLIENT, "aud"),
    "rp-backchannel-rpinitlogout-wrong-event": (Lie.LOGOUT_TOKEN_OF_ANOTHER_EVENT, "events"),
    "rp-backchannel-rpinitlogout-wrong-iss": (Lie.LOGOUT_TOKEN_OF_ANOTHER_ISSUER, "iss"),
}


def _register(name: str, lie: Lie, check: str | None) -> None:
    @case(name)
    async def ends_nothing(rp: RelyingParty) -> None:
        """The client has signed out, and in again: what the provider tells of that logout ends nothing."""
        at = rp.at(algorithms=["ES256"])
        await leaves(at)
        session = await at.signs_in()
        asked = len(at.dev.requests)
        with at.judge.told(lie):
            token = at.dev.logout_token("ada")
        error = await at.stage.fails(lambda: at.judge.manager.back_channel_logout(token), ValidationFailed)
        assert check in (None, error.check)
        assert session.live
        assert at.judge.heard.names == ["on_login", "on_logout", "on_login"]
        assert at.dev.requests[asked:] == []


for _name, (_lie, _check) in BACK_CHANNEL.items():
    _register(_name, _lie, _check)


def frame(rp: RelyingParty) -> str:
    """What the provider's page loads in a frame for the present sign-in."""
    return f"https://app.example/front?{urlencode({'iss': rp.dev.issuer, 'sid': rp.session.claims['sid']})}"


@case("rp-frontchannel-opinitlogout")
async def a_page_in_a_frame(rp: RelyingParty) -> None:
    session = await rp.signs_in()
    await go(rp.judge.manager.front_channel_logout(frame(rp)))
    assert (session.state, session.reason) == (State.LOGGED_OUT, "front_channel_logout")


@case("rp-frontchannel-rpinitlogout")
async def a_page_in_a_frame_of_a_logout_of_ours(rp: RelyingParty) -> None:
    session = await rp.signs_in()
    url = frame(rp)
    state = await leaves(rp, session)
    await go(rp.judge.manager.front_channel_logout(url))
    assert (await go(rp.judge.manager.complete_logout(f"{RETURN}?state={state}"))).session is session
    assert session.state is State.LOGGED_OUT
    assert rp.judge.heard.names == ["on_login", "on_logout"]


@case("3rd-party-init-login")
async def invited(rp: RelyingParty) -> None:
    invitation = f"https://app.example/initiate?{urlencode({'iss': rp.dev.issuer, 'login_hint': 'ada'})}"
    request = await go(rp.judge.manager.initiate_login(invitation, redirect_uri=REDIRECT_URI))
    rp.stage.canary.note(request.state, request.binding)
    await rp.judge.complete(request, rp.stage.walk(request.url))
    assert rp.session.live

"""Metadata, keys, registration, request objects."""

from __future__ import annotations

from authflow.protocol.registration import ClientMetadata
from authflow.providers import OpenIDConnect
from authflow.testing import Lie
from tests.security.conftest import REDIRECT_URI, go

from ..suite import RelyingParty, case


@case("discovery-openid-config")
async def asks_for_the_document(rp: RelyingParty) -> None:
    rp.dev.forget_requests()
    await rp.signs_in()
    assert rp.dev.requests[0].path == "/.well-known/openid-configuration"


@case("discovery-jwks-uri-keys")
async def asks_for_the_keys(rp: RelyingParty) -> None:
    rp.dev.forget_requests()
    await rp.signs_in()
    assert rp.dev.count("jwks") == 1


@case("discovery-issuer-mismatch")
async def another_issuers_document(rp: RelyingParty) -> None:
    await rp.refuses(Lie.METADATA_OF_ANOTHER_ISSUER, check="issuer", reached="metadata")


@case("signing-key-rotation")
async def a_new_key(rp: RelyingParty) -> None:
    session = await rp.signs_in()
    rp.dev.rotate_keys()
    await go(session.refresh())
    assert rp.judge.heard.names == ["on_login", "on_refresh"]


@case("signing-key-rotation-just-before-signing")
async def a_new_key_at_the_last_moment(rp: RelyingParty) -> None:
    """The keys are at hand when the login begins, and are others when its ID token is signed."""
    session = await rp.signs_in()
    await go(session.logout(end_session=False))
    request, callback = await rp.judge.callback()
    rp.dev.rotate_keys(keep_old=False)
    await rp.judge.complete(request, callback)
    assert session.live


@case("dynamic-registration")
async def registers_itself(rp: RelyingParty) -> None:
    rp.dev.forget_requests()
    itself = OpenIDConnect(
        rp.dev.issuer,
        name="acme",
        registration=ClientMetadata(client_name="My application"),
        redirect_uri=REDIRECT_URI,
        allow_insecure_loopback=True,
    )
    manager = rp.stage.make([itself])
    request = await go(manager["acme"].begin())
    await go(manager.complete(rp.stage.walk(request.url), binding=request.binding))
    assert manager["acme"].live
    assert rp.dev.count("registration") == 1

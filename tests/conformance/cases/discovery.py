"""Metadata, keys, registration, request objects."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from authflow.protocol.jwt import read_segments
from authflow.protocol.private_key import PrivateKey
from authflow.protocol.registration import ClientMetadata
from authflow.providers import OpenIDConnect
from authflow.testing import Lie
from tests.security.conftest import REDIRECT_URI, go
from tests.testing.hosting import hosted

from ..suite import RelyingParty, case


@case("discovery-openid-config")
async def asks_for_the_document(rp: RelyingParty) -> None:
    rp.dev.forget_requests()
    await rp.signs_in()
    assert rp.dev.requests[0].path == "/.well-known/openid-configuration"


async def found(rp: RelyingParty, identifier: str, resource: str) -> None:
    """An address that somebody typed leads to the issuer, and the issuer to a login."""
    told: list[str] = []
    rp.dev.tamper["webfinger"] = lambda document: told.append(document["subject"])
    issuer = await go(rp.judge.manager.find_issuer_by_webfinger(identifier, allow_insecure_loopback=True))
    assert (issuer, told) == (rp.dev.issuer, [resource])
    await rp.signs_in()


@case("discovery-webfinger-acct")
async def found_by_an_account(rp: RelyingParty) -> None:
    host = urlsplit(rp.dev.issuer).netloc
    await found(rp, f"ada@{host}", f"acct:ada@{host}")


@case("discovery-webfinger-url")
async def found_by_a_url(rp: RelyingParty) -> None:
    await found(rp, f"{rp.dev.issuer}/ada", f"{rp.dev.issuer}/ada")


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
    assert rp.dev.count("register") == 1


async def by_reference(rp: RelyingParty, alg: str, **settings: Any) -> None:
    """The browser carries where the request is, and not what it says (RFC 9101 §5.2); the provider fetches it."""
    at = rp.at(request_object_signing_alg=alg, client_auth="client_secret_basic", **settings)
    with hosted() as host:
        request = await at.judge.begin(request_uri=host.url("/request"))
        host.put("/request", request.request_object)
        asked = parse_qs(urlsplit(request.url).query)
        assert asked["request_uri"] == [host.url("/request")]
        assert asked.keys() <= {"client_id", "request_uri", "response_type", "scope"}
        if alg == "none":
            assert request.request_object.endswith(".")
        else:
            header, claims = read_segments(request.request_object)
            assert (header["alg"], claims["state"], claims["aud"]) == (alg, request.state, rp.dev.issuer)
        await at.judge.complete(request, rp.stage.walk(request.url))
        assert host.asked == ["/request"]
    assert at.session.live


@case("request-uri-signed-rs256")
async def a_signed_request(rp: RelyingParty) -> None:
    await by_reference(rp, "RS256", client_key=PrivateKey.generate("RS256"))


@case("request-uri-signed-none")
async def an_unsigned_request(rp: RelyingParty) -> None:
    await by_reference(rp, "none", allow_unsigned_request_object_for_conformance=True)

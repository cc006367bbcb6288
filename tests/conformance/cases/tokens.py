"""The token endpoint, userinfo and renewals."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from authflow.errors import ServerError, ValidationFailed
from authflow.protocol.client_certificate import ClientCertificate
from authflow.testing import Lie
from tests.security.canary import HUMAN
from tests.security.conftest import REDIRECT_URI, go
from tests.security.flows import over_tls

from ..suite import FAPI2_REFRESH, RelyingParty, case


@case("userinfo-bearer-header")
async def bearer_header(rp: RelyingParty) -> None:
    """Of a GET the development provider reads the header alone; of a POST, the form as well."""
    session = await rp.signs_in()
    assert [one.method for one in rp.dev.requests if one.path == "/userinfo"] == ["GET"]
    assert session.user.name == "Ada Lovelace"


@case("userinfo-bearer-body")
async def bearer_body(rp: RelyingParty) -> None:
    """Off unless a setting asks for it."""
    at = rp.at(userinfo_token_in_form_body=True)
    with at.dev.lie("userinfo", lambda claims: {**claims, "name": "read by the body"}):
        session = await at.signs_in()
    assert session.user.name == "read by the body"
    assert [one.method for one in at.dev.requests if one.path == "/userinfo"] == ["POST"]


@case("userinfo-invalid-sub")
async def userinfo_of_somebody_else(rp: RelyingParty) -> None:
    await rp.refuses(Lie.USERINFO_OF_SOMEBODY_ELSE, check="userinfo_sub", reached="userinfo")


@case("userinfo-signed")
async def signed_userinfo(rp: RelyingParty) -> None:
    session = await rp.at(userinfo_signed_response_alg="ES256").signs_in()
    assert session.user.name == "Ada Lovelace"


@case("scope-userinfo-claims")
async def claims_of_the_scope(rp: RelyingParty) -> None:
    session = await rp.signs_in(scope=["profile", "email"])
    assert (session.user.name, session.user.email) == ("Ada Lovelace", "ada@example.com")


@case("client-secret-basic")
async def secret_in_the_header(rp: RelyingParty) -> None:
    await rp.at(client_auth="client_secret_basic").signs_in()


@case("form-post-error")
async def an_error_by_form(rp: RelyingParty) -> None:
    await rp.at(response_mode="form_post").refuses(
        Lie.CALLBACK_ERROR_WITH_MARKUP, cause=ServerError, reached="authorize"
    )


@case("refresh-token", FAPI2_REFRESH)
async def a_renewal(rp: RelyingParty) -> None:
    session = await rp.signs_in()
    before = (await go(session.token())).access_token
    await go(session.refresh())
    assert (await go(session.token())).access_token != before


@case("refresh-token-invalid-issuer")
async def renewed_by_another_issuer(rp: RelyingParty) -> None:
    await rp.judge.refuses_renewal(Lie.ID_TOKEN_OF_ANOTHER_ISSUER, check="iss", kind=ValidationFailed)


@case("refresh-token-invalid-sub")
async def renewed_for_somebody_else(rp: RelyingParty) -> None:
    await rp.judge.refuses_renewal(Lie.ID_TOKEN_OF_SOMEBODY_ELSE, check="sub", kind=ValidationFailed)


@case("token-endpoint-response-without-expires_in")
async def no_lifetime(rp: RelyingParty) -> None:
    session = await rp.signs_in(Lie.TOKENS_WITHOUT_LIFETIME)
    assert (await go(session.token())).expires_in is None


@case("mtls-endpoint-aliases")
async def aliases(rp: RelyingParty) -> None:
    """RFC 8705 §5: a client with a certificate uses the aliases, and nobody else does."""
    with (
        TemporaryDirectory() as folder,
        over_tls(Path(folder), auto="ada", algorithm="ES256") as running,
        pytest.MonkeyPatch.context() as trusting,
    ):
        trusting.setenv("SSL_CERT_FILE", f"{folder}/127.0.0.1.crt")
        for certificate in (None, ClientCertificate(*running.client)):
            settings = running.provider.settings("acme", client_certificate=certificate, redirect_uri=REDIRECT_URI)
            manager = rp.stage.make([settings])
            request = await go(manager["acme"].begin())
            await go(manager.complete(walk(request.url), binding=request.binding))
            assert manager["acme"].live
            assert set(running.asked) == ({"/token", "/userinfo"} if certificate else set())
            await go(manager.close())


def walk(url: str) -> str:
    """Where the provider sends a human, whose browser knows nobody's certificate and is closed at once."""
    found: list[str] = []

    def visit() -> None:
        with httpx.Client(verify=False, trust_env=False) as browser:
            found.append(str(browser.get(url).headers["location"]))

    human = threading.Thread(target=visit, name=HUMAN)
    human.start()
    human.join(10)
    return found[0]

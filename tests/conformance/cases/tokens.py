"""The token endpoint, userinfo and renewals."""

from __future__ import annotations

import httpx

from authflow.errors import ServerError, ValidationFailed
from authflow.testing import Lie
from tests.security.conftest import go

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
    from authflow.protocol.client_certificate import with_aliases
    from authflow.protocol.discovery import read_metadata

    issuer = rp.dev.issuer
    alias = f"{issuer}/mtls/token"
    document: dict[str, object] = {"issuer": issuer, "token_endpoint": f"{issuer}/token"}
    document |= {"mtls_endpoint_aliases": {"token_endpoint": alias}}
    metadata = read_metadata(httpx.Response(200, json=document), issuer, rp.session.provider)
    assert metadata.token_endpoint == f"{issuer}/token"
    assert with_aliases(metadata).token_endpoint == alias

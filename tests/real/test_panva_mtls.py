"""Mutual TLS with a certified provider: the client's certificate is its proof, and its tokens are bound to it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx
import pytest

from authflow import AsyncSessionManager, LoginFailed, SessionManager
from authflow.providers import ClientCertificate
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva


@pytest.fixture(autouse=True)
def trusted(panva_tls: Panva, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(panva_tls.server.certfile))


@pytest.fixture
def ada(panva_tls: Panva) -> Iterator[ScriptedBrowser]:
    verify = ssl.create_default_context(cafile=panva_tls.server.certfile)
    with ScriptedBrowser("ada", password="pw-ada", verify=verify) as made:
        yield made


@pytest.fixture
def context(panva_tls: Panva) -> Callable[..., ssl.SSLContext]:
    """How an application's own HTTP client would trust the API, and show its certificate."""

    def make(*, certificate: bool) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=panva_tls.server.certfile)
        if certificate:
            made.load_cert_chain(*panva_tls.client)
        return made

    return make


@pytest.mark.parametrize(
    ("client", "method"), [("mtls-self", "self_signed_tls_client_auth"), ("mtls-ca", "tls_client_auth")]
)
def test_a_client_proves_itself_by_its_certificate_and_its_tokens_are_bound_to_it(
    panva_tls: Panva, ada: ScriptedBrowser, context: Callable[..., ssl.SSLContext], client: str, method: str
) -> None:
    certificate = ClientCertificate(*panva_tls.client)
    provider = panva_tls.provider(
        client, client_auth=method, client_certificate=certificate, api_origins=[panva_tls.issuer]
    )
    with SessionManager([provider], single_user=True) as manager:
        session = manager[client].login(open_url=ada)
        assert session.user.name == "ada Example"  # userinfo was asked over a connection with the certificate
        session.refresh()
        me, bearer = f"{panva_tls.issuer}/me", {"authorization": f"Bearer {session.token().access_token}"}
        for shown, status in ((True, 200), (False, 401)):
            with httpx.Client(verify=context(certificate=shown), trust_env=False) as api:
                assert api.get(me, headers=bearer).status_code == status
        assert session.logout(end_session=False).revoked == {"refresh_token": True, "access_token": True}


async def test_an_async_client_proves_itself_by_its_certificate_likewise(
    panva_tls: Panva, ada: ScriptedBrowser
) -> None:
    provider = panva_tls.provider("mtls-self", client_certificate=ClientCertificate(*panva_tls.client))
    async with AsyncSessionManager([provider], single_user=True) as manager:
        session = await manager["mtls-self"].login(open_url=ada)
        await session.refresh()
        assert (await session.logout(end_session=False)).revoked["refresh_token"]


def test_a_client_without_its_certificate_gets_no_tokens(panva_tls: Panva, ada: ScriptedBrowser) -> None:
    with SessionManager([panva_tls.provider("mtls-self")], single_user=True) as manager, pytest.raises(LoginFailed):
        manager["mtls-self"].login(open_url=ada)

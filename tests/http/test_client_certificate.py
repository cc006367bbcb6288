"""Mutual TLS on the wire: who is shown which certificate, and over which connection."""

from __future__ import annotations

import os
import pickle
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from authflow.errors import ConfigurationError, WireError
from authflow.http.tls import tls_context, tls_contexts
from authflow.protocol.client_certificate import CERTIFICATE, ClientCertificate, with_aliases
from authflow.protocol.discovery import check_metadata, merge_metadata
from authflow.protocol.step import build_request
from tests.certificates import Pair, make_pair
from tests.protocol.issuer import ISSUER, METADATA, openid

from .support import Driven, Server, plain

Serve = Callable[..., Server]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """The server's own certificate, trusted here."""
    pair = make_pair(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.certfile))
    return pair


def asking(authority: Pair, *clients: Pair) -> ssl.SSLContext:
    """A server's context that asks for a certificate, and takes those of `clients`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    for client in clients:
        context.load_verify_locations(client.certfile)
    return context


def telling(connection: socket.socket, request: bytes, count: int) -> bool:
    """Answers with the name in the client's certificate."""
    shown: Any = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    name = dict(part[0] for part in shown["subject"])["commonName"] if shown else "nobody"
    connection.sendall(plain(name.encode()))
    return True


def ask(wire: Driven, server: Server, certificate: ClientCertificate | None = None) -> str:
    request = build_request("GET", server.url)
    if certificate is not None:
        request.extensions[CERTIFICATE] = certificate
    return str(wire.send(request).text)


def test_a_request_shows_its_certificate_and_others_show_none(
    wire: Driven, serve: Serve, authority: Pair, tmp_path: Path
) -> None:
    one, two = (make_pair(tmp_path, name) for name in ("one", "two"))
    server = serve(telling, tls=asking(authority, one, two))
    certificates = [ClientCertificate(*one), ClientCertificate(*two)]
    for _ in range(2):
        assert [ask(wire, server), *(ask(wire, server, one) for one in certificates)] == ["nobody", "one", "two"]
    assert server.connections == 3


def test_a_context_is_built_once_for_a_certificate_and_anew_when_its_file_has_changed(
    authority: Pair, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, "one")
    certificate = ClientCertificate(*pair)
    context = tls_context(True, certificate)
    assert tls_context(True, certificate) is context
    assert tls_context(True) is not context
    os.utime(pair.certfile, ns=(1, 1))
    assert tls_context(True, certificate) is not context
    assert sum(key[2] is certificate for key in tls_contexts) == 1


@pytest.mark.parametrize("wrong", ["missing", "no PEM", "another key", "no password"])
def test_a_certificate_that_cannot_be_used_is_a_matter_of_configuration(
    wire: Driven, serve: Serve, authority: Pair, tmp_path: Path, wrong: str
) -> None:
    pair = make_pair(tmp_path, "one", password=b"canary" if wrong == "no password" else None)
    if wrong == "missing":
        pair.certfile.unlink()
    elif wrong == "no PEM":
        pair.certfile.write_text("canary")
    elif wrong == "another key":
        pair = Pair(pair.certfile, make_pair(tmp_path, "two").keyfile)
    server = serve(telling, tls=asking(authority))
    with pytest.raises(ConfigurationError) as caught:
        ask(wire, server, ClientCertificate(*pair))
    assert "canary" not in str(caught.value)
    assert server.requests == []


def test_an_encrypted_key_is_opened_by_its_password(
    wire: Driven, serve: Serve, authority: Pair, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, "one", password=b"pass")
    server = serve(telling, tls=asking(authority, pair))
    assert ask(wire, server, ClientCertificate(*pair, password="pass")) == "one"


def test_a_server_that_does_not_take_the_certificate_is_a_fault_of_the_wire(
    wire: Driven, serve: Serve, authority: Pair, tmp_path: Path
) -> None:
    server = serve(telling, tls=asking(authority))
    with pytest.raises(WireError):
        ask(wire, server, ClientCertificate(*make_pair(tmp_path, "stranger")))


def test_its_thumbprint_is_what_a_token_is_bound_to(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "one")
    digest = ClientCertificate(*pair).thumbprint()
    assert len(digest) == 43
    assert x509.load_pem_x509_certificate(pair.certfile.read_bytes()).subject.rfc4514_string() == "CN=one"
    assert digest != ClientCertificate(*make_pair(tmp_path, "two")).thumbprint()
    for nowhere in (pair.keyfile, tmp_path / "missing"):
        with pytest.raises(ConfigurationError):
            ClientCertificate(nowhere).thumbprint()


def test_it_is_not_shown_and_not_pickled(tmp_path: Path) -> None:
    certificate = ClientCertificate("client.crt", "client.key", password="canary")
    assert "canary" not in repr(certificate)
    with pytest.raises(TypeError):
        pickle.dumps(certificate)


# ── the endpoints for it (RFC 8705 §5) ───────────────────────────────────────────────────────────────

ALIASED = msgspec.structs.replace(
    METADATA,
    mtls_endpoint_aliases={
        "token_endpoint": "https://mtls.example/token",
        "authorization_endpoint": "https://evil.example/authorize",
        "something_new": "https://mtls.example/new",
    },
)


def test_a_client_with_a_certificate_asks_at_the_endpoints_for_it() -> None:
    provider = openid(client_certificate=ClientCertificate("client.crt"))
    merged = merge_metadata(provider, ALIASED)
    assert merged.token_endpoint == "https://mtls.example/token"
    assert merged.revocation_endpoint == METADATA.revocation_endpoint
    assert merged.authorization_endpoint == METADATA.authorization_endpoint
    assert merge_metadata(openid(), ALIASED).token_endpoint == METADATA.token_endpoint


def test_an_endpoint_of_the_settings_stands_before_an_alias() -> None:
    provider = openid(client_certificate=ClientCertificate("c"), token_endpoint="https://mine.example/token")
    assert merge_metadata(provider, ALIASED).token_endpoint == "https://mine.example/token"


@pytest.mark.parametrize("trap", ["http://mtls.example/token", "https://127.0.0.1/token", "https://10.0.0.1/token"])
def test_an_alias_is_no_way_into_the_network_behind(trap: str) -> None:
    metadata = msgspec.structs.replace(METADATA, mtls_endpoint_aliases={"token_endpoint": trap})
    with pytest.raises(ConfigurationError):
        check_metadata(metadata, ISSUER, openid())


def test_without_aliases_nothing_changes() -> None:
    assert with_aliases(METADATA) == METADATA

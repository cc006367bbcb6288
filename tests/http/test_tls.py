"""TLS, real."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from authflow import errors
from authflow.http import warm_tls
from authflow.http.tls import tls_context, tls_contexts, tls_key

from .support import Driven, Server, answering, assert_no_secret, make_certificate, plain, server_context


def test_a_self_signed_certificate_is_refused(wire: Driven, serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(answering(plain()), tls=server_context(make_certificate(tmp_path)))
    with pytest.raises(errors.ConnectFailed, match=r"certificate of 127.0.0.1:\d+ was not accepted.*self.signed") as e:
        wire.post(server.url)
    assert "SSL_CERT_FILE" in e.value.hint
    assert server.requests == []
    assert_no_secret(e.value)


@pytest.mark.parametrize(("host", "expired"), [("127.0.0.1", True), ("other.example", False)])
def test_a048_an_expired_or_foreign_certificate_is_refused_though_its_authority_is_trusted(
    wire: Driven,
    serve: Callable[..., Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    expired: bool,
) -> None:
    certificate = make_certificate(tmp_path, host, expired=expired)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(answering(plain()), tls=server_context(certificate))
    with pytest.raises(errors.ConnectFailed, match="was not accepted"):
        wire.post(server.url)
    assert server.requests == []


def test_ssl_cert_file_names_an_authority(
    wire: Driven, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(answering(plain()), tls=server_context(certificate))
    for _ in range(3):
        assert wire.post(server.url).status_code == 200
    assert server.connections == 1


def test_an_ssl_cert_file_that_is_not_there_says_so(wire: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authority.pem")
    with pytest.raises(errors.ConfigurationError) as caught, socket.create_server(("127.0.0.1", 0)) as silent:
        wire.post(f"https://127.0.0.1:{silent.getsockname()[1]}/")
    assert "SSL_CERT_FILE" in caught.value.hint


def test_a_server_without_tls_says_so(wire: Driven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.ConnectFailed, match="No TLS connection"):
            wire.post(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(5)


def test_warm_tls_builds_the_context_once_for_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificate(tmp_path, "warm.example")))
    warm_tls()
    for thread in threading.enumerate():
        if thread.name == "authflow-tls":
            thread.join(5)
    warmed = tls_contexts[tls_key(True)]
    monkeypatch.setattr(httpx, "create_ssl_context", None)
    assert tls_context(True) is warmed
    assert warmed.verify_mode is ssl.CERT_REQUIRED
    assert warmed.check_hostname

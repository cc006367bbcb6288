"""Proxies, real."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from authflow import errors
from authflow.protocol.step import Limits

from .support import CANARY, Driven, Server, answering, assert_no_secret, make_certificate, plain, server_context


@pytest.fixture
def proxy(serve: Callable[..., Server]) -> Server:
    """Forwards plain requests itself; a CONNECT is joined to whatever listens at `target`."""

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if not request.startswith(b"CONNECT"):
            connection.sendall(plain(b'"by proxy"'))
            return True
        if server.refuse:  # type: ignore[attr-defined]
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return False
        with socket.create_connection(("127.0.0.1", server.target)) as upstream:  # type: ignore[attr-defined]
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            back.start()
            pump(connection, upstream)
            back.join(5)
        return False

    server = serve(behave)
    server.refuse = False  # type: ignore[attr-defined]
    server.target = 0  # type: ignore[attr-defined]
    return server


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_a063_loopback_never_goes_through_a_proxy(
    wire: Driven, serve: Callable[..., Server], proxy: Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    server = serve(answering(plain()))
    assert wire.get(f"http://{host}:{server.port}/").json() == {"access_token": "t"}
    assert proxy.connections == 0


def test_the_environments_proxy_is_used_for_others(
    wire: Driven, proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", f"//user:{CANARY}@"))
    assert wire.get("http://idp.example/x").json() == "by proxy"
    assert wire.get("http://idp.example/y").json() == "by proxy"
    assert proxy.requests[0].startswith(b"GET http://idp.example/x HTTP/1.1")
    assert b"proxy-authorization: basic" in proxy.requests[0].lower()
    assert proxy.connections == 1


def test_https_goes_through_the_proxy_as_a_tunnel(
    wire: Driven, serve: Callable[..., Server], proxy: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "idp.example")
    server = serve(answering(plain()), tls=server_context(certificate))
    proxy.target = server.port  # type: ignore[attr-defined]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    for _ in range(3):
        assert wire.post("https://idp.example/token").json() == {"access_token": "t"}
    assert proxy.connections == server.connections == 1
    assert proxy.requests[0].startswith(b"CONNECT idp.example:443 ")
    assert CANARY.encode() not in proxy.requests[0]


def test_a_proxy_that_refuses_says_so(wire: Driven, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.refuse = True  # type: ignore[attr-defined]
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//user:{CANARY}@"))
    with pytest.raises(errors.ConnectFailed, match=r"The proxy did not connect to idp\.example") as caught:
        wire.post("https://idp.example/token")
    assert_no_secret(caught.value)


def test_no_proxy_is_honoured(wire: Driven, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "idp.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **kw: [])
    with pytest.raises(errors.WireError):
        wire.get("http://login.idp.example/x", limits=Limits(seconds=0.3))
    assert proxy.connections == 0


def test_without_trust_env_no_proxy_is_used(
    drive: Callable[..., Driven], proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **kw: [])
    with pytest.raises(errors.WireError):
        drive(trust_env=False).get("http://idp.example/x", limits=Limits(seconds=0.3))
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("value", "kind"),
    [("gopher://proxy.example", errors.ConfigurationError), ("socks5://127.0.0.1:1", errors.MissingExtra)],
)
def test_a_proxy_that_cannot_be_used_says_so(
    wire: Driven, monkeypatch: pytest.MonkeyPatch, value: str, kind: type[errors.AuthflowError]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    if kind is errors.MissingExtra and _has_socksio():
        pytest.skip("socksio is installed")
    with pytest.raises(kind):
        wire.get("http://idp.example/x")


def _has_socksio() -> bool:
    try:
        import socksio  # noqa: F401
    except ImportError:
        return False
    return True

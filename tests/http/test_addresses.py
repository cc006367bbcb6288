"""Which addresses are connected to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from authflow import errors
from authflow.http import is_private

from .support import Driven, Server, answering, plain, post


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fd00::1", "fec0::1", "ff02::1",
        "::ffff:169.254.169.254", "::ffff:a00:1", "64:ff9b::a00:1", "2002:7f00:1::", "::127.0.0.1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_an_address_off_the_public_internet_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.112.3", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_a_public_address_is_not(address: str) -> None:
    assert not is_private(address)


def public_only(request: httpx.Request) -> httpx.Request:
    request.extensions["authflow.private"] = False
    return request


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"])
def test_a_private_address_is_refused_where_the_issuer_is_public(
    wire: Driven, serve: Callable[..., Server], host: str
) -> None:
    server = serve(answering(plain()))
    with pytest.raises(errors.ConnectFailed, match="private address") as caught:
        wire.send(public_only(post(f"http://{host}:{server.port}/")))
    assert caught.value.sent is errors.Sent.NO
    assert server.connections == 0


def test_a_name_with_a_private_address_is_refused_also_beside_a_public_one(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(plain()))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port)) for ip in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **kw: found)
    with pytest.raises(errors.ConnectFailed, match=r"idp\.example is a private address"):
        wire.send(public_only(post(f"http://idp.example:{server.port}/")))
    assert server.connections == 0


def test_a074_a_name_is_resolved_once_and_the_checked_address_is_connected_to(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    asked = []

    def rebind(host: Any, port: Any, *args: Any, **kw: Any) -> Any:
        if host in ("idp.example", b"idp.example"):
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "192.0.2.1", port, *args, **kw)
        return real(host, port, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    server = serve(answering(plain()))
    assert wire.post(f"http://idp.example:{server.port}/").status_code == 200
    assert len(asked) == 1
    assert f"host: idp.example:{server.port}".encode() in server.requests[0].lower()


def test_a_connection_opened_with_permission_does_not_serve_a_request_without(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **kw: real("127.0.0.1" if "idp" in str(host) else host, *a, **kw)
    )
    server = serve(answering(plain()))
    url = f"http://idp.example:{server.port}/"
    wire.post(url)
    with pytest.raises(errors.ConnectFailed, match="private address"):
        wire.send(public_only(post(url)))
    assert len(server.requests) == 1


def test_a_second_address_is_tried_when_the_first_refuses(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(plain()))
    real = socket.getaddrinfo

    def both(host: Any, port: Any, *args: Any, **kw: Any) -> Any:
        if host in ("idp.example", b"idp.example"):
            return real("127.0.0.2", port, *args, **kw) + real("127.0.0.1", port, *args, **kw)
        return real(host, port, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert wire.post(f"http://idp.example:{server.port}/").status_code == 200

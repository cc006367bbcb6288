"""The plain case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from authflow import errors

from .support import CANARY, Driven, Server, answering, plain


def test_a_response_comes_whole_and_says_how_long_it_took(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(headers="X-Thing: yes\r\n")))
    response = wire.post(server.url + "/token")
    assert response.status_code == 200
    assert response.json() == {"access_token": "t"}
    assert response.headers["x-thing"] == "yes"
    assert 0 < response.extensions["authflow.seconds"] < 5
    assert server.requests[0].endswith(f"client_secret={CANARY}&code={CANARY}".encode())


def test_an_error_status_is_an_answer(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(b'{"error": "invalid_grant"}', "400 Bad Request")))
    assert wire.post(server.url).json() == {"error": "invalid_grant"}


def test_a_chunked_answer_is_put_together(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\n\r\n1\r\n}\r\n0\r\n\r\n"))
    assert wire.get(server.url).json() == {}
    assert wire.get(server.url).json() == {}
    assert server.connections == 1


def test_calls_in_a_row_use_one_connection(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    for _ in range(5):
        wire.post(server.url)
    assert server.connections == 1


def test_a065_no_cookie_is_kept(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(headers=f"Set-Cookie: session={CANARY}\r\n")))
    wire.get(server.url)
    wire.get(server.url)
    assert b"cookie" not in server.requests[1].lower()


def test_a064_netrc_is_not_read(
    wire: Driven, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(answering(plain()))
    wire.get(server.url)
    assert b"authorization" not in server.requests[0].lower()


def test_after_close_nothing_is_sent(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    wire.get(server.url)
    wire.close()
    if wire.loop:
        wire.loop = asyncio.new_event_loop()
    with pytest.raises(errors.ManagerClosed):
        wire.get(server.url)
    assert len(server.requests) == 1


def test_an_address_that_is_no_http_is_refused(wire: Driven) -> None:
    with pytest.raises(errors.ConnectFailed) as caught:
        wire.get("ftp://127.0.0.1/x")
    assert caught.value.sent is errors.Sent.NO

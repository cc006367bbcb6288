"""What is too large is refused before it is held."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable

import pytest

from authflow import errors
from authflow.protocol.step import Limits

from .support import OK, Driven, Server, answering, plain


def test_a_gzip_answer_is_decoded(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")))
    assert wire.get(server.url).json() == {"access_token": "t"}
    assert b"accept-encoding: gzip" in server.requests[0].lower()


def test_a_gzip_bomb_stops_at_the_cap(wire: Driven, serve: Callable[..., Server]) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    server = serve(answering(plain(bomb, headers="Content-Encoding: gzip\r\n")))
    with pytest.raises(errors.ResponseTooLarge):
        wire.get(server.url, limits=Limits(most_bytes=256 * 1024))


def test_gzip_blocks_that_hold_nothing_stop_at_the_cap_too(wire: Driven, serve: Callable[..., Server]) -> None:
    empty = gzip.compress(b"", 0)[:10] + b"\x00\x00\x00\xff\xff" * 20_000
    headers = "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
    body = f"{len(empty):x}\r\n".encode() + empty + b"\r\n0\r\n\r\n"
    server = serve(answering(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + body))
    with pytest.raises(errors.ResponseTooLarge):
        wire.get(server.url, limits=Limits(most_bytes=1000))


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(OK)[:-9]])
def test_damaged_gzip_is_a_wire_error(wire: Driven, serve: Callable[..., Server], body: bytes) -> None:
    server = serve(answering(plain(body, headers="Content-Encoding: gzip\r\n")))
    with pytest.raises(errors.WireError, match="damaged"):
        wire.get(server.url)


def test_an_encoding_that_was_not_asked_for_is_refused(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(headers="Content-Encoding: br\r\n")))
    with pytest.raises(errors.WireError, match="encoding"):
        wire.get(server.url)


def test_a_long_content_length_is_refused_before_the_body(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"))
    with pytest.raises(errors.ResponseTooLarge, match="larger than 1000 bytes"):
        wire.get(server.url, limits=Limits(most_bytes=1000))


def test_an_endless_body_stops_at_the_cap(wire: Driven, serve: Callable[..., Server]) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(errors.ResponseTooLarge):
        wire.get(serve(behave).url, limits=Limits(most_bytes=1000))


def test_a_body_of_exactly_the_cap_is_whole(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(b"x" * 1000)))
    assert len(wire.get(server.url, limits=Limits(most_bytes=1000)).content) == 1000


def test_endless_headers_are_a_wire_error(wire: Driven, serve: Callable[..., Server]) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-A: " + b"x" * 1000 + b"\r\n")

    with pytest.raises(errors.WireError):
        wire.get(serve(behave).url)

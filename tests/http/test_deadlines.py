"""Deadlines hold, whatever a server does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from authflow import errors
from authflow.protocol.step import Limits, build_request

from .support import Driven, Server, Steps, assert_no_secret, dripping


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"]
)
def test_dripped_headers_and_bodies_end_at_the_deadline(
    wire: Driven, serve: Callable[..., Server], first: bytes
) -> None:
    behave = dripping(first)
    server = serve(behave)
    with pytest.raises((errors.DeadlineExceeded, errors.WireError)) as caught:
        wire.post(server.url, seconds=0.4)  # the server goes on until it is told to stop
    behave.stop.set()  # type: ignore[attr-defined]
    assert caught.value.sent is errors.Sent.UNKNOWN
    if first:
        assert isinstance(caught.value, errors.DeadlineExceeded)
        assert "within 0.4 seconds" in caught.value.message
    assert_no_secret(caught.value)


def test_a_handshake_that_never_ends_ends_at_the_deadline(wire: Driven) -> None:
    late = pytest.raises(errors.DeadlineExceeded, match=r"within 0\.4 seconds")
    with socket.create_server(("127.0.0.1", 0)) as silent, late as caught:
        wire.post(f"https://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.4)
    assert caught.value.sent is errors.Sent.NO


def test_a_resolver_that_hangs_ends_at_the_deadline(wire: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*args: Any, **kw: Any) -> list[Any]:
        answered.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            wire.post("http://idp.example/", seconds=0.2)
    finally:
        answered.set()
    assert caught.value.sent is errors.Sent.NO


def test_a_request_that_the_server_does_not_take_ends_at_the_deadline(wire: Driven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        request = build_request(
            "POST",
            f"http://127.0.0.1:{silent.getsockname()[1]}/",
            form={"x": "y" * 20_000_000},
            limits=Limits(seconds=0.4),
        )
        with pytest.raises(errors.DeadlineExceeded) as caught:
            wire.send(request)
    assert caught.value.sent is errors.Sent.UNKNOWN


def test_the_deadline_of_a_sync_call_runs_on_the_given_clock(serve: Callable[..., Server]) -> None:
    clock = Steps()

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        clock.at += 11
        # The answer is not whole: whenever the client looks at the clock, it has to look once more.
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
        return True

    server = serve(behave)
    with closing(Driven("sync", clock=clock)) as wire, pytest.raises(errors.DeadlineExceeded, match="within 10 sec"):
        wire.get(server.url)


def test_what_a_call_took_is_told_by_the_given_clock(
    drive: Callable[..., Driven], serve: Callable[..., Server]
) -> None:
    clock = Steps()

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        clock.at += 11
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        return True

    server = serve(behave)
    response = drive(clock=clock).get(server.url, limits=Limits(seconds=60))
    assert response.extensions["authflow.seconds"] == 11

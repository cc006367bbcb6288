"""What an error says, and what it never holds."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from authflow import errors
from authflow.protocol.step import build_request

from .support import CANARY, Driven, Server, answering, assert_no_secret, plain


def test_a_refused_connection_says_so_and_that_nothing_was_sent(wire: Driven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(errors.ConnectFailed, match=f"No connection to 127.0.0.1:{port}") as caught:
        wire.post(f"http://127.0.0.1:{port}/?q={CANARY}")
    assert caught.value.sent is errors.Sent.NO
    assert isinstance(caught.value.__cause__, OSError)
    assert_no_secret(caught.value)


def test_a_name_that_does_not_resolve_says_so(wire: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kw: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(errors.ConnectFailed, match=r"idp\.example:443 could not be resolved") as caught:
        wire.post("https://idp.example/token")
    assert caught.value.sent is errors.Sent.NO


def test_a_host_label_that_is_too_long_says_so(wire: Driven) -> None:
    with pytest.raises(errors.ConnectFailed, match="could not be resolved"):
        wire.post(f"https://{'a' * 70}.example/token")


def test_a_header_that_is_no_header_does_not_show_its_value(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    request = build_request("GET", server.url, headers={"authorization": f"Bearer {CANARY}\r\nX-Evil: 1"})
    with pytest.raises(errors.WireError, match="no valid HTTP") as caught:
        wire.send(request)
    assert caught.value.sent is errors.Sent.NO
    assert server.requests == []
    assert_no_secret(caught.value)

"""A user's own client."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from authflow import errors
from authflow.http import AsyncHttp

from .support import (
    CANARY,
    OK,
    Driven,
    Server,
    answering,
    assert_no_secret,
    dripping,
    make_certificate,
    plain,
    server_context,
)


@pytest.fixture
def own(colour: str, drive: Callable[..., Driven]) -> Iterator[Callable[..., tuple[Driven, Any]]]:
    made: list[tuple[Driven, Any]] = []

    def start(**kw: Any) -> tuple[Driven, Any]:
        client = httpx.Client(**kw) if colour == "sync" else httpx.AsyncClient(**kw)
        made.append((drive(client), client))
        return made[-1]

    yield start
    for driven, client in made:
        if isinstance(client, httpx.Client):
            client.close()
        elif driven.loop:
            driven.loop.run_until_complete(client.aclose())


def test_a_users_client_is_used_and_not_closed(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")))
    wire, client = own(trust_env=False)
    for _ in range(2):
        assert wire.post(server.url).json() == {"access_token": "t"}
    assert server.connections == 1
    if wire.loop:
        wire.loop.run_until_complete(wire.http.aclose())
    else:
        wire.http.close()
    assert not client.is_closed


def test_a_users_client_follows_no_redirect_and_adds_no_auth_or_cookie(
    own: Callable[..., Any], serve: Callable[..., Server]
) -> None:
    other = serve(answering(plain()))
    server = serve(answering(plain(b"", "307 Moved", f"Location: {other.url}/\r\nSet-Cookie: a=b\r\n")))
    wire, _ = own(follow_redirects=True, auth=("user", "password"), trust_env=False, cookies={"jar": "full"})
    for _ in range(2):
        with pytest.raises(errors.RedirectRefused):
            wire.get(server.url)
    assert b"authorization" not in server.requests[1].lower()
    assert b"cookie" not in server.requests[1].lower()
    assert other.connections == 0


def test_a_users_client_gets_the_cap(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    server = serve(answering(plain(bomb, headers="Content-Encoding: gzip\r\n")))
    wire, _ = own(trust_env=False)
    with pytest.raises(errors.ResponseTooLarge):
        wire.get(server.url)


def test_a_users_client_gets_the_deadline_between_parts(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    behave = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    server = serve(behave)
    wire, _ = own(trust_env=False)
    with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.4 seconds") as caught:
        wire.post(server.url, seconds=0.4)
    behave.stop.set()  # type: ignore[attr-defined]
    assert_no_secret(caught.value)


def test_a_silent_server_ends_a_users_client_too(own: Callable[..., Any]) -> None:
    wire, _ = own(trust_env=False, timeout=None)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(errors.DeadlineExceeded) as caught:
        wire.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.3)
    assert caught.value.sent is errors.Sent.UNKNOWN
    assert_no_secret(caught.value)


def test_a_users_clients_errors_do_not_carry_the_request(own: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wire, _ = own(trust_env=False)
    with pytest.raises(errors.ConnectFailed) as caught:
        wire.post(f"http://127.0.0.1:{port}/")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.__traceback__ is None
    assert_no_secret(caught.value)


def test_a_users_client_may_trust_its_own_authority(
    own: Callable[..., Any], serve: Callable[..., Server], tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    server = serve(answering(plain()), tls=server_context(certificate))
    wire, _ = own(verify=ssl.create_default_context(cafile=str(certificate)), trust_env=False)
    assert wire.post(server.url).status_code == 200


def test_a_users_hook_that_raises_for_status_is_named(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    def refuse(response: httpx.Response) -> None:
        response.raise_for_status()

    async def refuse_async(response: httpx.Response) -> None:
        response.raise_for_status()

    server = serve(answering(plain(b'{"error": "invalid_grant"}', "400 Bad Request")))
    wire, client = own(trust_env=False)
    client.event_hooks = {"response": [refuse if isinstance(client, httpx.Client) else refuse_async]}
    with pytest.raises(errors.WireError, match="event hook") as caught:
        wire.post(server.url)
    assert_no_secret(caught.value)


def test_a_users_hook_may_read_the_answer_first(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    def read(response: httpx.Response) -> None:
        response.read()

    async def read_async(response: httpx.Response) -> None:
        await response.aread()

    server = serve(answering(plain(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")))
    wire, client = own(trust_env=False)
    client.event_hooks = {"response": [read if isinstance(client, httpx.Client) else read_async]}
    assert wire.post(server.url).json() == {"access_token": "t"}


def test_a_mock_transport_will_do(drive: Callable[..., Driven]) -> None:
    wire = drive(httpx.MockTransport(lambda request: httpx.Response(200, json={"saw": request.method})))
    assert wire.post("https://idp.example/token").json() == {"saw": "POST"}


def test_a_mock_transports_error_is_cleaned(drive: Callable[..., Driven]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"lost while sending {CANARY}", request=request)

    with pytest.raises(errors.WireError) as caught:
        drive(httpx.MockTransport(fail)).post("https://idp.example/token")
    assert_no_secret(caught.value)


def test_a_users_closed_client_says_so(own: Callable[..., Any]) -> None:
    wire, client = own()
    if wire.loop:
        wire.loop.run_until_complete(client.aclose())
    else:
        client.close()
    with pytest.raises(errors.ManagerClosed):
        wire.get("http://127.0.0.1:1/")


def test_a_client_of_the_other_colour_is_refused(colour: str) -> None:
    class Other(httpx.AsyncBaseTransport if colour == "sync" else httpx.BaseTransport):  # type: ignore[misc]
        pass

    with pytest.raises(errors.ConfigurationError, match="http= got a Other"):
        Driven("sync", Other()) if colour == "sync" else AsyncHttp(Other())

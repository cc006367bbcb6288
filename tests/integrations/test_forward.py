"""The wire between a page and an API, in both colours: an API that ends a connection amid the next request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from authflow import SessionManager
from authflow.integrations.web.forward import asend, client_settings, send
from authflow.integrations.web.proxy import Proxy
from authflow.providers import GitHub
from authflow.testing import signed_in
from tests.http.conftest import colour, serve
from tests.http.support import Server, plain

__all__ = ["colour", "serve"]
Ask = Callable[..., list[str]]


def once(connection: socket.socket, request: bytes, count: int) -> bool:
    """Answers the first request of a connection, and ends it at the second: so does a server whose patience is over."""
    if count == 0:
        connection.sendall(plain(b"answer"))
    return count == 0


def never(connection: socket.socket, request: bytes, count: int) -> bool:
    return False


@pytest.fixture
def ask(colour: str) -> Iterator[Ask]:
    """`ask(server, *methods)`: one request after the other by one client; the answers, or the kind of the failure."""
    manager = SessionManager([GitHub("id", "secret")], single_user=True)

    def run(server: Server, *methods: str) -> list[str]:
        provider = manager.providers["github"].replace(name="acme", api_origins=[server.url])
        with SessionManager([provider], single_user=True) as there:
            session, proxy = signed_in(there, "acme", user={"id": 1}), Proxy("/api", server.url, provider)
            given = (proxy, session, server.url)

            def one(client: httpx.Client, method: str) -> str:
                try:
                    answer = send(client, *given, method, [], iter(()))
                    return answer.read().decode()
                except httpx.TransportError as error:
                    return type(error).__name__

            async def aone(client: httpx.AsyncClient, method: str) -> str:
                async def nothing() -> AsyncIterator[bytes]:
                    return
                    yield b""

                try:
                    answer = await asend(client, *given, method, [], nothing())
                    return (await answer.aread()).decode()
                except httpx.TransportError as error:
                    return type(error).__name__

            async def all_of_them() -> list[str]:
                async with httpx.AsyncClient(**client_settings()) as client:
                    return [await aone(client, method) for method in methods]

            if colour == "async":
                return asyncio.run(all_of_them())
            with httpx.Client(**client_settings()) as client:
                return [one(client, method) for method in methods]

    with manager:
        yield run


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_what_only_reads_is_sent_once_more(ask: Ask, serve: Callable[..., Server], method: str) -> None:
    server = serve(once)
    assert ask(server, "GET", method) == ["answer", "answer"]
    assert (len(server.requests), server.connections) == (3, 2)


def test_what_may_have_done_something_is_not(ask: Ask, serve: Callable[..., Server]) -> None:
    server = serve(once)
    assert ask(server, "GET", "POST")[1] in ("RemoteProtocolError", "ReadError")
    assert len(server.requests) == 2


def test_an_api_that_answers_nobody_is_asked_twice_and_no_more(ask: Ask, serve: Callable[..., Server]) -> None:
    server = serve(never)
    assert ask(server, "GET")[0] in ("RemoteProtocolError", "ReadError")
    assert len(server.requests) == 2

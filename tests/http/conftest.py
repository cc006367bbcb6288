"""Servers and clients that end with the test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .support import Driven, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(behave: Callable[[socket.socket, bytes, int], Any], **kw: Any) -> Server:
        made.append(Server(behave, **kw))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def drive(colour: str) -> Iterator[Callable[..., Driven]]:
    made: list[Driven] = []

    def start(client: Any = None, **kw: Any) -> Driven:
        made.append(Driven(colour, client, **kw))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def wire(drive: Callable[..., Driven]) -> Driven:
    return drive()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

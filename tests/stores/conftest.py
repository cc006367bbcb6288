"""The servers of the stores' tests, each started once when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.servers import PostgreSQLServer, RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    if why := RedisServer.missing():
        pytest.skip(why)
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    if why := PostgreSQLServer.missing():
        pytest.skip(why)
    with PostgreSQLServer() as running:
        yield running

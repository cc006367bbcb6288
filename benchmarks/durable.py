"""Every store that outlives a process, by a word: where it is, and a way to open it there."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from authflow.stores import FileStore, SQLiteStore, Store

if TYPE_CHECKING:
    from .servers import PostgreSQLServer, RedisServer

KINDS = ("file", "sqlite", "redis", "postgresql")


def open_store(kind: str, place: str) -> Store:
    """The store at `place`: a folder, or the server's URL."""
    if kind == "redis":
        from authflow.stores import RedisStore

        return RedisStore(place)
    if kind == "postgresql":
        from authflow.stores import SQLStore

        return SQLStore(place)
    return FileStore(f"{place}/sessions") if kind == "file" else SQLiteStore(f"{place}/sessions.db")


@contextmanager
def place_of(kind: str) -> Iterator[str]:
    """A fresh place for such a store; a server is started for it, and ended."""
    if kind in ("file", "sqlite"):
        with tempfile.TemporaryDirectory() as folder:
            yield folder
        return
    if why := missing(kind):
        sys.exit(why)
    with _server(kind)() as server:
        yield server.url


def missing(kind: str) -> str:
    """What such a store needs that this machine lacks; empty: nothing."""
    return "" if kind in ("file", "sqlite") else _server(kind).missing()


def _server(kind: str) -> type[RedisServer | PostgreSQLServer]:
    from .servers import PostgreSQLServer, RedisServer

    return RedisServer if kind == "redis" else PostgreSQLServer

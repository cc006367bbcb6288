"""Where sessions are kept between two calls, two processes, two days: bytes under a key, with a version.

Each store is loaded when it is first asked for (PEP 562): who keeps sessions in memory pays for no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import Conflict, Store
from .memory import MemoryStore

if TYPE_CHECKING:
    from .client import ClientStore
    from .file import FileStore
    from .redis import RedisStore
    from .sql import SQLStore
    from .sqlite import SQLiteStore

_HOME = {
    "ClientStore": "client",
    "FileStore": "file",
    "RedisStore": "redis",
    "SQLStore": "sql",
    "SQLiteStore": "sqlite",
}

__all__ = [
    "ClientStore",
    "Conflict",
    "FileStore",
    "MemoryStore",
    "RedisStore",
    "SQLStore",
    "SQLiteStore",
    "Store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

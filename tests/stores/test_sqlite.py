"""The SQLite store."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from authflow.stores import Store
from authflow.stores.sqlite import SQLiteStore

from .contract import Opener, ProcessLockContract, Trouble


class TestSQLiteStore(ProcessLockContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "state" / "sessions.db"

    @pytest.fixture
    def opener(self, path: Path) -> Opener:
        return functools.partial(SQLiteStore, path)

    @pytest.fixture
    def trouble(self, path: Path) -> Trouble:
        @contextmanager
        def written_by_another() -> Iterator[Store]:
            store = SQLiteStore(path, busy_timeout=0.05)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield store
                other.execute("ROLLBACK")
            store.close()

        return written_by_another

"""The file store."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authflow.stores import Store
from authflow.stores.file import FileStore

from .contract import Opener, ProcessLockContract, Trouble


class TestFileStore(ProcessLockContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        return functools.partial(FileStore, tmp_path / "sessions")

    @pytest.fixture
    def trouble(self, opener: Opener, tmp_path: Path) -> Trouble:
        @contextmanager
        def unplugged() -> Iterator[Store]:
            store = opener()
            (tmp_path / "sessions").rename(tmp_path / "elsewhere")
            yield store
            (tmp_path / "elsewhere").rename(tmp_path / "sessions")
            store.close()

        return unplugged

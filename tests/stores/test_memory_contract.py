"""The memory store keeps the contract of all stores."""

from __future__ import annotations

import pytest

from authflow.stores import MemoryStore

from .contract import LockContract, Opener


class TestMemoryStore(LockContract):
    @pytest.fixture
    def opener(self) -> Opener:
        store = MemoryStore()
        return lambda: store

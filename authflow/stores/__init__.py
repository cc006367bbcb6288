"""Where sessions are kept between two calls, two processes, two days: bytes under a key, with a version."""

from __future__ import annotations

from .base import Conflict, Store
from .memory import MemoryStore

__all__ = ["Conflict", "MemoryStore", "Store"]

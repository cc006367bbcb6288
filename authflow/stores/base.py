"""What a store is: bytes under a key, with a version. It knows nothing of sessions, tokens or states.

The version is a number that the store raises with every change of a key; `swap` changes a key only if its
version is still the expected one. So the store is the truth between processes, and a process that lost the
race learns it by the returned `Conflict`, never by overwriting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from ..errors import StoreError


class Conflict(NamedTuple):
    """The key's version was not the expected one; `version` is what it is now (0: there is no such key)."""

    version: int


class Store(Protocol):
    """Sync and thread-safe. `blocking` says that calls may wait for a disk or a network; `durable`, that the
    bytes leave this process, so they have to be sealed.

    Every method raises `StoreError` when the store cannot be read or written; then nothing was changed.
    A version that a key once had never comes back, not even after the key was removed and made again.
    """

    blocking: bool
    durable: bool

    def load(self, key: str) -> tuple[bytes, int] | None:
        """The bytes under `key` and their version, or None."""
        ...

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        """Writes `data` (None: removes the key) if the version is `expected` (0: the key must not exist).

        `ttl` is in seconds from now; the key may be gone after it. Returns the new version (0 on removal).
        """
        ...

    def lock(self, key: str, timeout: float) -> AbstractContextManager[bool]:
        """Saves work between processes; it guards nothing. Yields False when it was not had in `timeout` s."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """All present keys that begin with `prefix`."""
        ...

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        """Calls `notice(key)` after a key changed, from any thread; the returned function ends it.

        A notice is only a reason to read again: it may come late, twice, or for one's own change.
        """
        ...

    def close(self) -> None:
        """Lets go of files and connections. The data stays."""
        ...


def key_bytes(key: str) -> bytes:
    """The key as UTF-8. Raises `StoreError` for a text that is none (half of a surrogate pair)."""
    try:
        return key.encode()
    except UnicodeEncodeError:
        raise StoreError(
            "A key of the store is no valid text.", hint="Owners, provider names and accounts are Unicode text."
        ) from None

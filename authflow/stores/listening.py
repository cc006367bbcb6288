"""Hearing from a server what other processes changed: one subscription, made again when it breaks.

Rule: whoever watches opens it, asks it and closes it, all on one thread. So none is closed while it is in use, and
none is opened that nobody closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from ..errors import StoreError
from .notices import Look

HEAR_SECONDS: Final = 0.25  # that one `hear` waits


class Subscription(Protocol):
    """What a server keeps for one listener, from the moment it was opened."""

    def hear(self) -> Iterable[str]:
        """The keys that others changed; waits `HEAR_SECONDS` for the first. Raises `StoreError` when it is broken."""
        ...

    def close(self) -> None:
        """Ends it. Never raises."""
        ...


@contextmanager
def listening(subscribe: Callable[[], Subscription], every_key: Callable[[], Iterable[str]]) -> Iterator[Look]:
    """A look that hears. A server that cannot be reached now is tried again by each look; after that every key may
    have changed, for nobody knows what was missed.
    """
    held = _try(subscribe)

    def look() -> Iterable[str]:
        nonlocal held
        if held is None:
            held = subscribe()
            return every_key()
        try:
            return held.hear()
        except StoreError:
            broken, held = held, None
            broken.close()
            raise

    try:
        yield look
    finally:
        if held is not None:
            held.close()


def _try(subscribe: Callable[[], Subscription]) -> Subscription | None:
    try:
        return subscribe()
    except StoreError:
        return None

"""Who may read the dashboard: a launch link that works once, and the key that a browser tab gets for it.

The launch key travels in the link's fragment, which no server and no log sees. The tab's key is kept in its
sessionStorage and sent in the `Authorization` header: a cookie of 127.0.0.1 would go to every port of it.

Rule: only hashes are kept here.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

LAUNCH_SECONDS: Final = 600.0
MOST_LAUNCHES: Final = 16
MOST_TABS: Final = 32


class Keys:
    """Launch keys that are waiting, and the keys of the tabs that came by one. Thread-safe."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._mutex = threading.Lock()
        self._launches: OrderedDict[bytes, float] = OrderedDict()
        self._tabs: OrderedDict[bytes, None] = OrderedDict()

    def issue(self) -> str:
        """A new launch key, good for one use within ten minutes."""
        key = secrets.token_urlsafe(32)
        with self._mutex:
            self._launches[_hash(key)] = self._now() + LAUNCH_SECONDS
            while len(self._launches) > MOST_LAUNCHES:
                self._launches.popitem(last=False)
        return key

    def redeem(self, launch: str) -> str | None:
        """The key for the tab that came by `launch`; None when that was used, is too old, or is none."""
        with self._mutex:
            until = self._launches.pop(_hash(launch), None)
            if until is None or self._now() >= until:
                return None
            key = secrets.token_urlsafe(32)
            self._tabs[_hash(key)] = None
            while len(self._tabs) > MOST_TABS:
                self._tabs.popitem(last=False)
        return key

    def knows(self, key: str) -> bool:
        """Whether a tab has this key. The tabs that were seen last are those that stay."""
        hashed = _hash(key)
        with self._mutex:
            if hashed not in self._tabs:
                return False
            self._tabs.move_to_end(hashed)
        return True


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()

"""URLs that a browser is sent to once: a provider's login page, its logout page.

Such a URL holds what is nobody's but the browser's (a state, an ID token as a hint). So the page never sees it: it
gets an address of the dashboard that works once, within a minute, and redirects there.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from ..agents.browser import check_url

SECONDS: Final = 60.0
MOST: Final = 64


class Departures:
    """`add(url)` gives a name; `take(name)` the URL, once. Used on the loop only."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._urls: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def add(self, url: str) -> str:
        """Raises `InsecureURL` for a URL that no browser should get."""
        name = secrets.token_urlsafe(32)
        self._urls[name] = (check_url(url), self._now() + SECONDS)
        while len(self._urls) > MOST:
            self._urls.popitem(last=False)
        return name

    def take(self, name: str) -> str | None:
        url, until = self._urls.pop(name, ("", 0.0))
        return url if url and self._now() < until else None

"""Whose page it is: a browser is known by the owner's cookie, and a page by the browser whose websocket it talks
through.

Flet's own session is one tab's, ends with the process, and changes with the network; a login that hung on it would
be lost each time. The cookie is there before the websocket is, and comes back with every reconnection.

Rule: the cookie is renewed at a sign-in; the pages that are open in that browser follow it then.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

if TYPE_CHECKING:
    from .page import FletAuth


class Browser:
    """One visitor's browser: the owner of its sessions, and the pages that are open in it."""

    __slots__ = ("__weakref__", "owner", "pages")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.pages: WeakSet[FletAuth] = WeakSet()

    def __repr__(self) -> str:
        return f"<Browser with {len(self.pages)} pages>"


class Browsers:
    """The browsers that somebody holds: a websocket, a page, a request."""

    def __init__(self) -> None:
        self._by_owner: WeakValueDictionary[str, Browser] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_owner)

    def find(self, owner: str) -> Browser:
        found = self._by_owner.get(owner)
        if found is None:
            found = self._by_owner[owner] = Browser(owner)
        return found

    def rename(self, browser: Browser, owner: str) -> None:
        """The cookie of a browser was renewed: its pages listen to the sessions of that owner now."""
        if browser.owner == owner:
            return
        self._by_owner.pop(browser.owner, None)
        browser.owner = owner
        self._by_owner[owner] = browser
        for page in tuple(browser.pages):
            page.follow()


    def gathered(self, old: str, owner: str) -> None:
        """Two sign-ins of one browser arrived at once: the sessions of the one are the other's now, and so are the
        pages that listened to them."""
        followed = self._by_owner.get(old)
        if followed is not None:
            self.rename(followed, owner)
            return
        for page in tuple(self.find(owner).pages):
            page.follow()


BROWSER: ContextVar[Browser | None] = ContextVar("authflow.flet.browser", default=None)

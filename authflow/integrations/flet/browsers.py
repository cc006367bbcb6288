"""Whose page it is: a browser is known by the owner's cookie, and a page by the browser whose websocket it talks
through.

Flet's own session is one tab's, ends with the process, and changes with the network; a login that hung on it would
be lost each time. The cookie is there before the websocket is, and comes back with every reconnection.

Rule 1: the cookie is renewed at a sign-in, and no websocket that is open can show the new one. So none is believed:
as soon as the browser has brought it, whoever came with the one from before is asked to show it (`tabs.py`). Somebody
who kept a copy of the old cookie, and a page open by it, stays outside.
Rule 2: what is moved to the new cookie is taken from the pages of the old one in the same breath.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

if TYPE_CHECKING:
    from .page import FletAuth
    from .tabs import Tab


class Browser:
    """One visitor's browser, as long as its cookie stays the same: the owner of its sessions, its websockets, and the
    pages that are open in it."""

    __slots__ = ("__weakref__", "after", "before", "brought", "owner", "pages", "tabs")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.pages: WeakSet[FletAuth] = WeakSet()
        self.tabs: WeakSet[Tab] = WeakSet()
        self.before: WeakSet[Browser] = WeakSet()  # in place of whose cookies it was given this one
        self.after: set[Browser] = set()  # the other way round: whoever holds the one holds the other
        self.brought = False  # whether it has shown this cookie since

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

    def renewed(self, old: Browser, owner: str) -> None:
        """An answer to a browser gives it the cookie of `owner`, or what was `old`'s is `owner`'s now."""
        if old.owner == owner:
            return
        new = self.find(owner)
        if old not in new.before:
            new.before |= {old, *old.before}
            new.brought = False
            old.after.add(new)
        for page in (*old.pages, *new.pages):
            page.follow()

    def shown(self, browser: Browser) -> None:
        """A request has brought the browser's cookie: whoever came with one from before can show it, too."""
        if browser.brought:
            return
        browser.brought = True
        for old in tuple(browser.before):
            for tab in tuple(old.tabs):
                tab.ask()

    def proven(self, browser: Browser, secret: str) -> Tab | None:
        """A request from this browser has brought what only one of its tabs knows. None: it has no such tab, or no
        longer the cookie that it was given last."""
        for old in tuple(browser.before):
            for tab in tuple(old.tabs):
                if tab.secret == secret:
                    tab.come_over(browser)
        return None if browser.after else next((tab for tab in browser.tabs if tab.secret == secret), None)


BROWSER: ContextVar[Browser | None] = ContextVar("authflow.flet.browser", default=None)

"""The ways that a page's login goes: by a window of its browser on the web, by the system's browser on the user's
machine, and by a saved token on both.

Rule 1: a window that the browser blocks is noticed by that it never comes to the route of its link.
Rule 2: a second click begins anew; of the first nobody hears any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import AsyncSession, AsyncSessionManager, AuthflowError, ErrorInfo
from ..web.cookies import new_secret, owner_of
from .authorization import Tasks
from .telling import show

if TYPE_CHECKING:
    import flet as ft

    from .logins import Asked, FletLogins
    from .tabs import Tab


class Windows:
    """Those of a page on the web: what their links stand for, and which have not come yet, by provider."""

    def __init__(self, page: ft.Page, logins: FletLogins, blocked: Callable[[str, ErrorInfo], None]) -> None:
        self._page = page
        self._logins = logins
        self._blocked = blocked
        self._links: list[Asked] = []
        self._opening: dict[str, asyncio.TimerHandle] = {}

    def __bool__(self) -> bool:
        return bool(self._opening)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._opening))

    def link(self, asked: Asked) -> str:
        """One link for whatever asks for the same, however often that is drawn or pressed."""
        known = next((one for one in self._links if one.is_like(asked)), None)
        if known is None:
            self._links.append(asked)
        return self._logins.link(known or asked)

    def expect(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        """One is to come."""
        self.came(name)
        self._opening[name] = loop.call_later(self._logins.window_seconds, self._not_opened, name)

    async def open(self, asked: Asked, opener: Callable[[str], Any] | None) -> None:
        await show(self._page, self.link(asked), opener)

    def came(self, name: str) -> None:
        """It has, or is waited for no more."""
        timer = self._opening.pop(name, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for name in self:
            self.came(name)

    def _not_opened(self, name: str) -> None:
        del self._opening[name]
        hint = "Let this site open windows, or try again."
        self._blocked(name, ErrorInfo(code="browser_unavailable", message="No sign-in window has opened.", hint=hint))


class Flights:
    """The logins of a page on its user's machine, while they wait for the system's browser."""

    def __init__(self, page: ft.Page, tasks: Tasks, changed: Callable[[], None]) -> None:
        self._page = page
        self._tasks = tasks
        self._changed = changed
        self._flying: dict[str, asyncio.Task[Any]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._flying

    def __bool__(self) -> bool:
        return bool(self._flying)

    async def begin(
        self, session: AsyncSession, asked: Asked, opener: Callable[[str], Any] | None
    ) -> asyncio.Task[Any]:
        """Gives the flight when the browser was opened, or when that failed."""
        opened = asyncio.Event()

        async def open_url(url: str) -> None:
            await show(self._page, url, opener)
            opened.set()

        html = asked.complete_page_html
        flight: asyncio.Task[Any] = self._tasks.start(
            partial(session.login, open_url=open_url, complete_page=html, **asked.arguments)
        )
        self._flying[asked.provider] = flight
        flight.add_done_callback(partial(self._arrived, asked.provider))
        self._changed()
        shown = asyncio.get_running_loop().create_task(opened.wait())
        await asyncio.wait({flight, shown}, return_when=asyncio.FIRST_COMPLETED)
        shown.cancel()
        return flight

    async def end(self, session: AsyncSession) -> None:
        flight = self._flying.pop(session.provider.name)
        await session.cancel()
        await asyncio.wait({flight})

    def _arrived(self, name: str, flight: asyncio.Task[Any]) -> None:
        if self._flying.get(name) is flight:
            del self._flying[name]
        self._changed()


async def come_back(
    manager: AsyncSessionManager, tab: Tab | None, session: AsyncSession, saved_token: str, fetch: dict[str, Any]
) -> None:
    """Signs in by a saved token. On the web that is a sign-in like any other: its browser is given a new cookie, and
    whoever has a copy of the one from before stays outside. A tab without the script (`tab.js`) keeps the cookie."""
    if tab is None or not tab.secret or session.live:
        await session.login(saved_token=saved_token, **fetch)
        return
    aside = manager.owner(owner_of(new_secret()))[session.provider.name]
    await aside.login(saved_token=saved_token, **fetch)
    try:
        if not await tab.give(aside):
            await aside.move(owner=tab.browser.owner)
    except AuthflowError:
        with suppress(AuthflowError):
            await aside.logout(revoke=False, end_session=False)  # no cookie leads to it; the saved token stays good
        raise

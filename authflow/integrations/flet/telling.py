"""What happened, told to a page: on its loop, in its context, and not while it is away.

    telling = Telling(page)
    telling.login(error)      # page.on_login(LoginEvent), as Flet calls it
    telling.logout(reason)    # page.on_logout(ControlEvent)
    telling.post(fn)          # fn(), when the page is there

Rule 1: any thread may tell; it returns at once. Handlers begin in the order of what happened, one task each, so one
that waits keeps nobody.
Rule 2: while the user is at the provider in the same tab there is no websocket: what is told waits until the page
is back, and comes before the application's own `on_connect`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import flet as ft

from ...errors import ErrorInfo, whereabouts

SCREEN_SECONDS: Final = 5.0  # that the client may take to bring a window to the front, or to close one
PHONES: Final = (ft.PagePlatform.IOS, ft.PagePlatform.ANDROID)
_log = logging.getLogger("authflow.integrations.flet")


class Telling:
    """One page. `shows_window`: a sign-in lies over the application's own window, so that comes to the front then."""

    def __init__(self, page: ft.Page, *, shows_window: bool) -> None:
        self._page = page
        self._loop = page.session.connection.loop
        self._shows_window = shows_window
        self._waiting: list[Callable[[], object]] = []
        self._hooked = False

    def login(self, error: ErrorInfo | None) -> None:
        """Flet's two texts: the provider's own, or authflow's with the remedy; both empty after a success."""
        code = "" if error is None else error.error or error.code
        said = "" if error is None else error.error_description or str(error)
        event = ft.LoginEvent(name="login", control=self._page, error=code, error_description=said)
        self.post(partial(self._run, event, to_front=self._shows_window))

    def logout(self, reason: str | None) -> None:
        """`data` is the reason: "user", or why the session ended by itself."""
        self.post(partial(self._run, ft.ControlEvent(name="logout", control=self._page, data=reason)))

    def post(self, tell: Callable[[], object]) -> None:
        """At once if the page is there, else when it is back."""
        with suppress(RuntimeError):  # the loop was closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._deliver, tell)

    def _deliver(self, tell: Callable[[], object]) -> None:
        try:
            connection = self._page.session.connection
        except RuntimeError:  # Flet let go of the page: nobody is left to tell
            return
        self._waiting.append(tell)
        if connection is not None:
            self._flush()
        elif not self._hooked:
            self._hooked = True
            self._page.on_connect = partial(self._back, self._page.on_connect)

    async def _back(self, own_handler: Any, event: Any) -> None:
        self._hooked = False
        self._page.on_connect = own_handler
        self._flush()
        if own_handler is not None:
            await self._page._trigger_event("connect", None, event)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()

    def _run(self, event: ft.Event[Any], *, to_front: bool = False) -> None:
        self._page.run_task(self._handle, event, to_front)

    async def _handle(self, event: ft.Event[Any], to_front: bool) -> None:
        if to_front:
            await bring_to_front(self._page)
        try:
            await self._page._trigger_event(event.name, None, event)
        except Exception as error:
            _log.error("page.on_%s failed: %s", event.name, whereabouts(error))


async def bring_to_front(page: ft.Page) -> None:
    """The browser lies over the application's window; on a phone it is within the application."""
    with suppress(Exception):  # a convenience: a client that cannot is no failed login
        show_again: Any = ft.UrlLauncher().close_in_app_web_view if page.platform in PHONES else page.window.to_front
        await asyncio.wait_for(show_again(), SCREEN_SECONDS)


async def show(page: ft.Page, url: str, opener: Callable[[str], Any] | None) -> None:
    """The URL before the user: by the application's own function, sync or async, or as suits the client."""
    await asyncio.wrap_future(page.run_task(_show, page, url, opener))


async def _show(page: ft.Page, url: str, opener: Callable[[str], Any] | None) -> None:
    if opener is not None:
        shown = opener(url)
        if asyncio.iscoroutine(shown) or isinstance(shown, asyncio.Future):
            await shown
    elif page.web and page.platform not in PHONES:
        await ft.UrlLauncher().open_window(url, title="authflow", width=560, height=720)
    elif page.platform in PHONES and not page.web:
        await ft.UrlLauncher().launch_url(url, mode=ft.LaunchMode.IN_APP_BROWSER_VIEW)
    else:
        await ft.UrlLauncher().launch_url(url)

"""NiceGUI: a session on a page, live in every tab that shows it.

    auth = Auth(AsyncSessionManager([GitHub.from_env()]), base_url="http://127.0.0.1:8080")
    app.include_router(auth.router)                      # nicegui.app: /login, /callback, /logout, …

    @ui.page("/")
    async def home():
        page = await auth.page()                         # of this browser; page.session is None for a stranger
        page.user_card()                                 # who is signed in, and what went wrong
        page.button()                                    # Sign in with GitHub · Sign out
        page.protected(lambda session: ui.label(f"for {session.user.name} only"))

Signing in and out are the routes of `web`: links and forms, which work before a page is connected. What changes while a
page is open (a renewal, a sign-out elsewhere, the provider's) is painted on NiceGUI's own loop, whoever made it; the
subscription ends with the client, so with its tab. What is protected leaves the page when the session ends.

`pip install 'authflow-sessions[nicegui]'`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import MissingExtra
from .live import Card, Live
from .markup import card_html

try:
    from nicegui import core, ui
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs nicegui, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[nicegui]'",
    ) from missing

from . import fastapi
from .web.visit import Visit

__all__ = ["Auth", "Page"]


class Auth(fastapi.Auth):
    """See `starlette.Auth`; and `page()`."""

    async def page(self, provider: str | None = None) -> Page:
        """The session of the browser that asks for this page, within a page's builder.

        With one provider of several, if it is named; else with the first that is live.
        """
        client = ui.context.client
        session = await self.session(client.request, provider)
        page = Page(Visit(self.desk, session, provider, client.request.url.path))
        client.on_delete(page.close)
        return page


class Page:
    """What one page shows of one session. `session`: None while nobody is signed in."""

    def __init__(self, visit: Visit) -> None:
        self.session = visit.session
        self.card = visit.look()
        self._visit = visit
        self._painters: list[tuple[ui.element, Callable[[Card], object]]] = []
        # Both colours: an async session is painted only; what acts on it are the routes.
        self._live = Live(self.session, self._paint, post=_post, loop=core.loop) if self.session else None

    def close(self) -> None:
        """Nothing is painted any more."""
        if self._live is not None:
            self._live.close()
        self._painters.clear()

    def user_card(self) -> ui.element:
        """Who is signed in, or that nobody is, and what went wrong."""
        shown = ui.html(sanitize=False)  # every text in it is escaped
        return self._painted(shown, lambda card: shown.set_content(card_html(card)))

    def button(self) -> ui.element:
        """A link that signs in, or a form that signs out."""
        with ui.element("div") as box:
            sign_in = ui.button().props("no-caps unelevated")
            sign_in.props["href"] = self._visit.sign_in
            with ui.element("form") as sign_out:
                sign_out.props.update({"method": "post", "action": self._visit.sign_out})
                ui.button("Sign out").props("no-caps outline type=submit")

        def paint(card: Card) -> None:
            sign_in.set_text(card.button)
            sign_in.set_visibility(not card.live)
            sign_out.set_visibility(card.live)

        return self._painted(box, paint)

    def protected(self, build: Callable[[Any], object]) -> ui.element:
        """What `build(session)` makes, while somebody is signed in; nothing otherwise, and nothing is left of it."""
        box = ui.column().classes("w-full")
        shown: list[bool] = []

        def paint(card: Card) -> None:
            if shown == [card.live]:
                return
            shown[:] = [card.live]
            box.clear()
            if card.live:
                with box:
                    build(self.session)

        return self._painted(box, paint)

    def _painted(self, element: ui.element, paint: Callable[[Card], object]) -> ui.element:
        self._painters.append((element, paint))
        paint(self.card)
        return element

    def _paint(self, card: Card) -> None:
        self.card = card
        self._painters = [one for one in self._painters if not one[0].is_deleted]
        for element, paint in tuple(self._painters):
            if not element.is_deleted:
                paint(card)


def _post(paint: Callable[[], None]) -> None:
    """On NiceGUI's loop, from any thread; nobody is left to tell when that has ended."""
    if core.loop is not None and not core.loop.is_closed():
        core.loop.call_soon_threadsafe(paint)

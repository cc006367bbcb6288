"""Panel: a session on a page, live in every tab that shows it.

    auth = Auth(SessionManager([GitHub.from_env()]), base_url="http://127.0.0.1:5006")

    def home():
        page = auth.page()                                # of this browser; page.session is None for a stranger
        books = page.protected(lambda session: pn.pane.Str(f"for {session.user.name} only"))
        return pn.Column(page.user_card(), page.button(), books)

    pn.serve(home, port=5006, **auth.options)             # or `panel serve`, see below

Signing in and out are the routes of `web`, beside Panel's pages on Panel's own server. What changes while a page is
open is painted under the lock of its document, whoever made it; the subscription ends with Panel's session, so some
seconds after its tab. What is protected leaves the page when the session ends.

    # accounts.py: auth = Auth(…); ROUTES = auth.routes   app.py: from accounts import auth; page = auth.page(); …
    panel serve app.py --plugins accounts --allow-websocket-origin 127.0.0.1:5006 \\
        --exclude-headers Cookie --include-cookies none

Rule: Bokeh writes the cookies of a request into the page, where scripts can read them. The owner's must not be there:
`options` and the flags of `panel serve` leave out all of them, since those of logins under way have names that nobody
knows before; a page that has one of a login is not shown.

`pip install 'authflow-sessions[panel]'`
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ConfigurationError, MissingExtra
from .live import Card, Live
from .markup import card_html

try:
    import panel as pn
    from panel.io.state import set_curdoc
    from tornado.ioloop import IOLoop
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs panel, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[panel]'",
    ) from missing

from . import tornado
from .web.visit import Visit, visit_by

__all__ = ["Auth", "Page"]

_LOOP_SECONDS = 30.0  # that a page waits for the loop to be free


class Auth(tornado.Auth):
    """See `tornado.Auth`; and what a page of Panel shows."""

    @property
    def options(self) -> dict[str, Any]:
        """For `pn.serve(…, **auth.options)`: the routes, whose WebSockets are taken, what Bokeh leaves out."""
        return {
            "extra_patterns": self.routes,
            "websocket_origin": [self.desk.places.origin.partition("://")[2]],
            "include_cookies": [],
            "exclude_headers": ["Cookie"],
        }

    def page(self, provider: str | None = None) -> Page:
        """The session of the browser that asks for this page, within a page's function or script.

        With one provider of several, if it is named; else with the first that is live. Raises `ConfigurationError`
        where the owner's cookie would stand in the page.
        """
        document = pn.state.curdoc
        context: Any = document.session_context if document else None
        request = context.request if context else None
        if request is None:  # a notebook, or Panel warms up
            return Page(visit_by(self.desk, "", provider), document)
        self._check(request)
        # What came with this very request, where `request.cookies` is what Bokeh put into the page.
        asked = request._request

        def make() -> Page:
            with set_curdoc(document):
                return Page(
                    visit_by(self.desk, asked.headers.get("Cookie", ""), provider, _here(asked.path)), document
                )

        page = _on_its_loop(context, make)
        pn.state.on_session_destroyed(page.close)
        return page

    def _check(self, request: Any) -> None:
        cookies = self.desk.cookies
        if cookies.owner_name in request.cookies or cookies.logins(dict.fromkeys(request.cookies, "")):
            raise ConfigurationError(
                "Bokeh would write the cookie of this browser into the page, where every script can read it.",
                hint="Serve with pn.serve(…, **auth.options), or "
                "panel serve … --exclude-headers Cookie --include-cookies none.",
            )
        if pn.config.reuse_sessions:
            raise ConfigurationError(
                "With reuse_sessions Panel shows one visitor's page to the next.", hint="Serve without it."
            )


class Page:
    """What one page shows of one session. `session`: None while nobody is signed in."""

    def __init__(self, visit: Visit, document: Any) -> None:
        self.session = visit.session
        self.card = visit.look()
        self._visit = visit
        self._painters: list[Callable[[Card], object]] = []
        self._live: Live | None = None
        if self.session is not None:
            self._live = Live(self.session, self._paint, post=_at_once if document is None else _Easel(document).post)

    def close(self, *_: object) -> None:
        """Nothing is painted any more."""
        if self._live is not None:
            self._live.close()
        self._painters.clear()

    def user_card(self) -> pn.pane.HTML:
        """Who is signed in, or that nobody is, and what went wrong."""
        return self._html(card_html)

    def button(self) -> pn.pane.HTML:
        """A link that signs in, or a form that signs out."""
        return self._html(self._visit.button)

    def protected(self, build: Callable[[Any], Any]) -> pn.Column:
        """What `build(session)` makes, while somebody is signed in; nothing otherwise, and nothing is left of it."""
        box = pn.Column(sizing_mode="stretch_width")

        def paint(card: Card) -> None:
            if card.live and not box.objects:
                box.objects = [build(self.session)]
            elif not card.live:
                box.objects = []

        self._painters.append(paint)
        paint(self.card)
        return box

    def _html(self, show: Callable[[Card], str]) -> pn.pane.HTML:
        shown = pn.pane.HTML(show(self.card), sizing_mode="stretch_width")

        def paint(card: Card) -> None:
            shown.object = show(card)

        self._painters.append(paint)
        return shown

    def _paint(self, card: Card) -> None:
        self.card = card
        for paint in tuple(self._painters):
            paint(card)


def _here(path: str) -> str:
    """The page of a request; a page that was away for long asks by its WebSocket."""
    return path.removesuffix("/ws") or "/"


def _at_once(paint: Callable[[], None]) -> None:
    """Without a document there is no loop to paint on."""
    paint()


class _Easel:
    """Where the paints of one page run: on Panel's loop, under the lock of its document, and once its browser has
    shown it. What a thread adds to a document, or anybody to one that is only being shown, Panel may lose."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._loop = IOLoop.current()
        self._shown = False
        self._first: Callable[[], None] | None = None  # of a `Live` at most one paint waits
        # Panel keeps it for ever where no browser opens the page: it must not keep the document.
        pn.state.onload(partial(_tell, weakref.ref(self)))

    def post(self, paint: Callable[[], None]) -> None:
        """From any thread."""
        self._loop.add_callback(self._run, paint)

    def ready(self) -> None:
        """Likewise."""
        self._loop.add_callback(self._begin)

    async def _begin(self) -> None:
        self._shown = True
        if self._first is not None:
            await self._run(self._first)
            self._first = None

    async def _run(self, paint: Callable[[], None]) -> None:
        async def locked(_: Any) -> None:
            with set_curdoc(self._document):
                paint()

        if not self._shown:
            self._first = paint
        elif self._document.session_context is not None:  # a document that is gone has none
            await self._document.session_context.with_locked_document(locked)


def _on_its_loop(context: Any, make: Callable[[], Page]) -> Page:
    """What `make` makes where Panel's loop runs: from Bokeh 3.10 on a page's function is called on a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = context.server_context.application_context.io_loop.asyncio_loop
    else:
        return make()

    async def there() -> Page:
        return make()

    return asyncio.run_coroutine_threadsafe(there(), loop).result(_LOOP_SECONDS)


def _tell(easel: weakref.ref[_Easel]) -> None:
    there = easel()
    if there is not None:
        there.ready()

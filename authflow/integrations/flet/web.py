"""A Flet web application: the routes of every bridge of the web, and those that a page itself needs.

    a page's link → start: the right browser? → begin, as `starlette.Auth` does → the provider → callback
    → done: the window closes; or the tab goes back to the page it came from

Rule 1: a link begins a login in the browser of its page only: in another one it would sign that other's user in on
the page of whoever made the link.
Rule 2: what the browser shows is how it ended, and what the page shows comes from the session, not from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from ... import AsyncSession, AuthflowError
from ...agents import Page, render
from ...agents.pages import headers
from ...errors import ConfigurationError
from ...providers import Provider
from ..starlette import Auth
from ..web import Answer, Desk, arun
from ..web.cookies import new_secret, owner_of, read_login
from ..web.exchange import Asked
from ..web.places import Places
from ..web.running import Do, Read, Steps
from .browsers import BROWSER, Browsers
from .sockets import WithBrowser
from .tabs import HEADER, SCRIPT, WithScript

if TYPE_CHECKING:
    import flet as ft
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .logins import FletLogins


REFUSED: ContextVar[list[AuthflowError]] = ContextVar("authflow.flet.refused")  # why a link's login could not begin


class FletPlaces(Places):
    """Flet's applications have registered a redirect URI of their own: it is a route, too."""

    def redirect_uri(self, provider: Provider) -> str:
        return provider.redirect_uri or super().redirect_uri(provider)

    def check_registered(self, provider: Provider) -> None:
        """Raises `ConfigurationError` for one that leads to another site."""
        if not self.redirect_uri(provider).startswith(f"{self.origin}/"):
            raise ConfigurationError(
                f"{provider.name}: redirect_uri is not of this site, {self.origin}.",
                hint='FletLogins(…, base_url="https://…") says where browsers find the application.',
            )


class FletDesk(Desk):
    places_class = FletPlaces
    browsers: Browsers

    def gathered(self, old: str, owner: str) -> None:
        super().gathered(old, owner)
        self.browsers.renewed(self.browsers.find(old), owner)

    def bring(self, session: AsyncSession, old: str, owner: str) -> Steps[bool]:
        """What a page has brought along is the browser's new owner's, and so is what was the old one's. False: the
        browser has that session already, and stays who it is."""
        for one in (old, owner):
            there = self.manager.owner(one)[session.provider.name, session.account]
            if (yield Read(partial(getattr, there, "live"))):  # the same was brought twice
                yield Do(partial(session.logout, revoke=False, end_session=False))
                return False
        yield Do(partial(session.move, owner=owner))
        yield from self._gather(old, owner)
        return True

    def refuse_login(self, name: str, error: AuthflowError, onward: str) -> Answer:
        REFUSED.get([]).append(error)
        return super().refuse_login(name, error, onward)


class FletRoutes(Auth):
    """The routes of one application."""

    desk_class = FletDesk
    desk: FletDesk

    def __init__(self, logins: FletLogins) -> None:
        keep = None if logins.remember is None else int(logins.remember)
        super().__init__(logins.manager, base_url=logins.site, prefix=logins.prefix, keep_seconds=keep)
        self.logins = logins
        self.browsers = Browsers()
        self.desk.browsers = self.browsers

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app` behind the routes; its pages know their browser."""
        prefix = self.logins.prefix
        own = [
            Route(f"{prefix}/start", self._start),
            Route(f"{prefix}/done", self._done),
            Route(f"{prefix}/tab.js", _script),
            Route(f"{prefix}/tab", self._show, methods=["POST"]),
        ]
        routed = Starlette(routes=[*own, *self._registered(), *self.routes])
        routed.mount("/", WithScript(app, urlsplit(f"{self.logins.site}{prefix}/tab.js").path))
        cookies, origin = self.desk.cookies, self.desk.places.origin
        return WithBrowser(routed, self.browsers, cookies, origin, self.logins.page)

    async def _start(self, request: Request) -> Response:
        if Asked(request.method, headers=request.headers).only_looks:
            return Response(status_code=503)  # nothing is begun
        ticket = request.query_params.get("ticket", "")
        asked, browser = self.logins.asked(ticket), BROWSER.get()
        if asked is None or browser is None or asked.auth.browser is not browser:
            text = "It is over, or it was made for another browser."
            hint = "Open the application, and sign in from there. Its cookies must be allowed."
            title, home = "This sign-in link was not accepted", (("Open the application", self.desk.places.home),)
            return _page(Page(ok=False, title=title, text=text, hint=hint, onward=home), 403)
        done = f"{self.logins.prefix}/done?ticket={ticket}"
        onward = done if asked.route is None else self.desk.places.target(asked.route)
        arguments = asked.auth.on_its_way(asked)
        if arguments is None:
            return RedirectResponse(onward, status_code=303)
        refused: list[AuthflowError] = []
        REFUSED.set(refused)
        response = await self.begin(request, asked.provider, onward=onward, **arguments)
        for error in refused:
            asked.auth.tell_failure(asked.provider, error)
        for value in response.headers.getlist("set-cookie"):
            found = read_login(value.partition(";")[0].partition("=")[2])
            if found is not None:
                asked.auth.attend(self.logins.manager.owner(found.begun_under)[asked.provider])
        return response

    async def _show(self, request: Request) -> Response:
        """A tab of this browser: what its websocket has told is in the header, which no other site's page may send."""
        browser, secret = BROWSER.get(), request.headers.get(HEADER)
        tab = None if browser is None or not secret else self.browsers.proven(browser, secret)
        if browser is None or tab is None:
            return Response(status_code=409)
        if not tab.aside:
            return Response(status_code=204)
        new, brought = new_secret(), False
        for aside in tab.take():
            try:
                brought |= await arun(self.desk.bring(aside.session, browser.owner, owner_of(new)), self.manager)
            except AuthflowError as error:
                if not aside.given.done():
                    aside.given.set_exception(error)
        if not brought:
            tab.settle()
            return Response(status_code=204)
        return Response(status_code=205, headers=dict([self.desk.cookies.set_owner(new)]))  # and once more, with that

    async def _done(self, request: Request) -> Response:
        """The end of a window that a page has opened."""
        asked, browser = self.logins.asked(request.query_params.get("ticket", "")), BROWSER.get()
        sessions = [] if browser is None else [one for one in self.manager.owner(browser.owner).sessions() if one.live]
        if not sessions:
            return RedirectResponse(self.desk.places.home, status_code=303)
        wanted = None if asked is None else asked.provider
        session = next((one for one in sessions if one.provider.name == wanted), sessions[0])
        label, name = session.provider.label, session.user.name if session.user is not None else None
        text = f"You are signed in to {label}{f' as {name}' if name else ''}."
        html = None if asked is None else asked.complete_page_html
        home = (("Back to the application", self.desk.places.home),)
        return _page(Page(ok=True, title="Signed in", text=text, html=html, onward=home, closes=True))

    def _registered(self) -> list[Route]:
        """The redirect URIs that the application has registered, where they are not the usual ones."""
        paths: dict[str, list[str]] = {}
        for provider in self.manager.providers.values():
            path = urlsplit(self.desk.places.redirect_uri(provider)).path or "/"
            paths.setdefault(path, []).append(provider.name)
        return [Route(path, Registered(self, names)) for path, names in paths.items()]

    def which(self, names: list[str], request: Request) -> str:
        """Of the providers that share a redirect URI, the one whose login this browser has begun."""
        cookie = self.desk.cookies.login_name(request.query_params.get("state", ""))
        begun = read_login(request.cookies.get(cookie, ""))
        if begun is None or len(names) == 1:
            return names[0]
        owner = self.manager.owner(begun.begun_under)
        return next((name for name in names if owner[name].state != "idle"), names[0])


class Registered:
    """The usual callback, at the path that was registered."""

    def __init__(self, routes: FletRoutes, names: list[str]) -> None:
        self._routes = routes
        self._names = names
        self._usual = Router(routes.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{self._routes.logins.prefix}/callback/{self._routes.which(self._names, Request(scope))}"
        await self._usual({**scope, "path": path, "raw_path": path.encode()}, receive, send)


async def _script(request: Request) -> Response:
    return FileResponse(SCRIPT, media_type="text/javascript", headers={"X-Content-Type-Options": "nosniff"})


def _page(page: Page, status: int = 200) -> Response:
    return Response(render(page), status_code=status, headers=dict(headers(page)))


def build_app(logins: FletLogins, main: Callable[[ft.Page], Any], options: dict[str, Any]) -> ASGIApp:
    """Flet's application behind the routes; at its end the manager is closed."""
    import flet_web.fastapi as flet_fastapi

    routes = FletRoutes(logins)
    around = routes.around(flet_fastapi.app(main, **options))

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        await flet_fastapi.app_manager.start()
        async with routes.lifespan():
            yield
        await flet_fastapi.app_manager.shutdown()

    app = Starlette(lifespan=lifespan)
    app.mount("/", around)
    return app

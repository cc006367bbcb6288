"""`FletLogins`: the logins of one Flet application, for all its pages, on the web and on the desktop.

On the web a login is two routes beside the application: one that begins and sets the binding cookie (an event of
Flet cannot: it travels on the websocket), and the provider's redirect URI. On the desktop it is a port of 127.0.0.1
that is open for as long as the login takes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from ... import AsyncSessionManager
from ...arguments import login_options
from ...errors import ConfigurationError, UnknownProvider
from ...providers import Provider
from .providers import adopted

if TYPE_CHECKING:
    import flet as ft
    from flet.auth import OAuthProvider
    from starlette.types import ASGIApp

    from .page import FletAuth

WINDOW_SECONDS: Final = 30.0


class Asked:
    """What one page asks of one login: a link stands for it while the page is open."""

    def __init__(
        self,
        auth: FletAuth,
        provider: str,
        arguments: dict[str, Any],
        complete_page_html: str | None,
        route: str | None,
    ) -> None:
        self.auth = auth
        self.provider = provider
        self.arguments = arguments
        self.complete_page_html = complete_page_html
        self.route = route  # where the browser goes afterwards; None: its window is closed
        self.ticket = secrets.token_urlsafe(16)

    def is_like(self, other: Asked) -> bool:
        """Whether both ask for the same."""
        mine, others = ({**vars(one), "ticket": ""} for one in (self, other))
        return mine == others

    @property
    def scope(self) -> list[str]:
        """The further scopes."""
        return list(self.arguments["scope"])


class FletLogins:
    """`FletLogins([GitHub.from_env()])`, once in a process; then `FletAuth(page, logins)` in each page.

    `providers`: authflow's or Flet's, or an `AsyncSessionManager` of yours. `base_url`: where users open the web
    application, if no provider's redirect URI says so. `prefix`: before every route of a login.
    `remember`: seconds that a browser stays known after it was closed; None: until then. `window_seconds`: after
    that, a sign-in window that never opened is told as a failure. Everything else is the manager's: `store=`,
    `sealing_key=`, `session_lifetime=`, …
    """

    def __init__(
        self,
        providers: Iterable[Provider | OAuthProvider] | AsyncSessionManager,
        *,
        base_url: str | None = None,
        prefix: str = "/auth",
        remember: float | None = None,
        window_seconds: float = WINDOW_SECONDS,
        **settings: Any,
    ) -> None:
        if isinstance(providers, AsyncSessionManager):
            if settings:
                raise ConfigurationError(
                    f"{', '.join(settings)}: your manager has its own settings.", hint="Set them where you make it."
                )
            self.manager = providers
        else:
            self.manager = AsyncSessionManager(adopted(providers), **settings)
        self.base_url = _base_url(base_url, self.manager.providers.values())
        self.prefix = prefix
        self.remember = remember
        self.window_seconds = window_seconds
        self._asked: WeakValueDictionary[str, Asked] = WeakValueDictionary()
        self._pages: WeakValueDictionary[str, FletAuth] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<FletLogins {', '.join(self.manager)}>"

    def name_of(self, provider: str | Provider | OAuthProvider | None) -> str:
        """The name of a provider: a name, one of those that were given at the beginning, or None for the only one.

        Raises `UnknownProvider`, `ConfigurationError`.
        """
        known = self.manager.providers
        if provider is None:
            if len(known) != 1:
                raise ConfigurationError("Which provider?", hint=f"Say one of {', '.join(known)}.")
            return next(iter(known))
        for name, one in known.items():
            if provider == name or provider is one or provider is getattr(one, "original", None):
                return name
        raise UnknownProvider(
            f"{getattr(provider, 'name', None) or type(provider).__name__} is no provider of these logins.",
            hint=f"Make it once, beside FletLogins([…]), and pass that one. Known: {', '.join(known)}.",
        )

    @property
    def site(self) -> str:
        """Where the web application is. Raises `ConfigurationError` when nothing says so."""
        if self.base_url is None:
            raise ConfigurationError(
                "Nothing says where this web application is.",
                hint='FletLogins(…, base_url="https://app.example.com"), or redirect_uri= of a provider.',
            )
        return self.base_url

    def enter(self, auth: FletAuth, page: ft.Page) -> None:
        """These are the logins of this page."""
        self._pages[page.session.id] = auth

    def page(self, session_id: object) -> FletAuth | None:
        """The logins of the page that Flet knows by this id."""
        return self._pages.get(session_id) if isinstance(session_id, str) else None

    # ── links that begin a login ─────────────────────────────────────────────────────────────────────

    def ask(
        self,
        auth: FletAuth,
        provider: str | Provider | OAuthProvider | None,
        arguments: dict[str, Any],
        complete_page_html: str | None,
        page: ft.Page | None,
    ) -> Asked:
        """Raises now what the login would raise when somebody opens its link. `page`: the browser returns to it."""
        login_options(arguments)  # type: ignore[arg-type]
        route = None if page is None else route_of(page)
        return Asked(auth, self.name_of(provider), arguments, complete_page_html, route)

    def link(self, asked: Asked) -> str:
        """The address that begins this login, in the browser that its page is open in and in no other."""
        self._asked[asked.ticket] = asked
        return f"{self.site}{self.prefix}/start?ticket={asked.ticket}"

    def asked(self, ticket: str) -> Asked | None:
        """What a link stands for, while its page is open."""
        return self._asked.get(ticket)

    # ── the application ──────────────────────────────────────────────────────────────────────────────

    def app(self, main: Callable[[ft.Page], Any], **options: Any) -> ASGIApp:
        """The web application with its routes, for a server: `uvicorn.run(logins.app(main), port=8550)`.

        `options` are those of `flet_web.fastapi.app`, such as `no_cdn=True`.
        """
        from .web import build_app

        return build_app(self, main, options)

    def run(
        self,
        main: Callable[[ft.Page], Any],
        *,
        view: ft.AppView | str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        **options: Any,
    ) -> None:
        """`ft.run`, with the routes where it is a web application: by `view`, and where Flet makes one of every program
        (a server without a screen). `port`: by default that of the base URL."""
        import flet as ft
        from flet.utils import get_bool_env_var, is_linux_server

        view = ft.AppView(view) if view is not None else ft.AppView.FLET_APP
        serves = get_bool_env_var("FLET_FORCE_WEB_SERVER") or is_linux_server()  # type: ignore[no-untyped-call]
        if view in (ft.AppView.FLET_APP, ft.AppView.FLET_APP_HIDDEN) and not serves:
            asyncio.run(self._run_here(main, view=view, **options))
            return
        import uvicorn

        port = port or urlsplit(self.site).port or 8550
        uvicorn.run(self.app(main, **options), host=host, port=port, access_log=False)

    async def _run_here(self, main: Callable[[ft.Page], Any], **options: Any) -> None:
        import flet as ft

        async with self.manager:
            await ft.run_async(main, **options)


def _base_url(given: str | None, providers: Iterable[Provider]) -> str | None:
    """Scheme, host and port, and the path if one was given."""
    if given is not None:
        return given.rstrip("/")
    for provider in providers:
        if provider.redirect_uri:
            parts = urlsplit(provider.redirect_uri)
            return f"{parts.scheme}://{parts.netloc}"
    return None


def route_of(page: ft.Page) -> str:
    """Where in its site a page says it is. The routes take no other path for one than such of this site."""
    connection = page.session.connection
    name = f"/{connection.page_name}" if connection is not None and connection.page_name else ""
    return f"{name}{page.route or '/'}"

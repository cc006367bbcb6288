"""Flet (1.x), on the web and on the desktop, with Flet's own names.

    import flet as ft
    from authflow.integrations.flet import FletAuth, FletLogins
    from authflow.providers import GitHub

    logins = FletLogins([GitHub.from_env(redirect_url="http://localhost:8550/oauth_callback")])

    def main(page: ft.Page):
        auth = FletAuth(page, logins)
        page.on_login = lambda e: page.add(ft.Text(e.error or f"Hello {auth.user.name}"))
        page.on_logout = lambda e: page.add(ft.Text("Bye"))
        page.add(ft.Button("Sign in", on_click=lambda e: auth.login("github")))

    logins.run(main)                                     # a desktop program
    logins.run(main, view=ft.AppView.WEB_BROWSER)        # a web application

    page.py            `FletAuth`: one page's logins          telling.py         what a page is told, and when
    logins.py          `FletLogins`: those of all pages       authorization.py   one provider's login
    web.py             the routes, over `web/`                browsers.py        whose page it is
    sockets.py         which page a websocket may have        tabs.py, tab.js    how it shows a renewed cookie
    providers.py       providers that were written for Flet   ways.py            by a window, or by the system's browser
"""

from ...errors import MissingExtra

try:
    import flet  # noqa: F401
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs flet, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[flet]'",
    ) from missing

from .authorization import Authorization
from .logins import FletLogins
from .page import FletAuth
from .providers import FletProvider

__all__ = ["Authorization", "FletAuth", "FletLogins", "FletProvider"]

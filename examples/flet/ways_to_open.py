"""How the provider's page is opened: a window, a tab that no browser blocks, or the same tab; and what it ends with.

On the desktop it is always the system browser.
"""

from __future__ import annotations

import flet as ft
from start import start

from authflow.integrations.flet import FletAuth, FletLogins

COMPLETE_PAGE = """
<!doctype html>
<html lang="en">
<head><title>Signed in to MyApp</title></head>
<body>
<script>window.close()</script>
<p>You've been successfully signed in! You can close this tab or window now.</p>
</body>
</html>
"""


def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)
    told = ft.Text("Welcome")

    def paint(e: ft.Event) -> None:
        told.value = f"Hello {auth.user.name}" if auth.live else getattr(e, "error_description", "Bye")
        page.update()

    async def open_in_this_tab(url: str) -> None:
        await ft.UrlLauncher().launch_url(ft.Url(url, target=ft.UrlTarget.SELF))

    def same_tab_click(e: ft.ControlEvent) -> None:
        auth.login("acme", on_open_authorization_url=open_in_this_tab, redirect_to_page=True)

    page.on_login = page.on_logout = paint
    page.add(
        told,
        ft.Button("Window", on_click=lambda e: auth.login("acme", complete_page_html=COMPLETE_PAGE)),
        ft.Button("Logout", on_click=lambda e: auth.logout()),
    )
    if page.web:
        link = ft.OpenUrl(auth.login_url("acme"), target=ft.UrlTarget.BLANK)
        page.add(ft.Button("New tab", action=link), ft.Button("Same tab", on_click=same_tab_click))


if __name__ == "__main__":
    start(main, "acme")

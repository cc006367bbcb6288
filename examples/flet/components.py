"""Components: what depends on the login is drawn again by itself.

A component that is given `auth` is drawn at every change, also just before its parent takes it away; so one that is
for the signed-in only is given what it shows.
"""

from __future__ import annotations

from collections.abc import Callable

import flet as ft
from start import start

from authflow.integrations.flet import FletAuth, FletLogins


@ft.component
def SignIn(auth: FletAuth) -> ft.Control:
    if auth.pending:
        return ft.Button("Cancel", on_click=lambda e: auth.cancel())
    return ft.Button("Login", on_click=lambda e: auth.login("acme"))


@ft.component
def Account(name: str, logout: Callable[[], object]) -> ft.Control:
    return ft.Row([ft.Text(f"Hello {name}"), ft.Button("Logout", on_click=lambda e: logout())])


@ft.component
def App(auth: FletAuth) -> ft.Control:
    ft.use_state(auth)
    return Account(auth.user.name, auth.logout) if auth.live else SignIn(auth)


def main(page: ft.Page, logins: FletLogins) -> None:
    page.render(App, FletAuth(page, logins))


if __name__ == "__main__":
    start(main, "acme")

"""Several providers in one application: each has a login of its own, side by side."""

from __future__ import annotations

import flet as ft
from start import start

from authflow.integrations.flet import FletAuth, FletLogins


def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)
    rows = {name: ft.Text() for name in auth}

    def paint(e: ft.Event | None = None) -> None:
        for name, text in rows.items():
            one = auth[name]
            text.value = f"{name}: {one.user.name}" if one.session.live else f"{name}: not signed in"
        if isinstance(e, ft.LoginEvent) and e.error:
            page.show_dialog(ft.SnackBar(ft.Text(e.error_description)))
        page.update()

    page.on_login = page.on_logout = paint
    for name, text in rows.items():
        page.add(
            text,
            ft.Row(
                [
                    ft.Button(f"Login {name}", on_click=lambda e, name=name: auth.login(name)),
                    ft.Button(f"Logout {name}", on_click=lambda e, name=name: auth.logout(name)),
                ]
            ),
        )
    paint()


if __name__ == "__main__":
    start(main, "acme", "globex")

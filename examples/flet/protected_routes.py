"""Routes that only the signed-in see: whoever is not goes to sign in, and comes back to the route they wanted."""

from __future__ import annotations

import flet as ft
from start import start

from authflow.integrations.flet import FletAuth, FletLogins

PROTECTED = ("/account",)


def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)
    wanted = page.route or "/"

    def show(e: ft.Event | None = None) -> None:
        page.views.clear()
        page.views.append(view())
        page.update()

    def view() -> ft.View:
        if page.route in PROTECTED and not auth.live:
            return ft.View(
                route=page.route,
                controls=[
                    ft.Text("Please sign in to see your account"),
                    ft.Button("Login", on_click=lambda e: auth.login("acme", redirect_to_page=True)),
                ],
            )
        if page.route == "/account":
            return ft.View(
                route=page.route,
                controls=[
                    ft.Text(f"The account of {auth.user.name}"),
                    ft.Button("Logout", on_click=lambda e: auth.logout()),
                ],
            )
        return ft.View(
            route="/", controls=[ft.Text("For everybody"), ft.Button("Account", on_click=to_account)]
        )

    async def to_account(e: ft.ControlEvent) -> None:
        await page.push_route("/account")

    page.on_route_change = show
    page.on_login = page.on_logout = show  # the same route: what it shows depends on who is there
    page.route = wanted
    show()


if __name__ == "__main__":
    start(main, "acme")

"""Signing in and out, with two buttons of which one is to be seen, and a third while the user is at the provider."""

from __future__ import annotations

import flet as ft
from start import start

from authflow.integrations.flet import FletAuth, FletLogins


def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)

    def login_button_click(e: ft.ControlEvent) -> None:
        auth.login("acme", scope=["phone"], fetch_groups=True)
        toggle_login_buttons()

    def on_login(e: ft.LoginEvent) -> None:
        if e.error:
            told.value = f"Not signed in: {e.error_description}"
        else:
            groups = ", ".join(group.name for group in auth.user.groups)
            told.value = f"Hello {auth.user['name']}, number {auth.user.id}, of {groups}"
        toggle_login_buttons()

    def on_logout(e: ft.ControlEvent) -> None:
        told.value = "Bye" if e.data == "user" else "Your session has ended. Please sign in again."
        toggle_login_buttons()

    def toggle_login_buttons() -> None:
        login_button.visible = not auth.live
        logout_button.visible = auth.live
        page.update()

    told = ft.Text("Welcome")
    login_button = ft.Button("Login", on_click=login_button_click)
    cancel_button = ft.TextButton("Cancel", on_click=lambda e: auth.cancel())
    logout_button = ft.Button("Logout", on_click=lambda e: auth.logout())
    page.on_login = on_login
    page.on_logout = on_logout
    page.add(told, ft.Row([login_button, logout_button, cancel_button]))
    toggle_login_buttons()


if __name__ == "__main__":
    start(main, "acme")

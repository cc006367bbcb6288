"""Remember me: the token, encrypted, in the client's own storage; the next start signs in with it.

What is kept must be the newest: a refresh token that was used before ends the whole login at many providers. So it is
kept again at each renewal. With `FletLogins(…, store=FileStore.for_app("myapp"))` none of this is needed.
"""

from __future__ import annotations

import asyncio
import os

import flet as ft
from start import start

from authflow import AuthflowError
from authflow.crypto import decrypt, encrypt
from authflow.integrations.flet import FletAuth, FletLogins

SECRET_KEY = os.environ.get("MY_APP_SECRET_KEY", "only for trying this out")
AUTH_TOKEN_KEY = "myapp.auth_token"


async def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)
    preferences = ft.SharedPreferences()
    told = ft.Text("Welcome")
    remember = ft.Checkbox("Remember me", value=True)

    async def keep() -> None:
        if remember.value and auth.live:
            # A few tenths of a second of work, as it is meant to be: not on the loop that draws the page.
            encrypted = await asyncio.to_thread(encrypt, auth.token.to_json(), SECRET_KEY)
            await preferences.set(AUTH_TOKEN_KEY, encrypted)

    async def on_login(e: ft.LoginEvent) -> None:
        told.value = e.error_description or f"Hello {auth.user.name}"
        page.update()
        await keep()

    async def on_logout(e: ft.ControlEvent) -> None:
        await preferences.remove(AUTH_TOKEN_KEY)
        told.value = "Forgotten"
        page.update()

    page.on_login = on_login
    page.on_logout = on_logout
    auth["acme"].session.on_refresh.connect(lambda session, event: page.run_task(keep))
    page.add(
        told,
        remember,
        ft.Button("Login", on_click=lambda e: auth.login("acme")),
        ft.Button("Logout", on_click=lambda e: auth.logout()),
    )

    encrypted = await preferences.get(AUTH_TOKEN_KEY)
    if encrypted and not auth.live:
        try:
            await auth.login("acme", saved_token=await asyncio.to_thread(decrypt, encrypted, SECRET_KEY))
        except AuthflowError:  # it is too old, or of another key: the user signs in again
            await preferences.remove(AUTH_TOKEN_KEY)


if __name__ == "__main__":
    start(main, "acme")

"""Using the token: the provider's API is asked for what belongs to the signed-in user.

`auth=session.auth` renews the token when that is due, once, and sends it to the provider's own API only.
`auth.token.access_token` is the token itself, for a library of the provider's.
"""

from __future__ import annotations

import flet as ft
import httpx
from start import start

from authflow.integrations.flet import FletAuth, FletLogins


def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)
    told = ft.Text("Sign in first")

    async def ask_click(e: ft.ControlEvent) -> None:
        if auth.auth is None:
            return
        session = auth.auth.session
        async with httpx.AsyncClient(auth=session.auth, trust_env=False) as client:
            answer = await client.get(f"{session.provider.issuer}/api/me")
        told.value = f"The API says {answer.status_code}: {answer.json()['sub']}"
        page.update()

    def on_login(e: ft.LoginEvent) -> None:
        told.value = e.error_description or f"Signed in, with a {auth.token.token_type} token"
        page.update()

    page.on_login = on_login
    page.add(
        told,
        ft.Button("Login", on_click=lambda e: auth.login("acme")),
        ft.Button("Ask the API", on_click=ask_click),
    )


if __name__ == "__main__":
    start(main, "acme")

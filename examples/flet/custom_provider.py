"""A provider that was written for Flet, as it is: its hooks run on Flet's loop and ask for themselves.

LinkedIn, Okta, Keycloak and others are described the same way, or in one line: `OpenIDConnect(issuer, client_id)`.
"""

from __future__ import annotations

import flet as ft
import httpx
from flet.auth import Group, OAuthProvider, User
from start import REDIRECT_URI, run

from authflow.integrations.flet import FletAuth, FletLogins, FletProvider
from authflow.testing import DevProvider


class AcmeOAuthProvider(OAuthProvider):
    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self.url = url
        super().__init__(
            client_id=client_id,
            client_secret=client_secret,
            authorization_endpoint=f"{url}/authorize",
            token_endpoint=f"{url}/token",
            redirect_url=REDIRECT_URI,
            user_scopes=["openid", "profile", "email"],
            group_scopes=["groups"],
        )

    async def _fetch_user(self, access_token: str) -> User:
        me = await self._ask(access_token)
        return User(me, id=me["sub"])

    async def _fetch_groups(self, access_token: str) -> list[Group]:
        return [Group({"name": name}, name) for name in (await self._ask(access_token))["groups"]]

    async def _ask(self, access_token: str) -> dict:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/userinfo", headers={"Authorization": f"Bearer {access_token}"})
            return answer.raise_for_status().json()


def main(page: ft.Page, logins: FletLogins) -> None:
    auth = FletAuth(page, logins)
    told = ft.Text("Welcome")

    def on_login(e: ft.LoginEvent) -> None:
        if e.error:
            told.value = e.error_description
        else:
            told.value = f"{auth.user['email']} is in {', '.join(group.name for group in auth.user.groups)}"
        page.update()

    page.on_login = on_login
    page.add(told, ft.Button("Login", on_click=lambda e: auth.login("acme", fetch_groups=True)))


if __name__ == "__main__":
    with DevProvider(label="Acme").serve() as dev:
        dev.client("flet-app", "its-secret", [REDIRECT_URI])
        provider = AcmeOAuthProvider(dev.url, "flet-app", "its-secret")
        # Plain http, because the development provider is on this machine; a real one is given as it is.
        run(main, FletLogins([FletProvider(provider, allow_insecure_loopback=True)]))

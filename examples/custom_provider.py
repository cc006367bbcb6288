"""A provider that authflow does not know: `OAuth2` with what is odd about it as data, and hooks for the rest.

It shows a subclass whose users come from an answer of a shape of its own, whose groups are asked for separately,
and whose token requests carry a header. A hook yields requests and gets responses; it never touches the network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from authflow import Group, SessionManager, Token
from authflow.protocol.messages import ServerMetadata
from authflow.protocol.step import Flow, build_request, fetch
from authflow.providers import OAuth2
from authflow.records import Profile
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


class Forge(OAuth2):
    """A code forge with OAuth 2.0 and an API of its own; no OpenID Connect, no discovery."""

    def __init__(self, client_id: str, client_secret: str, base_url: str, **settings: Any) -> None:
        forge: dict[str, Any] = {
            "name": "forge",
            "scopes": ["read:user"],
            "scope_separator": ",",
            "user_endpoint": f"{base_url}/user",
            "id_path": "id",
            "name_path": "name",
            "picture_path": "avatar_url",
            "api_origins": [base_url],
            "rotation": "strict",
            "issuer": f"{base_url}/login/oauth",  # it sends `iss` back (RFC 9207): then it is checked
        }
        super().__init__(
            client_id,
            client_secret,
            f"{base_url}/login/oauth/authorize",
            f"{base_url}/login/oauth/access_token",
            **{**forge, **settings},
        )

    def amend_token_request(self, request: httpx.Request) -> httpx.Request:
        """The forge answers in a form unless JSON is asked for, and wants to know its API's version."""
        request.headers["accept"] = "application/json"
        request.headers["x-forge-version"] = "2026-01-01"
        return request

    def fetch_user(self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]) -> Flow[Profile | None]:
        """The profile tells no private address: that is in a list beside it."""
        profile = yield from super().fetch_user(token, metadata, claims)
        if profile is None:
            return None
        response = yield from fetch(self.call("/user/emails", token))
        addresses = response.json() if response.is_success else []
        primary = next((one for one in addresses if one["primary"] and one["verified"]), None)
        return Profile(
            id=profile.id,
            data=profile.data,
            name=profile.name,
            picture=profile.picture,
            email=primary["email"] if primary else None,
            email_verified=True if primary else None,
        )

    def fetch_groups(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any], profile: Profile
    ) -> Flow[Sequence[Group] | None]:
        """The teams; None says that there are more than are told, or that they may not be read."""
        response = yield from fetch(self.call("/user/teams", token))
        return [Group(one, one["name"]) for one in response.json()] if response.is_success else None

    def call(self, path: str, token: Token) -> httpx.Request:
        url = (self.userinfo_endpoint or "").removesuffix("/user") + path
        return build_request("GET", url, headers={"authorization": f"Bearer {token.access_token}"})


def main() -> None:
    with DevProvider(style="github", label="Forge", refresh_tokens=True).serve() as server:
        client = server.client("my-app", redirect_uris=["http://127.0.0.1/callback/forge"])
        forge = Forge("my-app", client.client_secret or "", server.url, allow_insecure_loopback=True)
        with ScriptedBrowser(user="ada") as ada, SessionManager([forge]) as manager:
            session = manager.login(
                "forge", fetch_groups=True, scope=["read:org", "user:email"], open_url=ada if HEADLESS else None
            )
            user = session.user
            if user is not None:
                print(f"{user.name} <{user.email}>, number {user.id}, in {[group.name for group in user.groups]}")
            session.refresh()
            print(session.explain())


if __name__ == "__main__":
    main()

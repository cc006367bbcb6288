"""A client of the development provider made of httpx alone, so that its tests do not lean on what they will test."""

from __future__ import annotations

import re
import secrets
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from authflow.testing import DevProvider
from authflow.testing.grants import s256

ISSUER = "https://op.example"
REDIRECT_URI = "http://127.0.0.1:53682/callback"


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters that the browser would bring back."""
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))


def transaction_of(response: httpx.Response) -> str:
    found = re.search(r'name="transaction" value="([^"]+)"', response.text)
    if found is None:
        raise AssertionError("the page has no transaction")
    return found[1]


class PlainClient:
    """One browser and one application, in process."""

    def __init__(self, provider: DevProvider, client_id: str = "dev-app") -> None:
        self.provider = provider
        self.client_id = client_id
        self.github = provider.style == "github"
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(16)
        self.nonce = secrets.token_urlsafe(16)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(provider.app), base_url=provider.url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def params(self, **changes: str | None) -> dict[str, str]:
        """A good authorization request; a change to None leaves the parameter out."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "user:email read:org" if self.github else "openid profile email groups",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": s256(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    async def authorize(self, **changes: str | None) -> httpx.Response:
        path = "/login/oauth/authorize" if self.github else "/authorize"
        return await self.http.get(path, params=self.params(**changes))

    async def code(self, **changes: str | None) -> str:
        return answer_of(await self.authorize(**changes))["code"]

    async def token(self, form: dict[str, str], **options: Any) -> httpx.Response:
        path = "/login/oauth/access_token" if self.github else "/token"
        secret = self.provider.clients[self.client_id].client_secret
        if secret is None:
            form = {"client_id": self.client_id, **form}
        else:
            options.setdefault("auth", (self.client_id, secret))
        return await self.http.post(path, data=form, **options)

    async def exchange(self, code: str | None = None, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code or await self.code(),
            "redirect_uri": REDIRECT_URI,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.token(form, headers={"accept": "application/json"})

    async def refresh(self, refresh_token: str, **more: str) -> httpx.Response:
        return await self.token({"grant_type": "refresh_token", "refresh_token": refresh_token, **more})

    async def get(self, path: str, token: str = "", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.http.get(path, headers=headers, **options)

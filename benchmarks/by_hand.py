"""The floor: a login and a refresh with httpx alone, no state, no checks beyond those of the ID token."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .provider import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPES, Browser, base64url

Keys = dict[str, rsa.RSAPublicKey]


def read_keys(jwks: dict[str, Any]) -> Keys:
    def number(text: str) -> int:
        return int.from_bytes(_bytes(text), "big")

    return {
        one["kid"]: rsa.RSAPublicNumbers(number(one["e"]), number(one["n"])).public_key() for one in jwks["keys"]
    }


def verify(id_token: str, keys: Keys, issuer: str, nonce: str) -> dict[str, Any]:
    header, payload, signature = id_token.split(".")
    key = keys[json.loads(_bytes(header))["kid"]]
    key.verify(_bytes(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    claims: dict[str, Any] = json.loads(_bytes(payload))
    if (claims["iss"], claims["aud"], claims["nonce"]) != (issuer, CLIENT_ID, nonce) or claims["exp"] < time.time():
        raise ValueError("not ours")
    return claims


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


class _Steps:
    """What both colours share: the URL, the forms, the check."""

    metadata: dict[str, Any]
    keys: Keys

    def url(self) -> tuple[str, str, str, str]:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64url(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "scope": " ".join(SCOPES),
            "state": state, "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.metadata['authorization_endpoint']}?{urlencode(query)}", state, nonce, verifier

    def exchange_form(self, callback: str, state: str, verifier: str) -> dict[str, str]:
        params = dict(parse_qsl(urlsplit(callback).query))
        if params["state"] != state:
            raise ValueError("not ours")
        return {
            "grant_type": "authorization_code", "code": params["code"], "redirect_uri": REDIRECT_URI,
            "code_verifier": verifier, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        }  # fmt: skip

    def refresh_form(self, token: dict[str, Any]) -> dict[str, str]:
        return {
            "grant_type": "refresh_token", "refresh_token": token["refresh_token"],
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        }  # fmt: skip


class ByHand(_Steps):
    def __init__(self, base: str) -> None:
        self.http = httpx.Client()
        self.metadata = self.http.get(f"{base}/.well-known/openid-configuration").json()
        self.keys = read_keys(self.http.get(self.metadata["jwks_uri"]).json())

    def login(self, browser: Browser) -> dict[str, Any]:
        url, state, nonce, verifier = self.url()
        form = self.exchange_form(browser.visit(url), state, verifier)
        token: dict[str, Any] = self.http.post(self.metadata["token_endpoint"], data=form).json()
        token["claims"] = verify(token["id_token"], self.keys, self.metadata["issuer"], nonce)
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        token["user"] = self.http.get(self.metadata["userinfo_endpoint"], headers=bearer).json()
        return token

    def refresh(self, token: dict[str, Any]) -> None:
        token.update(self.http.post(self.metadata["token_endpoint"], data=self.refresh_form(token)).json())


class AsyncByHand(_Steps):
    """`limits` for many logins at once."""

    def __init__(self) -> None:
        self.http = httpx.AsyncClient(limits=httpx.Limits(max_connections=100, max_keepalive_connections=100))

    async def start(self, base: str) -> None:
        self.metadata = (await self.http.get(f"{base}/.well-known/openid-configuration")).json()
        self.keys = read_keys((await self.http.get(self.metadata["jwks_uri"])).json())

    async def login(self, browser: Browser) -> dict[str, Any]:
        url, state, nonce, verifier = self.url()
        form = self.exchange_form(browser.visit(url), state, verifier)
        token: dict[str, Any] = (await self.http.post(self.metadata["token_endpoint"], data=form)).json()
        token["claims"] = verify(token["id_token"], self.keys, self.metadata["issuer"], nonce)
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        token["user"] = (await self.http.get(self.metadata["userinfo_endpoint"], headers=bearer)).json()
        return token

    async def refresh(self, token: dict[str, Any]) -> None:
        token.update((await self.http.post(self.metadata["token_endpoint"], data=self.refresh_form(token))).json())

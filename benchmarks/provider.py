"""An OpenID provider on loopback, in a process of its own, and a browser that costs everybody the same.

It signs the ID token when it redirects, so that the signature is not part of the token endpoint's answer time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT_ID, CLIENT_SECRET, REDIRECT_URI = "client", "client-secret", "http://localhost:9/callback"
SCOPES = ("openid", "profile", "email")
KID = "the-key"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """One key and the tokens signed with it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self.key.public_key().public_numbers()
        self.jwks = {
            "keys": [
                {
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID,
                    "n": base64url(public.n.to_bytes(256, "big")), "e": base64url(public.e.to_bytes(3, "big")),
                }
            ]
        }  # fmt: skip
        self._numbers = itertools.count(1)

    def id_token(self, access_token: str, nonce: str | None) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer, "sub": "user-1", "aud": CLIENT_ID, "iat": now, "exp": now + 3600, "auth_time": now,
            "at_hash": base64url(half), "email": "ada@example.com", "name": "Ada", "nonce": nonce,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": KID, "typ": "JWT"}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{base64url(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def fresh(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers):012d}-{'x' * 32}"


class Provider(Issuer):
    """The endpoints: query or form in, JSON or a redirect out."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer)
        self.codes: dict[str, dict[str, str]] = {}

    def answer(self, path: str, given: dict[str, str]) -> dict[str, Any] | str:
        if path == "/authorize":
            code, access_token = self.fresh("code"), self.fresh("access")
            self.codes[code] = {
                "access_token": access_token,
                "id_token": self.id_token(access_token, given.get("nonce")),
            }
            return given["redirect_uri"] + "?" + urlencode({"code": code, "state": given["state"]})
        if path == "/token":
            issued = self.codes.pop(given.get("code", ""), None) or {"access_token": self.fresh("access")}
            more = {"token_type": "Bearer", "expires_in": 3600, "scope": " ".join(SCOPES)}
            return {**issued, **more, "refresh_token": self.fresh("refresh")}
        if path == "/userinfo":
            return {"sub": "user-1", "name": "Ada Lovelace", "email": "ada@example.com", "groups": ["a", "b"]}
        if path == "/jwks":
            return self.jwks
        places = {f"{name}_endpoint": f"{self.issuer}/{place}" for name, place in _PLACES.items()}
        return {
            "issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **places, "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }  # fmt: skip


_PLACES = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}


class Connection(asyncio.Protocol):
    """As much HTTP/1.1 as httpx and the browser below speak."""

    provider: Provider

    def connection_made(self, transport: Any) -> None:
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            whole = end + 4 + int(fields.get("content-length", 0))
            if len(self.data) < whole:
                return
            body, self.data = self.data[end + 4 : whole], self.data[whole:]
            path, _, query = head.split(" ", 2)[1].partition("?")
            self.write(self.provider.answer(path, dict(parse_qsl(query) + parse_qsl(body.decode()))))

    def write(self, answer: dict[str, Any] | str) -> None:
        if isinstance(answer, str):
            self.transport.write(f"HTTP/1.1 302 F\r\nLocation: {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


class Browser:
    """Visits a URL and says where it is sent."""

    def __init__(self, base: str) -> None:
        self.connection = http.client.HTTPConnection(base.removeprefix("http://"))

    def visit(self, url: str) -> str:
        self.connection.request("GET", url[url.index("/", 8) :])
        response = self.connection.getresponse()
        response.read()
        return response.headers["Location"]


@contextmanager
def running() -> Iterator[str]:
    """The provider in its own process; gives its base URL."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.provider"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    Connection.provider = Provider(base)
    print(base, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())

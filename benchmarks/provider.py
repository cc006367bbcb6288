"""An OpenID provider on loopback, in a process of its own, and a browser that costs everybody the same.

It signs the ID token when it redirects, so that the signature is not part of the token endpoint's answer time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import ipaddress
import itertools
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

CLIENT_ID, CLIENT_SECRET, REDIRECT_URI = "client", "client-secret", "http://localhost:9/callback"
SCOPES = ("openid", "profile", "email")
KID = "the-key"
PLACE = "AUTHFLOW_BENCHMARK_PLACE"  # where the certificate is put


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
        scheme, _, place = base.partition("://")
        kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
        self.connection = kind(place)

    def visit(self, url: str) -> str:
        self.connection.request("GET", url[url.index("/", 8) :])
        response = self.connection.getresponse()
        response.read()
        return response.headers["Location"]


@contextmanager
def running(*, tls: bool = False) -> Iterator[str]:
    """The provider in its own process; gives its base URL. With `tls` this process trusts its certificate."""
    command = [sys.executable, "-m", "benchmarks.provider", *(["tls"] if tls else [])]
    with tempfile.TemporaryDirectory() as place:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, PLACE: place})
        before = os.environ.get("SSL_CERT_FILE")
        try:
            base = process.stdout.readline().strip() if process.stdout else ""
            if tls:
                os.environ["SSL_CERT_FILE"] = f"{place}/certificate.pem"
            yield base
        finally:
            if before is None:
                os.environ.pop("SSL_CERT_FILE", None)
            else:
                os.environ["SSL_CERT_FILE"] = before
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()


def certified(place: Path) -> ssl.SSLContext:
    """What serves TLS for 127.0.0.1, by a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(host, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    (place / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (place / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "certificate.pem", place / "key.pem")
    return context


async def serve(*, tls: bool) -> None:
    context = certified(Path(os.environ[PLACE])) if tls else None
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, ssl=context)
    base = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    Connection.provider = Provider(base)
    print(base, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(tls="tls" in sys.argv))

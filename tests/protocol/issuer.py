"""A provider made by hand: its settings, its keys, its answers. Every test bends one thing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Generator, Iterator
from functools import cache
from typing import Any

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authflow.protocol.jwks import Key, read_key
from authflow.protocol.messages import ServerMetadata
from authflow.protocol.step import Fresh, Moment
from authflow.providers.base import Provider

ISSUER = "https://id.example"
NOW = 1_800_000_000.0
VERIFIER = "v" * 43
NONCE = "nonce-of-this-attempt"
MOMENT = Moment(NOW, "jti-of-this-request")

METADATA = ServerMetadata(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    userinfo_endpoint=f"{ISSUER}/userinfo",
    jwks_uri=f"{ISSUER}/jwks",
    revocation_endpoint=f"{ISSUER}/revoke",
    end_session_endpoint=f"{ISSUER}/logout",
)


def openid(**settings: Any) -> Provider:
    """An OpenID Connect provider; `settings` change it."""
    given = {"name": "example", "issuer": ISSUER, "openid": True, "discovery": True, "scopes": ["openid"], **settings}
    return Provider("client-1", given.pop("client_secret", "s3cret-of-client"), **given)


def plain(**settings: Any) -> Provider:
    """An OAuth 2 provider without OpenID Connect."""
    given = {
        "name": "plain",
        "authorization_endpoint": "https://plain.example/authorize",
        "token_endpoint": "https://plain.example/token",
        "id_path": "id",
        **settings,
    }
    return Provider("client-1", given.pop("client_secret", "s3cret-of-client"), **given)


@cache
def rsa(kid: str = "rsa-1") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}) if kid else RSAKey.generate_key(2048)


@cache
def ec(kid: str = "ec-1", curve: Any = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid, "use": "sig"})


@cache
def okp(kid: str = "okp-1") -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})


def public(*keys: Any) -> tuple[Key, ...]:
    """The keys as a client reads them."""
    read = (read_key(key.as_dict(private=False)) for key in keys)
    return tuple(key for key in read if key is not None)


def jwks(*keys: Any) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims; a change to None leaves the claim out."""
    good = {
        "iss": ISSUER, "sub": "user-1", "aud": "client-1", "exp": NOW + 300, "iat": NOW, "nonce": NONCE, **changes,
    }  # fmt: skip
    return {name: value for name, value in good.items() if value is not None}


class _Signer(jws.JWSRegistry):
    """Signs whatever it is told: a lying provider asks nobody."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        return


def sign(payload: dict[str, Any], key: Any = None, alg: str = "RS256", **header: Any) -> str:
    """A signed ID token."""
    key = key or rsa()
    kid = {} if "kid" in header or key.kid is None else {"kid": key.kid}
    members = {name: value for name, value in {"alg": alg, **kid, **header}.items() if value is not None}
    return jws.serialize_compact(members, json.dumps(payload), key, registry=_Signer())


def forge(header: Any, payload: Any, signature: bytes = b"x") -> str:
    """Three segments that nobody signed."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def half_hash(value: str, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm, value.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def answer(body: Any = None, status: int = 200, **headers: str) -> httpx.Response:
    """JSON unless `body` is bytes."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers=names)


def drive(flow: Generator[Any, Any, Any], *answers: Any) -> tuple[Any, list[httpx.Request]]:
    """Runs a flow by hand: each request gets the next answer, an exception is thrown in. Outcome and requests.
    A flow that asks for a moment gets one, each with a `jti` of its own."""
    left: Iterator[Any] = iter(answers)
    asked: list[httpx.Request] = []
    moments = 0
    try:
        request = next(flow)
        while True:
            if isinstance(request, Fresh):
                moments += 1
                request = flow.send(Moment(NOW, f"jti-{moments}"))
                continue
            asked.append(request)
            given = next(left, None)
            if given is None:
                raise LookupError(f"no answer for {request.method} {request.url}")
            request = flow.throw(given) if isinstance(given, BaseException) else flow.send(given)
    except StopIteration as end:
        return end.value, asked


def form_of(request: httpx.Request) -> dict[str, str]:
    return dict(httpx.QueryParams(request.content.decode()))

"""Tokens that no JOSE library would make: unsigned, signed with the wrong thing, bent out of shape.

They are put together by hand here because a library refuses to. Nothing outside the lies uses this.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from hmac import digest
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

Claims = dict[str, Any]
Sign = Callable[[bytes], bytes]


def read_token(token: str) -> tuple[dict[str, Any], Claims]:
    """Header and claims of an honest token."""
    header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, claims


def forge(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Sign) -> str:
    """A compact JWS with whatever `sign` says is its signature."""
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(sign(signed.encode()))}"


def unsigned(data: bytes) -> bytes:
    return b""


def keyed(secret: bytes) -> Sign:
    """HS256 with this secret."""
    return lambda data: digest(secret, data, sha256)


def signed_by(key: Key, alg: str) -> Sign:
    """An honest signature of a key, whatever the header says."""
    return lambda data: jws.JWSRegistry.algorithms[alg].sign(data, key)


@cache
def strangers_key(kind: str) -> RSAKey | ECKey:
    """A key that the provider does not publish. `kind`: `"RS256"`, `"ES256"`, or `"short"` for 1024 bits of RSA."""
    if kind == "ES256":
        return ECKey.generate_key("P-256", {"kid": "stranger"})
    if kind == "short":
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        made = rsa.generate_private_key(65537, 1024)  # noqa: S505 — that is the lie
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return RSAKey.import_key(pem, {"kid": "short"})
    return RSAKey.generate_key(2048, {"kid": "stranger"})


def der_of(signature: bytes) -> bytes:
    """The DER form of a raw ECDSA signature."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()

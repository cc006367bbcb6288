"""A provider's signing keys (RFC 7517): which of a key set are usable, and when to ask for them again.

Rule 1: a key set is a list of offers. What is too short, on an odd curve, symmetric or of an unknown kind is
        passed over; private members are never read.
Rule 2: an unknown `kid` asks for new keys once a minute at most, or anybody who can send us a token could
        make us hammer the provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
from joserfc import jwk
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from ..errors import Phase, ResponseInvalid
from .endpoints import endpoint_of
from .messages import ServerMetadata
from .reading import read_object
from .step import DOCUMENT_BYTES, Limits, build_request

if TYPE_CHECKING:
    from ..providers.base import Provider

MOST_KEYS = 100
SMALLEST_RSA, LARGEST_RSA = 2048, 8192  # bits
FRESH_SECONDS = 300.0
FORCED_SECONDS = 60.0  # between two refetches for an unknown kid
OLDEST_SECONDS = 86_400.0  # keys that could not be renewed serve this long

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
_COORDINATE_BYTES = {"P-256": 32, "P-384": 48, "P-521": 66}

Key = jwk.RSAKey | jwk.ECKey | jwk.OKPKey


@dataclass(frozen=True)
class IssuerKeys:
    """The keys of one issuer, and when they were fetched (seconds since the epoch)."""

    keys: tuple[Key, ...]
    fetched_at: float
    forced_at: float | None = None

    def is_fresh(self, now: float) -> bool:
        """Younger than five minutes. A clock that went back makes them stale."""
        return 0 <= now - self.fetched_at < FRESH_SECONDS

    def may_serve(self, now: float) -> bool:
        """Good enough when newer ones cannot be had."""
        return now - self.fetched_at < OLDEST_SECONDS

    def may_refetch(self, now: float) -> bool:
        """Whether an unknown kid may ask for new keys: not within a minute of the last time one did."""
        return self.forced_at is None or not 0 <= now - self.forced_at < FORCED_SECONDS

    def forced(self, now: float) -> IssuerKeys:
        """The same, remembering that a refetch was tried."""
        return replace(self, forced_at=now)


def build_jwks_request(provider: Provider, metadata: ServerMetadata) -> httpx.Request:
    """Asks for the key set. Raises `MissingEndpoint`, `InsecureURL`."""
    endpoint = endpoint_of(
        provider,
        metadata,
        "jwks_uri",
        said=f"{provider.name}: no jwks_uri is known, so its ID tokens cannot be checked.",
        hint="Set jwks_uri=, or an issuer with discovery.",
    )
    limits = Limits(most_bytes=DOCUMENT_BYTES, seconds=provider.timeout)
    return build_request("GET", endpoint, limits=limits)


def read_jwks(provider: Provider, response: httpx.Response) -> tuple[Key, ...]:
    """The usable keys among the first 100 of a key set. Raises `ResponseInvalid` when it is none."""
    read = (read_key(one) for one in read_members(provider, response))
    return tuple(key for key in read if key is not None)


def read_members(provider: Provider, response: httpx.Response) -> list[Any]:
    """The first 100 members of a key set, as they came. Raises `ResponseInvalid` when it is none."""
    found = read_object(provider, response, "key set", phase=Phase.VALIDATE).get("keys")
    if not isinstance(found, list):
        raise ResponseInvalid("The key set has no list of keys.", phase=Phase.VALIDATE)
    return found[:MOST_KEYS]


def read_key(members: object) -> Key | None:
    """One public signing key; None when it is not one that could sign an ID token."""
    if not isinstance(members, Mapping):
        return None
    labels = {name: members[name] for name in ("kid", "alg") if members.get(name) is not None}
    if not all(isinstance(label, str) for label in labels.values()):
        return None
    operations = members.get("key_ops")
    if members.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None

    try:
        match members.get("kty"), members.get("crv"):
            case "RSA", _ if is_sane_rsa(members):
                return jwk.RSAKey.import_key({"kty": "RSA", "n": members["n"], "e": members["e"], **labels})
            case "EC", ("P-256" | "P-384" | "P-521") as curve if _is_on_curve(members, curve):
                point = {"crv": curve, "x": members["x"], "y": members["y"]}
                return jwk.ECKey.import_key({"kty": "EC", **point, **labels})
            case "OKP", "Ed25519":
                return jwk.OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": members["x"], **labels})
            case _:
                return None
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None


def fitting_keys(keys: Sequence[Key], header: Mapping[str, Any], alg: str) -> list[Key]:
    """The keys that may have signed a token with this header: right kind and curve for `alg`, labelled for
    no other algorithm, and, when the header has a `kid`, called so."""
    kid = header.get("kid")
    return [key for key in keys if fits_algorithm(key, alg) and (kid is None or key.kid == kid)]


def fits_algorithm(key: Key, alg: str) -> bool:
    """Whether the key's kind, curve and label go with `alg`."""
    if key.alg is not None and key.alg != alg and {key.alg, alg} != {"EdDSA", "Ed25519"}:
        return False
    if alg.startswith(("RS", "PS")):
        return isinstance(key, jwk.RSAKey)
    return isinstance(key, (jwk.ECKey, jwk.OKPKey)) and key.curve_name == _CURVES.get(alg)


def is_sane_rsa(members: Mapping[str, Any]) -> bool:
    """2048 to 8192 bits, and an exponent of a usual size."""
    modulus, exponent = _integer(members.get("n")), _integer(members.get("e"))
    return SMALLEST_RSA <= modulus.bit_length() <= LARGEST_RSA and 3 <= exponent < 2**32


def _is_on_curve(members: Mapping[str, Any], curve: str) -> bool:
    return all(_integer(members.get(name)).bit_length() <= _COORDINATE_BYTES[curve] * 8 for name in ("x", "y"))


def _integer(text: object) -> int:
    if not isinstance(text, str) or len(text) > 4096:
        return 0
    return int.from_bytes(urlsafe_b64decode(text.encode("ascii")), "big")

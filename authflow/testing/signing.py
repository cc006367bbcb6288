"""The keys of the development provider, and what it signs with them.

Rule: a key that was replaced still reads what it signed (`read_hint`), however long ago.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, KeyParameters, KeySet, OKPKey, RSAKey

from ..errors import ConfigurationError
from .grants import random_secret
from .watched import WatchedProvider

Algorithm = Literal["RS256", "ES256", "EdDSA"]
SigningKey = RSAKey | ECKey | OKPKey


class Signers(jws.JWSRegistry):
    """The signatures made with a key pair; joserfc would warn of EdDSA's old name at each token."""

    def get_alg(self, name: str) -> Any:
        if name == "none" or name.startswith("HS") or name not in self.algorithms:
            raise UnsupportedAlgorithmError(f"{name} needs no key of this provider")
        return self.algorithms[name]


class SigningProvider(WatchedProvider):
    """The part of the development provider that has keys."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self._keys: list[SigningKey] = []
        self._retired: list[SigningKey] = []
        self._keys_lock = threading.Lock()

    def rotate_keys(self, *, keep_old: bool = True) -> None:
        """Signs with a new key from now on; the old one stays in the JWKS unless `keep_old` is False."""
        made = self._make_key()
        with self._keys_lock:
            self._retired += self._keys
            self._keys = [made, *(self._keys if keep_old else [])]

    @contextmanager
    def signing_with(self, algorithm: Algorithm) -> Iterator[None]:
        """Signs with a new key for another algorithm, until the block ends."""
        check_algorithm(algorithm)
        before = self.algorithm, self._keys
        self.algorithm, self._keys = algorithm, []
        try:
            yield
        finally:
            with self._keys_lock:
                self._retired += self._keys
                self.algorithm, self._keys = before

    def public_keys(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517 §5)."""
        self._signing_key()
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def sign(
        self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None, *, kind: str = "id_token"
    ) -> str:
        """A JWT signed with the present key. `header` adds to its header; `kind` is whose header `tamper` changes."""
        key = self._signing_key()
        full = {"alg": str(key.get("alg")), "kid": key.kid, "typ": "JWT", **(header or {})}
        full = self.tamper.apply(f"{kind}_header", full)
        full["alg"] = full.get("alg") or self.algorithm
        token = jwt.encode(full, dict(claims), key, registry=Signers(strict_check_header=False))
        self.note(token)
        return token

    @property
    def signing_key(self) -> SigningKey:
        """The key that it signs with at present."""
        return self._signing_key()

    def signature(self, data: bytes) -> bytes:
        """An honest signature of any bytes."""
        key = self._signing_key()
        return Signers.algorithms[self.algorithm].sign(data, key)

    def read_hint(self, token: str) -> dict[str, Any] | None:
        """The claims of an ID token that this provider signed, however long ago; None for any other."""
        if not token:
            return None
        try:
            keys = KeySet([*self._keys, *self._retired])
            return dict(jwt.decode(token, keys, registry=Signers(strict_check_header=False)).claims)
        except (JoseError, ValueError):
            return None

    def _signing_key(self) -> SigningKey:
        with self._keys_lock:
            if not self._keys:
                self._keys = [self._make_key()]
            return self._keys[0]

    def _make_key(self) -> SigningKey:
        return KEY_MAKERS[self.algorithm]({"use": "sig", "alg": self.algorithm, "kid": f"dev-{random_secret()[:8]}"})


def check_algorithm(algorithm: str) -> None:
    """Raises `ConfigurationError` for one that no key is made for."""
    if algorithm not in KEY_MAKERS:
        raise ConfigurationError(f"algorithm={algorithm!r} is not served.", hint=f"Use one of {[*KEY_MAKERS]}.")


KEY_MAKERS: dict[str, Callable[[KeyParameters], SigningKey]] = {
    "RS256": lambda parameters: RSAKey.generate_key(2048, parameters),
    "ES256": lambda parameters: ECKey.generate_key("P-256", parameters),
    "EdDSA": lambda parameters: OKPKey.generate_key("Ed25519", parameters),
}

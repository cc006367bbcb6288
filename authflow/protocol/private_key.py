"""`PrivateKey`: a key that only the client has. It signs client assertions, request objects and DPoP proofs, and
opens what was encrypted for the client.

Rule 1: a key is imported once, when the settings are made, and what is wrong with it is told then.
Rule 2: nothing shows it: no `repr`, no pickle, no error. Only `dump()` has it, for a record that is sealed.

The JOSE work is joserfc's. It is imported by whoever has a key, and by nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import msgspec

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

    Asymmetric = RSAKey | ECKey | OKPKey
    KeyInput = Asymmetric | PrivateKeyTypes | bytes | str | Mapping[str, Any]

SMALLEST_RSA: Final = 2048  # bits
_HINT: Final = "Pass a private RSA (2048 bits or more), EC or Ed25519 key: PEM, a JWK, or the key object."
_BY_CURVE: Final = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}
_OPENS: Final = {"RSA": "RSA-OAEP", "EC": "ECDH-ES"}
# The order is what is chosen when the provider lists several: PS256 before the padding of old.
_RSA: Final = ("PS256", "RS256", "PS384", "RS384", "PS512", "RS512")


class PrivateKey:
    """`PrivateKey(Path("client.pem").read_bytes())`; also a JWK, or a key object of cryptography or joserfc.

    `password` opens an encrypted PEM. `kid` and `alg` are taken from a JWK unless given. Raises
    `ConfigurationError` for what is no private key, and for an RSA key under 2048 bits.
    """

    __slots__ = ("_key", "alg", "kid")

    _key: Asymmetric
    kid: str | None
    alg: str | None

    def __init__(
        self,
        key: PrivateKey | KeyInput,
        *,
        password: str | bytes | None = None,
        kid: str | None = None,
        alg: str | None = None,
    ) -> None:
        if isinstance(key, PrivateKey):
            self._key, found_kid, found_alg = key._key, key.kid, key.alg
        else:
            self._key, found_kid, found_alg = _read(key, password)
        self.kid = kid or found_kid
        self.alg = alg or found_alg
        if self.alg is not None and self.alg not in self.algorithms and not self.opens(self.alg):
            raise ConfigurationError(
                f"This private key cannot sign with {self.alg}.", hint=f"It can with {', '.join(self.algorithms)}."
            )

    @classmethod
    def generate(cls, alg: str = "ES256") -> PrivateKey:
        """A new key that signs with `alg`: ES256, ES384, ES512, EdDSA, PS256 or RS256; or opens what is encrypted
        with it: RSA-OAEP-256, ECDH-ES."""
        from joserfc.jwk import ECKey, OKPKey, RSAKey

        if alg.startswith("ECDH-ES"):
            return cls(ECKey.generate_key("P-256"), alg=alg)
        if alg.startswith("RSA-OAEP"):
            return cls(RSAKey.generate_key(3072), alg=alg)
        curve = next((name for name, algorithms in _BY_CURVE.items() if alg in algorithms), None)
        if curve is None and alg not in _RSA:
            raise ConfigurationError(f"There is no key for {alg!r}.", hint="Use ES256.")
        if curve is None:
            return cls(RSAKey.generate_key(3072), alg=alg)
        if curve == "Ed25519":
            return cls(OKPKey.generate_key("Ed25519"), alg=alg)
        return cls(ECKey.generate_key(cast(Any, curve)), alg=alg)

    @classmethod
    def load(cls, data: bytes) -> PrivateKey:
        """What `dump()` gave."""
        return cls(msgspec.json.decode(data, type=dict[str, Any]))

    def dump(self) -> bytes:
        """The private JWK as JSON: whoever reads it *is* this client. Only for what is sealed."""
        named = {name: value for name, value in (("kid", self.kid), ("alg", self.alg)) if value}
        return msgspec.json.encode({**self._key.as_dict(private=True), **named})

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What it can sign with, the best first."""
        return _BY_CURVE[_curve(self._key)] if self._key.key_type != "RSA" else _RSA

    @property
    def name(self) -> str:
        """Its `kid`; for a key without one, its thumbprint."""
        return self.kid or self.thumbprint()

    @property
    def jose(self) -> Asymmetric:
        """The key itself, for joserfc."""
        return self._key

    def opens(self, alg: str) -> bool:
        """Whether it opens what was encrypted with `alg` (RFC 7518 §4)."""
        return alg.startswith(_OPENS.get(self._key.key_type, "-")) and self.alg in (None, alg)

    def choose_alg(self, listed: Sequence[str] | None, wanted: str | None = None) -> str:
        """`wanted`, or the key's own, or the best that is `listed` too. Raises `ConfigurationError`."""
        chosen = wanted or self.alg
        if chosen is not None and chosen not in self.algorithms:
            raise ConfigurationError(
                f"The client's key cannot sign with {chosen}.", hint=f"It can with {', '.join(self.algorithms)}."
            )
        if chosen is not None:
            return chosen
        fitting = [one for one in self.algorithms if listed is None or one in listed]
        if not fitting:
            raise ConfigurationError(
                "The client's key signs with no algorithm that the provider lists.",
                hint=f"It lists {', '.join(listed or ())}; the key can {', '.join(self.algorithms)}.",
            )
        return fitting[0]

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any], alg: str) -> str:
        """A JWT; the key's `kid` is in its header, unless `header` has one."""
        named = {"kid": self.kid} if self.kid else {}
        return sign_jwt({**named, **header, "alg": alg}, claims, self._key)

    def public_jwk(self) -> dict[str, Any]:
        """The public half, with `kid` and `alg` where they are known: what is registered with the provider."""
        named = {name: value for name, value in (("kid", self.kid), ("alg", self.alg)) if value}
        signs = self.alg is None or self.alg in self.algorithms
        return {**self.bare_jwk(), **named, "use": "sig" if signs else "enc"}

    def bare_jwk(self) -> dict[str, Any]:
        """The public half, nothing but what makes the key (RFC 7638 §3.2)."""
        public = self._key.as_dict(private=False)
        return {name: public[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in public}

    def thumbprint(self) -> str:
        """RFC 7638, SHA-256."""
        return str(self._key.thumbprint())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and self.thumbprint() == other.thumbprint()

    def __hash__(self) -> int:
        return hash(self.thumbprint())

    def __repr__(self) -> str:
        return f"PrivateKey({self._key.key_type}, kid={self.kid!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A PrivateKey is not pickled.")

    def __deepcopy__(self, memo: dict[int, Any]) -> PrivateKey:
        return self


def sign_jwt(header: Mapping[str, Any], claims: Mapping[str, Any], key: Asymmetric | OctKey) -> str:
    """A JWT with exactly this header (RFC 7515 §3.1)."""
    from joserfc import jws

    class Signer(jws.JWSRegistry):
        # The algorithm was chosen from our own list; joserfc would warn of EdDSA's old name at each signature.
        def get_alg(self, name: str) -> Any:
            return self.algorithms[name]

    payload = msgspec.json.encode(claims)
    return jws.serialize_compact(dict(header), payload, key, registry=Signer(strict_check_header=False))


def _read(key: Any, password: str | bytes | None) -> tuple[Asymmetric, str | None, str | None]:
    """The key, its `kid` and its `alg`. No error holds, or comes from, what was read."""
    found = _try(key, password)
    if found is None or not found.is_private:
        raise ConfigurationError("This is no private key that a client can sign with.", hint=_HINT)
    weak = found.key_type == "RSA" and cast(Any, found.raw_value).key_size < SMALLEST_RSA
    if weak or (found.key_type != "RSA" and _curve(found) not in _BY_CURVE):
        raise ConfigurationError("This private key is too weak, or on a curve that nothing is signed with.", hint=_HINT)
    kid, alg = found.get("kid"), found.get("alg")
    return found, None if kid is None else str(kid), None if alg is None else str(alg)


def _try(key: Any, password: str | bytes | None) -> Asymmetric | None:
    from joserfc import jwk
    from joserfc.errors import JoseError, SecurityWarning

    kinds = (jwk.RSAKey, jwk.ECKey, jwk.OKPKey)
    if isinstance(key, kinds):
        return key
    try:
        if isinstance(key, Mapping):
            found = jwk.import_key(dict(key))
            return found if isinstance(found, kinds) else None
        if isinstance(key, (bytes, str)):
            key = _read_pem(key, password)
        return next((kind(key, key) for kind in kinds if kind.binding.check_cryptography_key(key)), None)
    except (JoseError, SecurityWarning, ValueError, TypeError, AttributeError, KeyError):
        return None


def _read_pem(pem: bytes | str, password: str | bytes | None) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = pem.encode() if isinstance(pem, str) else pem
    secret = password.encode() if isinstance(password, str) else password
    return load_pem_private_key(data, secret)


def _curve(key: Asymmetric) -> str:
    return str(getattr(key, "curve_name", ""))

"""What proves that a client is the client: its secret, its private key, its certificate, somebody's word for it.

Here it is read and checked when the settings are made; `protocol/client_auth.py` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..protocol.client_auth import BY_CERTIFICATE, SHORTEST_SHARED_KEY, ClientAssertion
from ..protocol.client_certificate import ClientCertificate

if TYPE_CHECKING:
    from ..protocol.private_key import KeyInput, PrivateKey
    from .base import Provider

    ClientKey = PrivateKey | KeyInput
else:
    ClientKey = Any

__all__ = [
    "ClientAssertion",
    "ClientCertificate",
    "ClientKey",
    "check_credentials",
    "read_client_key",
    "read_client_keys",
]

METHODS = frozenset(
    {
        "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
        "self_signed_tls_client_auth", "none",
    }
)  # fmt: skip
DPOP_ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "RS256")
SHARED_KEY_ALGORITHMS = ("HS256", "HS384", "HS512")


def read_client_key(key: ClientKey | None) -> PrivateKey | None:
    """The key, imported once. JOSE is imported with the first key. Raises `ConfigurationError`."""
    if key is None:
        return None
    from ..protocol.private_key import PrivateKey

    return key if isinstance(key, PrivateKey) else PrivateKey(key)


def read_client_keys(keys: Sequence[ClientKey]) -> tuple[PrivateKey, ...]:
    """Several keys, each imported once. Raises `ConfigurationError`."""
    if isinstance(keys, (str, bytes, Mapping)) or not isinstance(keys, Sequence):
        raise ConfigurationError("decryption_keys must be a list of private keys.", hint="Write decryption_keys=[…].")
    return tuple(key for key in map(read_client_key, keys) if key is not None)


def check_credentials(provider: Provider, who: str) -> None:
    """Refuses a way to authenticate that lacks what it needs. Raises `ConfigurationError`."""
    method = provider.client_auth
    if isinstance(method, ClientAssertion) or method is None:
        pass
    elif method not in METHODS:
        raise ConfigurationError(
            f"{who}: there is no client_auth {str(method)[:40]!r}.", hint=f"It is one of {', '.join(sorted(METHODS))}."
        )
    elif method.startswith("client_secret_") and not provider.client_secret:
        raise ConfigurationError(f"{who}: {method} needs a client_secret.")
    elif method == "private_key_jwt" and provider.client_key is None:
        raise ConfigurationError(f"{who}: private_key_jwt needs a client_key.", hint="PEM, a JWK, or a key object.")
    elif method in BY_CERTIFICATE and provider.client_certificate is None:
        raise ConfigurationError(
            f"{who}: {method} needs a client_certificate.", hint='ClientCertificate("client.crt", "client.key").'
        )
    if provider.client_certificate is not None and not isinstance(provider.client_certificate, ClientCertificate):
        raise ConfigurationError(
            f"{who}: client_certificate is none.", hint='Pass ClientCertificate("client.crt", "client.key").'
        )
    if provider.resource is not None and provider.issuer is None:
        registration = provider.registration
        token = None if registration is None else registration.initial_access_token
        if provider.client_id or token:
            raise ConfigurationError(
                f"{who}: a client_id, or an initial_access_token, is good at one server.",
                hint="Say which: issuer=…; an API that names its server may name any. Or leave it away.",
            )
    if provider.dpop not in (False, True, "optional") or provider.dpop_alg not in DPOP_ALGORITHMS:
        raise ConfigurationError(
            f"{who}: dpop is True or 'optional', dpop_alg one of {', '.join(DPOP_ALGORITHMS)}.", hint="Set dpop=True."
        )
    _check_assertion(provider, who)


def _check_assertion(provider: Provider, who: str) -> None:
    alg, key = provider.assertion_alg, provider.private_key
    if provider.client_auth == "client_secret_jwt":
        if len((provider.client_secret or "").encode()) < SHORTEST_SHARED_KEY:
            raise ConfigurationError(
                f"{who}: the client_secret is too short to sign with.",
                hint=f"client_secret_jwt needs {SHORTEST_SHARED_KEY} bytes or more.",
            )
        if alg is not None and alg not in SHARED_KEY_ALGORITHMS:
            raise ConfigurationError(f"{who}: client_secret_jwt signs with {', '.join(SHARED_KEY_ALGORITHMS)}.")
    elif alg is not None and key is not None and alg not in key.algorithms:
        raise ConfigurationError(
            f"{who}: the client_key cannot sign with {alg}.", hint=f"It can with {', '.join(key.algorithms)}."
        )
    if provider.assertion_headers.keys() & {"alg", "typ", "jwk", "crit"}:
        raise ConfigurationError(
            f"{who}: assertion_headers holds a member that authflow sets.",
            hint="typ is assertion_typ=, alg is assertion_alg=.",
        )

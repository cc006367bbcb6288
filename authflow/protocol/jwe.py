"""Opening what a provider encrypted for this client (RFC 7516 §5.2), and encrypting for a provider. joserfc's work.

Rule 1: what was not asked for is refused before any work. `alg` and `enc` are the client's registration, never the
        token's choice; inside is a signed JWT, which is judged like any other.
Rule 2: a key made from a password (PBES2), RSA1_5, shared keys and compression are not offered at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Recovery, ResponseInvalid, printable
from .private_key import PrivateKey
from .reading import decode_object

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

    from ..providers.base import Provider

KEY_ALGORITHMS = (
    "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW",
)  # fmt: skip
CONTENT_ALGORITHMS = ("A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM")
LONGEST_HEADER = 1024  # characters; what joserfc takes
MOST_TRIES = 4


def open_jwt(provider: Provider, token: str, what: str, alg: str | None, enc: str) -> str:
    """The signed JWT inside `token`; `token` itself where nothing was to be encrypted (`alg` None).

    Raises `ValidationFailed`: `format` when it is encrypted and should not be, or the other way round,
    `alg`, `enc`, `zip`, `crit` or `kid` for a header that asks for something else, `decryption`.
    """
    if alg is None:
        return token  # a JWE is refused by `read_segments`, unopened
    from .jwt import decode_segment, failed, split

    segments = split(token, what)
    if len(segments) != 5:
        raise failed(
            "format",
            f"The {what} is not encrypted, and this client asked for {alg}.",
            "Compare the client's registration with the provider's settings here.",
            recovery=Recovery.FIX_CONFIGURATION,
        )
    if len(segments[0]) > LONGEST_HEADER:
        raise failed("format", f"The {what}'s header is too long.")
    try:
        header = decode_object(decode_segment(segments[0], what), "header")
    except ResponseInvalid:
        raise failed("format", f"The {what}'s header is no JSON object.") from None
    for name, asked in (("alg", alg), ("enc", enc)):
        if header.get(name) != asked:
            raise failed(
                name,
                f"The {what} is encrypted with {name} {printable(header.get(name), 32)!r}.",
                f"This client asked for {asked}.",
                recovery=Recovery.FIX_CONFIGURATION,
            )
    for name in ("zip", "crit"):
        if name in header:
            raise failed(name, f"The {what} is encrypted with {name}, which authflow does not take.")

    keys = [key for key in provider.opening_keys if key.opens(alg) and header.get("kid") in (None, key.name)]
    if not keys:
        raise failed("kid", f"The {what} is encrypted for a key that is not among decryption_keys.", "Compare kid.")
    plain = _decrypted(keys[:MOST_TRIES], token, [alg, enc])
    if plain is None:
        raise failed("decryption", f"The {what} cannot be decrypted.", "See decryption_keys.")
    return plain


def _decrypted(keys: Sequence[PrivateKey], token: str, algorithms: list[str]) -> str | None:
    from joserfc import jwe
    from joserfc.errors import JoseError

    # A header may repeat claims (RFC 7519 §5.3); those that the algorithm reads are judged by joserfc.
    registry = jwe.JWERegistry(algorithms=algorithms, strict_check_header=False)
    for key in keys:
        try:
            return (jwe.decrypt_compact(token, key.jose, registry=registry).plaintext or b"").decode("ascii")
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
    return None


def encrypt_jwt(token: str, key: RSAKey | ECKey, alg: str, enc: str) -> str:
    """`token` encrypted for the owner of `key`, as a nested JWT (RFC 7519 §5.2)."""
    from joserfc import jwe

    header = {"alg": alg, "enc": enc, "cty": "JWT", **({"kid": key.kid} if key.kid else {})}
    return jwe.encrypt_compact(header, token, key, algorithms=[alg, enc])


def find_encryption_key(members: Sequence[Any], alg: str) -> RSAKey | ECKey | None:
    """The first key of a key set that something may be encrypted for with `alg`."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    from .jwks import is_sane_rsa

    for one in members:
        if not isinstance(one, Mapping) or one.get("use", "enc") != "enc" or one.get("alg", alg) != alg:
            continue
        labels = {"kid": one["kid"]} if isinstance(one.get("kid"), str) else {}
        try:
            if alg.startswith("RSA") and one.get("kty") == "RSA" and is_sane_rsa(one):
                return RSAKey.import_key({"kty": "RSA", "n": one["n"], "e": one["e"], **labels})
            if alg.startswith("ECDH") and one.get("kty") == "EC":
                point = {name: one[name] for name in ("crv", "x", "y")}
                return ECKey.import_key({"kty": "EC", **point, **labels})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return None

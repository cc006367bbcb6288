"""Verifying an ID token (OpenID Connect Core §3.1.3.7, §12.2). The JOSE work is joserfc's.

Rule 1: the order matters. Size and shape come before base64, the header before any key, the signature before
        any claim is believed.
Rule 2: the algorithm is the provider's setting, never the token's choice. Keys named inside a token (`jwk`,
        `jku`, `x5u`, `x5c`) are not looked at.
Rule 3: every refusal is a `ValidationFailed` that names its check; `UnknownKey` alone may be cured, by
        fetching the keys again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from ..errors import Phase, Recovery, ResponseInvalid, ValidationFailed, printable
from .discovery import fits_template, has_placeholder
from .jwks import Key, fitting_keys
from .messages import ServerMetadata
from .reading import decode_object, is_number

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

    from ..providers.base import Provider

LONGEST_ID_TOKEN = 64 * 1024
LONGEST_HEADER = 16 * 1024
LONGEST_SUBJECT = 255
SHORTEST_SHARED_KEY = 14  # bytes; 112 bits (NIST SP 800-131A)
LAST_MOMENT = 253_402_300_799  # the end of the year 9999; a later time is nonsense

LONGEST_SIGNATURE = 4096  # characters
# The characters that a segment may end in, by its length modulo 4: those whose unused bits are zero.
_NO_STRAY_BITS = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
_ALGORITHMS: Mapping[str, JWSAlgModel] = jws.JWSRegistry.algorithms
_SEGMENT = re.compile(r"[A-Za-z0-9_\-]+")
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class UnknownKey(ValidationFailed):
    """No key that is at hand fits the token. Fetched anew, the keys may have the one that does."""


def verify_id_token(
    provider: Provider,
    metadata: ServerMetadata,
    keys: Sequence[Key],
    id_token: str,
    *,
    now: float,
    nonce: str | None,
    access_token: str | None = None,
    code: str | None = None,
    max_age: float | None = None,
    acr_values: Sequence[str] = (),
    previous_claims: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims of an ID token, once every check has passed.

    `nonce`, `max_age` (seconds) and `acr_values` are what the request asked for: each then becomes an
    obligation. `previous_claims` are those of the login, when the token came with a refresh (§12.2).
    Raises `ValidationFailed`, or `UnknownKey` when none of `keys` fits.
    """
    header, payload = read_segments(id_token)
    alg = check_header(provider, header)
    verify_signature(provider, keys, id_token, header, alg)
    claims = payload

    check_issuer(provider, metadata, claims)
    check_subject(claims)
    check_audience(provider, claims)
    check_nonce(provider, claims, nonce)
    check_hash(claims, "at_hash", access_token, alg)
    check_hash(claims, "c_hash", code, alg)
    check_authentication(claims, now=now, leeway=provider.leeway, max_age=max_age, acr_values=acr_values)
    check_required(provider, claims)
    if previous_claims:
        check_continuity(claims, previous_claims)
    # Last: a refresh overlooks what only this machine's clock says, and must know that nothing else is wrong.
    check_times(claims, now=now, leeway=provider.leeway)
    return claims


def read_segments(id_token: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload, not yet to be believed. Size first, then shape, then strict base64url, then JSON."""
    if not isinstance(id_token, str) or not id_token:
        raise _failed("format", "The ID token is no text.")
    if len(id_token) > LONGEST_ID_TOKEN:
        raise _failed("format", f"The ID token is longer than {LONGEST_ID_TOKEN} characters.")
    segments = id_token.split(".")
    if len(segments) == 5:
        raise _failed(
            "format",
            "The ID token is encrypted (JWE).",
            "Register the client without id_token_encrypted_response_alg.",
        )
    if len(segments) != 3:
        raise _failed("format", "The ID token has not three parts.")
    if len(segments[0]) > LONGEST_HEADER:
        raise _failed("format", "The ID token's header is too long.")

    header_bytes, payload_bytes, _ = (_decode(segment) for segment in segments)
    try:
        return decode_object(header_bytes, "header"), decode_object(payload_bytes, "payload")
    except ResponseInvalid:
        raise _failed("format", "The ID token's header or payload is no JSON object.") from None


def check_header(provider: Provider, header: Mapping[str, Any]) -> str:
    """The algorithm, if the provider's list has it and the header asks for nothing else."""
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in provider.algorithms or alg.lower() == "none":
        raise _failed(
            "alg",
            f"The ID token is signed with {printable(alg, 32)!r}, which is not allowed.",
            f"Allowed are {', '.join(provider.algorithms)}; set algorithms= if the provider uses another.",
            recovery=Recovery.FIX_CONFIGURATION,
        )
    if alg not in _ALGORITHMS:
        raise _failed("alg", f"No implementation of {printable(alg, 32)!r} is at hand.", "Set algorithms=.")
    # RFC 7515 §4.1.11: an extension that is not understood makes the token invalid. authflow understands none.
    if "crit" in header or header.get("b64", True) is not True:
        raise _failed("crit", "The ID token demands an extension that authflow does not know.")

    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise _failed("kid", "The ID token's kid is no text.")
    # RFC 8725 §3.11: an access token (at+jwt), a logout token, a proof say so in typ.
    kind = header.get("typ")
    if kind is not None and (not isinstance(kind, str) or kind.lower().endswith("+jwt")):
        raise _failed("typ", "This is another kind of token, not an ID token.")
    return alg


def verify_signature(
    provider: Provider, keys: Sequence[Key], id_token: str, header: Mapping[str, Any], alg: str
) -> None:
    """Raises `ValidationFailed` (`check="signature"`), or `UnknownKey`."""
    if alg.startswith("HS"):
        if not _signed_by(_shared_key(provider), id_token, alg):
            raise _failed("signature", "The ID token's signature is wrong.")
        return

    fitting = fitting_keys(keys, header, alg)
    if any(_signed_by(key, id_token, alg) for key in fitting):
        return
    if fitting and header.get("kid") is not None:
        raise _failed("signature", "The ID token's signature is wrong.")
    raise UnknownKey(
        "The ID token is signed with a key that the provider does not publish.",
        check="kid",
        hint="Check jwks_uri; a key just rotated is fetched once a minute at most.",
        phase=Phase.VALIDATE,
    )


def check_issuer(provider: Provider, metadata: ServerMetadata, claims: Mapping[str, Any]) -> None:
    """§3.1.3.7 (2): byte for byte. With a template (Entra), the issuer that the token's own claims make."""
    iss = claims.get("iss")
    template = provider.issuer_claim_template
    expected = metadata.issuer or provider.issuer or ""
    if template is not None:
        filled = fill_template(template, claims)
        good = filled is not None and iss == filled
        # A tenant's own document names its issuer; then it must be that tenant.
        if provider.discovery and not has_placeholder(metadata.issuer):
            good = good and iss == metadata.issuer
        expected = filled or template
    else:
        good = bool(expected) and (iss == expected or iss in provider.issuer_aliases)
    if not isinstance(iss, str) or not good:
        raise _failed(
            "iss",
            "The ID token comes from another issuer.",
            f"Expected {printable(expected, 200)!r}, got {printable(iss, 200)!r}.",
        )


def fill_template(template: str, claims: Mapping[str, Any]) -> str | None:
    """`template` with each `{claim}` from the claims; None when one is not there or is no plain word."""
    filled = template
    for name in re.findall(r"\{([A-Za-z_]+)\}", template):
        value = claims.get(name)
        if not isinstance(value, str):
            return None
        filled = filled.replace("{" + name + "}", value)
    return filled if fits_template(template, filled) and not has_placeholder(filled) else None


def check_subject(claims: Mapping[str, Any]) -> None:
    """§2: a text of 255 characters at most."""
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= LONGEST_SUBJECT:
        raise _failed("sub", "The ID token does not say who signed in.", "sub must be a text of 1 to 255 characters.")


def check_audience(provider: Provider, claims: Mapping[str, Any]) -> None:
    """§3.1.3.7 (3, 4, 5): the token is for us; of several audiences, we are the one that asked."""
    aud, azp = claims.get("aud"), claims.get("azp")
    audiences = [aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []
    if provider.client_id not in audiences or not all(isinstance(one, str) for one in audiences):
        raise _failed("aud", "The ID token is not meant for this client.", "Check client_id.")
    if (azp is not None or len(audiences) > 1) and azp != provider.client_id:
        raise _failed("azp", "The ID token was issued to another client.", "azp must be this client_id.")


def check_times(claims: Mapping[str, Any], *, now: float, leeway: float) -> None:
    """§3.1.3.7 (9, 10) and RFC 7519 §4.1.5. Numbers only; `leeway` seconds of skew."""
    exp, iat = _moment(claims, "exp"), _moment(claims, "iat")
    nbf = _moment(claims, "nbf") if claims.get("nbf") is not None else None
    hint = "Check this machine's clock."
    if exp + leeway <= now:
        raise _failed("exp", "The ID token has expired.", hint)
    if iat - leeway > now:
        raise _failed("iat", "The ID token was issued in the future.", hint)
    if nbf is not None and nbf - leeway > now:
        raise _failed("nbf", "The ID token is not valid yet.", hint)


def check_nonce(provider: Provider, claims: Mapping[str, Any], nonce: str | None) -> None:
    """§3.1.3.7 (11): the nonce of this attempt, and no other. Where a provider's ID tokens never have one, a
    missing nonce is all right, a wrong one is not."""
    said = claims.get("nonce")
    if nonce is None or (said is None and provider.omits_nonce):
        return
    if not isinstance(said, str) or not hmac.compare_digest(_utf8(said), _utf8(nonce)):
        raise _failed("nonce", "The ID token belongs to another login attempt.", "Begin the login again.")


def check_hash(claims: Mapping[str, Any], name: str, value: str | None, alg: str) -> None:
    """§3.1.3.6, §3.3.2.11: left half of the hash of a token or code. Optional with a code, binding when there."""
    said = claims.get(name)
    if said is None or value is None:
        return
    algorithm = hashlib.sha512 if alg in ("EdDSA", "Ed25519") else _HASHES.get(alg[-3:])
    if algorithm is None or not isinstance(said, str):
        raise _failed(name, f"The ID token's {name} cannot be checked.")
    digest = algorithm(_utf8(value)).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(_utf8(said), expected):
        raise _failed(name, f"The ID token's {name} does not fit what came with it.")


def check_authentication(
    claims: Mapping[str, Any], *, now: float, leeway: float, max_age: float | None, acr_values: Sequence[str]
) -> None:
    """§3.1.3.7 (12, 13): how and when the human proved who they are, where that was asked."""
    if claims.get("auth_time") is not None or max_age is not None:
        auth_time = _moment(claims, "auth_time")
        if max_age is not None and not -leeway <= now - auth_time <= max_age + leeway:
            raise _failed(
                "auth_time",
                "The human proved who they are longer ago than was asked.",
                "Ask with prompt='login'.",
                recovery=Recovery.STEP_UP,
            )
    wanted = acr_values.split() if isinstance(acr_values, str) else acr_values
    if wanted and claims.get("acr") not in wanted:
        raise _failed(
            "acr",
            "The human did not sign in the way that was asked.",
            f"Asked was {printable(' '.join(wanted), 200)!r}.",
            recovery=Recovery.STEP_UP,
        )


def check_required(provider: Provider, claims: Mapping[str, Any]) -> None:
    """Claims that this application insists on: Google's `hd`, Entra's `tid`."""
    for name, value in provider.required_claims.items():
        if claims.get(name) != value:
            raise _failed(name, f"The ID token's {name} is not the one that is required.", "See required_claims.")


def check_continuity(claims: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    """§12.2: a refreshed ID token speaks of the same login."""
    for name in ("iss", "sub"):
        if claims.get(name) != previous.get(name):
            raise _failed(name, f"The refreshed ID token has another {name}.", "Sign in again.")
    if _audiences(claims) != _audiences(previous):
        raise _failed("aud", "The refreshed ID token has another audience.", "Sign in again.")
    if claims.get("azp") != previous.get("azp"):
        raise _failed("azp", "The refreshed ID token has another azp.", "Sign in again.")
    for name in ("auth_time", "nonce"):
        was, now_is = previous.get(name), claims.get(name)
        if was is not None and now_is is not None and was != now_is:
            raise _failed(name, f"The refreshed ID token has another {name}.", "Sign in again.")


def _signed_by(key: Key | OctKey, id_token: str, alg: str) -> bool:
    # joserfc's algorithm, asked directly: `read_segments` has taken the token apart already, and its header and
    # payload are those that the signature must cover.
    signing_input, _, signature = id_token.rpartition(".")
    if len(signature) > LONGEST_SIGNATURE:
        return False
    model = _ALGORITHMS[alg]
    try:
        model.check_key(key)
        return model.verify(signing_input.encode("ascii"), _decode(signature), key) is True
    except (JoseError, ValueError, TypeError):
        return False


def _shared_key(provider: Provider) -> OctKey:
    """The client secret as an HMAC key (OpenID Connect Core §10.1)."""
    secret = _utf8(provider.client_secret or "")
    if len(secret) < SHORTEST_SHARED_KEY:
        raise _failed("alg", "The client_secret is too short to be a key.", "HS algorithms need 14 bytes or more.")
    try:
        return OctKey.import_key(secret)
    except (JoseError, ValueError):
        raise _failed("alg", "The client_secret cannot be used as a key.") from None


def _decode(segment: str) -> bytes:
    """Strict base64url (RFC 7515 §2): no padding, no stray bits, not one character beside the alphabet."""
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise _failed("format", "The ID token is no clean base64url.")
    stray = _NO_STRAY_BITS.get(len(segment) % 4)
    if stray is not None and segment[-1] not in stray:
        raise _failed("format", "The ID token is no clean base64url.")
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not is_number(value) or not 0 <= float(value) <= LAST_MOMENT:  # type: ignore[arg-type]
        raise _failed(name, f"The ID token's {name} is missing or no time.")
    return float(value)  # type: ignore[arg-type]


def _audiences(claims: Mapping[str, Any]) -> set[str]:
    aud = claims.get("aud")
    return {aud} if isinstance(aud, str) else set(aud or ())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _failed(check: str, message: str, hint: str = "", recovery: Recovery = Recovery.NONE) -> ValidationFailed:
    return ValidationFailed(message, check=check, hint=hint, recovery=recovery, phase=Phase.VALIDATE)

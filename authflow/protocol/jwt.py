"""A JWT that a provider signed: taken apart, its header judged, its signature checked. The JOSE work is joserfc's.

ID tokens, authorization responses (JARM), signed userinfo, claims of others and logout tokens pass through here;
what each of them must say stands in its own file.

Rule 1: the order matters. Size and shape come before base64, the header before any key, the signature before
        any claim is believed.
Rule 2: the algorithm is the provider's setting, never the token's choice. Keys named inside a token (`jwk`,
        `jku`, `x5u`, `x5c`) are not looked at.
Rule 3: every refusal is a `ValidationFailed` that names its check; `UnknownKey` alone may be cured, by
        fetching the keys again.
"""

from __future__ import annotations

import base64
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
from .witness import differs, passed

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

    from ..providers.base import Provider

LONGEST_JWT = 64 * 1024
LONGEST_HEADER = 16 * 1024
SHORTEST_SHARED_KEY = 14  # bytes; 112 bits (NIST SP 800-131A)
LAST_MOMENT = 253_402_300_799  # the end of the year 9999; a later time is nonsense

LONGEST_SIGNATURE = 4096  # characters
# The characters that a segment may end in, by its length modulo 4: those whose unused bits are zero.
_NO_STRAY_BITS = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
_ALGORITHMS: Mapping[str, JWSAlgModel] = jws.JWSRegistry.algorithms
_SEGMENT = re.compile(r"[A-Za-z0-9_\-]+")

_WRONG_SIGNATURE = (
    "Check jwks_uri; if it is right, the provider signs with another key than it publishes: tell whoever runs it."
)


class UnknownKey(ValidationFailed):
    """No key that is at hand fits the token. Fetched anew, the keys may have the one that does."""


def read_segments(token: object, what: str = "ID token") -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload, not yet to be believed. Size first, then shape, then strict base64url, then JSON."""
    segments = split(token, what)
    if len(segments) == 5:
        raise failed(
            "format",
            f"The {what} is encrypted (JWE).",
            "Register the client without an encrypted response algorithm.",
        )
    if len(segments) != 3:
        raise failed("format", f"The {what} has not three parts.")

    header_bytes, payload_bytes = (decode_segment(segment, what) for segment in segments[:2])
    try:
        header, payload = decode_object(header_bytes, "header"), decode_object(payload_bytes, "payload")
    except ResponseInvalid:
        raise failed("format", f"The {what}'s header or payload is no JSON object.") from None
    if not segments[2]:  # RFC 7519 §6: nothing there to read. What is not signed is refused as what it is.
        _demand_signed(header, what)
    decode_segment(segments[2], what)
    return header, payload


def _demand_signed(header: Mapping[str, Any], what: str) -> None:
    alg = header.get("alg")
    if isinstance(alg, str) and alg.lower() == "none":
        raise failed(
            "alg",
            f"The {what} is not signed (alg none).",
            "Have the provider sign it, where this client is registered there.",
            recovery=Recovery.FIX_CONFIGURATION,
        )


def split(token: object, what: str) -> list[str]:
    """The segments of a compact JWS or JWE, if it is short enough to be looked at."""
    if not isinstance(token, str) or not token:
        raise failed("format", f"The {what} is no text.")
    if len(token) > LONGEST_JWT:
        raise failed("format", f"The {what} is longer than {LONGEST_JWT} characters.")
    segments = token.split(".", 5)
    if len(segments[0]) > LONGEST_HEADER:
        raise failed("format", f"The {what}'s header is too long.")
    return segments


def check_header(provider: Provider, header: Mapping[str, Any], what: str = "ID token", typ: str = "") -> str:
    """The algorithm, if the provider's list has it and the header asks for nothing else. `typ`: the explicit type
    that this kind of token may have (RFC 8725 §3.11); any other kind's is refused."""
    _demand_signed(header, what)
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in provider.algorithms:
        raise failed(
            "alg",
            f"The {what} is signed with {printable(alg, 32)!r}, which is not allowed.",
            f"Allowed are {', '.join(provider.algorithms)}; set algorithms= if the provider uses another.",
            recovery=Recovery.FIX_CONFIGURATION,
        )
    if alg not in _ALGORITHMS:
        raise failed("alg", f"No implementation of {printable(alg, 32)!r} is at hand.", "Set algorithms=.")
    # RFC 7515 §4.1.11: an extension that is not understood makes the token invalid. authflow understands none.
    if "crit" in header or header.get("b64", True) is not True:
        raise failed("crit", f"The {what} demands an extension that authflow does not know.")

    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise failed("kid", f"The {what}'s kid is no text.")
    # RFC 8725 §3.11: an access token (at+jwt), a logout token, a proof say so in typ.
    kind = header.get("typ")
    if kind is not None and (not isinstance(kind, str) or _is_other_kind(kind.lower(), typ)):
        raise failed("typ", f"This is another kind of token, not the {what}.")
    passed("alg", what, alg, alg)
    return alg


def _is_other_kind(kind: str, typ: str) -> bool:
    return kind.endswith("+jwt") and kind.removeprefix("application/") != typ


def verify_signature(
    provider: Provider,
    keys: Sequence[Key],
    token: str,
    header: Mapping[str, Any],
    alg: str,
    what: str = "ID token",
) -> None:
    """Raises `ValidationFailed` (`check="signature"`), or `UnknownKey`."""
    if alg.startswith("HS"):
        if not _signed_by(_shared_key(provider), token, alg):
            raise failed("signature", f"The {what}'s signature is wrong.", "Check client_secret: it is the key.")
        passed("signature", what)
        return

    fitting = fitting_keys(keys, header, alg)
    if any(_signed_by(key, token, alg) for key in fitting):
        passed("signature", what)
        return
    if fitting and header.get("kid") is not None:
        raise failed("signature", f"The {what}'s signature is wrong.", _WRONG_SIGNATURE)
    raise UnknownKey(
        f"The {what} is signed with a key that the provider does not publish.",
        check="kid",
        hint="Check jwks_uri; a key just rotated is fetched once a minute at most.",
        phase=Phase.VALIDATE,
    )


def check_issuer(
    provider: Provider, metadata: ServerMetadata, claims: Mapping[str, Any], what: str = "ID token"
) -> None:
    """OpenID Connect Core §3.1.3.7 (2): byte for byte. With a template (Entra), the issuer that the token's own
    claims make."""
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
        differs("iss", what, expected, iss)
        raise failed(
            "iss",
            f"The {what} comes from another issuer.",
            f"Expected {printable(expected, 200)!r}, got {printable(iss, 200)!r}.",
        )
    passed("iss", what, expected, iss)


def fill_template(template: str, claims: Mapping[str, Any]) -> str | None:
    """`template` with each `{claim}` from the claims; None when one is not there or is no plain word."""
    filled = template
    for name in re.findall(r"\{([A-Za-z_]+)\}", template):
        value = claims.get(name)
        if not isinstance(value, str):
            return None
        filled = filled.replace("{" + name + "}", value)
    return filled if fits_template(template, filled) and not has_placeholder(filled) else None


def check_audience(provider: Provider, claims: Mapping[str, Any], what: str = "ID token") -> None:
    """OpenID Connect Core §3.1.3.7 (3, 4, 5): the token is for us; of several audiences, we are the one that
    asked."""
    aud, azp = claims.get("aud"), claims.get("azp")
    listed = [aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []
    if provider.client_id not in listed or not all(isinstance(one, str) for one in listed):
        differs("aud", what, provider.client_id, aud if isinstance(aud, str) else None)
        raise failed("aud", f"The {what} is not meant for this client.", "Check client_id.")
    if (azp is not None or len(listed) > 1) and azp != provider.client_id:
        raise failed("azp", f"The {what} was issued to another client.", "azp must be this client_id.")
    passed("aud", what, provider.client_id, aud if isinstance(aud, str) else provider.client_id)


def check_times(
    claims: Mapping[str, Any],
    *,
    now: float,
    leeway: float,
    what: str = "ID token",
    iat_demanded: bool = True,
    since: float | None = None,
) -> None:
    """OpenID Connect Core §3.1.3.7 (9, 10) and RFC 7519 §4.1.5. Numbers only; `leeway` seconds of skew. `since`: what
    was issued before is somebody else's."""
    exp = moment(claims, "exp", what)
    iat = moment(claims, "iat", what) if iat_demanded or claims.get("iat") is not None else None
    nbf = moment(claims, "nbf", what) if claims.get("nbf") is not None else None
    hint = "Check this machine's clock."
    if exp + leeway <= now:
        raise failed("exp", f"The {what} has expired.", hint)
    if iat is not None and iat - leeway > now:
        raise failed("iat", f"The {what} was issued in the future.", hint)
    if iat is not None and since is not None and iat + leeway < since:
        raise failed("iat", f"The {what} was issued before it was asked for.", hint)
    if nbf is not None and nbf - leeway > now:
        raise failed("nbf", f"The {what} is not valid yet.", hint)
    passed("exp", what)


def moment(
    claims: Mapping[str, Any], name: str, what: str = "ID token", hint: str = ValidationFailed.hint
) -> float:
    """A time in the claims: seconds since the epoch, and sane."""
    value = claims.get(name)
    if not is_number(value) or not 0 <= float(value) <= LAST_MOMENT:  # type: ignore[arg-type]
        raise failed(name, f"The {what}'s {name} is missing or no time.", hint)
    return float(value)  # type: ignore[arg-type]


def audiences(claims: Mapping[str, Any]) -> set[str]:
    """Whom a token names as meant; what is no text names nobody. Raises nothing: it may be unverified."""
    aud = claims.get("aud")
    listed = [aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []
    return {one for one in listed if isinstance(one, str)}


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def failed(
    check: str, message: str, hint: str = ValidationFailed.hint, recovery: Recovery = Recovery.NONE
) -> ValidationFailed:
    """The refusal that names its check."""
    return ValidationFailed(message, check=check, hint=hint, recovery=recovery, phase=Phase.VALIDATE)


def decode_segment(segment: str, what: str) -> bytes:
    """Strict base64url (RFC 7515 §2): no padding, no stray bits, not one character beside the alphabet."""
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise failed("format", f"The {what} is no clean base64url.")
    stray = _NO_STRAY_BITS.get(len(segment) % 4)
    if stray is not None and segment[-1] not in stray:
        raise failed("format", f"The {what} is no clean base64url.")
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _signed_by(key: Key | OctKey, token: str, alg: str) -> bool:
    # joserfc's algorithm, asked directly: `read_segments` has taken the token apart already, and its header and
    # payload are those that the signature must cover.
    signing_input, _, signature = token.rpartition(".")
    if len(signature) > LONGEST_SIGNATURE:
        return False
    model = _ALGORITHMS[alg]
    try:
        model.check_key(key)
        return model.verify(signing_input.encode("ascii"), decode_segment(signature, "token"), key) is True
    except (JoseError, ValueError, TypeError):
        return False


def _shared_key(provider: Provider) -> OctKey:
    """The client secret as an HMAC key (OpenID Connect Core §10.1)."""
    secret = utf8(provider.client_secret or "")
    if len(secret) < SHORTEST_SHARED_KEY:
        raise failed("alg", "The client_secret is too short to be a key.", "HS algorithms need 14 bytes or more.")
    try:
        return OctKey.import_key(secret)
    except (JoseError, ValueError):
        raise failed("alg", "The client_secret cannot be used as a key.", "Compare it with the real one.") from None

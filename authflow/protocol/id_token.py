"""Verifying an ID token (OpenID Connect Core §3.1.3.7, §3.3.2.11, §12.2). Its signature is `jwt.py`'s matter.

Rule: every refusal is a `ValidationFailed` that names its check. What the request asked for (`nonce`, `max_age`,
`acr_values`) is an obligation of the answer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Recovery, printable
from .asked_claims import check_asked_claims
from .expected import Expected
from .jwks import Key
from .jwt import (
    audiences,
    check_audience,
    check_header,
    check_issuer,
    check_times,
    failed,
    moment,
    read_segments,
    utf8,
    verify_signature,
)
from .messages import ServerMetadata
from .witness import differs, passed

if TYPE_CHECKING:
    from ..providers.base import Provider

LONGEST_SUBJECT = 255

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def verify_id_token(
    provider: Provider,
    metadata: ServerMetadata,
    keys: Sequence[Key],
    id_token: str,
    expected: Expected,
    *,
    now: float,
) -> dict[str, Any]:
    """The claims of an ID token, once every check has passed.

    Raises `ValidationFailed`, or `UnknownKey` when none of `keys` fits.
    """
    header, payload = read_segments(id_token)
    alg = check_header(provider, header)
    verify_signature(provider, keys, id_token, header, alg)
    claims = payload

    check_issuer(provider, metadata, claims)
    check_subject(claims)
    check_audience(provider, claims)
    check_nonce(provider, claims, expected.nonce)
    check_hash(claims, "at_hash", expected.access_token, alg)
    check_hash(claims, "c_hash", expected.code, alg, demanded=expected.front_state is not None)
    check_hash(claims, "s_hash", expected.front_state, alg)
    check_authentication(provider, claims, expected, now)
    check_asked_claims(expected.asked_claims or {}, "id_token", claims)
    check_required(provider, claims)
    if expected.previous_claims:
        check_continuity(claims, expected.previous_claims)
    # Last: a refresh overlooks what only this machine's clock says, and must know that nothing else is wrong.
    check_times(claims, now=now, leeway=provider.leeway, since=expected.since)
    return claims


def check_subject(claims: Mapping[str, Any]) -> None:
    """§2: a text of 255 characters at most."""
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= LONGEST_SUBJECT:
        raise failed("sub", "The ID token does not say who signed in.", "sub must be a text of 1 to 255 characters.")
    passed("sub", "ID token")


def check_nonce(provider: Provider, claims: Mapping[str, Any], nonce: str | None) -> None:
    """§3.1.3.7 (11): the nonce of this attempt, and no other. Where a provider's ID tokens never have one, a
    missing nonce is all right, a wrong one is not."""
    said = claims.get("nonce")
    if nonce is None or (said is None and provider.omits_nonce):
        return
    if not isinstance(said, str) or not hmac.compare_digest(utf8(said), utf8(nonce)):
        differs("nonce", "ID token", nonce, said)
        raise failed("nonce", "The ID token belongs to another login attempt.", "Begin the login again.")
    passed("nonce", "ID token", nonce, said)


def check_hash(
    claims: Mapping[str, Any], name: str, value: str | None, alg: str, *, demanded: bool = False
) -> None:
    """§3.1.3.6, §3.3.2.11: left half of the hash of a token, code or state. Binding when there; what came through the
    browser beside a code must have it."""
    said = claims.get(name)
    if value is None or (said is None and not demanded):
        return
    algorithm = hashlib.sha512 if alg in ("EdDSA", "Ed25519") else _HASHES.get(alg[-3:])
    if algorithm is None or not isinstance(said, str):
        raise failed(name, f"The ID token's {name} cannot be checked.")
    digest = algorithm(utf8(value)).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(utf8(said), expected):
        differs(name, "ID token", expected.decode(), said)
        raise failed(
            name,
            f"The ID token's {name} does not fit what came with it.",
            "Sign in again: something was exchanged on the way. If it stays so, tell whoever runs the provider.",
        )
    passed(name, "ID token")


def check_authentication(provider: Provider, claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    """§3.1.3.7 (12, 13): how and when the human proved who they are, where that was asked."""
    max_age, leeway, wanted = expected.max_age, provider.leeway, expected.acr_values
    if claims.get("auth_time") is not None or max_age is not None:
        auth_time = moment(claims, "auth_time", hint="Ask without max_age=, where the provider cannot tell it.")
        if max_age is not None and not -leeway <= now - auth_time <= max_age + leeway:
            raise failed(
                "auth_time",
                "The human proved who they are longer ago than was asked.",
                "Ask with prompt='login'.",
                recovery=Recovery.STEP_UP,
            )
        passed("auth_time", "ID token")
    wanted = wanted.split() if isinstance(wanted, str) else wanted
    if wanted and claims.get("acr") not in wanted:
        raise failed(
            "acr",
            "The human did not sign in the way that was asked.",
            f"Asked was {printable(' '.join(wanted), 200)!r}.",
            recovery=Recovery.STEP_UP,
        )
    if wanted:
        passed("acr", "ID token", " ".join(wanted), claims["acr"])


def check_required(provider: Provider, claims: Mapping[str, Any]) -> None:
    """Claims that this application insists on: Google's `hd`, Entra's `tid`."""
    for name, value in provider.required_claims.items():
        if claims.get(name) != value:
            raise failed(name, f"The ID token's {name} is not the one that is required.", "See required_claims.")
        passed(name, "ID token")


def check_continuity(claims: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    """§12.2: a refreshed ID token speaks of the same login."""
    for name in ("iss", "sub"):
        if claims.get(name) != previous.get(name):
            differs(name, "refreshed ID token", previous.get(name), claims.get(name))
            raise failed(name, f"The refreshed ID token has another {name}.", "Sign in again.")
    if audiences(claims) != audiences(previous):
        raise failed("aud", "The refreshed ID token has another audience.", "Sign in again.")
    if claims.get("azp") != previous.get("azp"):
        raise failed("azp", "The refreshed ID token has another azp.", "Sign in again.")
    for name in ("auth_time", "nonce"):
        was, now_is = previous.get(name), claims.get(name)
        if was is not None and now_is is not None and was != now_is:
            raise failed(name, f"The refreshed ID token has another {name}.", "Sign in again.")
    passed("same login", "refreshed ID token")



"""Proof Key for Code Exchange (RFC 7636), S256 only: `plain` protects nothing and does not exist here."""

from __future__ import annotations

import base64
import hashlib
import re

from ..errors import InvalidCall

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


def code_challenge(code_verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2).

    Raises `InvalidCall` for a verifier that is not 43 to 128 unreserved characters (§4.1).
    """
    if not _VERIFIER.fullmatch(code_verifier):
        raise InvalidCall(
            "A code_verifier is 43 to 128 letters, digits and '-._~'.",
            hint="Take secrets.token_urlsafe(32); one for each attempt.",
        )
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

"""A provider's own words, fit to be shown: no secret stands in them, whoever made it.

Rule 1: what this request carried, and the tokens that stand in the answer itself, are known: they go to the letter.
Rule 2: what looks like a token goes too. What tells an administrator where to look (a UUID that stands alone, an
        address, the names that we ourselves sent) stays.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Set
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote_plus

import httpx
import msgspec

SHORTEST_SECRET: Final = 8  # a shorter value is part of ordinary words
CUT: Final = "…"

PUBLIC_PARAMETERS: Final = frozenset(
    {"grant_type", "redirect_uri", "client_id", "scope", "token_type_hint", "audience"}
)
_REGISTERED: Final = ("client_secret", "software_statement")
_GIVEN: Final = (
    "access_token", "refresh_token", "id_token", "code", "device_code", "user_code", "client_secret",
    "registration_access_token",
)  # fmt: skip

# A UUID that stands alone names a request, a tenant, a client: joined to others it may be a code.
_UUID: Final = re.compile(r"((?<![\w.-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-]|\.\w))")
_JWT: Final = re.compile(r"eyJ[\w-]+(?:\.[\w-]*)*")
_RUN: Final = re.compile(r"[A-Za-z0-9_\-+/=~%]{16,}")
_BETWEEN: Final = re.compile(r"[_\-/+=~%]")
_READABLE: Final = re.compile(r"[a-z]{0,24}\d{0,2}|[A-Z]{1,12}\d{0,8}|[a-z]{0,24}(?:[A-Z][a-z]{2,})+\d{0,2}")

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


def harmless(
    text: str, response: httpx.Response, members: Mapping[str, Any], public: Set[str] = PUBLIC_PARAMETERS
) -> str:
    """What an error says, in a body with `members`: all secrets that are known, and what looks like one, cut out.

    `public`: parameters of the request that are no secrets.
    """
    given = [value for name in _GIVEN if isinstance(value := members.get(name), str)]
    known = {value for name, value in _sent(response) if name in public}
    return without_tokens(_without(without_secrets(text, response, public), given), known)


def without_tokens(text: str, public: Iterable[str] = ()) -> str:
    """`text` with whatever looks like a token cut out; `public`: values that are none."""
    known = frozenset(public)
    if not _RUN.search(text):
        return text

    def judged(found: re.Match[str]) -> str:
        run = found.group()
        return CUT if run not in known and looks_secret(run) else run

    pieces = _UUID.split(_JWT.sub(CUT, text))
    return "".join(piece if at % 2 else _RUN.sub(judged, piece) for at, piece in enumerate(pieces))


def looks_secret(run: str) -> bool:
    """Whether a run of 12 characters or more is random rather than words."""
    return sum(len(part) for part in _BETWEEN.split(run) if not _READABLE.fullmatch(part)) >= 6


def without_secrets(text: str, response: httpx.Response, public: Set[str] = PUBLIC_PARAMETERS) -> str:
    """`text` with all that the request carried (code, verifier, tokens, secret) replaced by `…`."""
    try:
        request = response.request
        body = request.content
    except (RuntimeError, ValueError):
        return text
    secrets = [value for name, value in _sent(response) if name not in public]
    if body[:1] == b"{":
        secrets += _secrets_of_registration(body)
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    secrets.append(credentials)
    if kind.lower() == "basic":
        secrets += basic_parts(credentials)
    return _without(text, secrets)


def basic_parts(credentials: str) -> list[str]:
    """The secret of a Basic header, as sent and as meant."""
    try:
        pair = base64.b64decode(credentials).decode("ascii")
    except ValueError:
        return []
    secret = pair.partition(":")[2]
    return [secret, unquote_plus(secret)]


def _without(text: str, secrets: Iterable[str]) -> str:
    """`text` without those, as they are and as a URL has them."""
    spelled = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
    for secret in sorted(spelled, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, CUT)
    return text


def _sent(response: httpx.Response) -> list[tuple[str, str]]:
    """The parameters of the request, in its form, its query, and a signed request in there."""
    try:
        request = response.request
        pairs = parse_qsl(request.content.decode("utf-8", "replace")) + parse_qsl(request.url.query.decode("ascii"))
    except (RuntimeError, ValueError):
        return []
    return pairs + [pair for name, value in pairs if name == "request" for pair in _signed(value)]


def _signed(request: str) -> list[tuple[str, str]]:
    """The parameters in a JWT (RFC 9101 §4); whose it is, and for whom, are none."""
    try:
        members = _OBJECT.decode(base64.urlsafe_b64decode(request.split(".")[1] + "=="))
    except (IndexError, msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return []
    return [(name, value) for name, value in members.items() if isinstance(value, str) and name not in ("iss", "aud")]


def _secrets_of_registration(body: bytes) -> list[str]:
    """What proves the client in the JSON of a registration (RFC 7591 §2, RFC 7592 §2.2)."""
    try:
        members = _OBJECT.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return []
    return [value for name in _REGISTERED if isinstance(value := members.get(name), str)]

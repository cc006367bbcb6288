"""Tokens that other libraries saved, read into a `Token`: so nobody has to sign in again.

    authflow            what `authflow export` wrote: text under a passphrase
    flet                Flet's saved token, as its `encrypt` wrote it or in clear
    msal                a cache of MSAL for Python (`SerializableTokenCache.serialize()`)
    requests-oauthlib   the token dict of requests-oauthlib or Authlib, as JSON

Rule: these functions read; they neither write nor fetch. What they cannot read is an error that shows nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ..crypto import decrypt
from ..errors import InvalidCall
from ..records import Token

FORMATS: Final = ("authflow", "flet", "msal", "requests-oauthlib", "authlib")
_PREFIX: Final = "afp1."
_FLETS: Final = re.compile(r"[A-Za-z0-9_-]{100,}={0,2}")  # what Flet's `encrypt` wrote; the shortest has 156 characters
_PRINTED: Final = re.compile(r"[\x21-\x7e]+")  # what a header or a tool's line may hold
_MSAL_PARTS: Final = ("AccessToken", "RefreshToken", "Account")


def read_saved_token(text: str, passphrase: Callable[[], str], client_id: str, kind: str | None = None) -> Token:
    """The token in `text`; its format is seen from the text unless `kind` says it. `passphrase` is asked for only if
    the text is encrypted; `client_id` chooses in a cache of several applications.

    Raises `InvalidCall` for what cannot be read, `SealedDataInvalid` for another passphrase.
    """
    text = text.strip()
    if kind == "authflow" and not text.startswith(_PREFIX):
        raise _unreadable("authflow")
    encrypted = text.startswith(_PREFIX) or (kind in (None, "flet") and _FLETS.fullmatch(text) is not None)
    if encrypted:
        text = decrypt(text, passphrase()).strip()
    try:
        members = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        members = None
    if members is None:
        raise _unreadable(kind or "known")
    if kind == "msal" or (kind is None and any(isinstance(members.get(part), dict) for part in _MSAL_PARTS)):
        members = read_msal(members, client_id)
    if not isinstance(members.get("access_token"), str) and isinstance(members.get("refresh_token"), str):
        # Only the refresh token was kept, as one should: the access token is renewed at once.
        members = {"access_token": "expired", "expires_at": 1.0, **members}
    try:
        token = Token.from_json(msgspec.json.encode(members))
    except ValueError:
        token = None
    if token is None or not all(_PRINTED.fullmatch(text) for text in (token.access_token, token.token_type)):
        raise _unreadable(kind or "known")
    return token


def read_msal(cache: Mapping[str, Any], client_id: str) -> dict[str, Any]:
    """The newest tokens of this client in MSAL's cache, as members of a token response. Raises `InvalidCall`."""
    accounts = {
        str(entry.get("home_account_id"))
        for part in ("RefreshToken", "AccessToken")
        for entry in _entries(cache, part, client_id)
    }
    if len(accounts) != 1:
        why, hint = (
            ("several accounts", "Keep one account in the file, and import each.")
            if accounts
            else ("no account", "Check client_id in authflow.toml.")
        )
        raise InvalidCall(f"The MSAL cache holds {why} of this client.", hint=hint)
    members: dict[str, Any] = {"token_type": "Bearer"}
    access = max(_entries(cache, "AccessToken", client_id), key=_ends, default=None)
    if access is not None:
        members.update(access_token=access.get("secret"), scope=access.get("target"), expires_at=_ends(access))
    for part, name in (("RefreshToken", "refresh_token"), ("IdToken", "id_token")):
        entry = next(iter(_entries(cache, part, client_id)), None)
        if entry is not None:
            members[name] = entry.get("secret")
    return members


def _entries(cache: Mapping[str, Any], part: str, client_id: str) -> list[Mapping[str, Any]]:
    found = cache.get(part)
    entries = found.values() if isinstance(found, dict) else ()
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("client_id") == client_id]


def _ends(entry: Mapping[str, Any]) -> float:
    """MSAL keeps whole seconds, as text."""
    text = str(entry.get("expires_on", ""))
    return float(text) if text.isascii() and text.isdigit() and len(text) < 16 else 1.0


def _unreadable(kind: str) -> InvalidCall:
    return InvalidCall(
        f"This is no saved token of a {kind} format." if kind == "known" else f"This is no saved token of {kind}.",
        hint=f"Say which it is: --from {'|'.join(FORMATS)}. It must be the file's whole text.",
    )

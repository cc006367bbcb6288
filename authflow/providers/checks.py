"""What a provider's settings must be to work: refused at construction, with the setting's name and the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from ..errors import ConfigurationError, InsecureURL
from ..protocol.registration import ClientMetadata
from ..protocol.urls import check_endpoint, check_redirect_uri, is_loopback
from .asking import check_asking
from .credentials import SHARED_KEY_ALGORITHMS, check_credentials
from .fapi import check_profile
from .settings import CommonSettings, DataFields

if TYPE_CHECKING:
    from .base import Provider

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "device_authorization_endpoint",
    "pushed_authorization_request_endpoint",
    "jwks_uri",
)
# Every attempt has its own values for these (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1).
_PER_ATTEMPT = frozenset(
    {
        "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
        "code_challenge", "code_challenge_method", "code_verifier", "request", "request_uri",
    }
)  # fmt: skip
# What a setting's own annotation says of it, for those that are one plain value.
_PLAIN: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "str | None": ((str, NoneType), "a string or None"),
    "bool": ((bool,), "True or False"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def read_env(variable: str) -> str:
    """The variable's value, or `ConfigurationError` with the line that sets it."""
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(
            f"The environment variable {variable} is not set.", hint=f"Set it: export {variable}=…"
        )
    return value


def read_list(who: str, name: str, value: Any) -> tuple[str, ...]:
    """A list of strings as a tuple of its own, each member once. Raises `ConfigurationError`."""
    if isinstance(value, str):
        raise ConfigurationError(
            f"{who}: {name} must be a list of strings, not one string.", hint=f"Write {name}={value.split()!r}."
        )
    if not isinstance(value, Iterable | None):
        raise ConfigurationError(f"{who}: {name} must be a list of strings, not {type(value).__name__}.")
    members = tuple(value or ())
    for one in members:
        if not isinstance(one, str) or not one or one.split() != [one]:
            raise ConfigurationError(
                f"{who}: {name} holds {one!r}.", hint="Each member is one non-empty string without spaces."
            )
    return tuple(dict.fromkeys(members))


def read_mapping(who: str, name: str, value: Any) -> dict[str, str]:
    """Strings by name, as a dict of its own. Raises `ConfigurationError`, which shows no value."""
    if not isinstance(value, Mapping | None):
        raise ConfigurationError(f"{who}: {name} must be a mapping of strings to strings.")
    for key, one in (value or {}).items():
        if not isinstance(key, str) or not isinstance(one, str):
            raise ConfigurationError(
                f"{who}: {name}[{key!r}] is no string.",
                hint=f"Write its value as a string, not as {type(one).__name__}.",
            )
    return dict(value or {})


def read_pair(who: str, name: str, value: Any) -> tuple[str, str]:
    """Two field names, as a tuple. Raises `ConfigurationError`."""
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(isinstance(x, str) and x for x in value):
        raise ConfigurationError(
            f"{who}: {name} must be two names of fields.", hint=f'Write {name}=("error", "error_description").'
        )
    return value[0], value[1]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'strict'?` for a word that is nearly a known one, else ""."""
    import difflib

    by_letters = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), by_letters, 1)
    return f"Did you mean {by_letters[near[0]]!r}?" if near else ""


def check_settings(provider: Provider) -> None:
    """Refuses at construction what could not work later. Raises `ConfigurationError`."""
    who = f"{type(provider).__name__}({provider.name!r})"
    if provider.registration is not None and not isinstance(provider.registration, ClientMetadata):
        raise ConfigurationError(f"{who}: registration takes a ClientMetadata.")
    if (not provider.client_id and provider.registration is None) or not isinstance(provider.client_id, str):
        raise ConfigurationError(
            f"{who} needs a client_id.",
            hint="Register the application with the provider, and give the id from there as a string.",
        )
    check_plain(provider, who)
    for name, value in (("client_id", provider.client_id), ("client_secret", provider.client_secret or "")):
        if value.strip() != value or not value.isprintable():
            raise ConfigurationError(
                f"{who}: {name} begins or ends with white space, or holds a control character.",
                hint="Copy it again without the line break.",
            )
    if not set(provider.name) <= _NAME_CHARACTERS or provider.name in (".", ".."):
        raise ConfigurationError(
            f"{who}: the name stands in the redirect URI.", hint="Use letters, digits, '-', '_' and '.'."
        )
    if not provider.callback_path.startswith("/"):
        raise ConfigurationError(f"{who}: callback_path must begin with '/'.")
    if not 0 <= provider.loopback_port <= 65535:
        raise ConfigurationError(f"{who}: loopback_port must lie between 0 (any) and 65535.")
    if not is_loopback(provider.loopback_host):
        raise ConfigurationError(
            f"{who}: loopback_host must be this machine.", hint='Use "127.0.0.1", "localhost" or "::1".'
        )
    if not 0 <= provider.leeway <= 300:
        raise ConfigurationError(f"{who}: leeway must lie between 0 and 300 seconds.")
    if not 0 < provider.timeout <= 300:
        raise ConfigurationError(f"{who}: timeout must lie between 0 and 300 seconds.")
    if any(alg.lower() == "none" for alg in provider.algorithms) or not provider.algorithms:
        raise ConfigurationError(f"{who}: an unsigned ID token proves nothing.", hint="Name signing algorithms.")
    check_algorithms(provider, who)
    if any(alg.startswith("HS") for alg in provider.algorithms) and not provider.client_secret:
        raise ConfigurationError(f"{who}: HS algorithms need the client_secret as their key.")
    if provider.refuses_code_verifier and not provider.client_secret:
        raise ConfigurationError(
            f"{who}: without a client_secret, only the code_verifier protects the code.",
            hint="Leave refuses_code_verifier out.",
        )
    check_asking(provider, who)
    fixed = _PER_ATTEMPT & (set(provider.authorization_params) | set(provider.token_params))
    if fixed:
        raise ConfigurationError(
            f"{who}: {', '.join(sorted(fixed))} cannot be a fixed parameter.",
            hint="authflow makes it anew for every attempt, or has a setting of that name.",
        )
    check_credentials(provider, who)
    check_words(provider, who)
    check_profile(provider, who)
    check_urls(provider, who)


def check_plain(provider: Provider, who: str) -> None:
    """A setting that is a string, a number or a truth is one. Shows no value: it may be a secret."""
    for one in fields(provider):
        kinds, words = _PLAIN.get(str(one.type), ((object,), ""))
        value = getattr(provider, one.name)
        if not isinstance(value, kinds) or (isinstance(value, bool) and int in kinds):
            raise ConfigurationError(
                f"{who}: {one.name} must be {words}, not {type(value).__name__}.",
                hint="Write it without quotes; what comes from the environment, as int(…)."
                if isinstance(value, str) and int in kinds
                else "",
            )


def check_words(provider: Provider, who: str) -> None:
    """A setting that is one of a few words is one of them."""
    for name, (words, alone) in _words().items():
        value = getattr(provider, name)
        if value in words if isinstance(value, str) else not alone:
            continue
        said = repr(value[:40]) if isinstance(value, str) else type(value).__name__
        listed = f"It is one of {', '.join(words)}."
        near = did_you_mean(value, words) if isinstance(value, str) else ""
        raise ConfigurationError(f"{who}: {name} cannot be {said}.", hint=f"{near} {listed}".strip())


@cache
def _words() -> dict[str, tuple[tuple[str, ...], bool]]:
    """By setting: the words that its annotation lists, and whether nothing but a word may stand there."""
    found = {}
    for name, kind in {**get_type_hints(CommonSettings), **get_type_hints(DataFields)}.items():
        kinds = get_args(kind) if get_origin(kind) is not Literal else (kind,)
        literals = [one for one in kinds if get_origin(one) is Literal]
        if literals:
            found[name] = (tuple(word for one in literals for word in get_args(one)), len(literals) == len(kinds))
    return found


def check_algorithms(provider: Provider, who: str) -> None:
    """Each is one whose signatures can be checked here."""
    from .base import ID_TOKEN_ALGORITHMS  # made of what is in this file

    known = (*ID_TOKEN_ALGORITHMS, *SHARED_KEY_ALGORITHMS)
    for alg in provider.algorithms:
        if alg not in known:
            raise ConfigurationError(
                f"{who}: algorithms holds {alg[:40]!r}, which authflow does not check.",
                hint=f"{did_you_mean(alg, known)} It checks {', '.join(known)}.".strip(),
            )


def check_urls(provider: Provider, who: str) -> None:
    """Endpoints are https, http only on loopback and when asked for; origins are bare."""
    named = [(name, getattr(provider, name)) for name in (*_ENDPOINTS, "issuer", "resource")]
    for name, url in (*named, *(("claims_issuers", issuer) for issuer in provider.claims_issuers)):
        if url is None:
            continue
        try:
            check_endpoint(url, allow_insecure_loopback=provider.allow_insecure_loopback)
        except InsecureURL as error:
            raise InsecureURL(f"{who}, {name}: {error.message}", hint=error.hint) from None
    issuer, well_known, _ = (provider.issuer or "").partition("/.well-known/")
    if well_known:
        raise ConfigurationError(f"{who}: issuer is the address of a document.", hint=f"Write issuer={issuer!r}.")
    if provider.discovery and provider.issuer is None and provider.resource is None:
        raise ConfigurationError(f"{who}: discovery needs the issuer.", hint="Set issuer=https://….")
    for name in ("redirect_uri", "post_logout_redirect_uri"):
        url = getattr(provider, name)
        if url is None:
            continue
        try:
            check_redirect_uri(url)
        except InsecureURL as error:
            raise InsecureURL(f"{who}, {name}: {error.message}", hint=error.hint) from None
    for origin in provider.api_origins:
        parts = urlsplit(origin)
        bare = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        if not bare or not parts.hostname or parts.path or parts.query or "#" in origin or "@" in parts.netloc:
            raise ConfigurationError(
                f"{who}: {origin!r} is no origin.",
                hint="An origin is https://host[:port], without a path; http:// on loopback only.",
            )

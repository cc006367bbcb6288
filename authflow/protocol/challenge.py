"""What an API says when it refuses a request: the `WWW-Authenticate` header (RFC 9110 §11.6.1).

Rule: the header is another party's. What is read of it is bounded, and what cannot be read is left out; a hostile
one is at worst no challenge at all.

What an API can ask for: a stronger or fresher sign-in (RFC 9470), more scope (RFC 6750 §3.1), and it can say where
its metadata are (RFC 9728 §5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from ..events import StepUp
from .urls import LONGEST_URL

LONGEST_HEADER: Final = 8192  # characters, of all the headers together
MOST_CHALLENGES: Final = 16
MOST_PARAMETERS: Final = 32
MOST_SCOPES: Final = 64
LONGEST_WORD: Final = 256  # characters of one scope or acr value
LONGEST_AGE: Final = 10 * 365 * 86_400  # seconds

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|\Z))")
_PARAMETER = re.compile(r"""([A-Za-z0-9!#$%&'*+.^_`|~\-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=][^\s,"]*))""")
_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3


class Challenge(NamedTuple):
    """One challenge: its scheme in lower case, its parameters by name in lower case, each once."""

    scheme: str
    parameters: dict[str, str]


def read_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges in the `WWW-Authenticate` headers of one answer. Raises nothing."""
    return tuple(islice(_challenges(", ".join(headers)[:LONGEST_HEADER]), MOST_CHALLENGES))


def _challenges(text: str) -> Iterator[Challenge]:
    scheme: str | None = None
    parameters: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] in " \t,":
            at += 1
            continue
        parameter = _PARAMETER.match(text, at)
        if parameter is not None and scheme is not None:
            name, quoted, bare = parameter.groups()
            if len(parameters) < MOST_PARAMETERS:
                parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare)
            at = parameter.end()
            continue
        word = _TOKEN.match(text, at)
        if word is None:
            break  # what follows cannot be told apart
        if scheme is not None:
            yield Challenge(scheme, parameters)
        scheme, parameters = word.group().lower(), {}
        at = word.end()
        alone = _TOKEN68.match(text, at + 1)
        if alone is not None and _PARAMETER.match(text, at + 1) is None and text[at : at + 1] == " ":
            at = alone.end()  # credentials of another scheme, such as Negotiate's
    if scheme is not None:
        yield Challenge(scheme, parameters)


def read_step_up(status: int, headers: Iterable[str]) -> StepUp | None:
    """What a 401 (RFC 9470 §3) or a 403 (RFC 6750 §3.1) asks of the human; None when it asks nothing."""
    if status not in (401, 403):
        return None
    for challenge in _of_tokens(headers):
        asked = challenge.parameters
        error = asked.get("error")
        if status == 401 and error == "insufficient_user_authentication":
            return StepUp(
                error=error,
                acr_values=_words(asked.get("acr_values")),
                max_age=_age(asked.get("max_age")),
                scope=_words(asked.get("scope")),
            )
        if status == 403 and error == "insufficient_scope":
            return StepUp(error=error, scope=_words(asked.get("scope")))
    return None


def read_resource_challenge(headers: Iterable[str]) -> tuple[str | None, tuple[str, ...]]:
    """Where a protected resource's metadata are (RFC 9728 §5.1), and the scope that this request would have needed
    (RFC 6750 §3); None and nothing where the answer does not say. The URL is not judged yet."""
    url: str | None = None
    scope: tuple[str, ...] = ()
    for challenge in _of_tokens(headers):
        said = challenge.parameters.get("resource_metadata")
        if url is None and said is not None and len(said) <= LONGEST_URL:
            url = said
        scope = scope or _words(challenge.parameters.get("scope"))
    return url, scope


def _of_tokens(headers: Iterable[str]) -> list[Challenge]:
    return [challenge for challenge in read_challenges(headers) if challenge.scheme in ("bearer", "dpop")]


def _words(text: str | None) -> tuple[str, ...]:
    """A list of scope or acr values, each once; those that cannot be one are left out."""
    words = dict.fromkeys((text or "").split(" "))
    fine = [word for word in words if len(word) <= LONGEST_WORD and _WORD.fullmatch(word)]
    return tuple(fine[:MOST_SCOPES])


def _age(text: str | None) -> float | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return float(min(int(text[:12]), LONGEST_AGE))

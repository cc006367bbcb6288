"""A request and a response as plain values, and whether a request comes from this site's own pages.

Rule: what a browser sent is read here and nowhere else, by one reading for all frameworks. A cookie's name is taken
byte for byte. A reader that strips more than blanks would take a Unicode space and `__Host-owner`, which any
neighbour may set, for `__Host-owner`, which none can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

import msgspec

from ...records import Redacted

LONGEST_FORM = 64 * 1024
MOST_FIELDS = 100


class Asked(msgspec.Struct, frozen=True):
    """A request. `headers` by name in lower case; `query` and `body` as they came over the wire."""

    method: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Asked({self.method})"  # the query holds codes, the headers cookies

    __str__ = __repr__

    @property
    def cookies(self) -> dict[str, str]:
        """By name. One that comes twice is none: which of them is ours cannot be known."""
        found: dict[str, str] = {}
        doubled = set()
        for part in self.headers.get("cookie", "").split(";"):
            name, equals, value = part.strip(" \t").partition("=")
            if equals and name in found:
                doubled.add(name)
            if equals:
                found[name] = value
        return {name: value for name, value in found.items() if name not in doubled}

    @property
    def form(self) -> dict[str, list[str]]:
        """The fields of a form (`application/x-www-form-urlencoded`) by name; none for a body of another kind."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded" or len(self.body) > LONGEST_FORM:
            return {}
        return _fields(self.body.decode("latin-1"))

    def param(self, name: str) -> str | None:
        """What the query says, or the form; None unless it is said exactly once."""
        said = [*_fields(self.query).get(name, ()), *self.form.get(name, ())]
        return said[0] if len(said) == 1 else None

    @property
    def wants_page(self) -> bool:
        """A browser goes somewhere, rather than a script asking."""
        mode = self.headers.get("sec-fetch-mode")
        if mode is not None:
            return mode == "navigate"
        return "text/html" in self.headers.get("accept", "")

    @property
    def only_looks(self) -> bool:
        """A browser asks before its human does, or loads a picture or a script of some page; or nobody but a scanner
        of links asks."""
        ahead = "prefetch" in self.headers.get("sec-purpose", "") + self.headers.get("purpose", "")
        return self.method == "HEAD" or ahead or self.headers.get("sec-fetch-mode") == "no-cors"


class Answer(Redacted, msgspec.Struct, frozen=True):
    """A response. A header may be there several times (`Set-Cookie`)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Answer({self.status})"

    def with_headers(self, *more: tuple[str, str]) -> Answer:
        return msgspec.structs.replace(self, headers=(*self.headers, *more))

    @property
    def location(self) -> str | None:
        return next((value for name, value in self.headers if name == "Location"), None)


PRIVATE = (
    ("Cache-Control", "private, no-store"),  # the first ones of Django 5.2 heed `private` only
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


def see_other(url: str, *headers: tuple[str, str]) -> Answer:
    """Goes on to `url` by GET."""
    return Answer(303, (("Location", url), *PRIVATE, *headers))


def as_json(value: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """Plain data for a script."""
    return Answer(status, (("Content-Type", "application/json"), *PRIVATE, *headers), msgspec.json.encode(value))


def is_from_here(asked: Asked, origin: str) -> bool:
    """Whether one of this site's own pages asks. What no browser sent has neither header, and nobody's cookie."""
    site = asked.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return asked.headers.get("origin", origin) == origin


def join_headers(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers of the wire by name in lower case; one that is there several times is joined, as HTTP joins it."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = value if name not in found else f"{found[name]}{'; ' if name == 'cookie' else ', '}{value}"
    return found


def _fields(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"):
            found.setdefault(name, []).append(value)
    except ValueError:
        return {}
    return found

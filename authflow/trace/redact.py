"""What of a value may be kept in a trace. Everything passes through here before it is stored.

Rule 1: a list says what is shown. A name that stands in no list is shown as `•••` when this program sent it, and
        not even named when somebody else did: an answer's member may itself be a secret.
Rule 2: a secret is `•••` and four digits of a hash under a key that only its own story has: equal values stay
        comparable, and nobody can try guesses. What has less than 64 bits of possible entropy (a user code) is
        `•••` alone.
Rule 3: a human is not named: e-mail, name, `sub` and hosts inside a network are masked, unless `with_identity`.
Rule 4: a shown value is still somebody else's text. What looks like a secret in it is taken out.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import unquote_plus, urlsplit

import httpx
import msgspec
from msgspec.structs import replace

from ..errors import ErrorInfo, printable
from ..protocol.urls import is_loopback, is_private_host
from ..protocol.words import looks_secret, without_secrets
from .names import KNOWN, PEOPLE, SHOWN, URLS

MASK: Final = "•••"
LEAST_BITS: Final = 64.0
LONGEST_SHOWN: Final = 300
MOST_NAMES: Final = 40
LARGEST_BODY: Final = 64 * 1024  # bytes; a larger one is not looked into
_LONGEST_DOCUMENT: Final = 24  # members; what has more is metadata, and public
_HEADERS: Final = {
    name.encode(): name for name in ("content-type", "retry-after", "location", "dpop-nonce", "www-authenticate")
}
_SCHEMES: Final = ("basic", "bearer", "dpop")

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_SEGMENT_OF_JWT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WORD: Final = re.compile(r"[a-z]{2,24}(?:[_-][a-z]{2,24}){0,4}|[a-z]+(?:[A-Z][a-z]+){1,4}")
# No dot and no port: with them it may be a host.
_PLAIN: Final = re.compile(r"[a-z0-9_ ,()+-]{0,11}|[a-z]{1,20}(?:[ _:/-][a-z]{1,20}){0,11}")
_URL: Final = re.compile(r"https?://[^\s'\"<>]*[^\s'\"<>.,;:)]")
_ADDRESS: Final = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_HOST: Final = re.compile(r"\b[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b|\b[A-Za-z0-9-]+(?=:\d{2,5}\b)|\[[0-9a-fA-F:.]+\]")
_RUN: Final = re.compile(r"[A-Za-z0-9_\-+/=~%]{12,}")
_SEGMENT: Final = re.compile(
    r"\.?[A-Za-z][a-z]*(?:[A-Z][a-z]+)*\d{0,2}(?:[._-][A-Za-z]?[a-z]*\d{0,2})*|v?\d{1,2}(?:\.\d{1,2})*"
)
_DIGIT, _LOWER, _UPPER = re.compile("[0-9]"), re.compile("[a-z]"), re.compile("[A-Z]")
_PARTS_OF_FORM: Final = 256
_INSIDE: Final = (
    ".local", ".localdomain", ".internal", ".intranet", ".lan", ".corp", ".home", ".private", ".home.arpa", ".cluster",
)  # fmt: skip


_MOST_HARMLESS: Final = 512
_harmless: set[str] = set()  # texts of which nothing had to be taken out; logins have the same ones over and over


@lru_cache(maxsize=512)
def is_inside(host: str) -> bool:
    """Whether a host's name tells of somebody's own network. Loopback tells nothing."""
    name = host.strip("[]").rstrip(".").lower()
    if not name or is_loopback(name):
        return False
    return "." not in name or name.endswith(_INSIDE) or is_private_host(name)


@lru_cache(maxsize=512)
def _shown_host(host: str) -> str:
    return printable(host, 255)


@lru_cache(maxsize=512)
def shown_path(path: str) -> str:
    """A URL's path; a segment that is no plain word (an id, a secret in a path) is masked."""
    return "/".join(one if _is_plain(one) else MASK for one in path.split("/"))[:LONGEST_SHOWN]


def _is_plain(segment: str) -> bool:
    return not segment or (len(segment) <= 32 and _SEGMENT.fullmatch(segment) is not None)


def _apart(url: str) -> tuple[str, str, str]:
    """What stands before the host, the host, and what may be shown of the rest."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", "", MASK
    rest = shown_path(parts.path) + ("?" + MASK if parts.query or parts.fragment else "")
    if not parts.scheme or not host:
        return "", "", rest if parts.path.startswith("/") else MASK
    return f"{parts.scheme}://", host, ("" if port is None else f":{port}") + rest


@lru_cache(maxsize=256)
def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.hostname or "", shown_path(parts.path)


_apart_and_kept = lru_cache(maxsize=256)(_apart)  # the same addresses over and over


def bits_of(value: str) -> float:
    """How much there may be to guess: the length times the bits of the kinds of characters in it."""
    kinds = 10 * (_DIGIT.search(value) is not None) + 26 * (_LOWER.search(value) is not None)
    kinds += 26 * (_UPPER.search(value) is not None) + 8 * (not value.isalnum())
    return len(value) * math.log2(max(kinds, 2))


class Redactor:
    """What of the values of one story may be kept. `key`: 16 random bytes, of this story only."""

    __slots__ = ("_people", "key", "with_identity")

    def __init__(self, key: bytes, *, with_identity: bool = False) -> None:
        self.key = key
        self.with_identity = with_identity
        self._people: set[str] = set()  # whom this story is about: taken out of texts too

    # ── single values ────────────────────────────────────────────────────────────────────────────────

    def mark(self, text: str) -> str:
        """What stands for a secret."""
        if len(text) < 20 and bits_of(text) < LEAST_BITS:
            return MASK
        return self.digest(text)

    def digest(self, text: str) -> str:
        """Four digits that are equal for equal texts of this story."""
        return MASK + blake2b(text.encode("utf-8", "surrogatepass"), key=self.key, digest_size=2).hexdigest()

    def host(self, host: str) -> str:
        """A host by its name, unless that tells of somebody's own network."""
        return _shown_host(host) if self.with_identity or not is_inside(host) else self.mark(host)

    def url(self, url: str) -> str:
        """A URL without its query, its host and path redacted."""
        start, host, rest = _apart_and_kept(url) if "?" not in url and "#" not in url else _apart(url)
        return f"{start}{self.host(host)}{rest}" if host else rest

    def place(self, url: str) -> tuple[str, str]:
        """The host and the path of a URL, as they may be told."""
        host, path = _place(url.partition("?")[0])
        return self.host(host), path

    def text(self, said: str) -> str:
        """Somebody's words: URLs, hosts and addresses redacted, what looks like a secret taken out."""
        for person in self._people:
            if person in said:
                said = said.replace(person, MASK)
        if said in _harmless or _PLAIN.fullmatch(said):
            return said
        printed = printable(said)
        kept: list[str] = []
        at = 0
        for found in _URL.finditer(printed):
            kept += [self._words(printed[at : found.start()]), self.url(found.group())]
            at = found.end()
        kept.append(self._words(printed[at:]))
        told = "".join(kept)[:LONGEST_SHOWN]
        if told == said and not self.with_identity:
            if len(_harmless) >= _MOST_HARMLESS:
                _harmless.clear()
            _harmless.add(said)
        return told

    def _words(self, text: str) -> str:
        if not self.with_identity:
            text = _ADDRESS.sub(MASK, text)
            text = _HOST.sub(lambda found: self.host(found.group()), text)
        return _RUN.sub(lambda found: self.mark(found.group()) if looks_secret(found.group()) else found.group(), text)

    def error(self, info: ErrorInfo | None) -> ErrorInfo | None:
        """An error as data, its texts redacted."""
        if info is None:
            return None
        said = None if info.error_description is None else self.text(info.error_description)
        code = None if info.error is None else self.text(info.error)
        return replace(
            info, message=self.text(info.message), hint=self.text(info.hint), error=code, error_description=said
        )

    def person(self, text: str) -> str:
        """What names a human."""
        if self.with_identity:
            return printable(text, LONGEST_SHOWN)
        if len(text) >= 3 and len(self._people) < 16:
            self._people.add(text)
        return MASK

    # ── by name ──────────────────────────────────────────────────────────────────────────────────────

    def value(self, name: str, value: object) -> str:
        """One parameter or member. An unknown name's value is a secret."""
        if type(value) is not str:
            if isinstance(value, dict):
                return "{…}"
            if isinstance(value, list):
                return f"[{len(value)}]"
            value = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if name in SHOWN:
            return self.text(value)
        if name in URLS:
            return self.url(value)
        if name in PEOPLE:
            return self.person(value)
        return self.jwt(value) if value[:3] == "eyJ" and value.count(".") == 2 else self.mark(value)

    def sent(self, pairs: Iterable[tuple[str, object]]) -> dict[str, str]:
        """What this program sent. A name that looks like a word is told."""
        kept: dict[str, str] = {}
        more = 0
        for name, value in pairs:
            if len(kept) < MOST_NAMES and (name in KNOWN or _WORD.fullmatch(name)):
                kept[name] = self.value(name, value)
            else:
                more += 1
        if more:
            kept[MASK] = f"{more} more"
        return kept

    def told(self, pairs: Iterable[tuple[object, object]]) -> dict[str, str]:
        """What somebody else sent. Only a name that is known is told."""
        kept: dict[str, str] = {}
        more = 0
        for name, value in pairs:
            if name in KNOWN and len(kept) < MOST_NAMES:
                kept[str(name)] = self.value(str(name), value)
            else:
                more += 1
        if more:
            kept[MASK] = f"{more} more"
        return kept

    def jwt(self, token: str) -> str:
        """A JWT: what its header says and what its claims are called, and the mark of the whole."""
        header, _, rest = token.partition(".")
        alg, typ, kid = _header_of(header)
        said = [f"{name}={self.text(value)}" for name, value in (("alg", alg), ("typ", typ)) if value]
        if kid:
            said.append(f"kid={self.mark(kid)}")
        names = []
        more = 0
        for name, value in _segment(rest.partition(".")[0]).items():
            if name not in KNOWN:
                more += 1
                continue
            names.append(name)
            if name in PEOPLE and not self.with_identity:
                self.person(_text_of(value))
        if more:
            names.append(f"+{more}")
        return f"JWT {self.mark(token)} {' '.join(said)} claims: {' '.join(names[:MOST_NAMES])}"[:LONGEST_SHOWN]

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def request(self, request: httpx.Request) -> dict[str, str]:
        """Query, form or JSON body, and how the client and the token were shown."""
        pairs: list[tuple[str, object]] = []
        query = request.url.query
        if query:
            pairs += parse_pairs(query)
        pairs += _body_of(request)
        kept = self.sent(pairs)
        for raw, shown in request.headers.raw:
            name = raw.lower()
            if name == b"authorization":
                scheme, _, credentials = shown.decode("latin-1").partition(" ")
                known = scheme if scheme.lower() in _SCHEMES else MASK
                kept["authorization"] = f"{known} {MASK if known.lower() == 'basic' else self.mark(credentials)}"
            elif name == b"dpop":
                kept["dpop"] = self.jwt(shown.decode("latin-1"))
        return kept

    def response(self, response: httpx.Response) -> dict[str, str]:
        """The members of a JSON answer and the headers that matter. What repeats the request's secrets is cut."""
        kept: dict[str, str] = {}
        for raw, value in response.headers.raw:
            name = _HEADERS.get(raw.lower())
            if name == "www-authenticate":
                scheme = value.decode("latin-1").split(" ", 1)[0]
                kept[name] = scheme if scheme.lower() in _SCHEMES else MASK
            elif name is not None:
                kept[name] = self.value(name, value.decode("latin-1"))
        body = response.content
        if 0 < len(body) <= LARGEST_BODY and body[:1] == b"{":
            members = _members(body)
            if len(members) <= _LONGEST_DOCUMENT:
                for name, said in members.items():
                    if name in SHOWN and type(said) is str and len(said) >= 8 and not _PLAIN.fullmatch(said):
                        members[name] = without_secrets(said, response)
                kept.update(self.told(members.items()))
        return kept


def parse_pairs(query: bytes) -> list[tuple[str, str]]:
    """The pairs of a query or a form, as they are told apart by `&` and `=`; none when it cannot be read."""
    pairs = []
    try:
        for part in query.decode("ascii").split("&", _PARTS_OF_FORM):
            name, _, value = part.partition("=")
            plain = "%" not in part and "+" not in part
            pairs.append((name, value) if plain else (unquote_plus(name), unquote_plus(value)))
    except UnicodeError:
        return []
    return pairs


def _body_of(request: httpx.Request) -> list[tuple[str, object]]:
    try:
        body = request.content
    except httpx.RequestNotRead:
        return []
    if not body or len(body) > LARGEST_BODY:
        return []
    if body[:1] == b"{":
        return list(_members(body).items())
    return list(parse_pairs(body))


def _members(body: bytes) -> dict[str, Any]:
    try:
        return _OBJECT.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return {}


@lru_cache(maxsize=64)
def _header_of(segment: str) -> tuple[str, str, str]:
    """`alg`, `typ` and `kid` of a JWT's header; it is no secret, and the same for many."""
    found = _segment(segment)
    alg, typ, kid = (_text_of(found[name]) if name in found else "" for name in ("alg", "typ", "kid"))
    return alg, typ, kid


def _segment(segment: str) -> dict[str, msgspec.Raw]:
    try:
        return _SEGMENT_OF_JWT.decode(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return {}


def _text_of(raw: msgspec.Raw) -> str:
    try:
        return str(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return ""

"""What of a value may be kept in a trace. Everything passes through here before it is stored.

Rule 1: a list says what is shown. A name that stands in no list is shown as `•••` when this program sent it, and
        not even named when somebody else did: an answer's member may itself be a secret.
Rule 2: a secret is `•••` and four digits of a hash under a key that only its own story has: equal values stay
        comparable, and nobody can try guesses. What has less than 64 bits of possible entropy (a user code) is
        `•••` alone.
Rule 3: a human is not named: e-mail, name, `sub` and hosts inside a network are masked, unless `with_identity`.
Rule 4: a shown value is still somebody else's text. What looks like a secret in it is taken out.
Rule 5: it is done for every login, so it is quick: one look at a table of names says what becomes of a value,
        the words of the protocol are judged once in a process, and equal secrets are hashed once in a story.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
from msgspec.structs import replace

from ..errors import ErrorInfo, printable
from ..protocol.urls import is_loopback, is_private_host
from ..protocol.words import SHORTEST_SECRET, looks_secret, without_secrets
from .names import KINDS, PEOPLE, Kind

MASK: Final = "•••"
LEAST_BITS: Final = 64.0
_SURELY_GUESSED: Final = 10  # characters, of whatever kinds
LONGEST_SHOWN: Final = 300
MOST_NAMES: Final = 40
_MOST_PEOPLE: Final = 32
LARGEST_BODY: Final = 64 * 1024  # bytes; a larger one is not looked into
_LONGEST_DOCUMENT: Final = 24  # members; what has more is metadata, and public
_HEADERS: Final = {
    spelled.encode(): name
    for name in ("content-type", "retry-after", "location", "dpop-nonce", "www-authenticate", "authorization", "dpop")
    for spelled in (name, name.title(), name.title().replace("Dpop", "DPoP"), name.title().replace("Www", "WWW"))
}
_SCHEMES: Final = ("basic", "bearer", "dpop")

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_RAW_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
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


_WORD_KIND, _TEXT_KIND, _URL_KIND, _PERSON_KIND, _SECRET_KIND = Kind
_MOST_HARMLESS: Final = 512
_harmless: set[str] = set()  # texts of which nothing had to be taken out; logins have the same ones over and over
_repeats_nothing: set[str] = set()  # plain words of an answer, in which no secret of its request was found


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
def _place(url: str) -> tuple[str, str, bool]:
    """The host, the path that may be shown, and whether the host may be shown."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return _shown_host(host), shown_path(parts.path), not is_inside(host)


@lru_cache(maxsize=256)
def _place_of(raw_host: bytes, raw_path: bytes) -> tuple[str, str, bool]:
    return _place(f"https://{raw_host.decode('ascii')}{raw_path.decode('ascii')}")


@lru_cache(maxsize=256)
def _open_url(url: str) -> str:
    """A URL of the open network without a query, as it may be shown; "" when it is none."""
    start, host, rest = _apart(url)
    return f"{start}{_shown_host(host)}{rest}" if host and not is_inside(host) else ""


def bits_of(value: str) -> float:
    """How much there may be to guess: the length times the bits of the kinds of characters in it."""
    kinds = 10 * (_DIGIT.search(value) is not None) + 26 * (_LOWER.search(value) is not None)
    kinds += 26 * (_UPPER.search(value) is not None) + 8 * (not value.isalnum())
    return len(value) * math.log2(max(kinds, 2))


class Redactor:
    """What of the values of one story may be kept. `key`: 16 random bytes, of this story only."""

    __slots__ = ("_claims", "_marks", "_people", "_profiles", "key", "with_identity")

    def __init__(self, key: bytes, *, with_identity: bool = False) -> None:
        self.key = key
        self.with_identity = with_identity
        self._marks: dict[str, str] = {}  # until `forget()`: what stands for a secret
        self._people: set[str] = set()  # until then: whom this story is about, taken out of texts too
        self._claims: list[Mapping[str, msgspec.Raw]] = []  # until then: where more of them are named
        self._profiles: dict[bytes, bool] = {}  # the same as JSON, and whether it was read

    def about(self, *profiles: bytes | None) -> None:
        """Whom this story is about, as JSON objects: they are taken out of its texts."""
        for profile in profiles:
            if profile is not None:
                self._profiles.setdefault(profile, False)

    def forget(self) -> None:
        """Drops what it knows of secrets and people. Equal secrets have equal digits all the same."""
        self._marks.clear()
        self._people.clear()
        self._claims.clear()
        self._profiles.clear()

    # ── single values ────────────────────────────────────────────────────────────────────────────────

    def mark(self, text: str) -> str:
        """What stands for a secret."""
        known = self._marks.get(text)
        if known is None:
            guessable = len(text) <= _SURELY_GUESSED or (len(text) < 20 and bits_of(text) < LEAST_BITS)
            known = self._marks[text] = MASK if guessable else self.digest(text)
        return known

    def digest(self, text: str) -> str:
        """Four digits that are equal for equal texts of this story."""
        return MASK + blake2b(self.key + text.encode("utf-8", "surrogatepass"), digest_size=2).hexdigest()

    def host(self, host: str) -> str:
        """A host by its name, unless that tells of somebody's own network."""
        return _shown_host(host) if self.with_identity or not is_inside(host) else self.mark(host)

    def url(self, url: str) -> str:
        """A URL without its query, its host and path redacted."""
        if "?" not in url and "#" not in url:
            known = _open_url(url)
            if known:
                return known
        start, host, rest = _apart(url)
        return f"{start}{self.host(host)}{rest}" if host else rest

    def place_of(self, url: httpx.URL) -> tuple[str, str]:
        """The same of a request's URL."""
        host, path, is_open = _place_of(url.raw_host, url.raw_path.partition(b"?")[0])
        return host if is_open or self.with_identity else self.mark(url.host), path

    def place(self, url: str) -> tuple[str, str]:
        """The host and the path of a URL, as they may be told."""
        host, path, is_open = _place(url.partition("?")[0])
        return host if is_open or self.with_identity else self.mark(host), path

    def text(self, said: str) -> str:
        """Somebody's words: URLs, hosts and addresses redacted, what looks like a secret taken out."""
        for person in sorted(self._named(), key=len, reverse=True):  # a whole name before a part of it
            if person in said:
                said = said.replace(person, MASK)
        return said if said in _harmless else self._cleaned(said)

    def word(self, said: str) -> str:
        """A word of the protocol: as `text`, but nobody is named by it."""
        return said if said in _harmless else self._cleaned(said)

    def _cleaned(self, said: str) -> str:
        if _PLAIN.fullmatch(said):
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
        if len(text) >= 3 and len(self._people) < _MOST_PEOPLE:
            self._people.add(text)
        return MASK

    def _named(self) -> set[str]:
        """Whom this story is about, as far as that is known."""
        if self.with_identity:
            return self._people
        unread = [profile for profile, read in self._profiles.items() if not read]
        if self._claims or unread:
            claims, self._claims = [*self._claims, *map(_object, unread)], []
            self._profiles = dict.fromkeys(self._profiles, True)
            for one in claims:
                for name in PEOPLE & one.keys():
                    self.person(_text_of(one[name]))
        return self._people

    # ── by name ──────────────────────────────────────────────────────────────────────────────────────

    def value(self, kind: Kind | None, value: object, answer: httpx.Response | None = None) -> str:
        """One parameter or member. An unknown name's value is a secret. What repeats the secrets of the request that
        `answer` is to is cut."""
        if type(value) is not str:
            if isinstance(value, dict):
                return "{…}"
            if isinstance(value, list):
                return f"[{len(value)}]"
            value = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if kind is None or kind is _SECRET_KIND:
            return self.jwt(value) if value[:3] == "eyJ" and value.count(".") == 2 else self.mark(value)
        if kind is _URL_KIND:
            return self.url(value)
        if kind is _PERSON_KIND:
            return self.person(value)
        if answer is not None and len(value) >= SHORTEST_SECRET and value not in _repeats_nothing:
            value = _not_repeating(value, answer)
        return self.word(value) if kind is _WORD_KIND else self.text(value)

    def sent(self, pairs: Iterable[tuple[str, object]]) -> dict[str, str]:
        """What this program sent. A name that looks like a word is told."""
        return self._pairs(pairs, _WORD.fullmatch, None)

    def told(self, pairs: Iterable[tuple[str, object]], answer: httpx.Response | None = None) -> dict[str, str]:
        """What somebody else sent. Only a name that is known is told."""
        return self._pairs(pairs, None, answer)

    def _pairs(
        self,
        pairs: Iterable[tuple[str, object]],
        is_name: Callable[[str], object] | None,
        answer: httpx.Response | None,
    ) -> dict[str, str]:
        kept: dict[str, str] = {}
        more, marks = 0, self._marks
        for name, value in pairs:
            kind = KINDS.get(name)
            if len(kept) >= MOST_NAMES or (kind is None and (is_name is None or not is_name(name))):
                more += 1
            elif kind is _WORD_KIND and type(value) is str and value in _harmless:
                kept[name] = value
            elif kind is _SECRET_KIND and type(value) is str and value in marks:
                kept[name] = marks[value]
            else:
                kept[name] = self.value(kind, value, answer)
        if more:
            kept[MASK] = f"{more} more"
        return kept

    def jwt(self, token: str) -> str:
        """A JWT: what its header says and what its claims are called, and the mark of the whole."""
        header, _, rest = token.partition(".")
        said, kid = _header_of(header)
        claims = _segment(rest.partition(".")[0])
        self._claims.append(claims)
        names = [name for name in claims if name in KINDS]
        if len(names) < len(claims):
            names.append(f"+{len(claims) - len(names)}")
        told = f"JWT {self.mark(token)}{said}{kid and f' kid={self.mark(kid)}'} claims: {' '.join(names[:MOST_NAMES])}"
        return told[:LONGEST_SHOWN]

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
            name = _HEADERS.get(raw)
            if name == "authorization":
                scheme, _, credentials = shown.decode("latin-1").partition(" ")
                known = scheme if scheme.lower() in _SCHEMES else MASK
                kept["authorization"] = f"{known} {MASK if known.lower() == 'basic' else self.mark(credentials)}"
            elif name == "dpop":
                kept["dpop"] = self.jwt(shown.decode("latin-1"))
        return kept

    def response(self, response: httpx.Response) -> dict[str, str]:
        """The members of a JSON answer and the headers that matter. What repeats the request's secrets is cut."""
        kept: dict[str, str] = {}
        for raw, value in response.headers.raw:
            name = _HEADERS.get(raw)
            if name is None:
                continue
            if name == "www-authenticate":
                scheme = value.decode("latin-1").split(" ", 1)[0]
                kept[name] = scheme if scheme.lower() in _SCHEMES else MASK
            elif name in KINDS:
                kept[name] = self.value(KINDS[name], value.decode("latin-1"))
        body = response.content
        if 0 < len(body) <= LARGEST_BODY and body[:1] == b"{":
            members = _members(body)
            if len(members) <= _LONGEST_DOCUMENT:
                kept.update(self.told(members.items(), response))
        return kept


def _not_repeating(value: str, answer: httpx.Response) -> str:
    """`value` without the secrets of the request; they may be words, too."""
    cut = without_secrets(value, answer)
    if cut == value and _PLAIN.fullmatch(value):
        if len(_repeats_nothing) >= _MOST_HARMLESS:
            _repeats_nothing.clear()
        _repeats_nothing.add(value)
    return cut


def parse_pairs(query: bytes) -> list[tuple[str, str]]:
    """The pairs of a query or a form, as they are told apart by `&` and `=`; none when it cannot be read."""
    try:
        text = query.decode("ascii")
    except UnicodeError:
        return []
    parts = text.replace("+", " ").split("&", _PARTS_OF_FORM)
    pairs = [(name, value) for name, _, value in [part.partition("=") for part in parts]]
    if "%" not in text:
        return pairs
    return [(_unquoted(name, name), _unquoted(name, value)) for name, value in pairs]


def _unquoted(name: str, text: str) -> str:
    if "%" not in text:
        return text
    return _unquoted_before(text) if KINDS.get(name) in (_WORD_KIND, _URL_KIND) else unquote(text)


_unquoted_before = lru_cache(maxsize=256)(unquote)  # the same scopes and addresses over and over


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
def _header_of(segment: str) -> tuple[str, str]:
    """What a JWT's header says, and its `kid`; it is no secret, and the same for many."""
    found = _segment(segment)
    alg, typ, kid = (_text_of(found[name]) if name in found else "" for name in ("alg", "typ", "kid"))
    plain = Redactor(b"")
    return "".join(f" {name}={plain.word(value)}" for name, value in (("alg", alg), ("typ", typ)) if value), kid


def _segment(segment: str) -> dict[str, msgspec.Raw]:
    try:
        return _object(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError:
        return {}


def _object(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _RAW_OBJECT.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return {}


def _text_of(raw: msgspec.Raw) -> str:
    try:
        return str(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return ""

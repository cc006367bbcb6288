"""The data of a login: tokens, users, pending attempts, and the record that a store keeps.

Rule 1: every struct is frozen; a change is a new struct.
Rule 2: `repr` never shows a secret. A field that holds one is listed in `_SECRET_FIELDS`.

Times are seconds since the epoch, UTC, as floats. Lifetimes are seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote, unquote

import msgspec

from .chart import State
from .errors import ErrorInfo, StoreError
from .events import AuthEvent

T = TypeVar("T")

RECORD_FORMAT = 1
_PLAIN_KEY = re.compile(r"(?:[A-Za-z0-9\-._~]*/){2}[A-Za-z0-9\-._~]*")
_PICTURE = re.compile(r"""https?://(?!/)[^\s\x00-\x1f\x7f"<>\\`]{1,8000}""", re.IGNORECASE)

_SECRET_FIELDS = frozenset(
    {
        "access_token", "refresh_token", "id_token", "extra", "token", "nonce", "code_verifier",
        "story", "app_data", "asked_claims", "assertion", "dpop_key", "profile", "claims", "binding", "code",
        "end_session_url", "unrevoked", "user_code", "device_code", "previous_claims", "front_state",
        "client_secret", "registration_access_token", "initial_access_token", "software_statement",
    }
)  # fmt: skip


@lru_cache(maxsize=512)
def shared_scope(scope: tuple[str, ...]) -> tuple[str, ...]:
    """`scope`, as one object for all who have the same: 100,000 sessions have a few scopes between them."""
    return scope


class Redacted:
    """Mixin: a `repr` that shows which secrets are there, and none of them."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:  # type: ignore[attr-defined]
            value = getattr(self, name)
            if name in _SECRET_FIELDS and value:
                value = "…"
            elif name in _SECRET_FIELDS or value is None:
                continue
            shown.append(f"{name}={value!r}" if value != "…" else f"{name}=…")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __str__(self) -> str:
        return repr(self)  # a subclass may show less

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"A {type(self).__name__} may hold secrets and is not pickled; keep a token by to_json(), sealed, "
            "and a session by dump()."
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # frozen


class Key(NamedTuple):
    """What a session is kept under. As a string: `owner/provider/account`, each part percent-encoded."""

    owner: str
    provider: str
    account: str

    def __str__(self) -> str:
        text = "/".join(self)
        if _PLAIN_KEY.fullmatch(text):
            return text
        return "/".join(quote(part, safe="") for part in self)

    @classmethod
    def parse(cls, text: str) -> Key:
        """Raises `ValueError` for what `str(key)` never gives."""
        owner, provider, account = text.split("/") if "%" not in text else map(unquote, text.split("/"))
        return cls(owner, provider, account)


class Token(Redacted, msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A token response (RFC 6749 §5.1). `expires_at` is absolute; `extra` is all else the provider said."""

    access_token: str
    token_type: str = "Bearer"
    scope: tuple[str, ...] = ()
    expires_in: float | None = None
    expires_at: float | None = None
    refresh_token: str | None = None
    id_token: str | None = None
    extra: dict[str, Any] = {}

    @property
    def authorization_details(self) -> tuple[Mapping[str, Any], ...]:
        """What was granted of the `authorization_details` that were asked for (RFC 9396 §7)."""
        return tuple(self.extra.get("authorization_details") or ())

    def to_json(self) -> str:
        """Plain JSON, secrets included: seal it before you store it (`session.dump()` does)."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Token:
        """Reads `to_json()`, Flet's saved tokens, and any token response: unknown members go to `extra`.

        Raises `ValueError` when `text` is no JSON object with a non-empty `access_token`.
        """
        members = _read_object(text)
        if members is None:
            raise ValueError("a saved token must be a JSON object, as Token.to_json() writes it")
        extra = members.pop("extra", None) or {}
        known = {name: members.pop(name) for name in cls.__struct_fields__ if name in members}
        scope = known.get("scope")
        if isinstance(scope, str):
            known["scope"] = tuple(scope.replace(",", " ").split())
        elif scope is None:
            known.pop("scope", None)
        known = {name: value for name, value in known.items() if value is not None}
        try:
            token = msgspec.convert({**known, "extra": {**members, **extra}}, cls)
        except (msgspec.MsgspecError, TypeError):
            raise ValueError("a saved token must hold an access_token and well-typed members") from None
        if not token.access_token:
            raise ValueError("a saved token must hold an access_token")
        return token


def _read_object(text: str | bytes) -> dict[str, Any] | None:
    """A JSON object, or None. It raises nothing: an error would be the context of the caller's, and a
    `UnicodeError` holds the whole text."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


class Group(Mapping[str, Any]):
    """A group the user is in: the provider's own data, with `name`."""

    __slots__ = ("_data", "name")

    def __init__(self, data: Mapping[str, Any], name: str) -> None:
        self._data = dict(data)
        self.name = name

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"Group({self.name!r})"


class Profile(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A user as the provider's preset read it: the id always a string, the raw profile kept as it came."""

    id: str
    data: dict[str, Any] = {}
    name: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    picture: str | None = None
    groups: tuple[tuple[str, dict[str, Any]], ...] = ()
    groups_complete: bool = True


class User(Mapping[str, Any]):
    """The signed-in human: a read-only mapping over the provider's own profile.

    `id` is always a `str`. Which member it comes from is the provider's matter (GitHub's number, OpenID
    Connect's `sub`, Entra's `oid`). `groups` is filled by `login(fetch_groups=True)`.
    """

    __slots__ = ("_profile", "groups")

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.groups: tuple[Group, ...] = tuple(Group(data, name) for name, data in profile.groups)

    @property
    def id(self) -> str:
        return self._profile.id

    @property
    def name(self) -> str | None:
        return self._profile.name

    @property
    def email(self) -> str | None:
        return self._profile.email

    @property
    def email_verified(self) -> bool | None:
        return self._profile.email_verified

    @property
    def picture(self) -> str | None:
        """The address of a picture, absolute, by https or http. None for anything else that a provider may have let
        its users write there (`javascript:`, `data:`, a path): applications put this into `src` and `href`."""
        written = self._profile.picture
        return written if isinstance(written, str) and _PICTURE.fullmatch(written) else None

    @property
    def groups_complete(self) -> bool:
        """False when the provider said that there are more groups than it told."""
        return self._profile.groups_complete

    def __getitem__(self, key: str) -> Any:
        return self._profile.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profile.data)

    def __len__(self) -> int:
        return len(self._profile.data)

    def __repr__(self) -> str:
        return f"User(id={self.id!r})"


class Polled(Redacted, msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the tokens of a login without a redirect are asked for with: the `device_code` of RFC 8628, the
    `auth_req_id` of CIBA. `interval`: seconds between two polls. `user_code`: where the provider wants that
    too. `pinged`: the provider tells when there is an answer."""

    code: str
    interval: float
    user_code: str | None = None
    pinged: bool = False


class PendingRef(msgspec.Struct, frozen=True, gc=False):
    """A pending attempt as the session's record names it: public id, hash of its state, deadline."""

    attempt: str
    state_hash: str
    deadline: float


class Pending(Redacted, msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A pending attempt as the store keeps it under the hash of its state (RFC 6749 §10.12).

    `key` is the session's; `beside` says that the attempt runs beside a live session. `binding_hash` ties
    the callback to the browser that began; only loopback and paste do without. `max_age`, `acr_values`,
    `asked_claims` (the `claims` parameter) and `response_type` are what the answer is held to; `jarm`: it must be
    a signed JWT. `grant` is `device_code` or `ciba` for one that no redirect ends, with what it polls by in `polled`.
    `used_at` is set by the one callback that won; `outcome` is what it came to, for the same callback arriving again.
    """

    attempt: str
    key: str
    code_verifier: str
    redirect_uri: str
    created_at: float
    deadline: float
    nonce: str | None = None
    scope: tuple[str, ...] = ()
    beside: bool = False
    epoch: int = 0
    binding_hash: str | None = None
    fetch_user: bool = True
    fetch_groups: bool = False
    max_age: float | None = None
    acr_values: tuple[str, ...] = ()
    dpop_key: bytes | None = None
    asked_claims: dict[str, Any] = {}
    resource: tuple[str, ...] = ()
    issuer: str = ""  # where it was found out only by the login: whom was asked
    response_type: str = "code"
    jarm: bool = False
    grant: str = ""
    polled: Polled | None = None
    app_data: Any = None
    story: bytes | None = None  # what whoever records has to say of it so far; with the key of its hashes
    used_at: float | None = None
    done: bool = False
    outcome: AuthEvent | None = None
    error: ErrorInfo | None = None


class Claim(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The refresh token was presented at `at`, or is about to be, and no clear answer is known. `retries`: how
    often it was presented again."""

    at: float
    retries: int = 0


class Target(NamedTuple):
    """What an access token is for: an API (RFC 8707), a scope, or both. As for the login where one is empty."""

    resource: str = ""
    scope: tuple[str, ...] = ()


class Further(Redacted, msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An access token beside the session's own, for something else."""

    target: Target
    token: Token


class SessionRecord(Redacted, msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Everything a session is, as data: what a store keeps under the session's key.

    `epoch` grows with every login and every logout: it says *which* login this is. `generation` grows with
    every set of tokens inside an epoch. `profile` and `claims` are kept as JSON bytes and decoded on demand.
    `further` holds access tokens for other APIs, got with the refresh token; `resource` what the login asked for.
    `dpop_key` is the private JWK that the tokens are bound to (RFC 9449).
    """

    format: int = RECORD_FORMAT
    state: State = State.IDLE
    since: float = 0.0
    epoch: int = 0
    generation: int = 0
    issuer: str = ""
    subject: str = ""
    token: Token | None = None
    further: tuple[Further, ...] = ()
    dpop_key: bytes | None = None
    claims: bytes | None = None
    profile: bytes | None = None
    scope: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    fetch_user: bool = True
    fetch_groups: bool = False
    pending: tuple[PendingRef, ...] = ()
    attempt: str | None = None
    deadline: float | None = None
    signed_in_at: float | None = None
    refreshed_at: float | None = None
    refresh_at: float | None = None
    retry_at: float | None = None
    failures: int = 0
    reauth_required: bool = False
    refresher: str | None = None
    claim: Claim | None = None
    unrevoked: Token | None = None  # of a logout that has not reached the provider yet
    reason: str | None = None
    recoverable: bool = False
    error: ErrorInfo | None = None

    def __bytes__(self) -> bytes:
        """What a store keeps."""
        return msgspec.msgpack.encode(self)

    @property
    def expires_at(self) -> float | None:
        return None if self.token is None else self.token.expires_at

    @property
    def renewable(self) -> bool:
        """There is a refresh token, and nothing says that it is dead."""
        return self.token is not None and self.token.refresh_token is not None and not self.reauth_required


BLANK = SessionRecord()


def unpack(data: bytes, kind: type[T]) -> T | None:
    """What a store kept as msgpack, or None when it is no `kind`. It raises nothing, as `_read_object` does not."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return None


def unpack_json(data: bytes, kind: type[T], what: str) -> T:
    """What a record holds as JSON. Raises `StoreError` when that cannot be read."""
    try:
        found = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        found = None
    if found is None:
        raise StoreError(f"The stored {what} cannot be read.", hint="Sign in again.")
    return found


def decode_profile(data: bytes | None) -> User | None:
    """The `User` of a record's profile bytes."""
    return None if data is None else User(unpack_json(data, Profile, "user"))

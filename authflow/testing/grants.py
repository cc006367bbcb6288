"""What the development provider has granted to whom: clients, codes, tokens, and when each of them dies.

Rule 1: a code and a rotated refresh token work once. Their second use ends the whole grant, with every token
        that came from it (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
Rule 2: nothing here knows HTTP. A refusal is `Refused`, with the RFC's error code.

Times are seconds since the epoch; `now` comes in as an argument.
"""

from __future__ import annotations

import itertools
import re
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Literal

Rotation = Literal["none", "grace", "strict"]

CODE_SECONDS = 60.0
DEFAULT_CLIENT = "dev-app"

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::\d{1,5})?(/[^#]*)?\Z")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")


class Refused(Exception):
    """No, with the error code of RFC 6749 §5.2 or §4.1.2.1 and one sentence for the developer."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True)
class DevUser:
    """Somebody who can sign in. `groups` become the `groups` claim or GitHub's teams; `claims` are added as is."""

    login: str
    name: str = ""
    email: str = ""
    email_verified: bool = True
    groups: Sequence[str] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.login.capitalize())
        object.__setattr__(self, "email", self.email or f"{self.login}@example.com")
        object.__setattr__(self, "groups", tuple(self.groups))

    @property
    def sub(self) -> str:
        """The subject identifier: stable, and not the login name."""
        return "dev-" + sha256(self.login.encode()).hexdigest()[:16]

    @property
    def number(self) -> int:
        """The same as the number that GitHub would use."""
        return int(sha256(self.login.encode()).hexdigest()[:7], 16)


DEFAULT_USERS = (
    DevUser("ada", "Ada Lovelace", groups=("engineers", "admins")),
    DevUser("grace", "Grace Hopper", groups=("engineers",)),
    DevUser("alan", "Alan Turing", email_verified=False),
)


@dataclass
class DevClient:
    """A registered application. `client_secret` None makes it a public client (RFC 6749 §2.1).

    `keys`: public JWKs; a client that has some must sign assertions. `dpop`: it gets bound tokens only (RFC 9449).
    `request_keys`: public JWKs; a client that has some must sign its requests (RFC 9101). `unsigned_requests`: its
    request objects prove nothing, and are read. `must_push`: it must push them (RFC 9126). `encrypts`: for `id_token`,
    `userinfo` and `authorization` the alg, enc and public JWK to encrypt with. `signs_userinfo`: its userinfo is a JWT.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    redirect_uris: list[str] = field(default_factory=list)
    post_logout_redirect_uris: list[str] = field(default_factory=list)
    keys: list[Mapping[str, Any]] = field(default_factory=list)
    dpop: bool = False
    backchannel_logout_uri: str | None = None
    frontchannel_logout_uri: str | None = None
    request_keys: list[Mapping[str, Any]] = field(default_factory=list)
    unsigned_requests: bool = False
    must_push: bool = False
    encrypts: dict[str, tuple[str, str, Mapping[str, Any]]] = field(default_factory=dict)
    signs_userinfo: bool = False
    ciba_ping: Callable[[str, Mapping[str, str]], object] | None = field(default=None, repr=False)


@dataclass(eq=False)
class Grant:
    """What one human allowed one client, once; the family of all tokens that came from it."""

    client_id: str
    user: DevUser
    scope: tuple[str, ...]
    auth_time: float
    sid: str
    nonce: str | None = None
    acr: str | None = None
    resource: tuple[str, ...] = ()
    jkt: str | None = None
    authorization_details: list[Any] | None = None
    request_id: str | None = None
    ended: bool = False
    number: int = field(default_factory=itertools.count(1).__next__)  # in the order in which they were allowed


@dataclass(eq=False)
class Code:
    grant: Grant
    redirect_uri: str
    code_challenge: str
    expires_at: float
    used: bool = False


@dataclass(eq=False)
class Access:
    grant: Grant
    scope: tuple[str, ...]
    expires_at: float | None
    jkt: str | None = None
    resource: tuple[str, ...] = ()
    revoked: bool = False


@dataclass(eq=False)
class Refresh:
    grant: Grant
    spent_at: float | None = None


@dataclass(frozen=True)
class Issued:
    """The tokens of one answer; `refresh_token` None means that the client keeps the one it has."""

    grant: Grant
    scope: tuple[str, ...]
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: float | None
    token_type: str = "Bearer"


class Grants:
    """The book of all grants. Safe to use from several threads."""

    def __init__(self, mint: Callable[[str], str]) -> None:
        self.clients: dict[str, DevClient] = {}
        self._mint = mint
        self._codes: dict[str, Code] = {}
        self._access: dict[str, Access] = {}
        self._refresh: dict[str, Refresh] = {}
        self._lock = threading.RLock()

    # ── clients ──────────────────────────────────────────────────────────────────────────────────────

    def authenticate(self, client_id: str, client_secret: str | None) -> DevClient:
        """The client that these credentials prove. Raises `Refused` with `invalid_client`."""
        client = self.clients.get(client_id)
        expected = None if client is None else client.client_secret
        if client is None or (expected is None) != (client_secret is None):
            raise Refused("invalid_client", "Unknown client, or the wrong kind of client authentication.", 401)
        if expected is not None and not compare_digest(expected.encode(), (client_secret or "").encode()):
            raise Refused("invalid_client", "The client secret is wrong.", 401)
        return client

    # ── codes and tokens ─────────────────────────────────────────────────────────────────────────────

    def issue_code(self, grant: Grant, redirect_uri: str, code_challenge: str, now: float) -> str:
        """A new authorization code; it lives for `CODE_SECONDS`."""
        with self._lock:
            value = self._mint("code")
            self._codes[value] = Code(grant, redirect_uri, code_challenge, now + CODE_SECONDS)
            return value

    def redeem(
        self, client: DevClient, code: str, redirect_uri: str, verifier: str, now: float, jkt: str | None = None
    ) -> Grant:
        """The grant behind a code (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9449 §10). Raises `Refused` with
        `invalid_grant`."""
        with self._lock:
            found = self._codes.get(code)
            if found is None or found.grant.client_id != client.client_id:
                raise Refused("invalid_grant", "Unknown code.")
            if found.used:
                found.grant.ended = True
                raise Refused("invalid_grant", "The code was used before; all that came from it is revoked.")
            found.used = True
            if now >= found.expires_at:
                raise Refused("invalid_grant", "The code has expired.")
            if redirect_uri != found.redirect_uri:
                raise Refused("invalid_grant", "redirect_uri is not that of the authorization request.")
            if not _VERIFIER.match(verifier) or not compare_digest(s256(verifier), found.code_challenge):
                raise Refused("invalid_grant", "code_verifier does not fit the code_challenge.")
            if found.grant.jkt not in (None, jkt):
                raise Refused("invalid_grant", "The proof is not of the key that the code is bound to.")
            return found.grant

    def issue(
        self, grant: Grant, now: float, ttl: float | None, *, refreshable: bool, jkt: str | None = None
    ) -> Issued:
        """The first tokens of a grant, bound to the key of `jkt`."""
        with self._lock:
            grant.jkt = jkt
            refresh_token = self._new_refresh(grant) if refreshable else None
            return self._issue(grant, grant.scope, now, ttl, refresh_token, jkt)

    def refresh(
        self,
        client: DevClient,
        refresh_token: str,
        scope: Iterable[str],
        now: float,
        ttl: float | None,
        rotation: Rotation,
        grace: float,
        jkt: str | None = None,
        resource: tuple[str, ...] = (),
    ) -> Issued:
        """New tokens for a refresh token (RFC 6749 §6). Raises `Refused`.

        `none`: the refresh token stays and is not repeated. `strict`: it is replaced, its second use ends
        the grant. `grace`: as strict, but for `grace` seconds after its first use it still works.
        """
        with self._lock:
            found = self._refresh.get(refresh_token)
            if found is None or found.grant.client_id != client.client_id:
                raise Refused("invalid_grant", "Unknown refresh token.")
            if found.grant.ended:
                raise Refused("invalid_grant", "The refresh token was revoked.")
            wanted = tuple(scope) or found.grant.scope
            if client.client_secret is None and not client.keys and found.grant.jkt != jkt:
                raise Refused("invalid_grant", "The refresh token is bound to another key.")
            if not set(wanted) <= set(found.grant.scope):
                raise Refused("invalid_scope", "More scope than was granted.")
            if found.grant.resource and not set(resource) <= set(found.grant.resource):
                raise Refused("invalid_target", "The login was not for that API.")
            if rotation == "none":
                return self._issue(found.grant, wanted, now, ttl, None, jkt, resource)
            lenient = grace if rotation == "grace" else 0.0
            if found.spent_at is not None and now >= found.spent_at + lenient:
                found.grant.ended = True
                raise Refused("invalid_grant", "The refresh token was used before; its whole family is revoked.")
            if found.spent_at is None:
                found.spent_at = now
            return self._issue(found.grant, wanted, now, ttl, self._new_refresh(found.grant), jkt, resource)

    def look_up(self, access_token: str, now: float) -> Access | None:
        """A usable access token, or None."""
        with self._lock:
            found = self._access.get(access_token)
            if found is None or found.revoked or found.grant.ended:
                return None
            return None if found.expires_at is not None and now >= found.expires_at else found

    def usable_refresh(self, refresh_token: str) -> bool:
        """Whether it is the current refresh token of a grant that lives."""
        with self._lock:
            found = self._refresh.get(refresh_token)
            return found is not None and found.spent_at is None and not found.grant.ended

    def grant_of_refresh(self, refresh_token: str) -> Grant | None:
        """The grant behind a refresh token that would be taken now."""
        with self._lock:
            return self._refresh[refresh_token].grant if self.usable_refresh(refresh_token) else None

    def revoke(self, client: DevClient, token: str) -> bool:
        """RFC 7009 §2.1: a refresh token takes its grant with it. False when there is no such token.

        Raises `Refused` when the token is another client's.
        """
        with self._lock:
            found: Refresh | Access | None = self._refresh.get(token) or self._access.get(token)
            if found is None:
                return False
            if found.grant.client_id != client.client_id:
                raise Refused("unauthorized_client", "The token was issued to another client.")
            if isinstance(found, Access):
                found.revoked = True
            else:
                found.grant.ended = True
            return True

    def living(self, login: str | None = None, client_id: str | None = None) -> list[Grant]:
        """The grants of a user, of a client, or all of them that have not ended, the first one first."""
        with self._lock:
            books: list[Iterable[Code | Access | Refresh]] = [
                self._codes.values(), self._access.values(), self._refresh.values()
            ]  # fmt: skip
            found = {one.grant for book in books for one in book if not one.grant.ended}
            grants = sorted(found, key=lambda grant: grant.number)
            return [one for one in grants if login in (None, one.user.login) and client_id in (None, one.client_id)]

    def end(self, login: str | None = None, client_id: str | None = None) -> int:
        """Ends the grants of a user, of a client, or all of them; how many lived until now."""
        with self._lock:
            grants = self.living(login, client_id)
            for one in grants:
                one.ended = True
            return len(grants)

    def _issue(
        self,
        grant: Grant,
        scope: tuple[str, ...],
        now: float,
        ttl: float | None,
        refresh_token: str | None,
        jkt: str | None,
        resource: tuple[str, ...] = (),
    ) -> Issued:
        value = self._mint("access")
        expires_at = None if ttl is None else now + ttl
        self._access[value] = Access(grant, scope, expires_at, jkt, resource or grant.resource)
        return Issued(grant, scope, value, refresh_token, ttl, "Bearer" if jkt is None else "DPoP")

    def _new_refresh(self, grant: Grant) -> str:
        value = self._mint("refresh")
        self._refresh[value] = Refresh(grant)
        return value


def random_secret() -> str:
    """256 bits."""
    return secrets.token_urlsafe(32)


def s256(verifier: str) -> str:
    """RFC 7636 §4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def check_challenge(challenge: str, method: str) -> None:
    """Raises `Refused` unless the request brings a PKCE challenge by S256 (RFC 7636 §4.4.1)."""
    if not challenge:
        raise Refused("invalid_request", "code_challenge is missing: PKCE is required.")
    if method != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256.")
    if not _CHALLENGE.match(challenge):
        raise Refused("invalid_request", "code_challenge is no S256 value.")


def registered(uri: str, known: Iterable[str]) -> bool:
    """Whether a redirect URI is one of the client's: byte for byte, but for a loopback IP's port (RFC 8252 §7.3)."""
    return any(uri == one or _without_port(uri) == (_without_port(one) or "") for one in known)


def _without_port(uri: str) -> str | None:
    found = _LOOPBACK.match(uri)
    return None if found is None else f"{found[1]}{found[2] or ''}"

"""Tokens for back ends: `TokenSource` and `AsyncTokenSource`, which need no human and are no login.

    reports = manager.client_credentials("acme", scope=["reports.read"])
    httpx.get("https://api.acme.example/reports", auth=reports.auth)

A source has the `token()` and the `auth` of a session: one token for everybody who asks, got again when it ends. It
has no state, no signals and nothing in the store. It belongs to its manager and ends with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from .drive import AsyncShell, SyncShell
from .effects import Op
from .errors import AuthflowError, ConfigurationError, InvalidCall, UnknownProvider, whereabouts
from .operations.sourcing import SourceCore, renew_source, source_token
from .protocol.grants import (
    ACCESS_TOKEN,
    CLIENT_CREDENTIALS,
    JWT_BEARER,
    TOKEN_EXCHANGE,
    Form,
    sign_grant_assertion,
    token_exchange_form,
    with_target,
)
from .protocol.messages import ServerMetadata
from .protocol.step import Call, Flow, fresh
from .records import Token
from .session import AsyncSession, Session, refuse_when_closed

if TYPE_CHECKING:
    from .auth import SessionAuth
    from .house import House
    from .operations.sourcing import Filled
    from .providers.base import Provider

T = TypeVar("T")
K = TypeVar("K", bound=SourceCore)
Text = str | Callable[[], "str | Awaitable[str]"]
Held = Token | Session | AsyncSession | Text

LONGEST_TEXT: Final = 64 * 1024


class TokenSource(SourceCore):
    """A token that needs no human. Made by `SessionManager.client_credentials` and its like."""

    __slots__ = ()

    def _do(self, operation: Op[T]) -> T:
        refuse_when_closed(self._house, operation)
        return cast(SyncShell, self._house.shell).run(f"source/{self.provider.name}", operation)

    def token(self, min_ttl: float = 0.0) -> Token:
        """The present token, got first when there is none or it is due: once, whoever asks.

        `min_ttl`: seconds it must still live. Raises what the provider's answer is, `WireError`,
        `TemporarilyUnavailable` while the provider is left alone after a failure.
        """
        found = self._fresh()
        if found is not None and not min_ttl:
            return found
        return self._do(source_token(self, min_ttl))

    def renew_if_current(self, access_token: str) -> Token:
        """For an API's 401: a new token if `access_token` is still the present one."""
        return self._do(renew_source(self, access_token))

    @property
    def auth(self) -> SessionAuth:
        """`httpx.get(url, auth=source.auth)`: a valid token on every request to the provider's `api_origins`."""
        return _auth_of(self)


class AsyncTokenSource(SourceCore):
    """The twin of `TokenSource` for asyncio."""

    __slots__ = ()

    async def _do(self, operation: Op[T]) -> T:
        refuse_when_closed(self._house, operation)
        return await cast(AsyncShell, self._house.shell).run(f"source/{self.provider.name}", operation)

    async def token(self, min_ttl: float = 0.0) -> Token:
        """See `TokenSource.token`."""
        found = self._fresh()
        if found is not None and not min_ttl:
            return found
        return await self._do(source_token(self, min_ttl))

    async def renew_if_current(self, access_token: str) -> Token:
        """See `TokenSource.renew_if_current`."""
        return await self._do(renew_source(self, access_token))

    @property
    def auth(self) -> SessionAuth:
        """`await client.get(url, auth=source.auth)`."""
        return _auth_of(self)


def _auth_of(source: TokenSource | AsyncTokenSource) -> SessionAuth:
    if source._auth is None:
        from .auth import SessionAuth

        source._auth = SessionAuth(source)
    return cast("SessionAuth", source._auth)


# ── the three grants ─────────────────────────────────────────────────────────────────────────────────


def client_credentials(
    kind: type[K], house: House, provider: Provider, scope: Sequence[str], resource: Sequence[str]
) -> K:
    """The client itself (RFC 6749 §4.4). Raises `ConfigurationError` for a client that cannot prove itself."""
    proved = (provider.client_secret, provider.client_key, provider.client_certificate, provider.client_auth)
    if not any(proved) or provider.client_auth == "none":
        raise ConfigurationError(
            f"{provider.name}: a public client has no credentials of its own.",
            hint="Set client_secret=, client_key= or client_auth=.",
        )
    return _make(kind, house, provider, CLIENT_CREDENTIALS, lambda metadata: _plain({}), scope, resource)


def jwt_bearer(
    kind: type[K],
    house: House,
    provider: Provider,
    *,
    assertion: Text | None,
    subject: str | None,
    claims: Mapping[str, Any],
    scope: Sequence[str],
    resource: Sequence[str],
) -> K:
    """Whoever an assertion speaks of (RFC 7523 §2.1)."""
    if (assertion is None) is (subject is None):
        raise InvalidCall(
            "Pass either assertion= (somebody else's) or subject= (the client signs one with its client_key)."
        )
    if subject is not None and provider.private_key is None:
        raise ConfigurationError(
            f"{provider.name}: subject= is signed with the client's key.", hint="Set client_key=, or pass assertion=."
        )

    def fill(metadata: ServerMetadata) -> Flow[Form]:
        if subject is not None:
            signed = sign_grant_assertion(provider, metadata, (yield from fresh()), subject, claims)
            return {"assertion": signed}
        return {"assertion": (yield from _text(assertion, "assertion"))}

    return _make(kind, house, provider, JWT_BEARER, fill, scope, resource)


def token_exchange(
    kind: type[K],
    house: House,
    provider: Provider,
    *,
    subject_token: Held,
    subject_token_type: str,
    actor_token: Held | None,
    actor_token_type: str,
    requested_token_type: str | None,
    audience: Sequence[str],
    scope: Sequence[str],
    resource: Sequence[str],
) -> K:
    """The subject of a token that the application holds (RFC 8693)."""
    audience = _listed(audience, "audience")

    def fill(metadata: ServerMetadata) -> Flow[Form]:
        subject = yield from _text(subject_token, "subject_token")
        actor = None if actor_token is None else (yield from _text(actor_token, "actor_token"))
        return token_exchange_form(
            subject_token=subject,
            subject_token_type=subject_token_type,
            actor_token=actor,
            actor_token_type=actor_token_type,
            requested_token_type=requested_token_type,
            audience=audience,
        )

    return _make(kind, house, provider, TOKEN_EXCHANGE, fill, scope, resource)


def _make(
    kind: type[K],
    house: House,
    provider: Provider,
    grant_type: str,
    fill: Filled,
    scope: Sequence[str],
    resource: Sequence[str],
) -> K:
    scopes, resources = _listed(scope, "scope"), _listed(resource, "resource")

    def aimed(metadata: ServerMetadata) -> Flow[Form]:
        return with_target(provider, (yield from fill(metadata)), scopes, resources)

    return kind(house, provider, grant_type, aimed, scopes)


def _plain(form: Form) -> Flow[Form]:
    return form
    yield


def _listed(given: Sequence[str], name: str) -> tuple[str, ...]:
    listed = isinstance(given, Collection) and not isinstance(given, str)
    if not listed or not all(isinstance(one, str) and one for one in given):
        raise ConfigurationError(f"{name} must be a list of strings.", hint=f"Write {name}=[{str(given)!r}].")
    return tuple(given)


def _text(given: Held | None, name: str) -> Flow[str]:
    """A token as text. A session is asked for its present one, a function is called, each time anew."""
    if isinstance(given, Token):
        return given.access_token
    if isinstance(given, str):
        return given
    ask = given.token if isinstance(given, (Session, AsyncSession)) else given
    failed = f"it is a {type(given).__name__}"
    if callable(ask):
        try:
            found: Any = yield Call(ask, blocking=not inspect.iscoroutinefunction(ask))
        except AuthflowError:
            raise
        except Exception as error:
            failed = whereabouts(error)
        else:
            found = found.access_token if isinstance(found, Token) else found
            if isinstance(found, str) and 0 < len(found) <= LONGEST_TEXT and found.isascii():
                return found
            failed = f"it gave {type(found).__name__}"
    raise ConfigurationError(f"{name} could not be had: {failed}.", hint="Pass text, or a function that gives it.")


class Sources(Generic[K]):
    """What a manager makes them by. Nothing is sent until a token is asked for."""

    _house: House
    _source_kind: type[K]
    _by_scope: dict[tuple[str, tuple[str, ...], tuple[str, ...]], K]

    def client_credentials(self, name: str, *, scope: Sequence[str] = (), resource: Sequence[str] = ()) -> K:
        """Tokens for the application itself, at the provider `name` (RFC 6749 §4.4).

        `resource`: the APIs that they are for (RFC 8707). The same arguments give the same source. Raises
        `ConfigurationError` for a public client.
        """
        key = (name, _listed(scope, "scope"), _listed(resource, "resource"))
        found = self._by_scope.get(key)
        if found is None:
            made = client_credentials(self._source_kind, self._house, _provider(self._house, name), scope, resource)
            found = self._by_scope.setdefault(key, made)
        return found

    def jwt_bearer(
        self,
        name: str,
        *,
        assertion: Text | None = None,
        subject: str | None = None,
        claims: Mapping[str, Any] | None = None,
        scope: Sequence[str] = (),
        resource: Sequence[str] = (),
    ) -> K:
        """Tokens for whoever an assertion speaks of (RFC 7523 §2.1). Keep the source that you get.

        `assertion`: a signed JWT as text, or a function that gives one, called for each request. `subject`: the
        client signs one about them with its `client_key`; `claims` are added to it.
        """
        return jwt_bearer(
            self._source_kind, self._house, _provider(self._house, name), assertion=assertion, subject=subject,
            claims=dict(claims or {}), scope=scope, resource=resource,
        )  # fmt: skip

    def token_exchange(
        self,
        name: str,
        *,
        subject_token: Held,
        subject_token_type: str = ACCESS_TOKEN,
        actor_token: Held | None = None,
        actor_token_type: str = ACCESS_TOKEN,
        requested_token_type: str | None = None,
        audience: Sequence[str] = (),
        scope: Sequence[str] = (),
        resource: Sequence[str] = (),
    ) -> K:
        """Tokens for the subject of a token that the application holds (RFC 8693). Keep the source that you get.

        `subject_token`, `actor_token`: a `Token`, a session (its present token, each time), text, or a function
        that gives text.
        """
        return token_exchange(
            self._source_kind, self._house, _provider(self._house, name), subject_token=subject_token,
            subject_token_type=subject_token_type, actor_token=actor_token, actor_token_type=actor_token_type,
            requested_token_type=requested_token_type, audience=audience, scope=scope, resource=resource,
        )  # fmt: skip


def _provider(house: House, name: str) -> Provider:
    if name not in house.providers:
        known = ", ".join(house.providers) or "none"
        raise UnknownProvider(f"There is no provider named {name!r}.", hint=f"Configured providers: {known}.")
    return house.providers[name]

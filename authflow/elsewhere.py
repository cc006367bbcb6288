"""A session as another API sees it: with a token for that API, or with a part of the scope (RFC 8707)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import operations
from .core import SessionCore
from .errors import ConfigurationError
from .protocol.urls import origin_of
from .reading import ReadableSession
from .records import Target, Token

if TYPE_CHECKING:
    from .session import AsyncSession, Session


def target_of(s: SessionCore, resource: str | None, scope: Sequence[str] | None) -> Target | None:
    """What a token is asked for; None when that is the login's own. Raises `ConfigurationError`, `InsecureURL`."""
    if isinstance(scope, str) or not all(isinstance(one, str) for one in scope or ()):
        raise ConfigurationError("scope must be a list of strings.", hint=f"Write scope=[{str(scope)!r}].")
    if resource is not None and (not isinstance(resource, str) or ":" not in resource or "#" in resource):
        raise ConfigurationError(
            "resource must be the absolute URI of an API, without a fragment.", hint='resource="https://api.example.com/".'
        )
    if not scope and (resource is None or s._settled().resource[:1] == (resource,)):
        return None
    return Target(resource or "", tuple(dict.fromkeys(scope or ())))


class _Elsewhere:
    """What is the same in both colours."""

    def __init__(self, session: ReadableSession, resource: str | None, scope: Sequence[str] | None) -> None:
        self._session = session
        self._resource, self._scope = resource, scope
        self._target = target_of(session, resource, scope)
        self.prove = session.prove
        self.learn_nonce = session.learn_nonce

    @property
    def allowed_origins(self) -> frozenset[str]:
        return origins_with(self._session, self._resource)


class Elsewhere(_Elsewhere):
    """A session, as `auth_for` shows it to another API."""

    _session: Session

    def token(self) -> Token:
        return self._session.token(resource=self._resource, scope=self._scope)

    def renew_if_current(self, access_token: str) -> Token:
        if self._target is None:
            return self._session.renew_if_current(access_token)
        return self._session._do(operations.token_for(self._session, self._target, 0.0, access_token))


class AsyncElsewhere(_Elsewhere):
    """The twin of `Elsewhere`."""

    _session: AsyncSession

    async def token(self) -> Token:
        return await self._session.token(resource=self._resource, scope=self._scope)

    async def renew_if_current(self, access_token: str) -> Token:
        if self._target is None:
            return await self._session.renew_if_current(access_token)
        return await self._session._do(operations.token_for(self._session, self._target, 0.0, access_token))


def origins_with(s: ReadableSession, resource: str | None) -> frozenset[str]:
    """Where a session's tokens may go, and the API that this one is for."""
    own = origin_of(resource) if resource and resource.startswith(("https://", "http://")) else None
    return s.allowed_origins if own is None else s.allowed_origins | {own}

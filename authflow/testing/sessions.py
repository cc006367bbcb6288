"""For an application's own tests: sessions that are signed in without a provider and without a network.

    with SessionManager([GitHub("id", "secret")]) as manager:
        session = signed_in(manager, "github", user={"id": 1, "name": "Ada"}, scopes=["repo"])
        fail_next_refresh(session)
        expire(session)

They walk the same chart and tell the same signals as a real login: authorize, callback, authenticate. What
stands in for the provider answers the requests of such sessions only; everything else goes where it always
goes. With an `AsyncSessionManager` each function gives an awaitable.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import parse_qs

import httpx
import msgspec

from ..chart import LIVE, State, Trigger
from ..drive import AsyncShell
from ..effects import Do, Op, Tell
from ..engine import Facts, Tokens, encode_profile
from ..errors import InvalidCall
from ..events import AuthEvent, Origin
from ..operations import sign_in_required
from ..protocol.messages import ServerMetadata
from ..protocol.urls import origin_of
from ..providers.base import Provider
from ..providers.checks import read_list
from ..reading import ReadableSession
from ..records import PendingRef, Profile, Token
from ..session import AsyncSession, Session

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..manager import AsyncSessionManager, SessionManager
    from ..owners import Owner

_OURS = "authflow-testing-"
_numbers = itertools.count(1)


@overload
def signed_in(
    manager: SessionManager | Owner[Session],
    name: str,
    *,
    user: Mapping[str, Any] | None = None,
    scopes: Sequence[str] | None = None,
    expires_in: float | None = 3600.0,
    refreshable: bool = True,
) -> Session: ...
@overload
def signed_in(
    manager: AsyncSessionManager | Owner[AsyncSession],
    name: str,
    *,
    user: Mapping[str, Any] | None = None,
    scopes: Sequence[str] | None = None,
    expires_in: float | None = 3600.0,
    refreshable: bool = True,
) -> Coroutine[Any, Any, AsyncSession]: ...
def signed_in(
    manager: Any,
    name: str,
    *,
    user: Mapping[str, Any] | None = None,
    scopes: Sequence[str] | None = None,
    expires_in: float | None = 3600.0,
    refreshable: bool = True,
) -> Any:
    """Signs `name` in and gives its session. `user` is the profile as the provider would tell it.

    `expires_in`: seconds the token lives, None for one without an end. Raises `InvalidTransition` when the
    session is live or pending already.
    """
    session = manager[name]
    granted = session.provider.scopes if scopes is None else read_list("signed_in", "scopes", scopes)
    _stand_in(session)
    token = make_token(session, tuple(granted), expires_in)
    if not refreshable:
        token = msgspec.structs.replace(token, refresh_token=None)
    return session._do(_sign_in(session, token, dict(user or {"id": "1", "sub": "1", "name": "Test User"})))


def expire(session: Session | AsyncSession) -> Any:
    """Ends the session as the clock would: `expire`, `on_logout` with reason `expired`, recoverable."""
    facts = Facts(now=session._run.ledger.now(), origin=Origin.CLOCK, reason="expired", recoverable=True)
    return session._do(_fire(session, Trigger.EXPIRE, facts))


def revoke(session: Session | AsyncSession) -> Any:
    """Ends the session as the provider would: `revoke`, `on_logout` with reason `revoked`, recoverable."""
    facts = Facts(now=session._run.ledger.now(), origin=Origin.PROVIDER, reason="revoked", recoverable=True)
    return session._do(_fire(session, Trigger.REVOKE, facts))


def fail_next_refresh(session: Session | AsyncSession, *, error: str = "temporarily_unavailable") -> None:
    """The next renewal of the session gets this OAuth error: `on_refresh_failed`.

    `temporarily_unavailable` and `server_error` leave the session live; `invalid_grant` kills its refresh
    token. Raises `InvalidCall` for a session that has no refresh token.
    """
    record = session._run.record
    if record.state not in LIVE or record.token is None:
        raise sign_in_required(session)
    if record.token.refresh_token is None:
        raise InvalidCall("This session has no refresh token.", hint="Make it with signed_in(…, refreshable=True).")
    _stand_in(session).failures.setdefault(record.token.refresh_token, []).append(error)


class StandIn:
    """Answers the requests of sessions that `signed_in` made; passes all others on to the real wire."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.providers: dict[str, Provider] = {}
        self.failures: dict[str, list[str]] = {}  # by refresh token

    def answer(self, request: httpx.Request) -> httpx.Response | None:
        """The provider's answer, or None when the request is not for it."""
        url = str(request.url)
        for provider in self.providers.values():
            if url.startswith((provider.issuer or "-").rstrip("/") + "/.well-known/"):
                return httpx.Response(200, content=msgspec.json.encode(invented_metadata(provider)), request=request)
        form = parse_qs(request.content.decode("utf-8", "replace")) if request.method == "POST" else {}
        if not any(value.startswith(_OURS) for values in form.values() for value in values):
            return None
        if form.get("grant_type") != ["refresh_token"]:
            return httpx.Response(200, json={}, request=request)
        failures = self.failures.get(form.get("refresh_token", [""])[0])
        if failures:
            error = failures.pop(0)
            status = 503 if error in ("temporarily_unavailable", "server_error") else 400
            return httpx.Response(status, json={"error": error}, request=request)
        number = next(_numbers)
        made = {
            "access_token": f"{_OURS}access-{number}",
            "refresh_token": f"{_OURS}refresh-{number}",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        return httpx.Response(200, json=made, request=request)


class _SyncStandIn(StandIn):
    def send(self, request: httpx.Request) -> httpx.Response:
        answer = self.answer(request)
        return self.real.send(request) if answer is None else answer

    def close(self) -> None:
        self.real.close()


class _AsyncStandIn(StandIn):
    async def send(self, request: httpx.Request) -> httpx.Response:
        answer = self.answer(request)
        return await self.real.send(request) if answer is None else answer

    async def aclose(self) -> None:
        await self.real.aclose()


def make_token(session: ReadableSession, scopes: tuple[str, ...], expires_in: float | None) -> Token:
    """A token that no provider issued."""
    number = next(_numbers)
    return Token(
        access_token=f"{_OURS}access-{number}",
        scope=scopes,
        expires_in=expires_in,
        expires_at=None if expires_in is None else session._run.ledger.now() + expires_in,
        refresh_token=f"{_OURS}refresh-{number}",
    )


def invented_metadata(provider: Provider) -> ServerMetadata:
    """Endpoints for a provider whose own are not asked for."""
    base = (provider.issuer or origin_of(provider.authorization_endpoint or "https://provider.invalid")).rstrip("/")
    return ServerMetadata(
        issuer=provider.issuer or base,
        authorization_endpoint=provider.authorization_endpoint or f"{base}/authorize",
        token_endpoint=provider.token_endpoint or f"{base}/token",
        revocation_endpoint=provider.revocation_endpoint or f"{base}/revoke",
        jwks_uri=provider.jwks_uri or f"{base}/jwks",
    )


def _stand_in(session: ReadableSession) -> StandIn:
    shell = session._house.shell
    if not isinstance(shell.http, StandIn):
        kind = _AsyncStandIn if isinstance(shell, AsyncShell) else _SyncStandIn
        shell.http = kind(shell.http)  # type: ignore[assignment]
    stand_in: Any = shell.http
    stand_in.providers[session.provider.name] = session.provider
    return stand_in  # type: ignore[no-any-return]


def _sign_in(session: ReadableSession, token: Token, data: dict[str, Any]) -> Op[ReadableSession]:
    ledger, provider = session._run.ledger, session.provider
    now, attempt = ledger.now(), f"test{next(_numbers)}"
    ref = PendingRef(attempt=attempt, state_hash="", deadline=now + 600.0)
    yield from _fire(session, Trigger.AUTHORIZE, Facts(now=now, pending=ref))
    yield from _fire(session, Trigger.CALLBACK, Facts(now=now, attempt=attempt, deadline=now + 60.0))
    who = str(data.get("id") or data.get("sub") or data.get(provider.id_path) or "1")
    profile = Profile(
        id=who,
        data=data,
        name=data.get("name"),
        email=data.get("email"),
        email_verified=data.get("email_verified"),
        picture=data.get("picture"),
    )
    tokens = Tokens(
        token=token,
        issuer=provider.issuer or invented_metadata(provider).issuer,
        subject=who,
        profile=encode_profile(profile),
    )
    facts = Facts(now=now, origin=Origin.PROVIDER, attempt=attempt, scope=token.scope, tokens=tokens)
    yield from _fire(session, Trigger.AUTHENTICATE, facts)
    return session


def _fire(session: ReadableSession, trigger: Trigger, facts: Facts) -> Op[AuthEvent]:
    if trigger in (Trigger.EXPIRE, Trigger.REVOKE) and session.state is State.IDLE:
        raise InvalidCall(f"{session.provider.name!r} is not signed in.", hint="Call signed_in(manager, …) first.")
    event: AuthEvent = yield Do(partial(session._run.ledger.commit, trigger, facts), session._house.store.blocking)
    yield Tell(session._outbox)
    return event

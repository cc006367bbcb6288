"""`session.auth`: puts a session's token on the requests of httpx and httpx2, and on no others.

Rule 1: the token goes to the allowed origins and nowhere else. A redirect to another host loses it (httpx drops
        it, and this does not put it back); http:// is for this machine only.
Rule 2: a 401 renews the token once, and only if the token that was refused is still the present one. A
        request whose body cannot be sent again is not repeated.
Rule 3: an answer that asks for more than a valid token (RFC 9470, RFC 6750 §3.1) is told to the session. No renewal
        would help; only if a step-up has brought another token meanwhile is the request repeated, once.

Rule 4: a token that is bound to a key goes with a proof, a new one each time (RFC 9449). A redirect that the caller
        follows goes without it; one that httpx follows by itself takes the proof along, which is for one address and
        nothing without the token. httpx gives its auth no say in that.

What this file does not know: how a token is renewed, or when it expires. It asks the session.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import httpx

from .errors import InvalidCall, OriginNotAllowed, printable
from .events import StepUp
from .protocol.challenge import read_step_up
from .protocol.dpop import wants_nonce
from .protocol.urls import is_loopback
from .records import Token

_Origin = tuple[bytes, bytes, int | None]


class Bearer(Protocol):
    """What `SessionAuth` needs of a session. An async session's two methods are `async def`."""

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Where the token may go: `https://api.github.com`, with a port unless it is the scheme's own."""
        ...

    def token(self) -> Token | Awaitable[Token]:
        """A token that is valid now."""
        ...

    def renew_if_current(self, access_token: str) -> Token | Awaitable[Token]:
        """The present token: a new one if `access_token` was the present one, else the one that replaced it."""
        ...

    def prove(self, method: str, url: str, access_token: str) -> str:
        """The proof that goes with a token of type `DPoP`."""
        ...

    def learn_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remembers the DPoP nonce of an API's answer; False when there is none."""
        ...


class _Ask:
    """Ask the session."""

    __slots__ = ("fn", "given")

    def __init__(self, fn: Callable[..., Any], *given: object) -> None:
        self.fn = fn
        self.given = given


if TYPE_CHECKING:
    _Base = httpx.Auth  # what it is at run time too, by way of `_auth_class`
else:
    _Base = object


class SessionAuth(_Base):
    """`httpx.get(url, auth=SessionAuth(session))`; also for httpx2, and for their clients, sync and async.

    A sync session works in an `AsyncClient` too (it is asked on a thread). The errors of `session.token()`
    come through; beside them `OriginNotAllowed`, and `InvalidCall` for an async session in a sync client.
    """

    requires_request_body = False
    requires_response_body = False

    def __new__(cls, bearer: Bearer) -> SessionAuth:
        return cast(SessionAuth, object.__new__(_auth_class()))

    def __init__(self, bearer: Bearer) -> None:
        self._bearer = bearer
        self._awaits = inspect.iscoroutinefunction(bearer.token)
        self._allowed: frozenset[str] | None = None
        self._origins: frozenset[_Origin] = frozenset()
        # A session's; a token source has nobody who could sign in again.
        self._notice: Callable[[str, StepUp], Any] | None = getattr(bearer, "notice_step_up", None)

    def __repr__(self) -> str:
        return f"SessionAuth(for {', '.join(sorted(self._bearer.allowed_origins)) or 'no origin'})"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._awaits:
            raise InvalidCall(
                "The auth of an async session was given to a sync client.",
                hint="Use an async one (httpx.AsyncClient, aiohttp), or a session of a SessionManager.",
            )
        steps = self._steps(request)
        step = next(steps)
        with suppress(StopIteration):
            while True:
                step = steps.send(step.fn(*step.given) if isinstance(step, _Ask) else (yield step))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        steps = self._steps(request)
        step = next(steps)
        while True:
            answer = (await self._ask(step)) if isinstance(step, _Ask) else (yield step)
            try:
                step = steps.send(answer)
            except StopIteration:
                return

    async def _ask(self, step: _Ask) -> Any:
        return await step.fn(*step.given) if self._awaits else await _on_thread(step.fn, *step.given)

    def _steps(self, request: httpx.Request) -> Generator[Any, Any, None]:
        """What both colours do: yields an `_Ask` of the session, or the request to send."""
        self._check(request.url)
        bearer = self._bearer
        token: Token = yield _Ask(bearer.token)
        response, sent = yield from self._send(request, token)
        asked = self._asked(response, sent)
        if asked is not None and self._notice is not None:
            yield _Ask(self._notice, token.access_token, asked)
            fresh: Token = yield _Ask(bearer.token)
        elif response.status_code == 401 and _is_ours(response, sent) and _repeatable(request):
            fresh = yield _Ask(bearer.renew_if_current, token.access_token)
        else:
            return
        if fresh.access_token != token.access_token and _repeatable(request):
            yield from self._send(request, fresh)

    def _send(self, request: httpx.Request, token: Token) -> Generator[Any, Any, tuple[httpx.Response, str]]:
        """The answer to the request with `token`, and how the token was sent. A request whose proof lacked the
        API's nonce is sent once more (RFC 9449 §9)."""
        url = str(request.url)
        sent = request.headers["Authorization"] = f"{token.token_type} {token.access_token}"
        if token.token_type != "DPoP":
            request.headers.pop("DPoP", None)
            return (yield request), sent
        for last in (False, True):
            request.headers["DPoP"] = self._bearer.prove(request.method, url, token.access_token)
            response = yield request
            if response.next_request is not None:
                response.next_request.headers.pop("DPoP", None)
            learned = _is_ours(response, sent) and self._bearer.learn_nonce(url, response.headers)
            if last or not learned or not wants_nonce(response) or not _repeatable(request):
                break
        return response, sent

    def _asked(self, response: httpx.Response, sent: str) -> StepUp | None:
        if response.status_code not in (401, 403) or not _is_ours(response, sent):
            return None
        return read_step_up(response.status_code, response.headers.get_list("www-authenticate"))

    def _check(self, url: httpx.URL) -> None:
        allowed = self._bearer.allowed_origins
        if allowed != self._allowed:
            self._origins = frozenset(filter(None, map(_read_origin, allowed)))
            self._allowed = allowed
        if (url.raw_scheme, url.raw_host, url.port) not in self._origins:
            _refuse(url)


async def _on_thread(ask: Callable[..., Any], *args: object) -> Any:
    # A sync session may renew the token: that would block the loop. (asyncio is costly to import for others.)
    import asyncio

    return await asyncio.to_thread(ask, *args)


def _is_ours(response: httpx.Response, sent: str) -> bool:
    """Whether it answers a request with our token. After a redirect to another host it is that host's, which never
    saw it."""
    return bool(response.request.headers.get("Authorization") == sent)


def _repeatable(request: httpx.Request) -> bool:
    """Whether the request can be sent again."""
    try:
        return request.content is not None
    except RuntimeError:  # RequestNotRead, of httpx or httpx2: a stream, which was used up
        return False


def _read_origin(origin: str) -> _Origin | None:
    """An allowed origin as httpx normalises URLs; None for one that a token must not go to anyway."""
    try:
        url = httpx.URL(origin)
    except httpx.InvalidURL:
        return None
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host)):
        return url.raw_scheme, url.raw_host, url.port
    return None


def _refuse(url: httpx.URL) -> NoReturn:
    origin = printable(f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}", 300)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise OriginNotAllowed(
            f"No token is sent to {origin}: it would travel in clear.", hint="Use the API's https:// address."
        )
    raise OriginNotAllowed(
        f"This session's token is not meant for {origin}.",
        hint=f'If it is, say so where the provider is made: api_origins=["{origin}"].',
    )


@cache
def _auth_class() -> type[Any]:
    """The class behind `SessionAuth`. httpx and httpx2 each accept only their own `Auth`, so it is both."""
    bases: list[type[Any]] = [httpx.Auth]
    try:
        import httpx2
    except ImportError:
        pass
    else:
        bases.append(httpx2.Auth)
    return type("SessionAuth", (SessionAuth, *dict.fromkeys(bases)), {"__module__": __name__})

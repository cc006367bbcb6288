"""A token without a human, got once for everybody who asks, and again when it ends. No session, no chart, no store:
what is lost is asked for again.

Rule 1: one request at a time. It belongs to the manager: whoever asked for it may be cancelled.
Rule 2: while the old token lives, nobody fails because a new one could not be had; and a provider that fails is left
        alone for a while.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .. import flows, renewal
from ..effects import Flight, Join, Op
from ..errors import AuthflowError, InvalidCall, Phase, TemporarilyUnavailable
from ..forks import Renewed, mind_forks
from ..house import House
from ..protocol.dpop import Binding, check_bound, new_key
from ..protocol.grants import TOKEN_EXCHANGE, check_issued_type
from ..protocol.messages import ServerMetadata
from ..protocol.step import Flow, Moment
from ..protocol.token import build_grant_request, to_token
from ..protocol.urls import origin_of
from ..records import Redacted, Token
from .wire import fenced

if TYPE_CHECKING:
    from ..protocol.grants import Form
    from ..providers.base import Provider

# From metadata and a moment to the form of the token request; it may ask the application (`Call`) for what it needs.
Filled = Callable[[ServerMetadata], "Flow[Form]"]


class SourceCore(Renewed):
    """The part of a token source that has no colour."""

    __slots__ = (
        "__weakref__", "_auth", "_binding", "_error", "_failures", "_fill", "_flight", "_house", "_jitter", "_mutex",
        "_provider", "_retry_at", "_token", "_until", "grant_type", "scope",
    )  # fmt: skip

    def __init__(
        self, house: House, provider: Provider, grant_type: str, fill: Filled, scope: tuple[str, ...]
    ) -> None:
        if provider.enrols:
            raise InvalidCall(
                f"{provider.name!r} has no client of its own yet.", hint="Set client_id= and what proves it."
            )
        self.grant_type = grant_type
        self.scope = scope
        self._house = house
        self._provider = provider
        self._fill = fill
        self._binding = Binding.of(new_key(provider), house.directory.nonces)
        self._mutex = threading.Lock()
        self._flight: Flight[Any] | None = None
        self._token: Token | None = None
        self._until = (0.0, 0.0)  # of the two clocks: until then the token is handed out without asking
        self._error: AuthflowError | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._jitter = house.random.random()
        self._auth: Any = None
        mind_forks(self)

    def after_fork_in_child(self) -> None:
        self._mutex = threading.Lock()

    @property
    def provider(self) -> Provider:
        return self._provider

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins that `auth` sends the token to."""
        return frozenset(origin_of(origin) for origin in self._provider.api_origins)

    def prove(self, method: str, url: str, access_token: str) -> str:
        """The `DPoP` header for one request (RFC 9449 §4). Raises `InvalidCall` without `dpop=True`."""
        if self._binding is None:
            raise InvalidCall(f"The tokens of {self._provider.label} are bound to no key.", hint="Set dpop=True.")
        moment = Moment(self._house.time(), secrets.token_urlsafe(16))
        return self._binding.prove(method, url, moment, access_token=access_token)

    def learn_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remembers the nonce in an API's answer; False when there is none."""
        return self._house.directory.nonces.keep(url, headers) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._provider.name!r} {self.grant_type.rpartition(':')[2]}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"A {type(self).__name__} is neither copied nor pickled: make one in each process.")

    def _fresh(self) -> Token | None:
        """The token, if it is good by both clocks and not due for renewal."""
        token = self._token
        if token is None or self._house.time() >= self._until[0] or self._house.monotonic() >= self._until[1]:
            return None
        return token

    def _keep(self, token: Token) -> None:
        now = self._house.time()
        until = renewal.renew_token_at(token, self._jitter)
        self._until = (until, self._house.monotonic() + until - now)
        self._token, self._error, self._failures, self._retry_at = token, None, 0, 0.0

    def _fail(self, error: AuthflowError) -> None:
        pause = renewal.pause(self._failures, self._house.random.random(), error.retry_after)
        self._error, self._failures = error, self._failures + 1
        self._retry_at = self._house.time() + pause


class Outcome(Redacted, msgspec.Struct, frozen=True):
    """How a request for a token ended."""

    token: Token | None = None
    error: AuthflowError | None = None


def source_token(source: SourceCore, min_ttl: float) -> Op[Token]:
    """A token that lives for at least `min_ttl` seconds.

    Raises the provider's error, or `TemporarilyUnavailable` while it is left alone after one.
    """
    house = source._house
    fresh = source._fresh()
    if fresh is not None and _lives(fresh, house.time(), min_ttl):
        return fresh
    old = source._token
    if old is not None and not _lives(old, house.time(), min_ttl):
        old = None
    if house.time() < source._retry_at:
        if old is not None:
            return old
        raise _resting(source)
    outcome: Outcome = yield Join(_launch(source, fresh))
    if outcome.token is not None and not _lives(outcome.token, house.time(), min_ttl):
        raise InvalidCall(
            f"{source.provider.label}'s tokens do not live {min_ttl:.0f} s.", hint="Ask for a smaller min_ttl."
        )
    token = outcome.token or old
    if token is None:
        raise outcome.error or _resting(source)
    return token


def renew_source(source: SourceCore, access_token: str) -> Op[Token]:
    """A 401 came back for `access_token`: a new one, if that is still the present one."""
    present = source._token
    if present is not None and hmac.compare_digest(present.access_token.encode(), access_token.encode()):
        if source._house.time() < source._retry_at:
            return present
        outcome: Outcome = yield Join(_launch(source, present))
        return outcome.token or present
    return (yield from source_token(source, 0.0))


def _launch(source: SourceCore, refused: Token | None = None) -> Flight[Any]:
    with source._mutex:
        if source._flight is None or source._flight.done:
            key = f"source/{source.provider.name}"
            source._house.shell.launch(key, _get(source, refused), partial(setattr, source, "_flight"))
        return cast("Flight[Any]", source._flight)


def _get(source: SourceCore, refused: Token | None) -> Op[Outcome]:
    """One request for a token. It raises nothing: who waits for it raises."""
    fresh = source._fresh()
    if fresh is not None and fresh is not refused:
        return Outcome(token=fresh)  # another flight has brought it in the moment before this one began
    house, provider = source._house, source.provider
    try:
        token = yield from fenced(house, provider, house.time, _ask(source, house.time()))
    except AuthflowError as error:
        error.add_facts(phase=Phase.EXCHANGE)
        source._fail(error)
        return Outcome(error=error)
    source._keep(token)
    return Outcome(token=token)


def _ask(source: SourceCore, now: float) -> Flow[Token]:
    provider, house, binding = source.provider, source._house, source._binding
    metadata = yield from flows.discover(provider, house.directory, now)
    form = yield from source._fill(metadata)

    def build(moment: Moment) -> Any:
        return build_grant_request(provider, metadata, moment, source.grant_type, form)

    answer = yield from flows.ask_for_tokens(provider, metadata, build, Phase.EXCHANGE, binding)
    check_bound(provider, binding, answer.token_type)
    if source.grant_type == TOKEN_EXCHANGE:
        check_issued_type(form, answer)
    token = to_token(answer, now=now, requested_scope=source.scope)
    return msgspec.structs.replace(token, refresh_token=None, id_token=None)


def _resting(source: SourceCore) -> TemporarilyUnavailable:
    failed = source._error
    said = "The token could not be had." if failed is None else failed.message
    return TemporarilyUnavailable(
        said, hint="It is asked for again after retry_at.", retry_at=source._retry_at, phase=Phase.EXCHANGE
    )


def _lives(token: Token, now: float, min_ttl: float) -> bool:
    return token.expires_at is None or token.expires_at - now > max(0.0, min_ttl)

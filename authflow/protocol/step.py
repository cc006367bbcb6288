"""What a flow yields: a request to send, a wait, a moment of the world, a call of the application's own function.

A flow is a generator that holds one conversation with a provider. It may wait for a server, never for a
human. It knows no clock, no randomness and no socket: those come in as arguments or as yielded steps, so a
flow can be driven by hand in a test with `next`, `send` and `throw`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from ..records import Redacted

T = TypeVar("T")

TOKEN_BYTES = 256 * 1024
DOCUMENT_BYTES = 1024 * 1024
CALL_SECONDS = 10.0
LIMITS = "authflow.limits"


class Wait(msgspec.Struct, frozen=True):
    """Let `seconds` pass on the injected clock."""

    seconds: float


class Moment(Redacted, msgspec.Struct, frozen=True):
    """What a proof is made of that only the world has: the time (seconds since the epoch), an identifier that
    nobody has used (`jti`), and the `assertion` of a client whose assertions somebody else signs. Good for one
    request."""

    now: float
    jti: str
    assertion: str | None = None


class Fresh(msgspec.Struct, frozen=True):
    """Give me a `Moment`."""


class Verify(msgspec.Struct, frozen=True):
    """Give me the claims of this userinfo JWT, verified: only the flow around a hook has keys and a clock."""

    token: str

    def __repr__(self) -> str:
        return "Verify(token=…)"


class Call(msgspec.Struct, frozen=True):
    """Call the application's `fn`, which may be a coroutine function under asyncio."""

    fn: Callable[[], Any]
    blocking: bool = False


class Limits(msgspec.Struct, frozen=True):
    """How much of an answer is read, decoded, and how long one call may take in all (seconds)."""

    most_bytes: int = TOKEN_BYTES
    seconds: float = CALL_SECONDS


Step = httpx.Request | Wait | Fresh | Verify | Call
Flow = Generator[Step, httpx.Response | Moment | dict[str, Any] | str | None, T]

DEFAULT_LIMITS = Limits()

_parsed = lru_cache(maxsize=128)(httpx.URL)  # the same endpoints over and over


def build_request(
    method: str,
    url: str,
    *,
    form: Mapping[str, str | tuple[str, ...]] | None = None,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> httpx.Request:
    """A request that asks for JSON and carries its own limits (`request.extensions`)."""
    asked = {"accept": "application/json", "user-agent": "authflow"}
    content = None
    if form is not None:
        content = urlencode(form, doseq=True).encode("ascii")
        asked["content-type"] = "application/x-www-form-urlencoded"
    return httpx.Request(
        method,
        # With a query it may hold a secret, and then it is a new one each time.
        url if "?" in url else _parsed(url),
        params=None if not params else dict(params),
        content=content,
        headers={**asked, **(headers or {})},
        extensions={LIMITS: limits},
    )


def limits_of(request: httpx.Request) -> Limits:
    """The limits a request was built with; the defaults for one that a provider's hook made by hand."""
    found: Any = request.extensions.get(LIMITS)
    return found if isinstance(found, Limits) else DEFAULT_LIMITS


def fetch(request: httpx.Request) -> Flow[httpx.Response]:
    """`response = yield from fetch(request)`, precisely typed."""
    response = yield request
    if not isinstance(response, httpx.Response):
        raise RuntimeError("a driver must answer a request with its response")
    return response


def fresh() -> Flow[Moment]:
    """`moment = yield from fresh()`, precisely typed."""
    moment = yield Fresh()
    if not isinstance(moment, Moment):
        raise RuntimeError("a driver must answer Fresh with a Moment")
    return moment


def verified(token: str) -> Flow[dict[str, Any]]:
    """`claims = yield from verified(token)`, precisely typed."""
    claims = yield Verify(token)
    if not isinstance(claims, dict):
        raise RuntimeError("a driver must answer Verify with claims")
    return claims


def wait(seconds: float) -> Flow[None]:
    """`yield from wait(1.5)`."""
    yield Wait(seconds)

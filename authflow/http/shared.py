"""What `Http` and `AsyncHttp` have in common: whose client, which limits, which idle connections, what is sent."""

from __future__ import annotations

import time
from typing import Any, Protocol

import httpcore
import httpx

from ..errors import ConfigurationError, ManagerClosed
from ..protocol.step import Limits, limits_of
from .addresses import may_be_private
from .answer import Answer
from .lines import Lines


class Monotonic(Protocol):
    """The clock that deadlines are measured on. Real time, also where the sessions' clock is virtual."""

    def monotonic(self) -> float: ...


class Shared:
    """What the two colours have in common: whose client, which limits, which idle connections."""

    def __init__(self, client: Any, clock: Monotonic | None, trust_env: bool, lines: Lines) -> None:
        self._client = client
        self._now = time.monotonic if clock is None else clock.monotonic
        self._trust_env = trust_env
        self._lines = lines

    def _begin(self, request: httpx.Request) -> tuple[Limits, bool]:
        if self._lines.closed or getattr(self._client, "is_closed", False):
            raise ManagerClosed(
                "The connections of this manager are closed.",
                hint="Make a new manager; an httpx client that you pass must stay open as long as it.",
            )
        return limits_of(request), may_be_private(request)

    def _offer(self, request: httpx.Request, limits: Limits) -> None:
        """Makes a request ready for a user's client, which knows nothing of our limits."""
        each = dict.fromkeys(("connect", "read", "write", "pool"), limits.seconds)
        request.extensions = {**request.extensions, "timeout": each}
        request.headers["accept-encoding"] = "gzip"

    def _answer(self, request: httpx.Request, limits: Limits, response: httpx.Response) -> Answer:
        """The answer of a user's client, its body not yet read, unless a hook or a mock has read it."""
        if not response.is_stream_consumed:
            return Answer(request, limits, response.status_code, response.headers.raw)
        coded = (b"content-encoding", b"content-length", b"transfer-encoding")
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in coded]
        answer = Answer(request, limits, response.status_code, headers)
        answer.feed(response.content)
        return answer


def core_request(request: httpx.Request) -> httpcore.Request:
    url = request.url
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"accept-encoding"]
    headers.append((b"Accept-Encoding", b"gzip"))
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=headers,
        content=request.stream,
    )


def check_client(client: object, kinds: tuple[type, ...], wanted: str) -> None:
    if client is not None and not isinstance(client, kinds):
        raise ConfigurationError(
            f"http= got a {type(client).__name__}.",
            hint=f"Pass an {wanted}, or one of httpx's transports of that colour.",
        )

"""Connections that are kept: a stack, the one used last on top.

Rule 1: a kept connection serves only requests of its own `Key`, and only while it is quiet: not closed by the
        server, nothing said that nobody asked for.
Rule 2: only a GET that found its kept connection closed is sent again, once; a POST never is.
Rule 3: a forked child, or another event loop, begins with no connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from ..errors import ConnectFailed
from ..protocol.client_certificate import ClientCertificate, certificate_of
from .async_backend import AsyncBackend
from .call import Call
from .faults import endpoint
from .sync_backend import Backend

# Common servers close an idle connection after 5 s. A POST that meets that very moment is lost and must not
# be repeated, so it takes only a connection that rested for less.
POST_IDLE_SECONDS = 4.0
IDLE_SECONDS = 30.0


class Key(NamedTuple):
    """Which requests may share a connection. One that was opened with permission for private addresses
    does not serve those without, nor does one that showed a certificate serve those that show another or none."""

    scheme: bytes
    host: bytes
    port: int
    private: bool
    certificate: ClientCertificate | None = None


def key_of(request: httpx.Request, private: bool) -> Key:
    url = request.url
    if url.scheme not in ("https", "http") or not url.host:
        raise ConnectFailed(f"{endpoint(url)} is no http or https address.", hint="Check the provider's settings.")
    port = url.port or (443 if url.scheme == "https" else 80)
    return Key(url.raw_scheme, url.raw_host, port, private, certificate_of(request))


class Line:
    """One connection to one origin, direct or through a proxy. Its backend's stream is what closes it."""

    __slots__ = ("backend", "call", "connection", "key", "rested_at", "reused")

    def __init__(self, key: Key, call: Call, backend: Backend | AsyncBackend) -> None:
        self.key = key
        self.call = call
        self.backend = backend
        self.connection: Any = None
        self.reused = False
        self.rested_at = 0.0

    def close(self) -> None:
        """At once; nothing is waited for."""
        if self.backend.stream is not None:
            self.backend.stream.abort()

    def can_rest(self) -> bool:
        """Whether the last exchange ended cleanly on both sides."""
        held = getattr(self.connection, "connections", None)
        return bool(self.connection.is_idle() if held is None else held and held[0].is_idle())

    def is_alive(self) -> bool:
        """False when the server closed it, or said something that nobody asked for."""
        return self.backend.stream is not None and self.backend.stream.is_quiet()

    def may_repeat(self, request: httpx.Request) -> bool:
        """Whether the request that broke off here may be sent once more, on a fresh connection."""
        return self.reused and request.method == "GET" and not self.call.received


class Lines:
    """The idle connections, the one used last on top. A forked child, or another loop, begins with none."""

    def __init__(self, most: int, home: Callable[[], object], forget: Callable[[Line], None]) -> None:
        self._most = most
        self._home = home
        self._forget = forget
        self._at: object = None
        self._lock = threading.Lock()
        self._stack: list[Line] = []
        self.closed = False

    def take(self, key: Key, request: httpx.Request, now: float) -> Line | None:
        """A live connection for `request`, or None."""
        at = self._home()
        if at != self._at:
            self._move(at)
        patience = IDLE_SECONDS if request.method == "GET" else POST_IDLE_SECONDS
        found = None
        dropped: list[Line] = []
        with self._lock:
            stack = self._stack
            while stack and now - stack[0].rested_at > IDLE_SECONDS:
                dropped.append(stack.pop(0))
            for place in range(len(stack) - 1, -1, -1):
                line = stack[place]
                if line.key != key or now - line.rested_at > patience:
                    continue
                del stack[place]
                if line.is_alive():
                    found = line
                    break
                dropped.append(line)
        for line in dropped:
            line.close()
        if found is not None:
            found.reused = True
        return found

    def put(self, line: Line, now: float) -> None:
        """Keeps `line` for later, if it is fit and there is room; the oldest makes room."""
        line.rested_at = now
        dropped = line
        if line.can_rest():
            with self._lock:
                if not self.closed and self._most > 0:
                    self._stack.append(line)
                    if len(self._stack) <= self._most:
                        return
                    dropped = self._stack.pop(0)
        dropped.close()

    def close(self) -> None:
        if self._home() != self._at:
            self._move(None)
        with self._lock:
            self.closed = True
            dropped, self._stack = self._stack, []
        for line in dropped:
            line.close()

    def _move(self, at: object) -> None:
        # Another thread may have held the lock when the process forked, so the child gets its own.
        self._lock = threading.Lock()
        dropped, self._stack = self._stack, []
        self._at = at
        for line in dropped:
            self._forget(line)

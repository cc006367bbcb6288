"""The only network I/O of the library: one request out, one whole response back, within its limits.

Rule 1: a call has one deadline. Every connect, handshake, read and write gets what is left of it, so a peer
        that drips bytes gains nothing. (httpx's timeouts are per read.)
Rule 2: no redirect is followed, no cookie kept, no `.netrc` read, no certificate left unverified.
Rule 3: no error leaves here with the request, its body or its headers in it or behind it.

Connections lie on a stack, the one used last on top, all on one TLS context per process. Only a GET that
found its kept connection closed is sent again, once; a POST never is.

What this file does not know: OAuth, sessions, retries with a pause. Limits come with the request
(`protocol.step.Limits`), and so does `extensions["authflow.private"] = False`, which refuses to connect to
private addresses.
"""

from __future__ import annotations

import ipaddress
import os
import queue
import select
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import httpcore
import httpx

from .errors import (
    ConfigurationError,
    ConnectFailed,
    DeadlineExceeded,
    ManagerClosed,
    MissingExtra,
    RedirectRefused,
    ResponseTooLarge,
    Sent,
    WireError,
    printable,
)
from .protocol.step import Limits, limits_of
from .protocol.urls import is_loopback, is_private_host, read_address

if TYPE_CHECKING:
    import asyncio  # at run time only where a loop runs: it costs a sync program more than all of this file

PRIVATE = "authflow.private"
SECONDS = "authflow.seconds"

# Common servers close an idle connection after 5 s. A POST that meets that very moment is lost and must not
# be repeated, so it takes only a connection that rested for less.
POST_IDLE_SECONDS = 4.0
IDLE_SECONDS = 30.0


class Monotonic(Protocol):
    """The clock that deadlines are measured on. Real time, also where the sessions' clock is virtual."""

    def monotonic(self) -> float: ...


def is_private(address: str) -> bool:
    """True for an IP address that the public internet does not reach: private, loopback, link-local, shared,
    multicast, and IPv6 forms that carry such an IPv4 address. Raises `ValueError` for a name."""
    ip = ipaddress.ip_address(address)
    return is_private_host(address) or (ip.version == 6 and ip.is_site_local)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────

_tls_lock = threading.Lock()
_tls_contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}


def _renew_tls_lock() -> None:
    global _tls_lock
    _tls_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # Another thread of the parent may hold the lock at the fork; the child has no such thread.
    os.register_at_fork(after_in_child=_renew_tls_lock)


def _tls_key(trust_env: bool) -> tuple[str | None, str | None]:
    if not trust_env:
        return None, None
    return os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None


def _tls_context(trust_env: bool) -> ssl.SSLContext:
    """The process's one verifying context (per `SSL_CERT_FILE` and `SSL_CERT_DIR`); 20 ms the first time."""
    key = _tls_key(trust_env)
    found = _tls_contexts.get(key)
    if found is not None:
        return found
    with _tls_lock:
        if key not in _tls_contexts:
            try:
                context = httpx.create_ssl_context(trust_env=trust_env)
            except OSError as error:
                raise ConfigurationError(
                    "The trusted certificates could not be read.",
                    hint="Look at the environment variables SSL_CERT_FILE and SSL_CERT_DIR.",
                ) from error
            context.set_alpn_protocols(["http/1.1"])
            _tls_contexts[key] = context
        return _tls_contexts[key]


def warm_tls(*, trust_env: bool = True) -> None:
    """Builds the TLS context in a thread that ends with it. Call it while the human is in the browser."""
    if _tls_key(trust_env) in _tls_contexts:
        return

    def build() -> None:
        try:
            _tls_context(trust_env)
        except ConfigurationError:
            pass  # told to whoever connects

    threading.Thread(target=build, name="authflow-tls").start()


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────


def _place(host: str, port: int | None) -> str:
    shown = printable(host, 253)
    shown = f"[{shown}]" if ":" in shown else shown
    return shown if port is None else f"{shown}:{port}"


def _endpoint(url: httpx.URL) -> str:
    """The URL as an error may show it: without user, query and fragment."""
    return printable(f"{url.scheme}://{_place(url.host, url.port)}{url.path}", 300)


def _os_error(error: BaseException | None) -> OSError | None:
    """The `OSError` behind a chain of wrappers: it knows errno and certificate, and never the request."""
    for _ in range(8):
        if error is None:
            return None
        if isinstance(error, OSError):
            # Without what it came from and through: the frames of a user's client hold the request.
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)
        error = error.__cause__ or error.__context__
    return None


def _not_connected(where: str, error: BaseException | None) -> ConnectFailed:
    reason = _os_error(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        failed = ConnectFailed(
            f"The TLS certificate of {where} was not accepted: {printable(reason.verify_message, 200)}.",
            hint="If you run that server, name its authority in SSL_CERT_FILE, or pass your own httpx client.",
        )
    elif isinstance(reason, ssl.SSLError):
        failed = ConnectFailed(
            f"No TLS connection to {where}: {printable(reason.reason or 'handshake failed', 100)}.",
            hint="Is it an https:// server, and does it speak TLS 1.2 or later?",
        )
    elif isinstance(reason, socket.gaierror):
        failed = ConnectFailed(
            f"The name {where} could not be resolved.",
            hint="Check the network connection and the address in the provider's settings.",
        )
    else:
        said = f": {printable(reason.strerror, 100)}" if reason is not None and reason.strerror else ""
        failed = ConnectFailed(
            f"No connection to {where}{said}.",
            hint="Check the network connection and the address in the provider's settings.",
        )
    failed.__cause__ = reason
    return failed


def _private_refused(host: str) -> ConnectFailed:
    return ConnectFailed(
        f"{printable(host, 253)} is a private address, and this provider's issuer is a public one.",
        hint="Public metadata must not point into your network. If it is yours, name that endpoint in the settings.",
    )


def _too_late(url: httpx.URL, limits: Limits, sent: Sent) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{_endpoint(url)} did not answer completely within {limits.seconds:g} seconds.",
        sent=sent,
        hint="Try again; if the provider is that slow, give it a longer timeout=.",
    )


def _cut_off(url: httpx.URL, what: str, sent: Sent) -> WireError:
    return WireError(f"The call to {_endpoint(url)} {what}.", sent=sent, hint="Check the network and try again.")


_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
_TIMEOUTS = (httpx.TimeoutException, httpcore.TimeoutException, TimeoutError)
_FAULTS = (
    httpx.HTTPError,
    httpx.StreamError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
    OSError,
)


def _explain(error: BaseException, request: httpx.Request, limits: Limits, sent: Sent) -> WireError:
    """Our error for a fault of the wire. Its text is ours: those of httpx and h11 can quote header values."""
    url = request.url
    if isinstance(error, _TIMEOUTS):
        return _too_late(url, limits, Sent.NO if isinstance(error, _NOTHING_SENT) else sent)
    if isinstance(error, (httpx.ProxyError, httpcore.ProxyError)):
        return ConnectFailed(
            f"The proxy did not connect to {_place(url.host, url.port)}.",
            hint="Check HTTPS_PROXY and the proxy's user name and password.",
        )
    if isinstance(error, (httpx.UnsupportedProtocol, httpcore.UnsupportedProtocol)):
        return ConnectFailed(f"{_endpoint(url)} is no http or https address.", hint="Check the provider's settings.")
    if isinstance(error, _NOTHING_SENT):
        return _not_connected(_place(url.host, url.port), error)
    if isinstance(error, (httpx.LocalProtocolError, httpcore.LocalProtocolError)):
        return WireError(
            f"The request to {_endpoint(url)} is no valid HTTP.",
            sent=Sent.NO,
            hint="A token or setting holds characters that no header may hold.",
        )
    if isinstance(error, httpx.HTTPStatusError):
        return WireError(
            f"An event hook of your httpx client refused the answer of {_endpoint(url)}.",
            sent=Sent.YES,
            hint="Leave error answers of the provider to authflow: it reads what they say.",
        )
    if isinstance(error, (httpx.ProtocolError, httpcore.ProtocolError)):
        return _cut_off(url, "ended without a complete HTTP answer", sent)
    return _cut_off(url, "broke off", sent)


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────


class _Answer:
    """Status, headers and a body that is decoded as it streams in, never past the cap."""

    __slots__ = ("_limits", "_most", "_parts", "_raw", "_size", "_unzip", "_url", "headers", "status")

    def __init__(self, request: httpx.Request, limits: Limits, status: int, headers: Iterable[tuple[bytes, bytes]]):
        self.status = status
        self.headers = list(headers)
        self._url = request.url
        self._limits = limits
        self._most = limits.most_bytes
        self._parts: list[bytes] = []
        self._raw = self._size = 0
        self._unzip: Any = None

        if 300 <= status < 400:
            raise self._redirected()
        length = self._header(b"content-length")
        if length and length.isdigit() and (len(length) > 18 or int(length) > self._most):
            raise self._too_large()
        encoding = self._header(b"content-encoding").lower()
        if encoding in (b"gzip", b"x-gzip"):
            self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif encoding not in (b"", b"identity"):
            raise WireError(
                f"{_endpoint(self._url)} answered in an encoding that was not asked for.",
                sent=Sent.YES,
                hint="authflow accepts gzip and plain answers.",
            )

    def _header(self, name: bytes) -> bytes:
        return b",".join(value.strip() for key, value in self.headers if key.lower() == name)

    def _redirected(self) -> RedirectRefused:
        hint = "Put the final address of that endpoint in the provider's settings."
        try:
            target = self._url.join(self._header(b"location").decode("ascii"))
        except (httpx.InvalidURL, ValueError):
            target = None
        if target is not None and target.scheme == self._url.scheme and target.host != self._url.host:
            hint = f"It points to {_place(target.host, target.port)}. " + hint
        return RedirectRefused(
            f"{_endpoint(self._url)} answered with a redirect ({self.status}), which authflow does not follow.",
            hint=hint,
        )

    def _too_large(self) -> ResponseTooLarge:
        return ResponseTooLarge(
            f"The answer of {_endpoint(self._url)} is larger than {self._most} bytes.",
            hint="Is that the right address? No answer of this kind is that large.",
        )

    def feed(self, part: bytes) -> None:
        self._raw += len(part)
        if self._raw > self._most:
            raise self._too_large()
        if self._unzip is not None:
            try:
                part = self._unzip.decompress(part, self._most - self._size + 1)
            except zlib.error:
                raise self._broken_gzip() from None
        self._size += len(part)
        if self._size > self._most:
            raise self._too_large()
        self._parts.append(part)

    def _broken_gzip(self) -> WireError:
        return WireError(f"The gzip answer of {_endpoint(self._url)} is damaged.", sent=Sent.YES)

    def response(self, request: httpx.Request, seconds: float) -> httpx.Response:
        headers = self.headers
        if self._unzip is not None:
            if not self._unzip.eof and self._raw:
                raise self._broken_gzip()
            told = (b"content-encoding", b"content-length", b"transfer-encoding")
            headers = [(name, value) for name, value in headers if name.lower() not in told]
        return httpx.Response(
            self.status,
            headers=headers,
            content=b"".join(self._parts),
            request=request,
            extensions={SECONDS: seconds},
        )


# ── one connection ───────────────────────────────────────────────────────────────────────────────────


class _Key(NamedTuple):
    """Which requests may share a connection. One that was opened with permission for private addresses
    does not serve those without."""

    scheme: bytes
    host: bytes
    port: int
    private: bool


class _Call:
    """What the present call on a connection has left, and what it has done. Its streams ask here."""

    __slots__ = ("now", "received", "sent", "until")

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.begin(0.0)

    def begin(self, until: float) -> None:
        self.until = until
        self.sent = self.received = False

    def left(self) -> float:
        """Seconds, more than none; raises `httpcore.ReadTimeout` otherwise."""
        left = self.until - self.now()
        if left <= 0:
            raise httpcore.ReadTimeout("the call's deadline")
        return left

    @property
    def fate(self) -> Sent:
        return Sent.UNKNOWN if self.sent else Sent.NO


class _Line:
    """One connection to one origin, direct or through a proxy. Its backend's stream is what closes it."""

    __slots__ = ("backend", "call", "connection", "key", "rested_at", "reused")

    def __init__(self, key: _Key, call: _Call, backend: _Backend | _AsyncBackend) -> None:
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


class _Lines:
    """The idle connections, the one used last on top. A forked child, or another loop, begins with none."""

    def __init__(self, most: int, home: Callable[[], object], forget: Callable[[_Line], None]) -> None:
        self._most = most
        self._home = home
        self._forget = forget
        self._at: object = None
        self._lock = threading.Lock()
        self._stack: list[_Line] = []
        self.closed = False

    def take(self, key: _Key, request: httpx.Request, now: float) -> _Line | None:
        """A live connection for `request`, or None."""
        at = self._home()
        if at != self._at:
            self._move(at)
        patience = IDLE_SECONDS if request.method == "GET" else POST_IDLE_SECONDS
        found = None
        dropped: list[_Line] = []
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

    def put(self, line: _Line, now: float) -> None:
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


def _key_of(request: httpx.Request, private: bool) -> _Key:
    url = request.url
    if url.scheme not in ("https", "http") or not url.host:
        raise ConnectFailed(f"{_endpoint(url)} is no http or https address.", hint="Check the provider's settings.")
    return _Key(url.raw_scheme, url.raw_host, url.port or (443 if url.scheme == "https" else 80), private)


def _may_be_private(request: httpx.Request) -> bool:
    """What the request says of private addresses; raises `ConnectFailed` when its own host is one it may not
    reach (a proxy or a user's client would resolve the name where nobody can check)."""
    if request.extensions.get(PRIVATE) is not False:
        return True
    if is_private_host(request.url.host):
        raise _private_refused(request.url.host)
    return False


def _core_request(request: httpx.Request) -> httpcore.Request:
    url = request.url
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"accept-encoding"]
    headers.append((b"Accept-Encoding", b"gzip"))
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=headers,
        content=request.stream,
    )


def _addresses(host: str, found: Iterable[Any], private: bool) -> list[str]:
    """The distinct addresses of a `getaddrinfo` answer, in its order, if all may be connected to."""
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private and any(is_private(address) for address in addresses):
        raise _private_refused(host)
    return addresses


def _proxy_for(key: _Key) -> httpx.Proxy | None:
    """The proxy that the environment (or the system's settings) names for an origin. Loopback has none."""
    host = key.host.decode("ascii")
    address = read_address(host)
    if is_loopback(host) or (address is not None and address.is_loopback):
        return None
    named = urllib.request.getproxies()
    url = named.get(key.scheme.decode("ascii")) or named.get("all")
    if not url or urllib.request.proxy_bypass(f"{host}:{key.port}"):
        return None
    try:
        return httpx.Proxy(url if "://" in url else f"http://{url}")
    except (httpx.InvalidURL, ValueError):
        pass
    raise ConfigurationError(
        "The proxy that the environment names is no http, https or socks5 address.",
        hint="Look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY.",
    )


def _proxied(kinds: tuple[Any, Any], proxy: httpx.Proxy, backend: Any, tls: ssl.SSLContext | None) -> Any:
    """A pool of one connection through `proxy`."""
    plain, socks = kinds
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    common = {"proxy_auth": proxy.raw_auth, "ssl_context": tls, "max_connections": 1, "network_backend": backend}
    if not proxy.url.scheme.startswith("socks5"):
        secure = tls if proxy.url.scheme == "https" else None
        return plain(url, proxy_headers=proxy.headers.raw, proxy_ssl_context=secure, **common)
    try:
        return socks(url, **common)
    except (ImportError, RuntimeError):
        pass
    raise MissingExtra("A SOCKS proxy needs one more package.", hint="Install it: pip install 'httpx[socks]'")


def _has_arrived(descriptor: int) -> bool:
    """Whether reading a socket would not wait: there are bytes, or its end."""
    if descriptor < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation gets what is left of the call."""

    def __init__(self, inner: httpcore.NetworkStream, call: _Call, where: str) -> None:
        self._inner = inner
        self._call = call
        self._where = where

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._inner.read(max_bytes, self._call.left())
        if data:
            self._call.received = True
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In slices: the stream below grants the time to each piece that the kernel takes, not to the whole.
        for start in range(0, len(buffer), 16384):
            left = self._call.left()
            self._call.sent = True
            self._inner.write(buffer[start : start + 16384], left)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        try:
            self._inner = self._inner.start_tls(ssl_context, server_hostname, self._call.left())
            return self
        except (httpcore.ConnectError, httpcore.ReadError, httpcore.WriteError) as error:
            failure = _not_connected(self._where, error)
        raise failure

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def is_quiet(self) -> bool:
        return not self._inner.get_extra_info("is_readable")

    def close(self) -> None:
        self._inner.close()

    abort = close


class _Backend(httpcore.NetworkBackend):
    """Resolves a name once, checks the addresses, and connects to a checked one."""

    def __init__(self, call: _Call, private: bool) -> None:
        self._call = call
        self._private = private
        self.stream: _Stream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> _Stream:
        where = _place(host, port)
        addresses = self._resolve(host, port)
        failure: Exception | None = None
        for tried, address in enumerate(addresses):
            share = self._call.left() / (len(addresses) - tried)
            try:
                inner = httpcore.SyncBackend().connect_tcp(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            self.stream = _Stream(inner, self._call, where)
            return self.stream
        if isinstance(failure, httpcore.ConnectTimeout):
            raise failure
        raise _not_connected(where, failure)

    def _resolve(self, host: str, port: int) -> list[str]:
        # The C library's resolver takes no deadline. It is asked on a thread, which is left behind when it is
        # too slow and ends by the resolver's own limit.
        answer: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answer.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
            except OSError as error:
                answer.put(error)
            except UnicodeError:
                answer.put(socket.gaierror("no host name"))

        if read_address(host) is not None:
            ask()
        else:
            threading.Thread(target=ask, name="authflow-resolve", daemon=True).start()
        try:
            found = answer.get(timeout=self._call.left())
        except queue.Empty:
            found = []
        if isinstance(found, OSError):
            raise _not_connected(_place(host, port), found)
        if not found:
            raise httpcore.ConnectTimeout("the resolver's answer")
        return _addresses(host, found, self._private)


class _Pipe(httpcore.AsyncNetworkStream):
    """An asyncio connection that can be aborted without awaiting, so that a cancelled call leaves nothing
    behind. It is its transport's protocol (by its methods; asyncio asks for no base class)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: _Call, where: str) -> None:
        self._loop = loop
        self._call = call
        self._where = where
        self._transport: Any = None
        self._data = bytearray()
        self._ended = False
        self._lost: Exception | None = None
        self._full = self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > 262144 and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._lost = error
        self._wake()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while not self._data and not self._ended:
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            await self._wait()
        if not self._data and self._lost is not None:
            raise httpcore.ReadError("the connection was lost")
        data = bytes(self._data[:max_bytes])
        del self._data[:max_bytes]
        if data:
            self._call.received = True
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        if self._ended or self._transport.is_closing():
            raise httpcore.WriteError("the connection was closed")
        self._call.sent = True
        self._transport.write(buffer)
        while self._full and not self._ended:
            await self._wait()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Pipe:
        reason: OSError | None = None
        try:
            upgraded = await self._loop.start_tls(
                self._transport, cast("asyncio.Protocol", self), ssl_context, server_hostname=server_hostname
            )
            if upgraded is not None:
                self._transport = upgraded
                return self
        except OSError as error:
            reason = error
        raise _not_connected(self._where, reason)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return not self.is_quiet()
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))

    def is_quiet(self) -> bool:
        if self._data or self._ended or self._transport.is_closing():
            return False
        # What has arrived but was not yet read, because the loop had no turn since.
        waiting = self._transport.get_extra_info("socket")
        return waiting is not None and not _has_arrived(waiting.fileno())

    async def aclose(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._transport.abort()


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """The twin of `_Backend`. The deadline of the whole is `asyncio.timeout` around the call."""

    def __init__(self, call: _Call, private: bool) -> None:
        self._call = call
        self._private = private
        self.stream: _Pipe | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> _Pipe:
        import asyncio

        loop = asyncio.get_running_loop()
        where = _place(host, port)
        addresses = await self._resolve(loop, host, port)
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            pipe = _Pipe(loop, self._call, where)
            share = self._call.left() / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    await loop.create_connection(lambda pipe=pipe: pipe, address, port)  # type: ignore[misc]
            except OSError as error:
                failure = error
                continue
            self.stream = pipe
            return pipe
        if isinstance(failure, TimeoutError):
            raise httpcore.ConnectTimeout("no address answered")
        raise _not_connected(where, failure)

    async def _resolve(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[str]:
        reason: OSError
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return _addresses(host, found, self._private)
        except OSError as error:
            reason = error
        except UnicodeError:
            reason = socket.gaierror("no host name")
        raise _not_connected(_place(host, port), reason)


# ── the two shells ───────────────────────────────────────────────────────────────────────────────────


class _Shared:
    """What the two colours have in common: whose client, which limits, which idle connections."""

    def __init__(self, client: Any, clock: Monotonic | None, trust_env: bool, lines: _Lines) -> None:
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
        return limits_of(request), _may_be_private(request)

    def _offer(self, request: httpx.Request, limits: Limits) -> None:
        """Makes a request ready for a user's client, which knows nothing of our limits."""
        each = dict.fromkeys(("connect", "read", "write", "pool"), limits.seconds)
        request.extensions = {**request.extensions, "timeout": each}
        request.headers["accept-encoding"] = "gzip"

    def _answer(self, request: httpx.Request, limits: Limits, response: httpx.Response) -> _Answer:
        """The answer of a user's client, its body not yet read, unless a hook or a mock has read it."""
        if not response.is_stream_consumed:
            return _Answer(request, limits, response.status_code, response.headers.raw)
        coded = (b"content-encoding", b"content-length", b"transfer-encoding")
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in coded]
        answer = _Answer(request, limits, response.status_code, headers)
        answer.feed(response.content)
        return answer


class Http(_Shared):
    """Sends requests, from any thread. `client` is a user's own `httpx.Client` or transport, which is never
    closed here; its deadline is looked at between the parts of the body, and what its hooks, cookies and
    logs keep is its owner's matter."""

    def __init__(
        self,
        client: httpx.Client | httpx.BaseTransport | None = None,
        *,
        clock: Monotonic | None = None,
        trust_env: bool = True,
        max_idle: int = 8,
    ) -> None:
        _check_client(client, (httpx.Client, httpx.BaseTransport), "httpx.Client")
        super().__init__(client, clock, trust_env, _Lines(max_idle, os.getpid, _Line.close))

    def send(self, request: httpx.Request) -> httpx.Response:
        """The whole response, of any status but a redirect; `extensions["authflow.seconds"]` is what it took.

        Raises `ConnectFailed`, `DeadlineExceeded`, `ResponseTooLarge`, `RedirectRefused` or `WireError`;
        `ConfigurationError` for certificates or a proxy that cannot be used.
        """
        limits, private = self._begin(request)
        started = self._now()
        if self._client is not None:
            answer = self._send_by_client(request, limits, started)
            return answer.response(request, self._now() - started)

        key = _key_of(request, private)
        line = self._lines.take(key, request, started)
        while True:
            line = line or self._new_line(key)
            line.call.begin(started + limits.seconds)
            try:
                if line.connection is None:
                    self._connect(line)
                answer = self._exchange(line, request, limits)
                now = self._now()
                self._lines.put(line, now)
                return answer.response(request, now - started)
            except BaseException as error:
                line.close()
                if not isinstance(error, _FAULTS):
                    raise
                fault = _explain(error, request, limits, line.call.fate)
            if isinstance(fault, DeadlineExceeded) or not line.may_repeat(request):
                # Here, and not in the handler: so nothing of what was handled hangs behind it.
                raise fault
            line = None

    def close(self) -> None:
        """Closes the idle connections; one in use is closed when its call ends. Idempotent."""
        self._lines.close()

    def _new_line(self, key: _Key) -> _Line:
        call = _Call(self._now)
        return _Line(key, call, _Backend(call, key.private))

    def _connect(self, line: _Line) -> None:
        key = line.key
        host = key.host.decode("ascii")
        proxy = _proxy_for(key) if self._trust_env else None
        secure = key.scheme == b"https"
        tls = _tls_context(self._trust_env) if secure or (proxy and proxy.url.scheme == "https") else None
        if proxy is not None:
            backend = line.backend = _Backend(line.call, private=True)
            line.connection = _proxied((httpcore.HTTPProxy, httpcore.SOCKSProxy), proxy, backend, tls)
            return
        stream = cast(_Backend, line.backend).connect_tcp(host, key.port)
        if tls is not None:
            stream = stream.start_tls(tls, host)
        line.connection = httpcore.HTTP11Connection(httpcore.Origin(key.scheme, key.host, key.port), stream)

    def _exchange(self, line: _Line, request: httpx.Request, limits: Limits) -> _Answer:
        response: httpcore.Response = line.connection.handle_request(_core_request(request))
        answer = _Answer(request, limits, response.status, response.headers)
        for part in cast(Iterable[bytes], response.stream):
            answer.feed(part)
        response.close()
        return answer

    def _send_by_client(self, request: httpx.Request, limits: Limits, started: float) -> _Answer:
        self._offer(request, limits)
        client = self._client
        response: httpx.Response | None = None
        try:
            if isinstance(client, httpx.Client):
                response = client.send(request, stream=True, auth=httpx.Auth(), follow_redirects=False)
            else:
                response = cast(httpx.BaseTransport, client).handle_request(request)
            answer = self._answer(request, limits, response)
            if response.is_stream_consumed:
                return answer
            for part in cast(Iterable[bytes], response.stream):
                if self._now() - started > limits.seconds:
                    raise httpcore.ReadTimeout("the call's deadline")
                answer.feed(part)
            return answer
        except _FAULTS as error:
            fault = _explain(error, request, limits, Sent.UNKNOWN)
        finally:
            if response is not None:
                response.close()
        raise fault


class AsyncHttp(_Shared):
    """The twin of `Http` for asyncio, on the loop that uses it."""

    def __init__(
        self,
        client: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
        *,
        clock: Monotonic | None = None,
        trust_env: bool = True,
        max_idle: int = 8,
    ) -> None:
        _check_client(client, (httpx.AsyncClient, httpx.AsyncBaseTransport), "httpx.AsyncClient")
        super().__init__(client, clock, trust_env, _Lines(max_idle, _loop_here, _leave))

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The twin of `Http.send`. A cancelled call closes its connection."""
        import asyncio

        limits, private = self._begin(request)
        started = self._now()
        if self._client is not None:
            answer = await self._send_by_client(request, limits)
            return answer.response(request, self._now() - started)

        key = _key_of(request, private)
        line = self._lines.take(key, request, started)
        while True:
            line = line or self._new_line(key)
            line.call.begin(started + limits.seconds)
            try:
                async with asyncio.timeout(line.call.left()):
                    if line.connection is None:
                        await self._connect(line)
                    answer = await self._exchange(line, request, limits)
                now = self._now()
                self._lines.put(line, now)
                return answer.response(request, now - started)
            except BaseException as error:
                line.close()
                if not isinstance(error, _FAULTS):
                    raise
                fault = _explain(error, request, limits, line.call.fate)
            if isinstance(fault, DeadlineExceeded) or not line.may_repeat(request):
                raise fault
            line = None

    async def aclose(self) -> None:
        """Closes the idle connections; one in use is closed when its call ends. Idempotent."""
        import asyncio

        self._lines.close()
        await asyncio.sleep(0)  # the loop closes the sockets on its next turn

    def _new_line(self, key: _Key) -> _Line:
        call = _Call(self._now)
        return _Line(key, call, _AsyncBackend(call, key.private))

    async def _connect(self, line: _Line) -> None:
        key = line.key
        host = key.host.decode("ascii")
        proxy = _proxy_for(key) if self._trust_env else None
        secure = key.scheme == b"https"
        tls = None
        if secure or (proxy and proxy.url.scheme == "https"):
            tls = _tls_contexts.get(_tls_key(self._trust_env))
            if tls is None:
                import asyncio

                tls = await asyncio.to_thread(_tls_context, self._trust_env)
        if proxy is not None:
            backend = line.backend = _AsyncBackend(line.call, private=True)
            line.connection = _proxied((httpcore.AsyncHTTPProxy, httpcore.AsyncSOCKSProxy), proxy, backend, tls)
            return
        stream = await cast(_AsyncBackend, line.backend).connect_tcp(host, key.port)
        if tls is not None:
            stream = await stream.start_tls(tls, host)
        line.connection = httpcore.AsyncHTTP11Connection(httpcore.Origin(key.scheme, key.host, key.port), stream)

    async def _exchange(self, line: _Line, request: httpx.Request, limits: Limits) -> _Answer:
        response: httpcore.Response = await line.connection.handle_async_request(_core_request(request))
        answer = _Answer(request, limits, response.status, response.headers)
        async with aclosing(_parts(response.stream)) as parts:
            async for part in parts:
                answer.feed(part)
        await response.aclose()
        return answer

    async def _send_by_client(self, request: httpx.Request, limits: Limits) -> _Answer:
        import asyncio

        self._offer(request, limits)
        client = self._client
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(limits.seconds):
                if isinstance(client, httpx.AsyncClient):
                    response = await client.send(request, stream=True, auth=httpx.Auth(), follow_redirects=False)
                else:
                    response = await cast(httpx.AsyncBaseTransport, client).handle_async_request(request)
                answer = self._answer(request, limits, response)
                if response.is_stream_consumed:
                    return answer
                async with aclosing(_parts(response.stream)) as parts:
                    async for part in parts:
                        answer.feed(part)
                return answer
        except _FAULTS as error:
            fault = _explain(error, request, limits, Sent.UNKNOWN)
        finally:
            if response is not None:
                await response.aclose()
        raise fault


async def _parts(stream: Any) -> AsyncGenerator[bytes, None]:
    """The parts of a body; ending this generator ends the one below."""
    below = aiter(stream)
    try:
        async for part in below:
            yield part
    finally:
        close = getattr(below, "aclose", None)
        if close is not None:
            await close()


def _loop_here() -> object:
    import asyncio

    return os.getpid(), asyncio.get_running_loop()


def _leave(line: _Line) -> None:
    """Connections of another loop or of the parent process: to close them would touch their selector."""


def _check_client(client: object, kinds: tuple[type, ...], wanted: str) -> None:
    if client is not None and not isinstance(client, kinds):
        raise ConfigurationError(
            f"http= got a {type(client).__name__}.",
            hint=f"Pass an {wanted}, or one of httpx's transports of that colour.",
        )

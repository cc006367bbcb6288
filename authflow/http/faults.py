"""Our error for whatever httpx, httpcore, TLS, the resolver or the system raise.

Rule 1: the text is ours. That of httpx and h11 can quote header values; what a server or certificate says is
        shown as `printable` allows.
Rule 2: behind it hangs at most an `OSError` without its traceback, so no frame that holds the request.
Rule 3: it says what became of the request (`Sent`): nothing left, it may have arrived, it was answered.
"""

from __future__ import annotations

import socket
import ssl

import httpcore
import httpx

from ..errors import ConnectFailed, DeadlineExceeded, Sent, WireError, printable
from ..protocol.step import Limits


def place(host: str, port: int | None) -> str:
    shown = printable(host, 253)
    shown = f"[{shown}]" if ":" in shown else shown
    return shown if port is None else f"{shown}:{port}"


def endpoint(url: httpx.URL) -> str:
    """The URL as an error may show it: without user, query and fragment."""
    return printable(f"{url.scheme}://{place(url.host, url.port)}{url.path}", 300)


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


def not_connected(where: str, error: BaseException | None) -> ConnectFailed:
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


def private_refused(host: str) -> ConnectFailed:
    return ConnectFailed(
        f"{printable(host, 253)} is a private address, and this provider's issuer is a public one.",
        hint="Public metadata must not point into your network. If it is yours, name that endpoint in the settings.",
    )


def _too_late(url: httpx.URL, limits: Limits, sent: Sent) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{endpoint(url)} did not answer completely within {limits.seconds:g} seconds.",
        sent=sent,
        hint="Try again; if the provider is that slow, give it a longer timeout=.",
    )


def _cut_off(url: httpx.URL, what: str, sent: Sent) -> WireError:
    return WireError(f"The call to {endpoint(url)} {what}.", sent=sent, hint="Check the network and try again.")


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
FAULTS = (
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


def explain(error: BaseException, request: httpx.Request, limits: Limits, sent: Sent) -> WireError:
    """Our error for a fault of the wire. Its text is ours: those of httpx and h11 can quote header values."""
    url = request.url
    if isinstance(error, _TIMEOUTS):
        return _too_late(url, limits, Sent.NO if isinstance(error, _NOTHING_SENT) else sent)
    if isinstance(error, (httpx.ProxyError, httpcore.ProxyError)):
        return ConnectFailed(
            f"The proxy did not connect to {place(url.host, url.port)}.",
            hint="Check HTTPS_PROXY and the proxy's user name and password.",
        )
    if isinstance(error, (httpx.UnsupportedProtocol, httpcore.UnsupportedProtocol)):
        return ConnectFailed(f"{endpoint(url)} is no http or https address.", hint="Check the provider's settings.")
    if isinstance(error, _NOTHING_SENT):
        return not_connected(place(url.host, url.port), error)
    if isinstance(error, (httpx.LocalProtocolError, httpcore.LocalProtocolError)):
        return WireError(
            f"The request to {endpoint(url)} is no valid HTTP.",
            sent=Sent.NO,
            hint="A token or setting holds characters that no header may hold.",
        )
    if isinstance(error, httpx.HTTPStatusError):
        return WireError(
            f"An event hook of your httpx client refused the answer of {endpoint(url)}.",
            sent=Sent.YES,
            hint="Leave error answers of the provider to authflow: it reads what they say.",
        )
    if isinstance(error, (httpx.ProtocolError, httpcore.ProtocolError)):
        return _cut_off(url, "ended without a complete HTTP answer", sent)
    return _cut_off(url, "broke off", sent)

"""The wire between a page and an API: request and answer pass through as they come, in both colours.

Rule 1: one client for all, without a memory: it keeps no cookie (the next user would send it), follows no redirect,
        reads no environment.
Rule 2: a body that is small is read first, so that after an API's 401 it can be sent again with a fresh token.
Rule 3: an API may end a connection that waits for the next request in the moment in which that is sent. What only reads
        is then sent once more (RFC 9110 §9.2.2); what may have done something there is not.
Rule 4: every wait has an end: 5 s to connect, `SECONDS` for each piece. The connection ends with the answer, and when
        the page goes away. There may be as many as there are requests: who reads slowly keeps nobody else waiting.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from ...errors import AuthflowError, OriginNotAllowed, SignInRequired, TemporarilyUnavailable
from .desk import AnySession, Desk
from .exchange import Answer, Asked, as_json
from .proxy import Proxy
from .running import Steps

logger = logging.getLogger("authflow.integrations")

SECONDS = 60.0
SMALL_BODY = 64 * 1024
TIMEOUT = httpx.Timeout(SECONDS, connect=5.0, pool=5.0)
ONLY_READS = frozenset({"GET", "HEAD", "OPTIONS"})
Headers = list[tuple[str, str]]


def client_settings() -> dict[str, Any]:
    """For `httpx.Client` and `httpx.AsyncClient`."""
    return {
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        "headers": {"accept-encoding": "identity"},  # unless the page takes another
        "follow_redirects": False,
        "trust_env": False,
        "timeout": TIMEOUT,
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=20),
    }


def admit(desk: Desk, proxy: Proxy, asked: Asked, raw_path: str) -> Steps[tuple[AnySession, str] | Answer]:
    """The session that a request is sent on with, and where; or the refusal."""
    refused = proxy.judge(asked, desk.places.origin)
    if refused is not None:
        return refused
    url = proxy.upstream(raw_path, asked.query)
    if url is None:
        return as_json({"error": "no_such_path"}, 404)
    session = yield from desk.find(asked, proxy.provider)
    return desk.refuse(asked, proxy.provider) if session is None else (session, url)


def failed(error: Exception) -> Answer:
    """What the page is told when no answer of the API can be had."""
    if isinstance(error, SignInRequired):
        return as_json({"error": "not_signed_in"}, 401)
    if isinstance(error, TemporarilyUnavailable):
        return as_json({"error": "temporarily_unavailable"}, 503, ("Retry-After", "5"))
    if isinstance(error, httpx.TimeoutException):
        return as_json({"error": "api_timeout"}, 504)
    if isinstance(error, OriginNotAllowed):
        logger.error("proxy: %s", error)
    elif isinstance(error, AuthflowError):
        logger.warning("proxy: %s (%s)", error, error.code)
    return as_json({"error": "api_unreachable"}, 502)


def length_of(headers: Headers) -> int | None:
    """Bytes of the body that comes; 0: none, None: it is not said."""
    named = {name.lower(): value for name, value in headers}
    if "transfer-encoding" in named:
        return None
    value = named.get("content-length", "0")
    return int(value) if value.isascii() and value.isdigit() else None


async def asend(
    client: httpx.AsyncClient,
    proxy: Proxy,
    session: AnySession,
    url: str,
    method: str,
    headers: Headers,
    body: AsyncIterator[bytes],
) -> httpx.Response:
    """The API's answer, its body still to be read. Raises what `failed` tells."""
    length = length_of(headers)
    content: Any = body
    if length is not None and length <= SMALL_BODY:
        content = b"".join([piece async for piece in body]) if length else None
    request = client.build_request(method, url, headers=proxy.headers_up(headers), content=content)
    try:
        return await client.send(request, auth=session.auth, stream=True)
    except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
        if not _may_go_again(error, method, content):
            raise
    return await client.send(request, auth=session.auth, stream=True)


def send(
    client: httpx.Client,
    proxy: Proxy,
    session: AnySession,
    url: str,
    method: str,
    headers: Headers,
    body: Iterable[bytes],
) -> httpx.Response:
    """The twin of `asend`."""
    length = length_of(headers)
    content: Any = body
    if length is not None and length <= SMALL_BODY:
        content = b"".join(body) if length else None
    request = client.build_request(method, url, headers=proxy.headers_up(headers), content=content)
    try:
        return client.send(request, auth=session.auth, stream=True)
    except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
        if not _may_go_again(error, method, content):
            raise
    return client.send(request, auth=session.auth, stream=True)


def _may_go_again(error: httpx.TransportError, method: str, content: object) -> bool:
    return method in ONLY_READS and content is None and not isinstance(error, httpx.ConnectError)


async def apieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """The answer's body as it comes, and the end of the connection."""
    try:
        async for piece in response.aiter_raw():
            yield piece
    finally:
        await response.aclose()


class Pieces(Iterator[bytes]):
    """The twin of `apieces`. The connection ends, too, where nobody begins to read: a WSGI server closes the body of a
    HEAD, a 204 or a 304 unread, and what a generator has in its `finally` would not run then."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._raw = response.iter_raw()

    def __next__(self) -> bytes:
        try:
            return next(self._raw)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._response.close()

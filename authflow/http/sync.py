"""`Http`: a request out and its whole response back, from any thread. `asynchronous.py` is its twin."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import cast

import httpcore
import httpx

from ..errors import DeadlineExceeded, Sent
from ..protocol.step import Limits
from .answer import Answer
from .call import Call
from .faults import FAULTS, explain
from .lines import Key, Line, Lines, key_of
from .proxies import proxied, proxy_for
from .shared import Monotonic, Shared, check_client, core_request
from .sync_backend import Backend
from .tls import tls_context


class Http(Shared):
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
        check_client(client, (httpx.Client, httpx.BaseTransport), "httpx.Client")
        super().__init__(client, clock, trust_env, Lines(max_idle, os.getpid, Line.close))

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

        key = key_of(request, private)
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
                if not isinstance(error, FAULTS):
                    raise
                fault = explain(error, request, limits, line.call.fate)
            if isinstance(fault, DeadlineExceeded) or not line.may_repeat(request):
                # Here, and not in the handler: so nothing of what was handled hangs behind it.
                raise fault
            line = None

    def close(self) -> None:
        """Closes the idle connections; one in use is closed when its call ends. Idempotent."""
        self._lines.close()

    def _new_line(self, key: Key) -> Line:
        call = Call(self._now)
        return Line(key, call, Backend(call, key.private))

    def _connect(self, line: Line) -> None:
        key = line.key
        host = key.host.decode("ascii")
        proxy = proxy_for(key) if self._trust_env else None
        secure = key.scheme == b"https"
        needed = secure or (proxy and proxy.url.scheme == "https")
        tls = tls_context(self._trust_env, key.certificate) if needed else None
        if proxy is not None:
            backend = line.backend = Backend(line.call, private=True)
            line.connection = proxied((httpcore.HTTPProxy, httpcore.SOCKSProxy), proxy, backend, tls)
            return
        stream = cast(Backend, line.backend).connect_tcp(host, key.port)
        if tls is not None:
            stream = stream.start_tls(tls, host)
        line.connection = httpcore.HTTP11Connection(httpcore.Origin(key.scheme, key.host, key.port), stream)

    def _exchange(self, line: Line, request: httpx.Request, limits: Limits) -> Answer:
        response: httpcore.Response = line.connection.handle_request(core_request(request))
        answer = Answer(request, limits, response.status, response.headers)
        for part in cast(Iterable[bytes], response.stream):
            answer.feed(part)
        response.close()
        return answer

    def _send_by_client(self, request: httpx.Request, limits: Limits, started: float) -> Answer:
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
        except FAULTS as error:
            fault = explain(error, request, limits, Sent.UNKNOWN)
        finally:
            if response is not None:
                response.close()
        raise fault

"""`AsyncHttp`: the twin of `sync.py` for asyncio, on the loop that uses it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import httpcore
import httpx

from ..errors import DeadlineExceeded, Sent
from ..protocol.step import Limits
from .answer import Answer
from .async_backend import AsyncBackend
from .call import Call
from .faults import FAULTS, explain
from .lines import Key, Line, Lines, key_of
from .proxies import proxied, proxy_for
from .shared import Monotonic, Shared, check_client, core_request
from .tls import tls_context, tls_contexts, tls_key


class AsyncHttp(Shared):
    """The twin of `Http` for asyncio, on the loop that uses it."""

    def __init__(
        self,
        client: httpx.AsyncClient | httpx.AsyncBaseTransport | None = None,
        *,
        clock: Monotonic | None = None,
        trust_env: bool = True,
        max_idle: int = 8,
    ) -> None:
        check_client(client, (httpx.AsyncClient, httpx.AsyncBaseTransport), "httpx.AsyncClient")
        super().__init__(client, clock, trust_env, Lines(max_idle, _loop_here, _leave))

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The twin of `Http.send`. A cancelled call closes its connection."""
        import asyncio

        limits, private = self._begin(request)
        started = self._now()
        if self._client is not None:
            answer = await self._send_by_client(request, limits)
            return answer.response(request, self._now() - started)

        key = key_of(request, private)
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
                if not isinstance(error, FAULTS):
                    raise
                fault = explain(error, request, limits, line.call.fate)
            if isinstance(fault, DeadlineExceeded) or not line.may_repeat(request):
                raise fault
            line = None

    async def aclose(self) -> None:
        """Closes the idle connections; one in use is closed when its call ends. Idempotent."""
        import asyncio

        self._lines.close()
        await asyncio.sleep(0)  # the loop closes the sockets on its next turn

    def _new_line(self, key: Key) -> Line:
        call = Call(self._now)
        return Line(key, call, AsyncBackend(call, key.private))

    async def _connect(self, line: Line) -> None:
        key = line.key
        host = key.host.decode("ascii")
        proxy = proxy_for(key) if self._trust_env else None
        secure = key.scheme == b"https"
        tls = None
        if secure or (proxy and proxy.url.scheme == "https"):
            tls = tls_contexts.get(tls_key(self._trust_env, key.certificate))
            if tls is None:
                import asyncio

                tls = await asyncio.to_thread(tls_context, self._trust_env, key.certificate)
        if proxy is not None:
            backend = line.backend = AsyncBackend(line.call, private=True)
            line.connection = proxied((httpcore.AsyncHTTPProxy, httpcore.AsyncSOCKSProxy), proxy, backend, tls)
            return
        stream = await cast(AsyncBackend, line.backend).connect_tcp(host, key.port)
        if tls is not None:
            stream = await stream.start_tls(tls, host)
        line.connection = httpcore.AsyncHTTP11Connection(httpcore.Origin(key.scheme, key.host, key.port), stream)

    async def _exchange(self, line: Line, request: httpx.Request, limits: Limits) -> Answer:
        response: httpcore.Response = await line.connection.handle_async_request(core_request(request))
        answer = Answer(request, limits, response.status, response.headers)
        async with aclosing(_parts(response.stream)) as parts:
            async for part in parts:
                answer.feed(part)
        await response.aclose()
        return answer

    async def _send_by_client(self, request: httpx.Request, limits: Limits) -> Answer:
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
        except FAULTS as error:
            fault = explain(error, request, limits, Sent.UNKNOWN)
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


def _leave(line: Line) -> None:
    """Connections of another loop or of the parent process: to close them would touch their selector."""

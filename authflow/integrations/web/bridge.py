"""What an `Auth` of every framework is: the desk, the APIs behind the cookie, the streams, and their end.

Each framework's file adds how a request of it is read and a response of it made.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import httpx

from ...errors import ConfigurationError, InvalidCall
from ...stopping import until_stopped
from .desk import Desk
from .exchange import Answer, Asked
from .forward import Headers, Pieces, admit, apieces, asend, client_settings, failed, send
from .guards import Guards
from .logs import hide_answers
from .proxy import Proxy
from .running import arun, run
from .streams import SECONDS, first_of


class Passed(NamedTuple):
    """An API's answer on its way down. `body` must be read or closed."""

    status: int
    headers: Headers
    body: Any  # an iterator of bytes: an async one from `apass_on`


class Bridge:
    """The sessions of whoever visits. `settings` are those of `web.Desk`; `stream_seconds`: how long one connection
    for events lasts before the browser makes the next."""

    desk_class = Desk
    _framework = ""  # named by those that cannot await

    def __init__(self, manager: Any, *, base_url: str, stream_seconds: float = SECONDS, **settings: Any) -> None:
        self.desk = self.desk_class(manager, base_url=base_url, sync_only=self._framework, **settings)
        self.manager = manager
        hide_answers()
        self._awaits = inspect.iscoroutinefunction(manager.close)
        self._stream_seconds = stream_seconds
        self._proxies: list[Proxy] = []
        self._taken = False  # the routes were handed out
        self._guards = Guards()
        self._mutex = threading.Lock()
        self._client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None

    def proxy(self, prefix: str, *, to: str, provider: str | None = None) -> None:
        """The page's requests to `prefix` go to the API at `to`, with the token of the session with `provider` (the
        only one, if none is named). Call it before the routes are taken.

        Raises `ConfigurationError` when `to` is none of the provider's `api_origins`.
        """
        providers = self.manager.providers
        if self._taken:
            raise InvalidCall("The routes were handed out before.", hint="Call auth.proxy(…) first.")
        if provider is None and len(providers) == 1:
            (provider,) = providers
        if provider not in providers:
            raise ConfigurationError(
                "An API takes the tokens of one provider.", hint=f"Write provider=, one of {', '.join(providers)}."
            )
        self._proxies.append(Proxy(prefix, to, providers[provider]))

    # ── events ───────────────────────────────────────────────────────────────────────────────────────

    async def _astream(self, asked: Asked) -> AsyncIterator[bytes]:
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        reader = self.desk.streams.open(self.desk.owner(asked), partial(loop.call_soon_threadsafe, came.set))
        try:
            with until_stopped(reader.end):
                until = loop.time() + self._stream_seconds
                first, stays = first_of(await arun(self.desk.cards(asked), self.manager), reader, self._stream_seconds)
                yield first
                while stays and not reader.ended:
                    async with asyncio.timeout_at(until):
                        await came.wait()
                    came.clear()
                    yield reader.take()
        except TimeoutError:
            return
        finally:
            self.desk.streams.close(reader)

    def _stream(self, asked: Asked) -> Iterator[bytes]:
        came = threading.Event()
        reader = self.desk.streams.open(self.desk.owner(asked), came.set)
        try:
            until = time.monotonic() + self._stream_seconds
            first, stays = first_of(run(self.desk.cards(asked)), reader, self._stream_seconds)
            yield first
            while stays and not reader.ended and came.wait(max(0.0, until - time.monotonic())):
                came.clear()
                yield reader.take()
        finally:
            self.desk.streams.close(reader)

    # ── APIs ─────────────────────────────────────────────────────────────────────────────────────────

    async def _apass_on(
        self, proxy: Proxy, asked: Asked, raw_path: str, headers: Headers, body: AsyncIterator[bytes]
    ) -> Answer | Passed:
        admitted = await arun(admit(self.desk, proxy, asked, raw_path), self.manager)
        if isinstance(admitted, Answer):
            return admitted
        session, url = admitted
        if self._async_client is None:
            self._async_client = httpx.AsyncClient(**client_settings())
        try:
            found = await asend(self._async_client, proxy, session, url, asked.method, headers, body)
        except Exception as error:
            return failed(error)
        down = proxy.headers_down(found.headers.multi_items(), self.desk.places.root, url)
        return Passed(found.status_code, down, apieces(found))

    def _pass_on(
        self, proxy: Proxy, asked: Asked, raw_path: str, headers: Headers, body: Iterable[bytes]
    ) -> Answer | Passed:
        admitted = run(admit(self.desk, proxy, asked, raw_path))
        if isinstance(admitted, Answer):
            return admitted
        session, url = admitted
        with self._mutex:
            if self._client is None:
                self._client = httpx.Client(**client_settings())
        try:
            found = send(self._client, proxy, session, url, asked.method, headers, body)
        except Exception as error:
            return failed(error)
        down = proxy.headers_down(found.headers.multi_items(), self.desk.places.root, url)
        return Passed(found.status_code, down, Pieces(found))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Ends what runs: streams, connections to APIs, and a `SessionManager`."""
        self.desk.streams.end()
        client, self._client = self._client, None
        if client is not None:
            client.close()
        if not self._awaits:
            self.manager.close()

    async def aclose(self) -> None:
        """The same where there is a loop, with either manager."""
        client, self._async_client = self._async_client, None
        if client is not None:
            await client.aclose()
        await asyncio.to_thread(self.close)
        if self._awaits:
            await self.manager.close()

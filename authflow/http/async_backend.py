"""The twin of `sync_backend.py` on asyncio. A connection can be dropped without awaiting, so that a cancelled
call leaves nothing behind; the deadline of the whole is `asyncio.timeout` around the call."""

from __future__ import annotations

import select
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

import httpcore

from .addresses import checked_addresses
from .call import Call
from .faults import not_connected, place

if TYPE_CHECKING:
    import asyncio  # at run time only where a loop runs


def _has_arrived(descriptor: int) -> bool:
    """Whether reading a socket would not wait: there are bytes, or its end."""
    if descriptor < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class Pipe(httpcore.AsyncNetworkStream):
    """An asyncio connection that can be aborted without awaiting, so that a cancelled call leaves nothing
    behind. It is its transport's protocol (by its methods; asyncio asks for no base class)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Call, where: str) -> None:
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
    ) -> Pipe:
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
        raise not_connected(self._where, reason)

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


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """The twin of `Backend`. The deadline of the whole is `asyncio.timeout` around the call."""

    def __init__(self, call: Call, private: bool) -> None:
        self._call = call
        self._private = private
        self.stream: Pipe | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Pipe:
        import asyncio

        loop = asyncio.get_running_loop()
        where = place(host, port)
        addresses = await self._resolve(loop, host, port)
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            pipe = Pipe(loop, self._call, where)
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
        raise not_connected(where, failure)

    async def _resolve(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[str]:
        reason: OSError
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return checked_addresses(host, found, self._private)
        except OSError as error:
            reason = error
        except UnicodeError:
            reason = socket.gaierror("no host name")
        raise not_connected(place(host, port), reason)

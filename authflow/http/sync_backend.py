"""Blocking sockets for httpcore: each operation gets what is left of the call, the resolver too."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from typing import Any

import httpcore

from ..protocol.urls import read_address
from .addresses import checked_addresses
from .call import Call
from .faults import not_connected, place


class Stream(httpcore.NetworkStream):
    """A socket whose every operation gets what is left of the call."""

    def __init__(self, inner: httpcore.NetworkStream, call: Call, where: str) -> None:
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
    ) -> Stream:
        try:
            self._inner = self._inner.start_tls(ssl_context, server_hostname, self._call.left())
            return self
        except (httpcore.ConnectError, httpcore.ReadError, httpcore.WriteError) as error:
            failure = not_connected(self._where, error)
        raise failure

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def is_quiet(self) -> bool:
        return not self._inner.get_extra_info("is_readable")

    def close(self) -> None:
        self._inner.close()

    abort = close


class Backend(httpcore.NetworkBackend):
    """Resolves a name once, checks the addresses, and connects to a checked one."""

    def __init__(self, call: Call, private: bool) -> None:
        self._call = call
        self._private = private
        self.stream: Stream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Stream:
        where = place(host, port)
        addresses = self._resolve(host, port)
        failure: Exception | None = None
        for tried, address in enumerate(addresses):
            share = self._call.left() / (len(addresses) - tried)
            try:
                inner = httpcore.SyncBackend().connect_tcp(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            self.stream = Stream(inner, self._call, where)
            return self.stream
        if isinstance(failure, httpcore.ConnectTimeout):
            raise failure
        raise not_connected(where, failure)

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
            raise not_connected(place(host, port), found)
        if not found:
            raise httpcore.ConnectTimeout("the resolver's answer")
        return checked_addresses(host, found, self._private)

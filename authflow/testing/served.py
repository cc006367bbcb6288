"""An ASGI application served on 127.0.0.1 by uvicorn, in a thread that ends when it is told to.

Rule: the socket is bound before the thread starts, so the port is known and nobody else's; nothing but loopback
can be asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from ..errors import ConfigurationError

START_SECONDS = 10.0
GRACE_SECONDS = 1


class Served:
    """`start()`, `stop()`, and `url` in between."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._socket = _bind(port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # a request line holds codes and states
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="authflow-dev-provider", daemon=True)
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Returns when it accepts; raises `ConfigurationError` when it could not be started."""
        self._thread.start()
        self._server.ready.wait(START_SECONDS)
        if not self._server.started:
            self.stop()
            raise ConfigurationError("The development provider could not be started.") from self._failure

    def stop(self) -> None:
        """Closes port and connections, ends the thread and waits for it."""
        self._server.leave()
        self._thread.join(GRACE_SECONDS + START_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # uvicorn leaves by SystemExit; start() tells it
            self._failure = error
        finally:
            self._server.ready.set()


class _Server(uvicorn.Server):
    """uvicorn, woken by an event where it would look at a flag ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._leave: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        if self._leave is not None and not self.should_exit:
            await self._leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A connection accepted in the very turn in which a server closes is lost with its socket open (CPython
        # before 3.12). So: accept no more, let the accepted ones arrive, then close.
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            with suppress(NotImplementedError):  # Windows' proactor loop has no readers, and not this fault
                loop.remove_reader(listener)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for server in self.servers:
            server.close()
        for _ in range(3):
            await asyncio.sleep(0)
        # uvicorn waits a tenth of a second whether somebody is still being answered or not.
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)

    def leave(self) -> None:
        self.should_exit = True
        if self._loop is not None and self._leave is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._leave.set)


def _bind(port: int) -> socket.socket:
    # The protocol is named because asyncio asks for it before it sets TCP_NODELAY; without that, each request after
    # a connection's first waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it would let a second program take the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Port {port} on 127.0.0.1 cannot be bound: {error.strerror}.", hint="Use port=0 for any free port."
        ) from error
    listener.listen(128)
    return listener

"""A Flet application to sign in to: it shows who is signed in, and keeps what its pages were told."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import flet as ft
import uvicorn
from flet.controls.context import _context_page
from flet.messaging.flet_socket_server import FletSocketServer
from flet.messaging.session import Session
from flet_web.fastapi import app_manager

from authflow.integrations.flet import FletAuth, FletLogins

from .client import PATIENCE, Client, desktop_client


class Told(NamedTuple):
    """What a page's handler got."""

    page: int  # the page's number in this application
    name: str
    error: str | None = None
    text: str | None = None


class Application:
    """`main` is the application; `pages` are its `FletAuth`, in the order in which they were opened."""

    def __init__(self, logins: FletLogins, build: Callable[[ft.Page, FletAuth], object] | None = None) -> None:
        self.logins = logins
        self.pages: list[FletAuth] = []
        self.told: list[Told] = []
        self._build = build
        self._changed = threading.Condition()

    def main(self, page: ft.Page) -> None:
        auth = FletAuth(page, self.logins)
        number = len(self.pages)
        self.pages.append(auth)
        shown = ft.Text("nobody")

        def paint(e: Any) -> None:
            shown.value = f"hello {auth.user.name}" if auth.user else getattr(e, "error_description", "") or "nobody"
            page.update()
            said = getattr(e, "error", e.data), getattr(e, "error_description", None)
            with self._changed:
                self.told.append(Told(number, e.name, *said))
                self._changed.notify_all()

        page.on_login = paint
        page.on_logout = paint
        page.add(
            shown,
            ft.Button("Sign in", on_click=lambda e: auth.login(next(iter(auth)))),
            ft.Button("Sign out", on_click=lambda e: auth.logout()),
            ft.Button("Cancel", on_click=lambda e: auth.cancel()),
        )
        if self._build is not None:
            self._build(page, auth)

    def until(self, count: int) -> list[Told]:
        """What was told, when there are so many."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.told) >= count, PATIENCE):
                raise AssertionError(f"{len(self.told)} of {count} were told: {self.told}")
            return list(self.told)

    async def told_of(self, count: int) -> list[Told]:
        """The same, beside the loop."""
        return await asyncio.to_thread(self.until, count)


@asynccontextmanager
async def on_the_desktop(main: Callable[[ft.Page], Any], **page: Any) -> AsyncIterator[Client]:
    """The application as a program on its user's machine: Flet's own server, and a client of it."""

    async def created(session: Session) -> None:
        _context_page.set(session.page)
        main(session.page)
        await session.after_event(session.page)

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "flet")
        loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(2)
        server = FletSocketServer(loop, uds_path=path, on_session_created=created, executor=threads)
        await server.start()
        try:
            async with desktop_client(path, **page) as client:
                yield client
        finally:
            await server.close()


def free_port() -> int:
    """A port that nobody has at this moment: a redirect URI is registered before its server runs."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def on_the_web(app: Any, port: int) -> Iterator[None]:
    """The application as a web server, on a thread of its own."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    if not started.wait(PATIENCE):
        raise AssertionError("the server has not started")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        app_manager._FletAppManager__sessions.clear()  # Flet's sessions end with their process; this one goes on

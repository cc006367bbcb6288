"""A web application on Starlette: sign-in, sign-out, a page that is always right, and an API behind the cookie.

The page (web_page.html) holds no token: it calls `/api/…` here, which goes on to the API with the session's. Run it and
open http://127.0.0.1:8000; with several workers give each a manager on one durable store.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from authflow import AsyncSessionManager
from authflow.integrations.starlette import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
PAGE = Path(__file__).with_name("web_page.html")


def application(provider: Provider, base_url: str, api: str) -> Starlette:
    auth = Auth(AsyncSessionManager([provider]), base_url=base_url)
    auth.proxy("/api", to=api)

    async def home(request: Request) -> Response:
        return FileResponse(PAGE)

    async def account(request: Request) -> Response:
        session = await auth.required(request)  # whoever is not signed in goes to sign in, and comes back here
        return PlainTextResponse(f"hello {session.user.name}")

    return Starlette(routes=[Route("/", home), Route("/account", account), *auth.routes], lifespan=auth.lifespan)


@contextmanager
def served(app: Starlette, listener: socket.socket) -> Iterator[None]:
    """The application on a thread of its own, for as long as the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    with DevProvider(label="Acme").serve() as acme, socket.create_server(("127.0.0.1", 0 if HEADLESS else 8000)) as at:
        base_url = f"http://127.0.0.1:{at.getsockname()[1]}"
        app = application(acme.settings("acme"), base_url, f"{acme.url}/api")
        with served(app, at), ScriptedBrowser(user="ada") as ada:
            if not HEADLESS:
                input(f"open {base_url} in your browser; Enter ends it\n")
                return
            print("account: ", ada.go(f"{base_url}/account").text)
            print("a stray: ", ada.go(f"{base_url}/callback/acme?state=x&code=y").status)
            print("the page:", ada.go(f"{base_url}/session").text)


if __name__ == "__main__":
    main()

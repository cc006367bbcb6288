"""A web application in NiceGUI: a page with a sign-in button, a user card, and a part for the signed-in only.

What happens to the session elsewhere (another tab, the provider) changes the page at once. Run it and open
http://127.0.0.1:8080. The provider is authflow's own development provider; put `GitHub.from_env()` in its place.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from authflow import AsyncSessionManager
from authflow.integrations.nicegui import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def books(session: Any) -> None:
    """Only for the signed-in: it is built when somebody signs in, and leaves the page when the session ends."""
    with ui.card().classes("w-full"):
        ui.label("Your books").classes("text-lg font-medium")
        ui.label(f"{session.user.name}, you have read 12 of them.")


def application(provider: Provider, base_url: str) -> FastAPI:
    auth = Auth(AsyncSessionManager([provider]), base_url=base_url)
    app = FastAPI()
    app.include_router(auth.router)

    @ui.page("/")
    async def home() -> None:
        page = await auth.page()
        with ui.column().classes("w-full max-w-lg mx-auto mt-8 gap-4 px-4"):
            page.user_card()
            page.protected(books)
            page.button()

    ui.run_with(app, title="authflow and NiceGUI", dark=None)
    return app


def main() -> None:
    with DevProvider(label="Acme").serve() as acme, socket.create_server(("127.0.0.1", 0 if HEADLESS else 8080)) as at:
        base_url = f"http://127.0.0.1:{at.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(application(acme.settings("acme"), base_url), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
        thread.start()
        try:
            if HEADLESS:
                visit(base_url)
            else:
                input(f"open {base_url} in your browser; Enter ends it\n")
        finally:
            server.should_exit = True
            thread.join()


def visit(base_url: str) -> None:
    with ScriptedBrowser(user="ada") as ada:
        print("a stranger reads of books:", "Your books" in ada.go(f"{base_url}/").text)
        print("Ada reads of books:", "Your books" in ada.go(f"{base_url}/login/acme").text)


if __name__ == "__main__":
    main()

"""A web application on FastAPI: routes that want a signed-in human, and an API behind the cookie.

The page (web_page.html) holds no token: it calls `/api/…` here, which goes on to the API with the session's. Run it and
open http://127.0.0.1:8000; with several workers give each a manager on one durable store.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse

from authflow import AsyncSessionManager
from authflow.integrations.fastapi import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
PAGE = Path(__file__).with_name("web_page.html")


def application(provider: Provider, base_url: str, api: str) -> FastAPI:
    auth = Auth(AsyncSessionManager([provider]), base_url=base_url)
    auth.proxy("/api", to=api)

    app = FastAPI()
    app.include_router(auth.router)

    @app.get("/")
    async def home() -> FileResponse:
        return FileResponse(PAGE)

    @app.get("/account")
    async def account(session: Any = Depends(auth.required)) -> dict[str, Any]:  # noqa: B008
        return {"name": session.user.name, "scopes": session.scopes}

    return app


def main() -> None:
    with DevProvider(label="Acme").serve() as acme, socket.create_server(("127.0.0.1", 0 if HEADLESS else 8000)) as at:
        base_url = f"http://127.0.0.1:{at.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(application(acme.settings("acme"), base_url, f"{acme.url}/api"), log_level="warning")
        )
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
        print("account: ", ada.go(f"{base_url}/account").text)
        print("a stray: ", ada.go(f"{base_url}/callback/acme?state=x&code=y").status)
        print("the page:", ada.go(f"{base_url}/session").text)


if __name__ == "__main__":
    main()

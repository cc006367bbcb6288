"""A web application on Quart: views that want a signed-in human, and an API behind the cookie.

The page (web_page.html) holds no token: it calls `/api/…` here, which goes on to the API with the session's. Run it and
open http://127.0.0.1:8000; with several workers give each a manager on one durable store.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import uvicorn
from quart import Quart, Response, send_file

from authflow import AsyncSessionManager
from authflow.integrations.quart import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
PAGE = Path(__file__).with_name("web_page.html")


def application(provider: Provider, base_url: str, api: str) -> Quart:
    auth = Auth(AsyncSessionManager([provider]), base_url=base_url)
    auth.proxy("/api", to=api)

    app = Quart(__name__)
    app.register_blueprint(auth.blueprint)

    @app.get("/")
    async def home() -> Response:
        return await send_file(PAGE)

    @app.get("/account")
    @auth.required
    async def account() -> dict[str, str]:
        session = await auth.session()
        return {"name": session.user.name}

    return app


async def main() -> None:
    async with DevProvider(label="Acme").aserve() as acme:
        with socket.create_server(("127.0.0.1", 0 if HEADLESS else 8000)) as at:
            base_url = f"http://127.0.0.1:{at.getsockname()[1]}"
            app = application(acme.settings("acme"), base_url, f"{acme.url}/api")
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[at]))
            if HEADLESS:
                await asyncio.to_thread(visit, base_url)
                server.should_exit = True
            else:
                print(f"open {base_url} in your browser; Ctrl-C ends it")
            await serving


def visit(base_url: str) -> None:
    with ScriptedBrowser(user="ada") as ada:
        print("account: ", ada.go(f"{base_url}/account").text)
        print("a stray: ", ada.go(f"{base_url}/callback/acme?state=x&code=y").status)
        print("the page:", ada.go(f"{base_url}/session").text)


if __name__ == "__main__":
    asyncio.run(main())

"""A web application in Panel: a page with a sign-in button, a user card, and a part for the signed-in only.

What happens to the session elsewhere (another tab, the provider) changes the page at once. Run it and open
http://127.0.0.1:5006. The provider is authflow's own development provider; put `GitHub.from_env()` in its place.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import panel as pn

from authflow import SessionManager
from authflow.integrations.panel import Auth
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def books(session: Any) -> pn.Column:
    """Only for the signed-in: it is built when somebody signs in, and leaves the page when the session ends."""
    return pn.Column("## Your books", f"{session.user.name}, you have read 12 of them.")


def application(auth: Auth) -> Callable[[], pn.Column]:
    def home() -> pn.Column:
        page = auth.page()
        parts = "# Books", page.user_card(), page.protected(books), page.button()
        return pn.Column(*parts, sizing_mode="stretch_width", max_width=480, styles={"margin": "24px auto"})

    return home


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as at:
        return int(at.getsockname()[1])


async def main() -> None:
    port = free_port() if HEADLESS else 5006
    base_url = f"http://127.0.0.1:{port}"
    with DevProvider(label="Acme").serve() as acme, SessionManager([acme.settings("acme")]) as manager:
        auth = Auth(manager, base_url=base_url)
        where = {"address": "127.0.0.1", "port": port, "show": False, "verbose": False}
        server = pn.serve(application(auth), title="authflow and Panel", **where, **auth.options)
        try:
            if HEADLESS:
                await asyncio.to_thread(visit, base_url)
            else:
                await asyncio.to_thread(input, f"open {base_url} in your browser; Enter ends it\n")
        finally:
            server.stop()
            await auth.aclose()


def visit(base_url: str) -> None:
    with ScriptedBrowser(user="ada") as ada:
        print("a stranger:", '"live":true' in ada.go(f"{base_url}/session").text)
        ada.go(f"{base_url}/login/acme")
        print("Ada:", '"live":true' in ada.go(f"{base_url}/session").text)


if __name__ == "__main__":
    asyncio.run(main())

"""Over https, in a real browser: the cookies are `__Host-` ones, and a provider's posted answer finds them.

The development provider is on plain http, so for a browser it is another site than https on the same host.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from authflow import AsyncSessionManager
from authflow.integrations.starlette import Auth
from authflow.testing import DevProvider
from tests.certificates import make_pair
from tests.real.browser import Chromium
from tests.real.server_process import free_port


@contextmanager
def site(folder: Path, **modes: Any) -> Iterator[str]:
    """An application at https://127.0.0.1 with a provider for each name; `modes` are their response modes."""
    port = free_port()
    base_url = f"https://127.0.0.1:{port}"
    dev = DevProvider(label="Acme", algorithm="ES256", auto="ada")
    with dev.serve(), socket.create_server(("127.0.0.1", port)) as listener:
        providers = [
            dev.settings(name, redirect_uri=f"{base_url}/callback/{name}", response_mode=mode)
            for name, mode in modes.items()
        ]
        auth = Auth(AsyncSessionManager(providers), base_url=base_url, stream_seconds=0.5)

        async def home(request: Request) -> Response:
            live = [name for name in modes if await auth.session(request, name) is not None]
            return HTMLResponse(f"<main>signed in with {' and '.join(live) or 'nobody'}</main>")

        app = Starlette(routes=[Route("/", home), *auth.routes], lifespan=auth.lifespan)
        pair = make_pair(folder, "127.0.0.1")
        certified = {"ssl_certfile": str(pair.certfile), "ssl_keyfile": str(pair.keyfile)}
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, loop="asyncio", ws="none", **certified))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="https-site")
        thread.start()
        try:
            yield base_url
        finally:
            server.should_exit = True
            thread.join()


def visit(chromium: Chromium, url: str, *paths: str) -> tuple[str, list[dict[str, Any]], list[str]]:
    """What is on the last page, the cookies then, and every `Set-Cookie` on the way."""

    async def walk() -> tuple[str, list[dict[str, Any]], list[str]]:
        context = await chromium.new_context(ignore_https_errors=True)
        try:
            page, lines = await context.new_page(), []

            async def note(response: Any) -> None:
                lines.extend(
                    one["value"] for one in await response.headers_array() if one["name"].lower() == "set-cookie"
                )

            page.on("response", note)
            for path in paths:
                await page.goto(f"{url}{path}")
                await page.wait_for_url(f"{url}/")
                await page.locator("main").wait_for()
            return await page.inner_text("main"), await context.cookies(url), lines
        finally:
            await context.close()

    return chromium.run(walk())


def test_the_cookies_are_host_cookies_that_no_script_reads(chromium: Chromium, tmp_path: Path) -> None:
    with site(tmp_path, acme=None) as url:
        text, cookies, lines = visit(chromium, url, "/login/acme")
    assert text == "signed in with acme"
    assert all(one["name"].startswith("__Host-") for one in cookies)
    [owner] = [one for one in cookies if one["name"] == "__Host-owner"]
    assert (owner["name"], owner["path"], owner["sameSite"]) == ("__Host-owner", "/", "Lax")
    assert owner["secure"]
    assert owner["httpOnly"]
    of_the_login = [line for line in lines if line.startswith("__Host-login-")]
    assert ["SameSite=Lax; Secure" in line for line in of_the_login] == [True, True]  # set, and kept for a minute


@pytest.mark.parametrize("first", ["acme", "globex"])
def test_an_answer_that_another_site_posts_signs_in_beside_what_is_there(
    chromium: Chromium, tmp_path: Path, first: str
) -> None:
    """The browser sends no Lax cookie with it: the login's own is `SameSite=None`, the owner's stays away."""
    second = "globex" if first == "acme" else "acme"
    with site(tmp_path, acme=None, globex="form_post") as url:
        text, _, lines = visit(chromium, url, f"/login/{first}", f"/login/{second}")
    assert text == "signed in with acme and globex"
    assert any(line.startswith("__Host-login-") and "SameSite=None; Secure" in line for line in lines)

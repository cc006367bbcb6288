"""A web application on Starlette: whose session it is, and which browser began the login, stand in two cookies.

It shows `begin` and `complete` with owner and binding, a fresh owner at sign-in (`move`), and a logout that goes on
to the provider. Run it and open http://127.0.0.1:8000; with several workers give all managers one shared store.
"""

from __future__ import annotations

import hashlib
import html
import os
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from authflow import AsyncSession, AsyncSessionManager, AuthflowError
from authflow.errors import BindingRequired, CallbackRejected, LoginDenied
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
MOST_LOGINS = 5  # tabs in which one browser may be signing in at a time


class Cookies:
    """The two cookies. Over https they are `__Host-` cookies: no other host, no other path, never in clear.

    On http://127.0.0.1, for development, browsers refuse that prefix; there it is left off, with `Secure`.
    """

    def __init__(self, base_url: str) -> None:
        https = urlsplit(base_url).scheme == "https"
        self.prefix = "__Host-" if https else "dev-"
        # Lax: the provider's redirect is a navigation from another site and must bring them. "None" is for
        # providers that answer by form_post only.
        self.options = {"httponly": True, "secure": https, "samesite": "lax", "path": "/"}

    @property
    def owner(self) -> str:
        return f"{self.prefix}owner"

    def binding(self, state: str) -> str:
        """One for each login under way, named by its state: two tabs do not overwrite each other's."""
        return f"{self.prefix}login-{hashlib.sha256(state.encode()).hexdigest()[:16]}"

    def put(self, response: Response, name: str, value: str, max_age: int | None = None) -> None:
        response.set_cookie(name, value, max_age=max_age, **self.options)  # type: ignore[arg-type]

    def drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, **self.options)  # type: ignore[arg-type]


class Application:
    def __init__(self, provider: Provider, base_url: str) -> None:
        self.provider = provider
        self.base_url = base_url
        self.cookies = Cookies(base_url)
        self.manager = AsyncSessionManager([provider])
        self.asgi = Starlette(
            routes=[
                Route("/", self.home),
                Route("/account", self.account),
                Route("/login", self.sign_in),
                Route("/callback", self.callback),
                Route("/logout", self.sign_out, methods=["POST"]),
            ],
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self.manager:
            yield

    def session_of(self, request: Request) -> AsyncSession | None:
        """The session of this browser, if it is signed in."""
        owner = request.cookies.get(self.cookies.owner)
        session = self.manager.owner(owner)[self.provider.name] if owner else None
        return session if session is not None and session.live else None

    async def home(self, request: Request) -> Response:
        session = self.session_of(request)
        if session is None or session.user is None:
            return HTMLResponse('<p>Welcome. <a href="/login">Sign in</a></p>')
        return HTMLResponse(f'<p>Hello {html.escape(session.user.name or "")}. <a href="/account">Account</a></p>')

    async def account(self, request: Request) -> Response:
        # A POST: a link, an image or a prefetch must not sign anybody out, and Lax keeps other sites' forms away.
        return HTMLResponse('<form method="post" action="/logout"><button>Sign out</button></form>')

    async def sign_in(self, request: Request) -> Response:
        # Every login begins under an owner of its own, so nothing of whoever sat here before is touched.
        session = self.manager.owner(secrets.token_urlsafe(16))[self.provider.name]
        login = await session.begin(redirect_uri=f"{self.base_url}/callback")
        response = RedirectResponse(login.url, status_code=303)
        self.cookies.put(response, self.cookies.binding(login.state), login.binding or "", max_age=600)
        under_way = [name for name in request.cookies if name.startswith(f"{self.cookies.prefix}login-")]
        for name in under_way[: max(0, len(under_way) + 1 - MOST_LOGINS)]:
            self.cookies.drop(response, name)
        return response

    async def callback(self, request: Request) -> Response:
        cookie = self.cookies.binding(request.query_params.get("state", ""))
        try:
            done = await self.manager.complete(str(request.url), binding=request.cookies.get(cookie))
        except (CallbackRejected, BindingRequired):
            # Used before, another browser's, or nobody's: no login ended by it, and who is signed in stays so.
            return RedirectResponse("/", status_code=303)
        except LoginDenied:
            response: Response = HTMLResponse('<p>As you like. <a href="/">Back</a></p>', status_code=403)
        except AuthflowError as error:
            response = HTMLResponse(f"<p>Not signed in: {html.escape(str(error))}</p>", status_code=502)
        else:
            response = RedirectResponse("/", status_code=303)
            if done.session.live:  # not when the same callback came twice: its first answer brought the cookie
                owner = secrets.token_urlsafe(16)  # a fresh one: nobody can have planted it before the login
                await done.session.move(owner=owner)
                self.cookies.put(response, self.cookies.owner, owner)
        self.cookies.drop(response, cookie)
        return response

    async def sign_out(self, request: Request) -> Response:
        session = self.session_of(request)
        url = None
        if session is not None:
            result = await session.logout(post_logout_redirect_uri=f"{self.base_url}/")
            url = result.end_session_url  # the provider's own logout page, which leads back here
        response = RedirectResponse(url or "/", status_code=303)
        self.cookies.drop(response, self.cookies.owner)
        return response


@contextmanager
def served(listener: socket.socket, app: Starlette) -> Iterator[None]:
    """The application on a thread of its own, for as long as the block runs."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    with (
        DevProvider(label="Acme").serve() as provider,
        ScriptedBrowser(user="ada") as ada,
        socket.create_server(("127.0.0.1", 0 if HEADLESS else 8000)) as listener,
    ):
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = provider.settings(
            "acme", redirect_uri=f"{base_url}/callback", post_logout_redirect_uri=f"{base_url}/"
        )
        print("cookies without Secure and __Host-: plain http, for development on this machine only")
        with served(listener, Application(settings, base_url).asgi):
            if not HEADLESS:
                input(f"open {base_url} in your browser; Enter ends it\n")
                return
            print("sign in: ", ada.go(f"{base_url}/login").text)
            print("again:   ", ada.go(f"{base_url}/").text)
            print("a stray: ", ada.go(f"{base_url}/callback?state=x&code=y").text)
            print("sign out:", ada.go(f"{base_url}/account").text)


if __name__ == "__main__":
    main()

"""What Tornado alone has: handlers that want one provider, its own guards and logs, and readers that go away."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any

import httpx
import pytest

pytest.importorskip("tornado", reason="pip install 'authflow-sessions[tornado]'")

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from authflow import AsyncSessionManager, SessionManager
from authflow.integrations.tornado import Auth
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.providers import GitHub
from authflow.testing import signed_in

from . import sites

SITE = "https://app.example"
GITHUB = GitHub("id", "secret", authorization_endpoint="https://github.example/authorize")


class Server:
    """An application on the test's own loop."""

    def __init__(self, *handlers: Any, **settings: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._server = HTTPServer(Application(list(handlers), **settings))
        self._server.add_socket(self._listener)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            return await client.request(method, f"http://127.0.0.1:{self.port}{path}", **more)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.stop()
        await self._server.close_all_connections()


async def test_a_handler_may_want_one_provider() -> None:
    secret = new_secret()
    with SessionManager([GITHUB, GITHUB.replace(name="other")]) as manager:
        auth = Auth(manager, base_url=SITE)
        signed_in(manager.owner(owner_of(secret)), "other", user={"id": 1, "name": "Ada"})

        class Other(RequestHandler):
            @auth.required_from("other")
            async def get(self, greeting: str) -> None:
                session = await auth.session(self, "other")
                self.write(f"{greeting} {session.user.name}")

        class Wanted(RequestHandler):
            @auth.required_from("github")
            def get(self) -> None:
                self.write("never")

        cookie = {"cookie": f"__Host-owner={secret}"}
        async with Server(("/other/(.*)", Other), ("/github", Wanted)) as server:
            assert (await server.ask("GET", "/other/hello", headers=cookie)).text == "hello Ada"
            assert (await server.ask("GET", "/github", headers=cookie)).status_code == 401
            page = await server.ask("GET", "/github?a=1", headers={**cookie, "accept": "text/html"})
            assert (page.status_code, page.headers["location"]) == (303, "/login/github?next=%2Fgithub%3Fa%3D1")


async def test_a_handler_of_ones_own_signs_in_with_more_scope() -> None:
    manager = AsyncSessionManager([GITHUB])
    auth = Auth(manager, base_url=SITE)

    class Gists(RequestHandler):
        async def get(self) -> None:
            await auth.begin(self, "github", scope=["gist"])

    async with Server(("/gists", Gists)) as server:
        response = await server.ask("GET", "/gists")
    assert response.status_code == 303
    assert httpx.URL(response.headers["location"]).params["scope"].endswith(" gist")
    assert "__Host-login-" in response.headers["set-cookie"]
    await auth.aclose()


async def test_tornados_own_guards_leave_a_providers_posted_answer_to_the_desk() -> None:
    with SessionManager([GITHUB]) as manager:
        routes = Auth(manager, base_url=SITE).routes
        async with Server(*routes, xsrf_cookies=True, cross_origin_protection=True, cookie_secret="x") as server:
            headers = {"origin": "https://github.example", "sec-fetch-site": "cross-site"}
            form = {"state": "guessed", "code": "stolen"}
            answer = await server.ask("POST", "/callback/github", data=form, headers=headers)
            assert (answer.status_code, "does not belong to this browser" in answer.text) == (400, True)
            assert "another site" in (await server.ask("POST", "/logout", headers=headers)).text


async def test_no_code_stands_in_tornados_log(caplog: pytest.LogCaptureFixture) -> None:
    with SessionManager([GITHUB]) as manager, caplog.at_level(logging.DEBUG):
        auth = Auth(manager, base_url=SITE)
        async with Server(*auth.routes) as server:
            assert (await server.ask("GET", "/callback/github?state=x&code=s3cret")).status_code == 400

            def fail(*_: Any) -> Any:
                raise ZeroDivisionError

            auth.desk.callback = fail  # type: ignore[method-assign]
            assert (await server.ask("GET", "/callback/github?state=x&code=s3cret")).status_code == 500
    logged = [record for record in caplog.records if not record.name.startswith("httpx")]
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in logged)
    assert "/callback/github" in str([record.getMessage() for record in logged])
    assert "s3cret" not in str([record.getMessage() for record in logged])


async def test_a_form_that_is_too_long_is_not_kept() -> None:
    with SessionManager([GITHUB]) as manager:
        async with Server(*Auth(manager, base_url=SITE).routes) as server:
            answer = await server.ask("POST", "/callback/github", data={"state": "x", "code": "y" * 300_000})
            assert answer.status_code == 400


def test_whoever_reads_events_no_more_is_forgotten() -> None:
    forgotten, manager, secret = threading.Event(), SessionManager([GITHUB]), new_secret()
    signed_in(manager.owner(owner_of(secret)), "github", user={"id": 1, "name": "Ada"})
    with sites.tornado(manager, None) as site:
        gone = site.manager.on_transition.receiver_disconnected
        gone.connect(lambda *_, **__: forgotten.set(), weak=False)
        cookie = {"cookie": f"dev-{site.url.rpartition(':')[2]}-owner={secret}"}
        with httpx.stream("GET", f"{site.url}/session/events", headers=cookie, trust_env=False, timeout=20) as stream:
            lines = stream.iter_lines()
            next(lines)
            assert len(site.auth.desk.streams) == 1
        assert forgotten.wait(20)
        assert len(site.auth.desk.streams) == 0


def test_an_answer_that_breaks_off_is_no_whole_answer() -> None:
    """A connection that ended well would say that this was all."""

    def api(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        connection.close()

    secret = new_secret()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = f"http://127.0.0.1:{listener.getsockname()[1]}"
        manager = SessionManager([GitHub("id", "secret", name="acme", api_origins=[to])])
        signed_in(manager.owner(owner_of(secret)), "acme", user={"id": 1, "name": "Ada"})
        thread = threading.Thread(target=api, args=[listener])
        thread.start()
        with sites.tornado(manager, to) as site:
            cookie = f"dev-{site.url.rpartition(':')[2]}-owner={secret}"
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(f"{site.url}/api/x", headers={"cookie": cookie, "x-csrf": "1"}, trust_env=False, timeout=20)
        thread.join()


def test_an_upload_that_is_given_up_ends_what_it_began() -> None:
    """The API waits for the rest; when the browser is gone, so is the request to it."""
    ended = threading.Event()

    def api(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        while connection.recv(65536):
            pass
        ended.set()
        connection.close()

    secret = new_secret()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = f"http://127.0.0.1:{listener.getsockname()[1]}"
        manager = SessionManager([GitHub("id", "secret", name="acme", api_origins=[to])])
        signed_in(manager.owner(owner_of(secret)), "acme", user={"id": 1, "name": "Ada"})
        thread = threading.Thread(target=api, args=[listener])
        thread.start()
        with sites.tornado(manager, to) as site:
            port = int(site.url.rpartition(":")[2])
            head = f"POST /api/x HTTP/1.1\r\nHost: x\r\nCookie: dev-{port}-owner={secret}\r\nX-CSRF: 1\r\n"
            with socket.create_connection(("127.0.0.1", port)) as browser:
                browser.sendall(f"{head}Content-Length: 200000\r\n\r\n".encode() + b"x" * 100_000)
            assert ended.wait(20)
        thread.join()


async def test_a_path_is_read_without_where_the_application_is_mounted() -> None:
    """Bokeh's `--prefix` puts the same before every route."""
    provider = GITHUB.replace(api_origins=["https://api.example.com"])
    with SessionManager([provider]) as manager:
        auth = Auth(manager, base_url=f"{SITE}/shop")
        auth.proxy("/api", to="https://api.example.com")
        mounted = [(f"/shop{pattern}", handler, given) for pattern, handler, given in auth.routes]
        async with Server(*mounted) as server:
            headers = {"x-csrf": "1"}
            assert (await server.ask("GET", "/shop/api/users", headers=headers)).status_code == 401
            assert (await server.ask("GET", "/shop/api/..%2fx", headers=headers)).status_code == 404
            assert (await server.ask("GET", "/shop/session")).json()[0]["state"] == "idle"
            assert (await server.ask("DELETE", "/shop/session")).status_code == 405
    await asyncio.sleep(0)

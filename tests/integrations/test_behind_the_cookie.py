"""An API behind the cookie, in every framework: what reaches the API, what reaches the page, and what does not."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from authflow.integrations.web import bridge
from authflow.testing import ScriptedBrowser

from .conftest import Stage, ask

CSRF = {"x-csrf": "1"}
LARGE = 200_000


class API:
    """An API that tells what it was sent, and can be told to wait in the middle of an answer."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.refuse = 0
        self.first_came, self.go_on = threading.Event(), threading.Event()
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        self.app = Starlette(
            routes=[
                Route("/v1/slow", self.slow),
                Route("/v1/large", self.large, methods=["POST"]),
                Route("/v1/moved", self.moved),
                Route("/v1/broken", self.broken),
                Route("/v1/empty/{status:int}", self.empty, methods=methods),
                Route("/{path:path}", self.echo, methods=methods),
            ]
        )

    async def echo(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append(
            {
                "method": request.method,
                "path": request.scope["raw_path"].decode(),
                "query": request.url.query,
                "headers": dict(request.headers),
                "body": body.decode("latin-1"),
            }
        )
        if self.refuse:
            self.refuse -= 1
            return Response(status_code=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        response = JSONResponse(self.seen[-1], 201, {"x-api": "yes", "cache-control": "public, max-age=600"})
        response.set_cookie("upstream", "planted", domain="127.0.0.1")
        response.headers["clear-site-data"] = '"cookies"'
        response.headers["access-control-allow-origin"] = "*"
        return response

    async def slow(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            import asyncio

            yield b"first\n"
            await asyncio.to_thread(self.go_on.wait, 20)
            yield b"second\n"

        return StreamingResponse(pieces(), media_type="text/plain")

    async def large(self, request: Request) -> Response:
        length = 0
        async for piece in request.stream():
            length += len(piece)
            self.first_came.set()
        return JSONResponse(length)

    async def moved(self, request: Request) -> Response:
        return RedirectResponse(f"{request.url.scheme}://{request.url.netloc}/v1/there?a=1", 307)

    async def empty(self, request: Request) -> Response:
        return Response(status_code=request.path_params["status"])

    async def broken(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first\n"
            raise ConnectionAbortedError

        return StreamingResponse(pieces(), media_type="text/plain")


class Scene:
    """A site with that API behind it, and Ada, who is signed in."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.api = API()
        self.to = stage.served(self.api.app)
        provider = stage.dev.settings("acme", api_origins=[stage.dev.url, self.to])
        self.site = stage.site(provider, api=f"{self.to}/v1")
        self.ada = stage.person()
        self.ada.go(f"{self.site.url}/login/acme")

    def call(self, method: str, path: str, browser: ScriptedBrowser | None = None, **more: Any) -> httpx.Response:
        headers = {**CSRF, **more.pop("headers", {})}
        return ask(browser or self.ada, method, f"{self.site.url}/api{path}", headers=headers, **more)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


def test_the_api_gets_the_token_and_no_cookie_and_the_page_the_answer(scene: Scene) -> None:
    response = scene.call("GET", "/users/1?a=%20b&c=//", headers={"accept-language": "de", "origin": scene.site.url})
    [seen] = scene.api.seen
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "/v1/users/1", "a=%20b&c=//")
    assert seen["headers"]["authorization"].startswith("Bearer dev_at_")
    assert seen["headers"]["accept-language"] == "de"
    assert seen["headers"]["host"] == scene.to.removeprefix("http://")
    assert not {"cookie", "x-csrf", "origin", "referer", "x-forwarded-for"} & seen["headers"].keys()
    assert response.status_code == 201
    assert response.headers["x-api"] == "yes"
    assert response.headers["content-type"] == "application/json"
    assert not {"set-cookie", "clear-site-data", "access-control-allow-origin"} & response.headers.keys()
    assert response.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_and_its_body_go_through(scene: Scene, method: str) -> None:
    response = scene.call(method, "/things", content=b"\x00\xff body", headers={"content-type": "application/x-thing"})
    assert response.status_code == 201
    [seen] = scene.api.seen
    assert (seen["method"], seen["body"]) == (method, "\x00\xff body")
    assert seen["headers"]["content-type"] == "application/x-thing"


def test_head_goes_through_without_a_body(scene: Scene) -> None:
    response = scene.call("HEAD", "/things")
    assert (response.status_code, response.content) == (201, b"")
    assert scene.api.seen[0]["method"] == "HEAD"


def test_answers_without_a_body_use_up_no_connection(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = bridge.client_settings()
    limited = {**usual, "limits": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(20.0, pool=1.0)}
    monkeypatch.setattr(bridge, "client_settings", lambda: limited)
    scene = Scene(stage)
    for method, status in (("HEAD", 200), ("DELETE", 204), ("GET", 304), ("GET", 200)):
        assert [scene.call(method, f"/empty/{status}").status_code for _ in range(2)] == [status, status]


def test_without_the_header_or_from_another_site_nothing_goes_up(scene: Scene) -> None:
    url = f"{scene.site.url}/api/things"
    for method in ("GET", "POST"):
        assert ask(scene.ada, method, url).status_code == 403
        assert ask(scene.ada, method, url, headers={**CSRF, "sec-fetch-site": "same-site"}).status_code == 403
        assert ask(scene.ada, method, url, headers={**CSRF, "origin": "https://evil.test"}).status_code == 403
    preflight = ask(scene.ada, "OPTIONS", url, headers={"origin": "https://evil.test"})
    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers
    assert scene.api.seen == []


def test_signed_out_it_is_401(scene: Scene) -> None:
    nobody = scene.stage.person("grace")
    assert scene.call("GET", "/things", nobody, headers={"accept": "application/json"}).status_code == 401
    ask(scene.ada, "POST", f"{scene.site.url}/logout/acme")
    assert scene.call("GET", "/things").status_code == 401
    assert scene.api.seen == []


def test_two_peoples_requests_go_with_their_own_tokens_and_nothing_of_the_others(scene: Scene) -> None:
    """The upstream set a cookie at the first: a client with a memory would send it with the second."""
    grace = scene.stage.person("grace")
    grace.go(f"{scene.site.url}/login/acme")
    scene.call("GET", "/things")
    scene.call("GET", "/things", grace)
    scene.call("GET", "/things")
    one, other, again = (seen["headers"] for seen in scene.api.seen)
    assert one["authorization"] == again["authorization"] != other["authorization"]
    assert "cookie" not in {**one, **other, **again}


def test_a_path_cannot_leave_the_api(scene: Scene) -> None:
    host = httpx.URL(scene.site.url)
    cookie = "; ".join(f"{one.name}={one.value}" for one in scene.ada._cookies.jar)
    for path in ("/api/%2e%2e/secret", "/api/..%2fsecret", "/api/a/%2E%2E/%2e%2e/x", "/api/%5c..%5cx", "/api/a%00"):
        url = host.copy_with(raw_path=path.encode())
        response = httpx.get(url, headers={**CSRF, "cookie": cookie}, trust_env=False)
        assert response.status_code in (400, 404), path
    assert [seen["path"] for seen in scene.api.seen if not seen["path"].startswith("/v1/")] == []


def test_an_answer_comes_down_piece_by_piece(scene: Scene) -> None:
    cookie = "; ".join(f"{one.name}={one.value}" for one in scene.ada._cookies.jar)
    headers = {**CSRF, "cookie": cookie}
    with httpx.stream("GET", f"{scene.site.url}/api/slow", headers=headers, trust_env=False, timeout=20) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"first\n"
        scene.api.go_on.set()  # only now may the API go on: it has not ended, and we have its beginning
        assert b"".join(pieces) == b"second\n"


def test_a_large_body_goes_up_piece_by_piece(scene: Scene) -> None:
    arrived = []
    reads_first = scene.stage.framework == "django"  # under ASGI a view of Django's sees a request that is complete

    def pieces() -> Iterator[bytes]:
        yield b"x" * (LARGE // 2)
        # The API has the beginning before we have sent the end.
        arrived.append(reads_first or scene.api.first_came.wait(20))
        yield b"x" * (LARGE - LARGE // 2)

    response = scene.call("POST", "/large", content=pieces(), headers={"content-length": str(LARGE)})
    assert (response.status_code, response.json()) == (200, LARGE)
    assert arrived == [True]


def test_an_apis_401_renews_the_token_and_the_request_is_sent_again_once(scene: Scene) -> None:
    scene.api.refuse = 1
    assert scene.call("POST", "/things", content=b"small").status_code == 201
    first, second = scene.api.seen
    assert first["body"] == second["body"] == "small"
    assert first["headers"]["authorization"] != second["headers"]["authorization"]
    scene.api.refuse = 2
    refused = scene.call("GET", "/things")
    assert refused.status_code == 401
    assert "www-authenticate" not in refused.headers  # a browser would ask its human for a password


def test_a_redirect_within_the_api_stays_behind_the_cookie(scene: Scene) -> None:
    response = scene.call("GET", "/moved")
    assert (response.status_code, response.headers["location"]) == (307, "/api/there?a=1")


def test_an_api_that_cannot_be_reached_is_502(stage: Stage) -> None:
    nowhere = "http://127.0.0.1:9"
    site, ada = stage.site(stage.dev.settings("acme", api_origins=[nowhere]), api=nowhere), stage.person()
    ada.go(f"{site.url}/login/acme")
    response = ask(ada, "GET", f"{site.url}/api/x", headers=CSRF)
    assert (response.status_code, response.json()) == (502, {"error": "api_unreachable"})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Django leaves a request's body open
def test_an_answer_that_breaks_off_harms_nobody(scene: Scene) -> None:
    with suppress(httpx.TransportError):
        scene.call("GET", "/broken")
    assert scene.call("GET", "/things").status_code == 201
    gc.collect()


def test_a_websocket_is_refused_clearly(scene: Scene) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    response = scene.call("GET", "/things", headers=upgrade)
    assert response.status_code == 501
    assert "no_websockets" in json.dumps(response.json())
    assert scene.api.seen == []

"""A dashboard that is served, everything that it says, and a real browser on its page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from authflow.dashboard import Dashboard, app
from authflow.testing.served import Served

AXE = Path(__file__).parents[1] / "real" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
ROW = "[role=row][data-id]"
Work = Callable[[Any], Awaitable[Any]]


class Hearing:
    """An ASGI application around the dashboard: keeps every request line and every byte of every answer."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.asked: list[str] = []
        self.said: list[bytes] = []
        self.statuses: list[int] = []
        self.headers: list[dict[str, str]] = []
        self.resumed_at: list[str] = []  # the `Last-Event-ID` of each stream
        self.cut = False  # the next piece of a stream breaks it off

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = scope.get("query_string", b"").decode()
        self.asked.append(f"{scope['method']} {scope['path']}?{query}")
        streams = scope["path"].endswith("/api/stream")
        if streams:
            self.resumed_at += [dict(scope["headers"]).get(b"last-event-id", b"").decode()]
        departs = scope["path"].startswith("/go/")  # its Location is for the browser, and nobody's answer

        async def keep(message: Any) -> None:
            if streams and self.cut:
                self.cut = False
                raise OSError("the line was cut")
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
                headers = {name.decode(): value.decode() for name, value in message["headers"]}
                self.headers.append(headers)
                told = {name: value for name, value in headers.items() if not (departs and name == "location")}
                self.said.append(repr(told).encode())
            else:
                self.said.append(bytes(message.get("body", b"")))
            await send(message)

        await self.dashboard(scope, receive, keep)


class Dash:
    """What a test has of a served dashboard."""

    def __init__(self, hearing: Hearing, url: str) -> None:
        self.hearing = hearing
        self.dashboard = hearing.dashboard
        self.url = url
        self.host = urlsplit(url).netloc

    def launch_url(self) -> str:
        return self.dashboard.launch_url(self.url)

    def client(self, **headers: str) -> httpx.Client:
        """A program of this machine that sends what the page sends; with a tab's key."""
        http = httpx.Client(base_url=self.url, trust_env=False, headers={**OWN, **headers}, timeout=20.0)
        if "Authorization" not in headers:
            http.headers["Authorization"] = f"Bearer {self.key()}"
        return http

    def key(self) -> str:
        """A tab's key, for a fresh launch key."""
        launch = self.launch_url().partition("#")[2]
        headers = {**OWN, "Authorization": f"Bearer {launch}"}
        answer = httpx.post(f"{self.url}/api/launch", json={}, headers=headers, trust_env=False)
        return str(answer.json()["key"])


OWN = {"Authflow-Dashboard": "1", "Sec-Fetch-Site": "same-origin"}


@contextmanager
def served(manager: Any, **settings: Any) -> Iterator[Dash]:
    """The dashboard of `manager` on 127.0.0.1."""
    hearing = Hearing(app(manager, **settings))
    server = Served(hearing)
    server.start()
    try:
        yield Dash(hearing, server.url)
    finally:
        hearing.dashboard.close()
        server.stop()


def visit(chromium: Any, url: str, work: Work, **settings: Any) -> Any:
    """Opens `url` in a fresh profile and gives what `await work(page)` gives; what the console said is `page.said`."""

    async def go() -> Any:
        context = await chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        try:
            page = await context.new_page()
            page.said = []
            page.on("console", lambda message: page.said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: page.said.append(str(error)))
            await page.goto(url)
            return await work(page)
        finally:
            await context.close()

    return chromium.run(go())


async def events(client: httpx.AsyncClient, last: str = "") -> Any:
    """The messages of the stream, one after the other, as (event, id, text)."""
    headers = {"Last-Event-ID": last} if last else {}
    async with client.stream("GET", "/api/stream", headers=headers) as answer:
        name = number = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("id: "):
                number = line[4:]
            elif line.startswith("data: "):
                yield name, number, line[6:]
                name = number = ""

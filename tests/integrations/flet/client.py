"""Flet's client, as far as a login needs one: it talks Flet's own protocol to the real server, and draws nothing.

It registers, clicks buttons by their text, keeps what the server sent, and answers the calls of services (opening a
URL, bringing the window to the front, storing a text) as a client does.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgpack
import websockets
from flet.messaging.protocol import decode_ext_from_msgpack

from authflow.testing import ScriptedBrowser

REGISTER_CLIENT, PATCH_CONTROL, CONTROL_EVENT, UPDATE_PROPS, INVOKE_METHOD, SESSION_CRASHED = range(1, 7)
PATIENCE = 30.0  # real seconds until a test that waits for another thread fails


class Client:
    """One window. `calls` are the services' calls, `said` every text that was sent to it."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self.session_id = ""
        self.controls: dict[int, dict[str, Any]] = {}
        self.said: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.preferences: dict[str, Any] = {}
        self.crashes: list[str] = []
        self.silent: set[str] = set()  # methods that this client never answers
        self.shown: list[int] = []  # what was answered when the tab was asked for its browser's cookie, and showed it
        self.opens: Callable[[str], object] = lambda url: None
        self._send = send
        self._changed = asyncio.Condition()

    async def register(self, *, session_id: str = "", route: str = "/", **page: Any) -> None:
        await self._put(REGISTER_CLIENT, {"session_id": session_id, "page_name": "", "page": {"route": route, **page}})
        await self.until(lambda: self.session_id)

    async def click(self, text: str) -> None:
        """Presses the button with this text, when it is there."""
        await self.until(lambda: self._buttons(text))
        await self._put(CONTROL_EVENT, {"target": self._buttons(text)[-1], "name": "click", "data": None})

    def _buttons(self, text: str) -> list[int]:
        return [i for i, one in self.controls.items() if one.get("_c") == "Button" and one.get("content") == text]

    async def until(self, true: Callable[[], Any]) -> None:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(true), PATIENCE)

    async def until_said(self, text: str) -> None:
        """Until a text that contains this one was sent; those before count no more."""
        await self.until(lambda: any(text in one for one in self.said))
        self.said.clear()

    async def until_called(self, name: str) -> dict[str, Any]:
        """The arguments of the newest call of a service's method."""
        await self.until(lambda: any(called == name for called, _ in self.calls))
        return next(arguments for called, arguments in reversed(self.calls) if called == name)

    async def take(self, packet: bytes) -> None:
        """One packet of the server."""
        action, body = msgpack.unpackb(packet[1:], ext_hook=decode_ext_from_msgpack, strict_map_key=False)
        if action == REGISTER_CLIENT:
            self.session_id = body["session_id"]
            self._look_at(body["page_patch"])
        elif action == PATCH_CONTROL:
            self._look_at(body["patch"])
        elif action == INVOKE_METHOD:
            await self._answer(body)
        elif action == SESSION_CRASHED:
            self.crashes.append(body["message"])
        await self.notice()

    async def notice(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _answer(self, asked: dict[str, Any]) -> None:
        name, arguments = asked["name"], asked.get("args") or {}
        self.calls.append((name, arguments))
        if name in self.silent:
            return
        result = None
        if name in ("launch_url", "open_window"):
            self.opens(url_of(arguments))
        elif name == "push_route":
            await self._put(UPDATE_PROPS, {"id": 1, "props": arguments})
            await self._put(CONTROL_EVENT, {"target": 1, "name": "route_change", "data": arguments})
        elif name == "set":
            self.preferences[arguments["key"]] = arguments["value"]
            result = True
        elif name == "get":
            result = self.preferences.get(arguments["key"])
        elif name == "remove":
            result = self.preferences.pop(arguments["key"], None) is not None
        answer = {"control_id": asked["control_id"], "call_id": asked["call_id"], "result": result, "error": None}
        await self._put(INVOKE_METHOD, answer)

    def _look_at(self, value: Any) -> None:
        if isinstance(value, str):
            self.said.append(value)
        elif isinstance(value, dict):
            if "_i" in value:
                self.controls[value["_i"]] = value
            for one in value.values():
                self._look_at(one)
        elif isinstance(value, list):
            for one in value:
                self._look_at(one)

    async def _put(self, action: int, body: dict[str, Any]) -> None:
        await self._send(b"\0" + msgpack.packb([action, body]))


def url_of(arguments: dict[str, Any]) -> str:
    """The URL of a call: a text, or a `Url` with its target."""
    url = arguments["url"]
    return str(url["url"] if isinstance(url, dict) else url)


def cookies_of(browser: ScriptedBrowser) -> str:
    """What it sends with a websocket's handshake. It may be walking on its own thread meanwhile."""
    jar = browser._cookies.jar
    with jar._cookies_lock:
        return "; ".join(f"{one.name}={one.value}" for one in jar)


@asynccontextmanager
async def desktop_client(uds_path: str, *, platform: str = "linux", **page: Any) -> AsyncIterator[Client]:
    """The client of a program on the user's machine."""
    reader, writer = await asyncio.open_unix_connection(uds_path)

    async def send(packet: bytes) -> None:
        writer.write(len(packet).to_bytes(4, "little") + packet)
        await writer.drain()

    async def receive() -> None:
        while length := int.from_bytes(await reader.readexactly(4), "little"):
            await client.take(await reader.readexactly(length))

    client = Client(send)
    receiving = asyncio.create_task(receive())
    try:
        await client.register(**{"platform": platform, "web": False, **page})
        yield client
    finally:
        receiving.cancel()
        await asyncio.wait({receiving})
        writer.close()


@asynccontextmanager
async def web_client(
    base_url: str,
    *,
    cookie: str | Callable[[], str] = "",
    session_id: str = "",
    headers: dict[str, str] | None = None,
    secret: str | None = None,
    keep: Callable[[httpx.Response], object] | None = None,
    **page: Any,
) -> AsyncIterator[Client]:
    """The client of a web application, in a browser that sends these cookies, or what the function gives at that
    moment. With the script of its first page (`secret=""`: without): it tells its `secret`, and shows it when it is
    asked, again if it is given a cookie for that, which `keep` is told."""
    uri = f"ws{base_url.removeprefix('http')}/ws"
    secret = secrets.token_hex(16) if secret is None else secret

    def sent() -> dict[str, str]:
        cookies = cookie() if callable(cookie) else cookie
        return {**({"Cookie": cookies} if cookies else {}), **(headers or {})}

    async with (
        httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=PATIENCE) as http,
        websockets.connect(uri, additional_headers=sent(), max_size=None, proxy=None) as socket,
    ):
        client = Client(socket.send)
        if secret:
            await socket.send(f"authflow: this tab is {secret}")

        async def show() -> None:
            answer = await http.post("/auth/tab", headers={"X-Authflow-Tab": secret, **sent()})
            client.shown.append(answer.status_code)
            await client.notice()
            if answer.status_code == 205 and keep is not None:
                keep(answer)
                await show()

        async def receive() -> None:
            async for packet in socket:
                if packet == "authflow: which browser is this?":
                    await show()
                else:
                    await client.take(packet)

        receiving = asyncio.create_task(receive())
        try:
            await client.register(session_id=session_id, **{"platform": "linux", "web": True, **page})
            yield client
        finally:
            receiving.cancel()
            await asyncio.wait({receiving})

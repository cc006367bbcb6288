"""What a test sees of the development provider, and how it makes it misbehave: a gate in front of its endpoints.

Rule 1: a request is on record before its answer leaves, so a client that has the answer finds the record.
Rule 2: every secret that comes in or goes out is in `secrets`. A test searches its own output for each of them.
Rule 3: only loopback gets through, and only under the issuer's own host name: no network, no DNS rebinding.
"""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ConfigurationError
from .whole_answer import read_answer, send_answer

MOST_BODY = 64 * 1024
SHORTEST_SECRET = 6  # a shorter one cannot be told from ordinary text

SECRET_PARAMS = frozenset(
    {
        "state", "nonce", "code", "code_verifier", "refresh_token", "access_token", "token", "id_token",
        "id_token_hint", "client_secret", "client_assertion", "assertion", "password", "transaction",
        "device_code", "auth_req_id", "client_notification_token", "subject_token", "actor_token", "request",
    }
)  # fmt: skip

TAMPERABLE = frozenset(
    {
        "metadata", "webfinger", "jwks", "id_token_claims", "id_token_header", "id_token", "token_response", "userinfo",
        "emails",
        "teams", "callback_params", "resource_metadata", "introspection", "registration", "logout_token_claims",
        "logout_token_header", "logout_token", "response_claims", "response", "userinfo_header", "userinfo_jwt",
        "device_response", "ciba_response",
    }
)  # fmt: skip

WHOLE_ANSWERS = frozenset(
    f"{endpoint}_answer" for endpoint in ("metadata", "jwks", "token", "userinfo", "revoke", "api")
)


class Request(NamedTuple):
    """One request; the path without its query, the status 0 while it is unanswered."""

    method: str
    path: str
    status: int


class Tamper(dict[str, Callable[[Any], Any]]):
    """Lies, by name: each gets what would be sent and returns what is sent instead (or changes it in place).

    `metadata`, `resource_metadata`, `webfinger`, `jwks`, `token_response`, `userinfo`, `introspection`, `registration`,
    `device_response`, `ciba_response`, and the claims and headers of ID and logout tokens and of answers by JARM
    (`id_token_claims`, `logout_token_header`, …) get a dict, `emails` and `teams` a list, `id_token`,
    `logout_token` and `response` the finished string, `callback_params` a dict (it may return a list of pairs, to say a
    thing twice). `token_answer` and so on get the whole HTTP answer, an `Answer`.
    """

    def __setitem__(self, name: str, lie: Callable[[Any], Any]) -> None:
        if name not in TAMPERABLE | WHOLE_ANSWERS:
            raise ConfigurationError(
                f"Nothing called {name!r} is sent.", hint=f"Tamper with one of: {', '.join(sorted(TAMPERABLE))}."
            )
        super().__setitem__(name, lie)

    def apply(self, name: str, honest: Any) -> Any:
        """What is sent: the honest value unless somebody lies about it."""
        lie = self.get(name)
        if lie is None:
            return honest
        changed = lie(honest)
        return honest if changed is None else changed


@dataclass
class _Entry:
    method: str
    path: str
    endpoint: str
    grant_type: str = ""
    status: int = 0


@dataclass(frozen=True)
class _Fault:
    status: int
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...]
    after: bool
    cut: bool


class Hold:
    """Requests of one endpoint stand still until `release()`. Leaving the `with` block releases them too."""

    def __init__(self, after: bool) -> None:
        self.after = after
        self.arrived = threading.Event()
        self._released = False
        self._pauses: set[asyncio.Future[None]] = set()

    def wait(self, timeout: float = 5.0) -> None:
        """Blocks until a request stands here; `TimeoutError` after `timeout` real seconds."""
        if not self.arrived.wait(timeout):
            raise TimeoutError("no request arrived")

    def release(self) -> None:
        self._released = True
        for pause in list(self._pauses):
            _end(pause)

    async def stand(self) -> None:
        if self._released:
            return
        pause = asyncio.get_running_loop().create_future()
        self._pauses.add(pause)
        self.arrived.set()
        try:
            if not self._released:
                await pause
        finally:
            self._pauses.discard(pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


class Gate:
    """The ASGI application in front of the endpoints."""

    def __init__(self, app: ASGIApp, endpoint_of: Callable[[str], str], endpoints: Iterable[str]) -> None:
        self.secrets: set[str] = set()
        self.tamper = Tamper()
        self.endpoints = frozenset(endpoints)
        self.issuer_host: Callable[[], str] = str
        self._app = app
        self._endpoint_of = endpoint_of
        self._log: list[_Entry] = []
        self._faults: dict[str, deque[_Fault]] = defaultdict(deque)
        self._delays: dict[str, float] = {}
        self._holds: dict[str, Hold] = {}
        self._pauses: set[asyncio.Future[None]] = set()

    # ── what a test sees ─────────────────────────────────────────────────────────────────────────────

    def requests(self, endpoint: str | None = None, grant_type: str | None = None) -> list[Request]:
        return [
            Request(entry.method, entry.path, entry.status)
            for entry in list(self._log)
            if endpoint in (None, entry.endpoint) and grant_type in (None, entry.grant_type)
        ]

    def clear(self) -> None:
        self._log.clear()

    def note(self, *values: object) -> None:
        """Puts secrets on the ledger."""
        self.secrets.update(value for value in values if isinstance(value, str) and len(value) >= SHORTEST_SECRET)

    # ── what a test breaks ───────────────────────────────────────────────────────────────────────────

    def fail_next(
        self,
        endpoint: str,
        status: int,
        body: object,
        headers: Mapping[str, str] | None,
        times: int,
        after: bool,
        cut: bool,
    ) -> None:
        said = {name.lower(): value for name, value in (headers or {}).items()}
        if isinstance(body, bytes | str):
            raw = body.encode() if isinstance(body, str) else body
            said.setdefault("content-type", "text/plain; charset=utf-8")
        else:
            raw = b"" if body is None else json.dumps(body).encode()
            said.setdefault("content-type", "text/plain" if body is None else "application/json")
        fault = _Fault(status, raw, tuple(said.items()), after, cut)
        self._faults[self.known(endpoint)].extend([fault] * times)

    def delay(self, endpoint: str, seconds: float) -> None:
        self._delays[self.known(endpoint)] = seconds

    def hold(self, endpoint: str, after: bool) -> Hold:
        held = self._holds[self.known(endpoint)] = Hold(after)
        return held

    def release_all(self) -> None:
        """Nobody waits here any longer: the server is going away."""
        for held in self._holds.values():
            held.release()
        for pause in list(self._pauses):
            _end(pause)

    def known(self, endpoint: str) -> str:
        if endpoint not in self.endpoints:
            raise ConfigurationError(
                f"The provider has no endpoint called {endpoint!r}.",
                hint=f"It has {', '.join(sorted(self.endpoints))}.",
            )
        return endpoint

    # ── the gate ─────────────────────────────────────────────────────────────────────────────────────

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        entry = _Entry(scope["method"], path, self._endpoint_of(path))
        self._log.append(entry)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                self._note_cookies_set(message)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(tell, *refusal)
            return
        body = await _read(receive)
        if body is None:
            await _answer(tell, 413, b"too large")
            return
        entry.grant_type = self._note_received(scope, body)

        await self._pause(self._delays.get(entry.endpoint, 0.0))
        held = self._holds.get(entry.endpoint)
        if held is not None and not held.after:
            await held.stand()
        faults = self._faults[entry.endpoint]
        fault = faults.popleft() if faults else None
        if fault is not None and not fault.after:
            await _fail(tell, fault)
            return
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, _replay(body, receive), keep)
        if held is not None and held.after:
            await held.stand()
        if fault is not None:
            await _fail(tell, fault)
            return
        about = f"{entry.endpoint}_answer"
        if about in self.tamper:
            await send_answer(tell, self.tamper.apply(about, read_answer(answer)), self._pause)
            return
        for message in answer:
            await tell(message)

    def _refusal(self, scope: Scope) -> tuple[int, bytes] | None:
        client = scope.get("client")
        if client is not None and not _is_loopback(client[0]):
            return 403, b"development provider: loopback only"
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if host.lower() != self.issuer_host():
            return 421, b"development provider: wrong Host"
        return None

    def _note_received(self, scope: Scope, body: bytes) -> str:
        """Puts what a request brought on the ledger; its `grant_type`, for the record."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        said: list[tuple[str, Any]] = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        kind = headers.get("content-type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            said += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        elif kind.startswith("application/json"):
            said += _members(body)
        self.note(*(value for name, value in said if name in SECRET_PARAMS))
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        self.note(credentials, headers.get("dpop"))
        if scheme.lower() == "basic":
            self.note(basic_credentials(credentials)[1])
        for name, value in scope["headers"]:
            if name == b"cookie":
                self.note(*(part.partition("=")[2].strip() for part in value.decode("latin-1").split(";")))
        return next((str(value) for name, value in said if name == "grant_type"), "")

    def _note_cookies_set(self, message: Message) -> None:
        for name, value in message.get("headers", ()):
            if bytes(name).lower() == b"set-cookie":
                try:
                    self.note(*(morsel.value for morsel in SimpleCookie(bytes(value).decode("latin-1")).values()))
                except CookieError:
                    continue

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        pause = loop.create_future()
        timer = loop.call_later(seconds, _finish, pause)
        self._pauses.add(pause)
        try:
            await pause
        finally:
            timer.cancel()
            self._pauses.discard(pause)


def basic_credentials(encoded: str) -> tuple[str, str]:
    """Client id and secret of a Basic header, form-decoded (RFC 6749 §2.3.1); empty strings when it is none."""
    try:
        client_id, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def host_of(url: str) -> str:
    """What the Host header of a request to `url` says."""
    return urlsplit(url).netloc.lower()


def _members(body: bytes) -> list[tuple[str, Any]]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return list(said.items()) if isinstance(said, dict) else []


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return True  # no address at all: an in-process client


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is larger than any of ours."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MOST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
    listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    listed.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})


async def _fail(send: Send, fault: _Fault) -> None:
    if not fault.cut:
        await _answer(send, fault.status, fault.body, fault.headers)
        return
    # More is promised than is sent: the server drops the connection in the middle of the body.
    listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fault.headers]
    listed.append((b"content-length", str(len(fault.body) + 1).encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": listed})
    await send({"type": "http.response.body", "body": fault.body, "more_body": True})


def _end(pause: asyncio.Future[None]) -> None:
    loop = pause.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(_finish, pause)


def _finish(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)

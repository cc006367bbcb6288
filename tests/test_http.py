"""`http/` against real sockets: servers that drip, redirect, bomb, close and lie; proxies; TLS."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import pickle
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from authflow import errors, http
from authflow.http import AsyncHttp, Http, is_private, warm_tls
from authflow.http.tls import tls_context, tls_contexts, tls_key
from authflow.protocol.step import Limits, build_request

CANARY = "canary-5f1c0e"
OK = b'{"access_token": "t"}'


def plain(body: bytes = OK, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Server:
    """A threaded server. `behave(connection, request, count)` gets each request whole; a false answer closes."""

    def __init__(self, behave: Callable[[socket.socket, bytes, int], Any], tls: ssl.SSLContext | None = None):
        self.behave = behave
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._spawn(self._accept)

    def _spawn(self, run: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self.stopping.is_set():
                connection.close()
                return
            self.connections += 1
            self._open.append(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                for count in range(1000):
                    request = read_request(connection)
                    if not request:
                        return
                    self.requests.append(request)
                    if not self.behave(connection, request, count):
                        return
        except OSError:
            connection.close()

    def close(self) -> None:
        self.stopping.set()
        with socket.socket() as knock:
            knock.connect_ex(("127.0.0.1", self.port))
        self._socket.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(behave: Callable[[socket.socket, bytes, int], Any], **kw: Any) -> Server:
        made.append(Server(behave, **kw))
        return made[-1]

    yield start
    for server in made:
        server.close()


def answering(data: bytes) -> Callable[[socket.socket, bytes, int], bool]:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(data)
        return True

    return behave


class Driven:
    """One of the two colours behind the same sync face, so that each test is written once."""

    def __init__(self, colour: str, client: Any = None, **kw: Any) -> None:
        self.colour = colour
        self.loop = asyncio.new_event_loop() if colour == "async" else None
        self.http: Any = (AsyncHttp if self.loop else Http)(client, **kw)

    def send(self, request: httpx.Request) -> httpx.Response:
        return self.loop.run_until_complete(self.http.send(request)) if self.loop else self.http.send(request)

    def post(self, url: str, **limits: Any) -> httpx.Response:
        return self.send(post(url, **limits))

    def get(self, url: str, **kw: Any) -> httpx.Response:
        return self.send(build_request("GET", url, **kw))

    def close(self) -> None:
        if self.loop:
            self.loop.run_until_complete(self.http.aclose())
            self.loop.close()
        else:
            self.http.close()


def post(url: str, **limits: Any) -> httpx.Request:
    form = {"client_secret": CANARY, "code": CANARY}
    headers = {"authorization": f"Basic {CANARY}"}
    return build_request("POST", url, form=form, headers=headers, limits=Limits(**limits))


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def drive(colour: str) -> Iterator[Callable[..., Driven]]:
    made: list[Driven] = []

    def start(client: Any = None, **kw: Any) -> Driven:
        made.append(Driven(colour, client, **kw))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def wire(drive: Callable[..., Driven]) -> Driven:
    return drive()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def assert_no_secret(error: BaseException) -> None:
    """Walks the error, what hangs behind it, and their attributes, for the canary."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if id(one) in seen or one is None:
            continue
        seen.add(id(one))
        assert not isinstance(one, httpx.Request | httpx.Response)
        if isinstance(one, str | bytes):
            assert CANARY not in (one if isinstance(one, str) else one.decode("latin-1"))
            continue
        if isinstance(one, BaseException):
            assert CANARY not in str(one) + repr(one)
            todo += [one.__cause__, one.__context__, *one.args, *vars(one).values()]
        elif isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set):
            todo += one
    if isinstance(error, errors.AuthflowError):
        assert CANARY.encode() not in pickle.dumps(error)


# ── the plain case ───────────────────────────────────────────────────────────────────────────────────


def test_a_response_comes_whole_and_says_how_long_it_took(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(headers="X-Thing: yes\r\n")))
    response = wire.post(server.url + "/token")
    assert response.status_code == 200
    assert response.json() == {"access_token": "t"}
    assert response.headers["x-thing"] == "yes"
    assert 0 < response.extensions["authflow.seconds"] < 5
    assert server.requests[0].endswith(f"client_secret={CANARY}&code={CANARY}".encode())


def test_an_error_status_is_an_answer(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(b'{"error": "invalid_grant"}', "400 Bad Request")))
    assert wire.post(server.url).json() == {"error": "invalid_grant"}


def test_a_chunked_answer_is_put_together(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\n\r\n1\r\n}\r\n0\r\n\r\n"))
    assert wire.get(server.url).json() == {}
    assert wire.get(server.url).json() == {}
    assert server.connections == 1


def test_calls_in_a_row_use_one_connection(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    for _ in range(5):
        wire.post(server.url)
    assert server.connections == 1


def test_a065_no_cookie_is_kept(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(headers=f"Set-Cookie: session={CANARY}\r\n")))
    wire.get(server.url)
    wire.get(server.url)
    assert b"cookie" not in server.requests[1].lower()


def test_a064_netrc_is_not_read(
    wire: Driven, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(answering(plain()))
    wire.get(server.url)
    assert b"authorization" not in server.requests[0].lower()


def test_after_close_nothing_is_sent(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    wire.get(server.url)
    wire.close()
    if wire.loop:
        wire.loop = asyncio.new_event_loop()
    with pytest.raises(errors.ManagerClosed):
        wire.get(server.url)
    assert len(server.requests) == 1


def test_an_address_that_is_no_http_is_refused(wire: Driven) -> None:
    with pytest.raises(errors.ConnectFailed) as caught:
        wire.get("ftp://127.0.0.1/x")
    assert caught.value.sent is errors.Sent.NO


# ── redirects ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_refused_and_the_post_never_repeated(
    wire: Driven, serve: Callable[..., Server], status: int
) -> None:
    other = serve(answering(plain()))
    server = serve(answering(plain(b"", f"{status} Moved", f"Location: {other.url}/steal\r\n")))
    with pytest.raises(errors.RedirectRefused, match=f"/token answered with a redirect .{status}."):
        wire.post(server.url + "/token")
    assert len(server.requests) == 1
    assert other.connections == 0


def test_a_redirect_to_another_host_is_named_without_its_query(wire: Driven, serve: Callable[..., Server]) -> None:
    location = f"Location: http://login.example:8080/x?code={CANARY}\r\n"
    server = serve(answering(plain(b"", "302 Found", location)))
    with pytest.raises(errors.RedirectRefused) as caught:
        wire.get(f"{server.url}/userinfo?access_token={CANARY}")
    assert "login.example:8080" in caught.value.hint
    assert_no_secret(caught.value)


@pytest.mark.parametrize("location", ["https://other.example/", "http://[broken", "", "\\\\evil", "http://a\tb/"])
def test_a_redirect_elsewhere_or_to_nonsense_is_only_refused(
    wire: Driven, serve: Callable[..., Server], location: str
) -> None:
    server = serve(answering(plain(b"", "302 Found", f"Location: {location}\r\n")))
    with pytest.raises(errors.WireError):
        wire.get(server.url)


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────────


def dripping(first: bytes) -> Callable[..., Any]:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(first)
        while not stop.wait(0.05):
            connection.sendall(b"x")
        return False

    stop = threading.Event()
    behave.stop = stop  # type: ignore[attr-defined]
    return behave


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"]
)
def test_dripped_headers_and_bodies_end_at_the_deadline(
    wire: Driven, serve: Callable[..., Server], first: bytes
) -> None:
    behave = dripping(first)
    server = serve(behave)
    with pytest.raises((errors.DeadlineExceeded, errors.WireError)) as caught:
        wire.post(server.url, seconds=0.4)  # the server goes on until it is told to stop
    behave.stop.set()  # type: ignore[attr-defined]
    assert caught.value.sent is errors.Sent.UNKNOWN
    if first:
        assert isinstance(caught.value, errors.DeadlineExceeded)
        assert "within 0.4 seconds" in caught.value.message
    assert_no_secret(caught.value)


def test_a_handshake_that_never_ends_ends_at_the_deadline(wire: Driven) -> None:
    late = pytest.raises(errors.DeadlineExceeded, match=r"within 0\.4 seconds")
    with socket.create_server(("127.0.0.1", 0)) as silent, late as caught:
        wire.post(f"https://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.4)
    assert caught.value.sent is errors.Sent.NO


def test_a_resolver_that_hangs_ends_at_the_deadline(wire: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*args: Any, **kw: Any) -> list[Any]:
        answered.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            wire.post("http://idp.example/", seconds=0.2)
    finally:
        answered.set()
    assert caught.value.sent is errors.Sent.NO


def test_a_request_that_the_server_does_not_take_ends_at_the_deadline(wire: Driven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        request = build_request(
            "POST",
            f"http://127.0.0.1:{silent.getsockname()[1]}/",
            form={"x": "y" * 20_000_000},
            limits=Limits(seconds=0.4),
        )
        with pytest.raises(errors.DeadlineExceeded) as caught:
            wire.send(request)
    assert caught.value.sent is errors.Sent.UNKNOWN


class Steps:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at


def test_the_deadline_runs_on_the_given_clock(drive: Callable[..., Driven], serve: Callable[..., Server]) -> None:
    clock = Steps()

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        clock.at += 11
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        return True

    server = serve(behave)
    response = drive(clock=clock).get(server.url)
    assert response.extensions["authflow.seconds"] == 11


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gzip_answer_is_decoded(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")))
    assert wire.get(server.url).json() == {"access_token": "t"}
    assert b"accept-encoding: gzip" in server.requests[0].lower()


def test_a_gzip_bomb_stops_at_the_cap(wire: Driven, serve: Callable[..., Server]) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    server = serve(answering(plain(bomb, headers="Content-Encoding: gzip\r\n")))
    with pytest.raises(errors.ResponseTooLarge):
        wire.get(server.url, limits=Limits(most_bytes=256 * 1024))


def test_gzip_blocks_that_hold_nothing_stop_at_the_cap_too(wire: Driven, serve: Callable[..., Server]) -> None:
    empty = gzip.compress(b"", 0)[:10] + b"\x00\x00\x00\xff\xff" * 20_000
    headers = "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"
    body = f"{len(empty):x}\r\n".encode() + empty + b"\r\n0\r\n\r\n"
    server = serve(answering(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + body))
    with pytest.raises(errors.ResponseTooLarge):
        wire.get(server.url, limits=Limits(most_bytes=1000))


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(OK)[:-9]])
def test_damaged_gzip_is_a_wire_error(wire: Driven, serve: Callable[..., Server], body: bytes) -> None:
    server = serve(answering(plain(body, headers="Content-Encoding: gzip\r\n")))
    with pytest.raises(errors.WireError, match="damaged"):
        wire.get(server.url)


def test_an_encoding_that_was_not_asked_for_is_refused(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(headers="Content-Encoding: br\r\n")))
    with pytest.raises(errors.WireError, match="encoding"):
        wire.get(server.url)


def test_a_long_content_length_is_refused_before_the_body(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"))
    with pytest.raises(errors.ResponseTooLarge, match="larger than 1000 bytes"):
        wire.get(server.url, limits=Limits(most_bytes=1000))


def test_an_endless_body_stops_at_the_cap(wire: Driven, serve: Callable[..., Server]) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(errors.ResponseTooLarge):
        wire.get(serve(behave).url, limits=Limits(most_bytes=1000))


def test_a_body_of_exactly_the_cap_is_whole(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(b"x" * 1000)))
    assert len(wire.get(server.url, limits=Limits(most_bytes=1000)).content) == 1000


def test_endless_headers_are_a_wire_error(wire: Driven, serve: Callable[..., Server]) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-A: " + b"x" * 1000 + b"\r\n")

    with pytest.raises(errors.WireError):
        wire.get(serve(behave).url)


# ── broken and stale connections ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nCont"],
)
def test_a_broken_answer_is_a_wire_error(wire: Driven, serve: Callable[..., Server], data: bytes) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(data)
        return False

    server = serve(behave)
    with pytest.raises(errors.WireError) as caught:
        wire.post(server.url)
    assert caught.value.sent is errors.Sent.UNKNOWN
    assert len(server.requests) == 1
    assert_no_secret(caught.value)


def test_a_connection_that_the_server_closed_is_not_used_for_a_post(
    wire: Driven, serve: Callable[..., Server]
) -> None:
    closed = threading.Semaphore(0)

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain())
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()
        return False

    server = serve(behave)
    for _ in range(3):
        wire.post(server.url)
        assert closed.acquire(timeout=5)
    assert len(server.requests) == server.connections == 3


def test_bytes_that_nobody_asked_for_are_not_taken_for_an_answer(wire: Driven, serve: Callable[..., Server]) -> None:
    told = threading.Semaphore(0)

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain())
        wait_for_client.acquire(timeout=5)
        connection.sendall(plain(b'{"access_token": "someone else"}'))
        told.release()
        return True

    wait_for_client = threading.Semaphore(0)
    server = serve(behave)
    for _ in range(2):
        assert wire.get(server.url).json() == {"access_token": "t"}
        wait_for_client.release()
        assert told.acquire(timeout=5)
    assert server.connections == 2


def closing_late(reset: bool) -> Callable[..., Any]:
    """Answers the first request of a connection, reads the second, and closes."""

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if count:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        connection.sendall(plain())
        return True

    return behave


@pytest.mark.parametrize("reset", [False, True])
def test_a_get_cut_off_on_a_kept_connection_is_sent_once_more(
    wire: Driven, serve: Callable[..., Server], reset: bool
) -> None:
    server = serve(closing_late(reset))
    wire.get(server.url)
    assert wire.get(server.url).status_code == 200
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize("reset", [False, True])
def test_a_post_cut_off_on_a_kept_connection_is_never_sent_again(
    wire: Driven, serve: Callable[..., Server], reset: bool
) -> None:
    server = serve(closing_late(reset))
    wire.get(server.url)
    with pytest.raises(errors.WireError) as caught:
        wire.post(server.url)
    assert caught.value.sent is errors.Sent.UNKNOWN
    assert (len(server.requests), server.connections) == (2, 1)


def test_a_get_on_a_fresh_connection_is_not_repeated(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(lambda *_: False)
    with pytest.raises(errors.WireError):
        wire.get(server.url)
    assert len(server.requests) == 1


def test_a_connection_that_rested_too_long_is_not_used(
    drive: Callable[..., Driven], serve: Callable[..., Server]
) -> None:
    clock = Steps()
    server = serve(answering(plain()))
    wire = drive(clock=clock)
    wire.get(server.url)
    clock.at += http.POST_IDLE_SECONDS + 1
    wire.get(server.url)
    assert server.connections == 1
    clock.at += http.POST_IDLE_SECONDS + 1
    wire.post(server.url)
    assert server.connections == 2
    clock.at += http.IDLE_SECONDS + 1
    wire.get(server.url)
    assert server.connections == 3


def test_no_more_than_max_idle_connections_are_kept(serve: Callable[..., Server]) -> None:
    barrier = threading.Barrier(6)

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if b"/together" in request:
            barrier.wait(5)
        connection.sendall(plain())
        return True

    server = serve(behave)
    wire = Http(max_idle=2)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: wire.send(build_request("GET", server.url + "/together")), range(6)))
    assert server.connections == 6
    assert len(wire._lines._stack) == 2
    wire.close()
    assert not wire._lines._stack


def test_fifty_threads_share_one_http(serve: Callable[..., Server]) -> None:
    def echo(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain(request.split(b" ")[1]))
        return True

    server = serve(echo)
    wire = Http(max_idle=50)
    with ThreadPoolExecutor(50) as pool:
        paths = [f"/{n}" for n in range(400)]
        answers = list(pool.map(lambda path: wire.send(post(server.url + path)).text, paths))
    wire.close()
    assert answers == paths
    assert server.connections <= 50


async def test_fifty_tasks_share_one_http(serve: Callable[..., Server]) -> None:
    def echo(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain(request.split(b" ")[1]))
        return True

    server = serve(echo)
    wire = AsyncHttp(max_idle=50)

    async def work(first: int) -> list[str]:
        return [(await wire.send(post(f"{server.url}/{n}"))).text for n in range(first, first + 8)]

    answers = await asyncio.gather(*[work(8 * n) for n in range(50)])
    await wire.aclose()
    assert [one for some in answers for one in some] == [f"/{n}" for n in range(400)]
    assert server.connections <= 50


async def test_a_cancelled_call_leaves_no_broken_connection_behind(serve: Callable[..., Server]) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if b"/slow" in request:
            loop.call_soon_threadsafe(arrived.set)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf an answer")
            return bool(connection.recv(1))
        connection.sendall(plain())
        return True

    server = serve(behave)
    wire = AsyncHttp()
    await wire.send(build_request("GET", server.url))
    for _ in range(3):
        arrived.clear()
        task = asyncio.create_task(wire.send(build_request("GET", server.url + "/slow")))
        await arrived.wait()
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wire._lines._stack
        assert (await wire.send(post(server.url))).status_code == 200
    await wire.aclose()


async def test_a_call_cancelled_while_it_connects_ends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wire = AsyncHttp()
        task = asyncio.create_task(wire.send(build_request("GET", f"https://127.0.0.1:{silent.getsockname()[1]}/")))
        connection, _ = await asyncio.to_thread(silent.accept)
        task.cancel()
        with connection, pytest.raises(asyncio.CancelledError):
            await task
        await wire.aclose()


def test_an_interrupted_call_leaves_no_connection_behind(serve: Callable[..., Server]) -> None:
    class Interrupt:
        armed = False

        def monotonic(self) -> float:
            if self.armed and len(server.requests) > 1:
                raise KeyboardInterrupt
            return time.monotonic()

    server = serve(answering(plain()))
    clock = Interrupt()
    wire = Http(clock=clock)
    wire.send(build_request("GET", server.url))
    clock.armed = True
    with pytest.raises(KeyboardInterrupt):
        for _ in range(3):
            wire.send(build_request("GET", server.url))
    clock.armed = False
    assert not wire._lines._stack
    wire.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_begins_with_no_connection(serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    wire = Http()
    wire.send(build_request("GET", server.url))
    pid = os.fork()
    if pid == 0:
        try:
            ok = wire.send(build_request("GET", server.url)).status_code == 200
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert server.connections == 2
    wire.send(build_request("GET", server.url))
    assert server.connections == 2
    wire.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_event_loop_begins_with_no_connection(serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    wire = AsyncHttp()

    async def twice() -> None:
        await wire.send(build_request("GET", server.url))
        await wire.send(build_request("GET", server.url))

    asyncio.run(twice())
    asyncio.run(twice())
    asyncio.run(wire.aclose())
    assert server.connections == 2
    gc.collect()  # the sockets that were left to their closed loops


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_connection_says_so_and_that_nothing_was_sent(wire: Driven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(errors.ConnectFailed, match=f"No connection to 127.0.0.1:{port}") as caught:
        wire.post(f"http://127.0.0.1:{port}/?q={CANARY}")
    assert caught.value.sent is errors.Sent.NO
    assert isinstance(caught.value.__cause__, OSError)
    assert_no_secret(caught.value)


def test_a_name_that_does_not_resolve_says_so(wire: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kw: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(errors.ConnectFailed, match=r"idp\.example:443 could not be resolved") as caught:
        wire.post("https://idp.example/token")
    assert caught.value.sent is errors.Sent.NO


def test_a_host_label_that_is_too_long_says_so(wire: Driven) -> None:
    with pytest.raises(errors.ConnectFailed, match="could not be resolved"):
        wire.post(f"https://{'a' * 70}.example/token")


def test_a_header_that_is_no_header_does_not_show_its_value(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    request = build_request("GET", server.url, headers={"authorization": f"Bearer {CANARY}\r\nX-Evil: 1"})
    with pytest.raises(errors.WireError, match="no valid HTTP") as caught:
        wire.send(request)
    assert caught.value.sent is errors.Sent.NO
    assert server.requests == []
    assert_no_secret(caught.value)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────


def make_certificate(folder: Path, host: str = "127.0.0.1", *, expired: bool = False) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    alternative = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=-1 if expired else 1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}-{expired}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_self_signed_certificate_is_refused(wire: Driven, serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(answering(plain()), tls=server_context(make_certificate(tmp_path)))
    with pytest.raises(errors.ConnectFailed, match=r"certificate of 127.0.0.1:\d+ was not accepted.*self.signed") as e:
        wire.post(server.url)
    assert "SSL_CERT_FILE" in e.value.hint
    assert server.requests == []
    assert_no_secret(e.value)


@pytest.mark.parametrize(("host", "expired"), [("127.0.0.1", True), ("other.example", False)])
def test_a048_an_expired_or_foreign_certificate_is_refused_though_its_authority_is_trusted(
    wire: Driven,
    serve: Callable[..., Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    expired: bool,
) -> None:
    certificate = make_certificate(tmp_path, host, expired=expired)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(answering(plain()), tls=server_context(certificate))
    with pytest.raises(errors.ConnectFailed, match="was not accepted"):
        wire.post(server.url)
    assert server.requests == []


def test_ssl_cert_file_names_an_authority(
    wire: Driven, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(answering(plain()), tls=server_context(certificate))
    for _ in range(3):
        assert wire.post(server.url).status_code == 200
    assert server.connections == 1


def test_an_ssl_cert_file_that_is_not_there_says_so(wire: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authority.pem")
    with pytest.raises(errors.ConfigurationError) as caught, socket.create_server(("127.0.0.1", 0)) as silent:
        wire.post(f"https://127.0.0.1:{silent.getsockname()[1]}/")
    assert "SSL_CERT_FILE" in caught.value.hint


def test_a_server_without_tls_says_so(wire: Driven) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.ConnectFailed, match="No TLS connection"):
            wire.post(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(5)


def test_warm_tls_builds_the_context_once_for_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificate(tmp_path, "warm.example")))
    warm_tls()
    for thread in threading.enumerate():
        if thread.name == "authflow-tls":
            thread.join(5)
    warmed = tls_contexts[tls_key(True)]
    monkeypatch.setattr(httpx, "create_ssl_context", None)
    assert tls_context(True) is warmed
    assert warmed.verify_mode is ssl.CERT_REQUIRED
    assert warmed.check_hostname


# ── proxies ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def proxy(serve: Callable[..., Server]) -> Server:
    """Forwards plain requests itself; a CONNECT is joined to whatever listens at `target`."""

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if not request.startswith(b"CONNECT"):
            connection.sendall(plain(b'"by proxy"'))
            return True
        if server.refuse:  # type: ignore[attr-defined]
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return False
        with socket.create_connection(("127.0.0.1", server.target)) as upstream:  # type: ignore[attr-defined]
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            back.start()
            pump(connection, upstream)
            back.join(5)
        return False

    server = serve(behave)
    server.refuse = False  # type: ignore[attr-defined]
    server.target = 0  # type: ignore[attr-defined]
    return server


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_a063_loopback_never_goes_through_a_proxy(
    wire: Driven, serve: Callable[..., Server], proxy: Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    server = serve(answering(plain()))
    assert wire.get(f"http://{host}:{server.port}/").json() == {"access_token": "t"}
    assert proxy.connections == 0


def test_the_environments_proxy_is_used_for_others(
    wire: Driven, proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", f"//user:{CANARY}@"))
    assert wire.get("http://idp.example/x").json() == "by proxy"
    assert wire.get("http://idp.example/y").json() == "by proxy"
    assert proxy.requests[0].startswith(b"GET http://idp.example/x HTTP/1.1")
    assert b"proxy-authorization: basic" in proxy.requests[0].lower()
    assert proxy.connections == 1


def test_https_goes_through_the_proxy_as_a_tunnel(
    wire: Driven, serve: Callable[..., Server], proxy: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "idp.example")
    server = serve(answering(plain()), tls=server_context(certificate))
    proxy.target = server.port  # type: ignore[attr-defined]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    for _ in range(3):
        assert wire.post("https://idp.example/token").json() == {"access_token": "t"}
    assert proxy.connections == server.connections == 1
    assert proxy.requests[0].startswith(b"CONNECT idp.example:443 ")
    assert CANARY.encode() not in proxy.requests[0]


def test_a_proxy_that_refuses_says_so(wire: Driven, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.refuse = True  # type: ignore[attr-defined]
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//user:{CANARY}@"))
    with pytest.raises(errors.ConnectFailed, match=r"The proxy did not connect to idp\.example") as caught:
        wire.post("https://idp.example/token")
    assert_no_secret(caught.value)


def test_no_proxy_is_honoured(wire: Driven, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "idp.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **kw: [])
    with pytest.raises(errors.WireError):
        wire.get("http://login.idp.example/x", limits=Limits(seconds=0.3))
    assert proxy.connections == 0


def test_without_trust_env_no_proxy_is_used(
    drive: Callable[..., Driven], proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **kw: [])
    with pytest.raises(errors.WireError):
        drive(trust_env=False).get("http://idp.example/x", limits=Limits(seconds=0.3))
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("value", "kind"),
    [("gopher://proxy.example", errors.ConfigurationError), ("socks5://127.0.0.1:1", errors.MissingExtra)],
)
def test_a_proxy_that_cannot_be_used_says_so(
    wire: Driven, monkeypatch: pytest.MonkeyPatch, value: str, kind: type[errors.AuthflowError]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    if kind is errors.MissingExtra and _has_socksio():
        pytest.skip("socksio is installed")
    with pytest.raises(kind):
        wire.get("http://idp.example/x")


def _has_socksio() -> bool:
    try:
        import socksio  # noqa: F401
    except ImportError:
        return False
    return True


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fd00::1", "fec0::1", "ff02::1",
        "::ffff:169.254.169.254", "::ffff:a00:1", "64:ff9b::a00:1", "2002:7f00:1::", "::127.0.0.1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_an_address_off_the_public_internet_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.112.3", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_a_public_address_is_not(address: str) -> None:
    assert not is_private(address)


def public_only(request: httpx.Request) -> httpx.Request:
    request.extensions["authflow.private"] = False
    return request


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]"])
def test_a_private_address_is_refused_where_the_issuer_is_public(
    wire: Driven, serve: Callable[..., Server], host: str
) -> None:
    server = serve(answering(plain()))
    with pytest.raises(errors.ConnectFailed, match="private address") as caught:
        wire.send(public_only(post(f"http://{host}:{server.port}/")))
    assert caught.value.sent is errors.Sent.NO
    assert server.connections == 0


def test_a_name_with_a_private_address_is_refused_also_beside_a_public_one(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(plain()))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port)) for ip in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **kw: found)
    with pytest.raises(errors.ConnectFailed, match=r"idp\.example is a private address"):
        wire.send(public_only(post(f"http://idp.example:{server.port}/")))
    assert server.connections == 0


def test_a074_a_name_is_resolved_once_and_the_checked_address_is_connected_to(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    asked = []

    def rebind(host: Any, port: Any, *args: Any, **kw: Any) -> Any:
        if host in ("idp.example", b"idp.example"):
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "192.0.2.1", port, *args, **kw)
        return real(host, port, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    server = serve(answering(plain()))
    assert wire.post(f"http://idp.example:{server.port}/").status_code == 200
    assert len(asked) == 1
    assert f"host: idp.example:{server.port}".encode() in server.requests[0].lower()


def test_a_connection_opened_with_permission_does_not_serve_a_request_without(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **kw: real("127.0.0.1" if "idp" in str(host) else host, *a, **kw)
    )
    server = serve(answering(plain()))
    url = f"http://idp.example:{server.port}/"
    wire.post(url)
    with pytest.raises(errors.ConnectFailed, match="private address"):
        wire.send(public_only(post(url)))
    assert len(server.requests) == 1


def test_a_second_address_is_tried_when_the_first_refuses(
    wire: Driven, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(plain()))
    real = socket.getaddrinfo

    def both(host: Any, port: Any, *args: Any, **kw: Any) -> Any:
        if host in ("idp.example", b"idp.example"):
            return real("127.0.0.2", port, *args, **kw) + real("127.0.0.1", port, *args, **kw)
        return real(host, port, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert wire.post(f"http://idp.example:{server.port}/").status_code == 200


# ── a user's own client ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own(colour: str, drive: Callable[..., Driven]) -> Iterator[Callable[..., tuple[Driven, Any]]]:
    made: list[tuple[Driven, Any]] = []

    def start(**kw: Any) -> tuple[Driven, Any]:
        client = httpx.Client(**kw) if colour == "sync" else httpx.AsyncClient(**kw)
        made.append((drive(client), client))
        return made[-1]

    yield start
    for driven, client in made:
        if isinstance(client, httpx.Client):
            client.close()
        elif driven.loop:
            driven.loop.run_until_complete(client.aclose())


def test_a_users_client_is_used_and_not_closed(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    server = serve(answering(plain(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")))
    wire, client = own(trust_env=False)
    for _ in range(2):
        assert wire.post(server.url).json() == {"access_token": "t"}
    assert server.connections == 1
    if wire.loop:
        wire.loop.run_until_complete(wire.http.aclose())
    else:
        wire.http.close()
    assert not client.is_closed


def test_a_users_client_follows_no_redirect_and_adds_no_auth_or_cookie(
    own: Callable[..., Any], serve: Callable[..., Server]
) -> None:
    other = serve(answering(plain()))
    server = serve(answering(plain(b"", "307 Moved", f"Location: {other.url}/\r\nSet-Cookie: a=b\r\n")))
    wire, _ = own(follow_redirects=True, auth=("user", "password"), trust_env=False, cookies={"jar": "full"})
    for _ in range(2):
        with pytest.raises(errors.RedirectRefused):
            wire.get(server.url)
    assert b"authorization" not in server.requests[1].lower()
    assert b"cookie" not in server.requests[1].lower()
    assert other.connections == 0


def test_a_users_client_gets_the_cap(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    server = serve(answering(plain(bomb, headers="Content-Encoding: gzip\r\n")))
    wire, _ = own(trust_env=False)
    with pytest.raises(errors.ResponseTooLarge):
        wire.get(server.url)


def test_a_users_client_gets_the_deadline_between_parts(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    behave = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    server = serve(behave)
    wire, _ = own(trust_env=False)
    with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.4 seconds") as caught:
        wire.post(server.url, seconds=0.4)
    behave.stop.set()  # type: ignore[attr-defined]
    assert_no_secret(caught.value)


def test_a_silent_server_ends_a_users_client_too(own: Callable[..., Any]) -> None:
    wire, _ = own(trust_env=False, timeout=None)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(errors.DeadlineExceeded) as caught:
        wire.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.3)
    assert caught.value.sent is errors.Sent.UNKNOWN
    assert_no_secret(caught.value)


def test_a_users_clients_errors_do_not_carry_the_request(own: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wire, _ = own(trust_env=False)
    with pytest.raises(errors.ConnectFailed) as caught:
        wire.post(f"http://127.0.0.1:{port}/")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.__traceback__ is None
    assert_no_secret(caught.value)


def test_a_users_client_may_trust_its_own_authority(
    own: Callable[..., Any], serve: Callable[..., Server], tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    server = serve(answering(plain()), tls=server_context(certificate))
    wire, _ = own(verify=ssl.create_default_context(cafile=str(certificate)), trust_env=False)
    assert wire.post(server.url).status_code == 200


def test_a_users_hook_that_raises_for_status_is_named(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    def refuse(response: httpx.Response) -> None:
        response.raise_for_status()

    async def refuse_async(response: httpx.Response) -> None:
        response.raise_for_status()

    server = serve(answering(plain(b'{"error": "invalid_grant"}', "400 Bad Request")))
    wire, client = own(trust_env=False)
    client.event_hooks = {"response": [refuse if isinstance(client, httpx.Client) else refuse_async]}
    with pytest.raises(errors.WireError, match="event hook") as caught:
        wire.post(server.url)
    assert_no_secret(caught.value)


def test_a_users_hook_may_read_the_answer_first(own: Callable[..., Any], serve: Callable[..., Server]) -> None:
    def read(response: httpx.Response) -> None:
        response.read()

    async def read_async(response: httpx.Response) -> None:
        await response.aread()

    server = serve(answering(plain(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")))
    wire, client = own(trust_env=False)
    client.event_hooks = {"response": [read if isinstance(client, httpx.Client) else read_async]}
    assert wire.post(server.url).json() == {"access_token": "t"}


def test_a_mock_transport_will_do(drive: Callable[..., Driven]) -> None:
    wire = drive(httpx.MockTransport(lambda request: httpx.Response(200, json={"saw": request.method})))
    assert wire.post("https://idp.example/token").json() == {"saw": "POST"}


def test_a_mock_transports_error_is_cleaned(drive: Callable[..., Driven]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"lost while sending {CANARY}", request=request)

    with pytest.raises(errors.WireError) as caught:
        drive(httpx.MockTransport(fail)).post("https://idp.example/token")
    assert_no_secret(caught.value)


def test_a_users_closed_client_says_so(own: Callable[..., Any]) -> None:
    wire, client = own()
    if wire.loop:
        wire.loop.run_until_complete(client.aclose())
    else:
        client.close()
    with pytest.raises(errors.ManagerClosed):
        wire.get("http://127.0.0.1:1/")


def test_a_client_of_the_other_colour_is_refused(colour: str) -> None:
    class Other(httpx.AsyncBaseTransport if colour == "sync" else httpx.BaseTransport):  # type: ignore[misc]
        pass

    with pytest.raises(errors.ConfigurationError, match="http= got a Other"):
        Driven("sync", Other()) if colour == "sync" else AsyncHttp(Other())

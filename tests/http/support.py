"""Servers that behave as they are told, and both colours behind one face."""

from __future__ import annotations

import asyncio
import pickle
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from authflow import errors
from authflow.http import AsyncHttp, Http
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


def dripping(first: bytes) -> Callable[..., Any]:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(first)
        while not stop.wait(0.05):
            connection.sendall(b"x")
        return False

    stop = threading.Event()
    behave.stop = stop  # type: ignore[attr-defined]
    return behave


class Steps:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at


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

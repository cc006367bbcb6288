"""A real server on loopback that wants a bearer token, and remembers what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class API:
    """`accepts(token)` decides. `moves`: by path, where it redirects to, and with which status."""

    def __init__(self, accepts: Callable[[str], bool]) -> None:
        self.accepts = accepts
        self.moves: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, str | None, bytes]] = []  # method, path, Authorization, body
        self.proofs: list[str | None] = []  # of each
        self.url = ""

    @property
    def tokens(self) -> list[str | None]:
        return [authorization for _, _, authorization, _ in self.asked]


@contextmanager
def serve(accepts: Callable[[str], bool]) -> Iterator[API]:
    api = API(accepts)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            authorization = self.headers.get("authorization")
            api.proofs.append(self.headers.get("dpop"))
            api.asked.append((self.command, self.path, authorization, body))
            status, where = api.moves.get(self.path, (0, ""))
            if not status:
                status = 200 if api.accepts((authorization or "").removeprefix("Bearer ")) else 401
            self.send_response(status)
            self.send_header("content-length", "0")
            if where:
                self.send_header("location", where)
            if status == 401:
                self.send_header("www-authenticate", 'Bearer error="invalid_token"')
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

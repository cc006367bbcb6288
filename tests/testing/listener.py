"""What waits for the redirect on loopback, as an application would; made of the standard library alone."""

from __future__ import annotations

import http.server
import threading
from urllib.parse import parse_qsl, urlsplit


class Listener:
    """One port on loopback. `received` has the parameters of every redirect that arrived."""

    def __init__(self) -> None:
        received: list[dict[str, str]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                received.append(dict(parse_qsl(urlsplit(self.path).query)))
                self.answer()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append(dict(parse_qsl(body.decode())))
                self.answer()

            def answer(self) -> None:
                body = b"<form><button>not to be pressed</button></form>done"
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.received = received
        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}/callback"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

"""The loopback agent: opens the system browser and waits for the redirect on 127.0.0.1 (RFC 8252 §7.3).

One thread with a selector serves everything, h11 reads the HTTP. The socket is bound when the redirect URI
is made and stays bound until `close`, so no other program can take the port in between.

Rule 1: what is no callback (`arrivals.py`) is answered and forgotten; the wait goes on.
Rule 2: whoever connects is hostile: bounded bytes, bounded connections, a deadline for each.
Rule 3: the page waits for the true outcome, and for no longer than `Limits.answer_seconds`.
"""

from __future__ import annotations

import errno
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING

import h11
import msgspec

from ..threads import begin
from .arrivals import DEFAULT_LIMITS, Limits, Refused, check_head, explain, parse_form
from .base import CONTINUE, Deliver, Page, logger
from .binding import bind_loopback
from .browser import show_url
from .pages import headers, render
from .redirect import LoopbackPlan, plan_loopback

if TYPE_CHECKING:
    from ..providers.base import Provider


class Loopback:
    """`Loopback()` suits desktop, terminal and notebook programs on the human's own machine.

    `open_url` shows the URL in place of the system browser. `host` and `port` win over the provider's
    registration. `complete_page` is a whole HTML document shown after a success.
    """

    waits = True

    def __init__(
        self,
        open_url: Callable[[str], object] | None = None,
        host: str | None = None,
        port: int | None = None,
        complete_page: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._open_url = open_url
        self._host = host
        self._port = port
        self._complete_page = complete_page
        self._limits = limits

    def listen(self, provider: Provider) -> LoopbackListener:
        """A bound listener. Raises `ConfigurationError` when its port is taken or the redirect URI is not local."""
        plan = plan_loopback(provider, self._host, self._port)
        return LoopbackListener(
            plan, label=provider.label, complete_page=self._complete_page, limits=self._limits
        )

    def open(self, url: str) -> object:
        """Shows the URL; raises `InsecureURL` or `BrowserUnavailable`."""
        return show_url(url, self._open_url)


class LoopbackCallback:
    """A redirect that arrived here; its browser waits for `respond`."""

    __slots__ = ("_answer", "_lock", "params", "url")

    def __init__(self, url: str, params: Mapping[str, str] | None, answer: Callable[[Page], None]) -> None:
        self.url = url
        self.params = params
        self._answer: Callable[[Page], None] | None = answer
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<LoopbackCallback {'form_post' if self.params is not None else 'query'}>"

    def respond(self, page: Page) -> None:
        """Sends the page to the waiting browser. The first page counts; any thread may call it."""
        with self._lock:
            answer, self._answer = self._answer, None
        if answer is not None:
            answer(page)


class _Phase(Enum):
    READING = auto()  # the request is not complete
    WAITING = auto()  # a callback: the application has not answered
    WRITING = auto()  # the answer is on its way
    LINGERING = auto()  # all is written, the other side has not closed


class _Connection:
    """One socket and how far its only request has come."""

    __slots__ = ("body", "deadline", "outgoing", "parser", "phase", "request", "sock")

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self.sock = sock
        self.parser = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)
        self.phase = _Phase.READING
        self.deadline = monotonic() + limits.request_seconds
        self.request: h11.Request | None = None
        self.body = bytearray()
        self.outgoing = memoryview(b"")


class LoopbackListener:
    """Bound and accepting from construction; `start` begins to read. See `Listener`."""

    def __init__(
        self,
        plan: LoopbackPlan,
        *,
        label: str = "",
        complete_page: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._plan = plan
        self._label = label
        self._complete_page = complete_page
        self._limits = limits
        self._servers = bind_loopback(plan)
        self.port: int = self._servers[0].getsockname()[1]
        self.redirect_uri = plan.redirect_uri(self.port)
        self._authority = plan.authority(self.port)

        self._connections: dict[_Connection, None] = {}  # oldest first
        self._answers: deque[tuple[_Connection, Page]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<LoopbackListener {self.redirect_uri}>"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The addresses that are listened on; empty after `close`."""
        return [server.getsockname()[:2] for server in self._servers if server.fileno() >= 0]

    def start(self, deliver: Deliver) -> None:
        """Serves until `close`. A listener that was closed before stays closed."""
        with self._lock:
            if self._closing or self._thread is not None:
                return
            begin(f"authflow-loopback-{self.port}", partial(self._serve, deliver), partial(setattr, self, "_thread"))

    def close(self) -> None:
        """Answers whoever still waits, then closes every socket and ends the thread, within a second."""
        with self._lock:
            self._closing = True
            thread = self._thread
            if thread is None:
                self._release()
                return
        self._wake()
        if thread is threading.current_thread():
            return
        thread.join(self._limits.close_seconds)
        if thread.is_alive():  # it is inside deliver(): the port is freed without it
            for server in self._servers:
                server.close()

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────

    def _serve(self, deliver: Deliver) -> None:
        try:
            for server in self._servers:
                self._selector.register(server, selectors.EVENT_READ)
            self._selector.register(self._wake_receiver, selectors.EVENT_READ)
            while not self._closing:
                self._turn(deliver, until=None)
            self._wind_up(deliver)
        finally:
            self._release()

    def _turn(self, deliver: Deliver, until: float | None) -> None:
        """Waits for the next thing to happen, and does all that is due."""
        deadlines = [one.deadline for one in self._connections]
        if until is not None:
            deadlines.append(until)
        timeout = max(0.0, min(deadlines) - monotonic()) if deadlines else None

        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._wake_receiver:
                self._drain_wakes()
            elif isinstance(key.data, _Connection):
                self._serve_connection(key.data, deliver)
            else:
                self._accept(key.fileobj)
        self._send_answers()
        self._expire()

    def _wind_up(self, deliver: Deliver) -> None:
        """No new connection, a page for every callback, and half a second to deliver them."""
        for server in self._servers:
            self._forget(server)
        self._send_answers()
        for one in list(self._connections):
            if one.phase is _Phase.READING:
                self._drop(one)
            elif one.phase is _Phase.WAITING:
                self._answer(one, CONTINUE)
        until = monotonic() + self._limits.flush_seconds
        while self._connections and monotonic() < until:
            self._turn(deliver, until)

    def _serve_connection(self, one: _Connection, deliver: Deliver) -> None:
        if one not in self._connections:  # dropped earlier in this same turn
            return
        try:
            if one.phase is _Phase.READING:
                self._read(one, deliver)
            elif one.phase is _Phase.WRITING:
                self._write(one)
            else:
                self._linger(one)
        except OSError:
            self._drop(one)
        except Exception as error:
            logger.error("The loopback listener dropped a connection: %s", type(error).__name__)
            self._drop(one)

    def _accept(self, server: object) -> None:
        if not isinstance(server, socket.socket):
            return
        try:
            sock, _ = server.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # Out of file descriptors: the next turn would find the same connection waiting, at once.
            # Without this the loop would spin.
            if error.errno in (errno.EMFILE, errno.ENFILE) and not self._make_room():
                sleep(0.05)
            return
        sock.setblocking(False)
        if len(self._connections) >= self._limits.connections:
            self._make_room()
        one = _Connection(sock, self._limits)
        self._connections[one] = None
        self._selector.register(sock, selectors.EVENT_READ, one)

    def _make_room(self) -> bool:
        """Drops the oldest connection that has not said what it wants, else the oldest of all.

        A callback among them was delivered already; its browser loses only the page.
        """
        idle = (one for one in self._connections if one.phase in (_Phase.READING, _Phase.LINGERING))
        oldest = next(idle, None) or next(iter(self._connections), None)
        if oldest is None:
            return False
        self._drop(oldest)
        return True

    # ── one request ──────────────────────────────────────────────────────────────────────────────────

    def _read(self, one: _Connection, deliver: Deliver) -> None:
        data = one.sock.recv(4096)
        one.parser.receive_data(data)
        try:
            while True:
                event = one.parser.next_event()
                if event is h11.NEED_DATA:
                    if not data:
                        self._drop(one)
                    return
                if isinstance(event, h11.Request):
                    one.request = event
                    check_head(event, self._authority, self._plan.path, self._limits)
                elif isinstance(event, h11.Data):
                    one.body += event.data
                    if len(one.body) > self._limits.body_bytes:
                        raise Refused(413, "The form is too large.")
                elif isinstance(event, h11.EndOfMessage) and one.request is not None:
                    self._deliver(one, one.request, deliver)
                    return
                else:  # closed, or paused: nothing more can come
                    self._drop(one)
                    return
        except h11.RemoteProtocolError as error:
            self._refuse(one, explain(one.parser, error))
        except Refused as refused:
            self._refuse(one, refused)

    def _deliver(self, one: _Connection, request: h11.Request, deliver: Deliver) -> None:
        target = request.target.decode("ascii")
        origin = f"http://{self._authority}"
        if request.method == b"POST":
            pairs = parse_form(bytes(one.body), self._limits)
            params: dict[str, str] | None = dict(pairs)
            url = self.redirect_uri
            if params is not None and len(params) != len(pairs):
                # Doubled parameters are the session's to judge, and a mapping cannot hold them.
                params, url = None, f"{origin}{target.partition('?')[0]}?{bytes(one.body).decode('ascii')}"
        else:
            pairs = parse_form(target.partition("?")[2].encode(), self._limits)
            params, url = None, origin + (target if self._plan.path else target.removeprefix("/"))
        if not any(name in ("code", "state", "error", "response") for name, _ in pairs):
            page = Page(
                ok=False,
                neutral=True,
                title="Nothing has arrived",
                text="This is where the sign-in ends, but the address carries no answer of the provider.",
                hint="Go back to the application and start the sign-in there.",
            )
            self._answer(one, page, status=400)
            return

        one.phase = _Phase.WAITING
        one.deadline = monotonic() + self._limits.answer_seconds
        one.body.clear()
        self._selector.unregister(one.sock)
        callback = LoopbackCallback(url, params, lambda page: self._enqueue(one, page))
        try:
            deliver(callback)
        except Exception as error:
            logger.error("A callback could not be handed to its session: %s", type(error).__name__)
            callback.respond(
                Page(ok=False, title="The sign-in did not finish", text="The application met an error of its own.")
            )

    # ── the answer ───────────────────────────────────────────────────────────────────────────────────

    def _enqueue(self, one: _Connection, page: Page) -> None:
        self._answers.append((one, page))
        self._wake()

    def _send_answers(self) -> None:
        while self._answers:
            one, page = self._answers.popleft()
            if one in self._connections and one.phase is _Phase.WAITING:
                self._answer(one, page)

    def _answer(self, one: _Connection, page: Page, status: int | None = None) -> None:
        if page.ok and page.html is None and not page.neutral:
            page = msgspec.structs.replace(page, html=self._complete_page)
        body = render(page, self._label)
        self._begin_writing(one, status or (200 if page.ok else 400), headers(page), body)

    def _refuse(self, one: _Connection, refused: Refused) -> None:
        fields = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            *refused.extra,
        ]
        self._begin_writing(one, refused.status, fields, refused.text.encode())

    def _begin_writing(
        self, one: _Connection, status: int, fields: Iterable[tuple[str, str]], body: bytes
    ) -> None:
        response = h11.Response(
            status_code=status,
            headers=[*fields, ("Content-Length", str(len(body))), ("Connection", "close")],
        )
        parts = [one.parser.send(response)]
        if one.request is None or one.request.method != b"HEAD":
            parts.append(one.parser.send(h11.Data(data=body)))
        one.outgoing = memoryview(b"".join(part for part in parts if part))
        one.phase = _Phase.WRITING
        one.deadline = monotonic() + self._limits.write_seconds
        self._watch(one, selectors.EVENT_WRITE)

    def _write(self, one: _Connection) -> None:
        sent = one.sock.send(one.outgoing)
        one.outgoing = one.outgoing[sent:]
        if one.outgoing:
            return
        # Closing now, with bytes unread, would reset the connection and take the page with it.
        one.sock.shutdown(socket.SHUT_WR)
        one.phase = _Phase.LINGERING
        one.deadline = monotonic() + self._limits.linger_seconds
        self._watch(one, selectors.EVENT_READ)

    def _linger(self, one: _Connection) -> None:
        if not one.sock.recv(65536):
            self._drop(one)

    # ── small things ─────────────────────────────────────────────────────────────────────────────────

    def _expire(self) -> None:
        now = monotonic()
        for one in [each for each in self._connections if each.deadline <= now]:
            if one.phase is _Phase.WAITING:
                self._answer(one, CONTINUE)
            else:
                self._drop(one)

    def _watch(self, one: _Connection, events: int) -> None:
        try:
            self._selector.modify(one.sock, events, one)
        except KeyError:  # it was not watched while it waited for the application
            self._selector.register(one.sock, events, one)

    def _drop(self, one: _Connection) -> None:
        self._connections.pop(one, None)
        self._forget(one.sock)

    def _forget(self, sock: socket.socket) -> None:
        try:
            self._selector.unregister(sock)
        except (KeyError, ValueError):
            pass
        sock.close()

    def _wake(self) -> None:
        try:
            self._wake_sender.send(b"\0")
        except OSError:  # full: it will wake anyway; closed: there is nobody to wake
            pass

    def _drain_wakes(self) -> None:
        try:
            self._wake_receiver.recv(4096)
        except BlockingIOError:
            pass

    def _release(self) -> None:
        for one in list(self._connections):
            self._drop(one)
        for sock in (*self._servers, self._wake_receiver, self._wake_sender):
            sock.close()
        self._selector.close()

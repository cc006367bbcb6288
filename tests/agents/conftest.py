"""A provider, a raw HTTP client, a deliver that can be waited for, and one real headless Chromium."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from authflow.agents.base import Callback, Page
from authflow.agents.loopback import Loopback, LoopbackListener
from authflow.providers.base import Provider
from tests.real.browser import FLAGS, Chromium, find_chromium

PATIENCE = 10.0  # seconds until a test that waits for another thread gives up

SUCCESS = Page(ok=True, title="You are signed in", text="Signed in as Ada Lovelace.")
FAILURE = Page(
    ok=False,
    title="You are not signed in",
    text="The provider answered access_denied: you declined the request.",
    hint="Return to the application and try again.",
)


class Inbox:
    """A `deliver` for tests: keeps each callback; `reply` answers at once, on the listener's thread."""

    def __init__(self, reply: Page | None = None) -> None:
        self.reply = reply
        self.waiting: queue.Queue[Callback] = queue.Queue()
        self.threads: set[str] = set()

    def __call__(self, callback: Callback) -> None:
        self.threads.add(threading.current_thread().name)
        self.waiting.put(callback)
        if self.reply is not None:
            callback.respond(self.reply)

    def get(self) -> Callback:
        return self.waiting.get(timeout=PATIENCE)

    @property
    def empty(self) -> bool:
        return self.waiting.empty()


@pytest.fixture
def provider() -> Provider:
    return Provider("client", name="github", label="GitHub")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())  # a provider that other tests are served by is none of these
    yield
    left = [one for one in threading.enumerate() if one not in before and one.name.startswith("authflow-")]
    for one in left:
        one.join(PATIENCE)
    assert [one.name for one in left if one.is_alive()] == []


@pytest.fixture
def listen(provider: Provider) -> Iterator[Callable[..., LoopbackListener]]:
    """`listen(inbox, **settings)`: a started loopback listener, closed after the test."""
    opened: list[LoopbackListener] = []

    def start(
        deliver: Callable[[Callback], None], agent: Loopback | None = None, **settings: object
    ) -> LoopbackListener:
        chosen = agent or Loopback(**settings)  # type: ignore[arg-type]
        listener = chosen.listen(provider)
        opened.append(listener)
        listener.start(deliver)
        return listener

    yield start
    for one in opened:
        one.close()


def connect(listener: LoopbackListener) -> socket.socket:
    return socket.create_connection(listener.addresses[0], timeout=PATIENCE)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def ask(listener: LoopbackListener, request: bytes) -> bytes:
    """Sends raw bytes on a new connection; the whole answer."""
    with connect(listener) as sock:
        sock.sendall(request)
        return read_all(sock)


def get(listener: LoopbackListener, target: str, *headers: str, method: str = "GET", host: str | None = None) -> bytes:
    """The answer to one well-formed request."""
    return ask(listener, build_get(listener, target, *headers, method=method, host=host))


def build_get(
    listener: LoopbackListener, target: str, *headers: str, method: str = "GET", host: str | None = None
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{listener.port}'}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def build_post(
    listener: LoopbackListener, body: bytes, *headers: str, media_type: str = "application/x-www-form-urlencoded"
) -> bytes:
    head = build_get(
        listener,
        "/callback/github",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *headers,
        method="POST",
    )
    return head + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


class RebindingChromium(Chromium):
    """A real browser for which evil.test leads to 127.0.0.1, as after DNS rebinding."""

    async def _launch(self) -> None:
        from playwright.async_api import async_playwright

        flags = [*FLAGS, "--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"]
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(executable_path=self._path, args=flags)

    async def new_context(self, **settings: Any) -> Any:
        return await self._browser.new_context(**settings)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine gives; it runs on the browser's own loop."""
        return self.start(work).result(timeout=60)


@pytest.fixture(scope="session")
def chromium() -> Iterator[RebindingChromium]:
    path = find_chromium()
    if path is None:
        pytest.skip("a real browser is needed: apt-get install chromium (or put chromium on PATH)")
    with RebindingChromium(path) as running:
        yield running

"""The paste agent: shows the URL, and the human pastes the address back that the browser ended on.

For SSH, containers and remote kernels, where the human's browser cannot reach this machine (RFC 8252 leaves
that case open). The redirect URI has the loopback shape; nothing answers there, so the browser keeps the
whole address in its bar.

Rule 1: a paste that is not the redirect is asked for again; it ends nothing.
Rule 2: asking happens on the listener's own thread. The default `ask` wakes up when the listener is closed
(not on Windows). An `ask` of the application's own that blocks keeps that daemon thread until it returns;
it never keeps the process.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TextIO
from urllib.parse import parse_qsl, urlsplit

from ..errors import printable
from ..threads import begin
from .base import Deliver, Page, logger
from .browser import check_url
from .pages import DEFAULT_HINT
from .redirect import is_loopback_uri, plan_loopback

if TYPE_CHECKING:
    from ..providers.base import Provider

PROMPT = "Paste the address here: "
JOIN_SECONDS = 1.0
SETTLE_SECONDS = 0.2


class Paste:
    """`Paste()` uses the terminal; `ask` and `show` can be an application's own.

    `notice` is said first: why it is done this way. `terminal`: where the human is told and asked, standard output by
    default.
    `ask(prompt)` gives one line, or raises `EOFError` when there will be none; the login then waits for its
    deadline or its `cancel()`.
    """

    waits = True

    def __init__(
        self,
        ask: Callable[[str], str] | None = None,
        show: Callable[[str], object] | None = None,
        *,
        notice: str = "",
        terminal: TextIO | None = None,
    ) -> None:
        self.notice = notice
        self._ask = ask
        self._show: Callable[[str], object] = show or partial(print, file=terminal)
        self._terminal = terminal
        self._listeners: list[PasteListener] = []
        self._lock = threading.Lock()

    def listen(self, provider: Provider) -> PasteListener:
        """A listener whose redirect URI has a port of its own. Raises `ConfigurationError` as `plan_loopback` does.

        A `redirect_uri` of the provider that is not on loopback is used as it is.
        """
        listener = PasteListener(
            *_choose_redirect(provider),
            ask=self._ask,
            line=TerminalLine(self._terminal),
            show=self._show,
            done=self._forget,
        )
        with self._lock:
            self._listeners.append(listener)
        return listener

    def open(self, url: str) -> object:
        """Shows the URL and what to do with it. Raises `InsecureURL`."""
        check_url(url)
        with self._lock:
            waiting = list(self._listeners)
        ends_at = f"It begins with {waiting[-1].redirect_uri}" if waiting else "It holds code= and state="
        first = f"{self.notice}\n\n" if self.notice else ""
        self._show(
            f"{first}Open this URL in a browser, on any machine, and sign in:\n\n  {url}\n\n"
            "At the end the browser shows an address that it cannot load. That is expected.\n"
            f"{ends_at}. Copy the whole address and paste it here."
        )
        for listener in waiting:
            listener.shown.set()
        return None

    def _forget(self, listener: PasteListener) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)


class PasteCallback:
    """An address that the human pasted."""

    __slots__ = ("_answered", "page", "params", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.params: None = None
        self.page: Page | None = None
        self._answered = threading.Event()

    def __repr__(self) -> str:
        return "<PasteCallback query>"

    def respond(self, page: Page) -> None:
        """Hands over the outcome, which the listener's thread prints. The first one counts."""
        if self.page is None:
            self.page = page
        self._answered.set()

    def wait(self) -> Page | None:
        """The outcome; None when the listener was closed without one."""
        self._answered.wait()
        return self.page

    def give_up(self) -> None:
        self._answered.set()


class PasteListener:
    """Reads pasted addresses until one is accepted or it is closed. See `Listener`."""

    def __init__(
        self,
        redirect_uri: str,
        port_holder: socket.socket | None,
        *,
        ask: Callable[[str], str] | None,
        line: TerminalLine,
        show: Callable[[str], object],
        done: Callable[[PasteListener], None],
    ) -> None:
        self.redirect_uri = redirect_uri
        self.shown = threading.Event()  # the human has seen the URL: now there is something to ask
        self._port_holder = port_holder
        self._line = line
        self._ask = ask or self._line
        self._show = show
        self._done = done
        self._closed = threading.Event()
        self._pending: PasteCallback | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<PasteListener {self.redirect_uri}>"

    def start(self, deliver: Deliver) -> None:
        """Asks as soon as the agent has shown the URL. A listener that was closed before stays closed."""
        with self._lock:
            if self._closed.is_set() or self._thread is not None:
                return
            begin("authflow-paste", partial(self._serve, deliver), partial(setattr, self, "_thread"))

    def close(self) -> None:
        """Stops asking. An outcome that was given is printed first."""
        with self._lock:
            self._closed.set()
            thread, pending = self._thread, self._pending
        self.shown.set()
        self._line.stop()
        if pending is not None:
            pending.give_up()
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_SECONDS)
        if self._port_holder is not None:
            self._port_holder.close()
        if thread is None:
            self._line.close()
        self._done(self)

    def _serve(self, deliver: Deliver) -> None:
        try:
            self.shown.wait()
            while not self._closed.is_set():
                callback = self._next_callback()
                if callback is None or not self._register(callback):
                    return
                deliver(callback)
                page = callback.wait()
                if page is not None:
                    self._print(page)
                if page is None or page.ok:
                    return
                self._closed.wait(SETTLE_SECONDS)  # a login that has ended closes the listener about now
        except Exception as error:
            logger.error("The paste listener ended: %s", type(error).__name__)
        finally:
            self._line.close()

    def _register(self, callback: PasteCallback) -> bool:
        with self._lock:
            self._pending = callback
            return not self._closed.is_set()

    def _next_callback(self) -> PasteCallback | None:
        """Asks until what was pasted is the redirect; None when nobody will paste any more."""
        while not self._closed.is_set():
            try:
                line = self._ask(PROMPT)
            except EOFError:
                if not self._closed.is_set():
                    self._show("There is no more input, so no address can be pasted.")
                return None
            url, problem = read_paste(line, self.redirect_uri)
            if url is not None:
                return PasteCallback(url)
            if not self._closed.is_set():
                self._show(problem)
        return None

    def _print(self, page: Page) -> None:
        mark = "→" if page.neutral else "✓" if page.ok else "✗"
        hint = "" if page.hint in ("", DEFAULT_HINT) else f" {printable(page.hint)}"
        self._show(f"{mark} {printable(page.title)}: {printable(page.text)}{hint}")


def read_paste(line: str, redirect_uri: str) -> tuple[str | None, str]:
    """The redirect URL in what a human pasted, or None and what to tell the human.

    Quotes and angle brackets around it are taken off; a bare query (`code=…&state=…`) is completed.
    """
    text = line.strip().strip("\"'<>").strip()
    if not text:
        return None, f"That was empty. The address begins with {redirect_uri}"
    if not all("!" <= ch <= "~" for ch in text):
        return None, "That holds spaces or characters no address has. Copy it from the address bar, whole."

    if "://" not in text and text.startswith(("?", "code=", "state=", "error=", "iss=")):
        joint = "&" if urlsplit(redirect_uri).query else "?"
        text = f"{redirect_uri}{joint}{text.removeprefix('?')}"
    if not text.startswith((f"{redirect_uri}?", f"{redirect_uri}&")):
        return None, f"That is another address. The one that is needed begins with {redirect_uri}"
    try:
        names = {name for name, _ in parse_qsl(urlsplit(text).query, keep_blank_values=True, max_num_fields=64)}
    except ValueError:
        return None, "That is no answer of a provider."
    if "state" not in names or not names & {"code", "error"}:
        return None, "That address is cut off: it must hold state= and code=. Copy it from the address bar, whole."
    return text, ""


def _choose_redirect(provider: Provider) -> tuple[str, socket.socket | None]:
    """The redirect URI, and the socket that keeps its port from everybody else while it is in use."""
    registered = provider.redirect_uri
    if registered is not None and not is_loopback_uri(registered):
        return registered, None
    plan = plan_loopback(provider)
    if plan.port:
        return plan.redirect_uri(plan.port), None

    # Bound and not listening: a browser on this machine is refused, and no other program gets the code.
    holder = socket.socket(socket.AF_INET6 if plan.host == "::1" else socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.bind(("::1" if plan.host == "::1" else "127.0.0.1", 0))
        return plan.redirect_uri(holder.getsockname()[1]), holder
    except OSError:
        holder.close()
        return plan.redirect_uri(49152), None


class TerminalLine:
    """`input` that can be stopped: a thread blocked in `input` would hold standard input at exit. It prompts on
    `terminal`, standard output by default."""

    def __init__(self, terminal: TextIO | None = None) -> None:
        self._terminal = terminal
        self._receiver, self._sender = socket.socketpair()

    def __call__(self, prompt: str) -> str:
        """One line of standard input. Raises `EOFError` at its end, or after `stop`."""
        if self._terminal is not None:
            print(prompt, end="", file=self._terminal, flush=True)
            prompt = ""
        try:
            descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            return input(prompt)  # a notebook's or a test's own standard input
        if os.name == "nt":
            return input(prompt)
        print(prompt, end="", flush=True)
        return self._read(descriptor)

    def _read(self, descriptor: int) -> str:
        line, watched = bytearray(), True
        with selectors.DefaultSelector() as selector:
            selector.register(self._receiver, selectors.EVENT_READ)
            try:
                selector.register(descriptor, selectors.EVENT_READ)
            except PermissionError:  # a file or /dev/null: it never blocks
                watched = False
            while not line.endswith(b"\n"):
                ready = [key.fileobj for key, _ in selector.select(None if watched else 0)]
                if self._receiver in ready:
                    raise EOFError
                piece = os.read(descriptor, 1)
                if not piece:
                    break
                line += piece
        if not line:
            raise EOFError
        return line.decode("utf-8", "replace")

    def stop(self) -> None:
        """Wakes a reader with `EOFError`; the next one finds it too."""
        try:
            self._sender.send(b"\0")
        except OSError:
            pass

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()

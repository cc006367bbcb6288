"""The canary: every secret of a test, and everything that the library let out. Neither may be found in the other.

Rule 1: a secret counts in whole, percent-encoded, in base64 (at each of the three offsets) and in hex, and twelve
        characters of it in a row are enough. One that is shorter than that (a user code) counts in whole.
Rule 2: of an error the text, the traceback's text and every object that can be reached from it are searched. Only
        the frames are not: their local variables are the running program's own.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import pickle
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

import httpcore
import httpx
import msgspec

from authflow.diagrams.exports import EXPORTS, export
from authflow.errors import AuthflowError
from authflow.protocol.registration import ClientInformation
from authflow.records import Pending, SessionRecord, Token
from authflow.signals import SIGNALS
from authflow.stores import Conflict, MemoryStore
from authflow.trace.story import Trace

TELLING = 12  # so many characters of a secret in a row give it away
SHORTEST = 8  # a shorter value is part of ordinary words
LOGGERS = ("", "authflow", "asyncio", "blinker", "concurrent", "h11", "httpcore", "httpx", "joserfc", "transitions")
HUMAN = "authflow-scripted-browser"
NOT_OURS = (HUMAN, "authflow-dev-provider")  # the threads of the human and of the provider
HOLDERS = (httpx.Request, httpx.Response, httpcore.Request, httpcore.Response, Token, Pending, SessionRecord)
OPAQUE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, TracebackType, int, float, complex)


class Canary:
    """Collects; `leaks()` compares."""

    def __init__(self) -> None:
        self.earlier: set[str] = set()  # those of tests before this one
        self._secrets: set[str] = set()
        self._said: list[tuple[str, str]] = []
        self._held: list[str] = []
        self._sources: list[Callable[[], Iterable[str]]] = []

    # ── what must not get out ────────────────────────────────────────────────────────────────────────

    def note(self, *values: object) -> None:
        """Adds secrets; what is None or a short word is none."""
        self._secrets.update(value for value in values if isinstance(value, str) and len(value) >= 6)

    def note_token(self, token: Token | None) -> None:
        if token is not None:
            self.note(token.access_token, token.refresh_token, token.id_token)

    def note_key(self, jwk: bytes | None) -> None:
        """The private part of a key."""
        if jwk is not None:
            self.note(msgspec.json.decode(jwk)["d"])

    def watch(self, source: Callable[[], Iterable[str]]) -> None:
        """Whatever `source()` names at the end is secret."""
        self._sources.append(source)

    @property
    def secrets(self) -> set[str]:
        return self._secrets.union(*(source() for source in self._sources))

    # ── what got out ─────────────────────────────────────────────────────────────────────────────────

    def hear(self, where: str, text: str | bytes) -> None:
        self._said.append((where, text.decode("latin-1") if isinstance(text, bytes) else text))

    def show(self, where: str, thing: object) -> None:
        """What a program that prints `thing` shows."""
        self.hear(where, f"{thing!r}\n{thing!s}\n{thing}")

    def event(self, name: str, event: Any) -> None:
        self.show(f"event of {name}", event)
        self.hear(f"encoded event of {name}", msgspec.json.encode(event))
        self.hear(f"pickled event of {name}", pickle.dumps(event))
        self.surroundings()

    def surroundings(self) -> None:
        """The names of threads and tasks, which debuggers and log formats show."""
        self.hear("thread names", " ".join(thread.name for thread in threading.enumerate()))
        try:
            tasks = asyncio.all_tasks()
        except RuntimeError:
            return
        self.hear("tasks", " ".join(repr(task) for task in tasks))

    def error(self, error: BaseException) -> None:
        """An error that reached the application: its text, its chain, its attributes, its pickle."""
        where = type(error).__name__
        self.show(where, error)
        self.hear(f"traceback of {where}", "".join(traceback.format_exception(error)))
        for path, text in texts_of(error, where, self._held):
            self.hear(path, text)
        if isinstance(error, AuthflowError):
            self.show(f"{where}.info", error.info)
            self.hear(f"encoded {where}.info", msgspec.json.encode(error.info))
            self.trace(f"{where}.trace", error.trace)
            pickled = pickle.dumps(error)
            self.hear(f"pickled {where}", pickled)
            self.show(f"unpickled {where}", pickle.loads(pickled))

    def session(self, session: Any) -> None:
        """All that a session shows of itself to whoever asks without asking for a token."""
        for name in ("state", "live", "provider", "account", "owner", "user", "scopes", "expires_at", "expires_in",
                     "error", "reason", "attempt", "trace", "key", "auth"):  # fmt: skip
            self.show(f"session.{name}", getattr(session, name))
        self.show("session", session)
        self.hear("session.explain()", session.explain())
        self.hear("session.diagram()", session.diagram())
        self.hear("the session in a notebook", unpacked(session._repr_html_()))
        if session.user is not None:
            self.hear("the user's profile", repr(dict(session.user)))
            self.show("the user's groups", session.user.groups)

    def manager(self, manager: Any) -> None:
        self.show("manager", manager)
        self.show("manager.providers", manager.providers)
        self.show("manager.store", manager.store)
        self.show("a signal", manager.on_login)
        self.show("owner", manager.owner("nobody-in-particular"))
        self.hear("snapshot", repr(manager.snapshot()))
        self.hear("encoded snapshot", msgspec.json.encode(manager.snapshot()))
        self.trace("the manager's trace", manager.trace)
        for session in manager.sessions():
            self.session(session)

    def trace(self, where: str, trace: Trace | None) -> None:
        """What was recorded, in every form it can be given away in. (A PNG is the SVG's pixels.)"""
        if trace is not None:
            self.show(where, trace)
            for format in EXPORTS.keys() - {"png"}:
                self.hear(f"{where} as {format}", export(trace, format))
            self.hear(f"{where} in a notebook", unpacked(trace._repr_html_()))

    def listen(self, manager: Any) -> None:
        """Hears every signal of a manager."""
        for name in SIGNALS:
            if name != "on_receiver_error":
                getattr(manager, name).connect(self._receiver(name))
        manager.on_receiver_error.connect(self._hear_failure)

    def _receiver(self, name: str) -> Any:
        def receive(session: Any, event: Any) -> None:
            self.event(name, event)
            self.session(session)

        return receive

    def _hear_failure(self, session: Any, event: Any, **told: Any) -> None:
        # What the receiver raised is the application's own; all else that is told about it is ours.
        self.event("on_receiver_error", event)
        self.show("on_receiver_error signal=", told["signal"])

    @contextmanager
    def logs(self) -> Iterator[None]:
        """Hears every log record of the process, at DEBUG, but those of the human and of the provider."""
        handler = _Handler(self)
        loggers = [logging.getLogger(name) for name in LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        loggers[0].addHandler(handler)
        try:
            yield
        finally:
            loggers[0].removeHandler(handler)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

    # ── the comparison ───────────────────────────────────────────────────────────────────────────────

    def leaks(self) -> list[str]:
        """Where which secret got out; empty when none did."""
        telling = pieces_of(self.secrets)
        short = [secret for secret in self.secrets if SHORTEST <= len(secret) < TELLING]
        found = [f"{held} is kept by an error" for held in self._held]
        for where, text in self.told:
            found += [f"{where}: {secret!r} is in it" for secret in short if secret in text]
            for at in range(max(0, len(text) - TELLING + 1)):
                secret = telling.get(text[at : at + TELLING])
                if secret is not None:
                    found.append(f"{where}: {text[max(0, at - 60) : at + 40]!r} has a part of {secret[:80]!r}")
                    break
        return found

    @property
    def told(self) -> list[tuple[str, str]]:
        """All that got out: from where, and its text."""
        return list(dict.fromkeys(self._said))

    def heard(self, what: str) -> bool:
        """Whether anything was heard from there: a canary that hears nothing proves nothing."""
        return any(what in where for where, _ in self._said)


class _Handler(logging.Handler):
    def __init__(self, canary: Canary) -> None:
        super().__init__(logging.DEBUG)
        self._canary = canary
        self.setFormatter(logging.Formatter("%(name)s %(threadName)s %(message)s %(stack_info)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName in NOT_OURS:
            return
        self._canary.hear(f"log of {record.name}", self.format(record))
        self._canary.hear(f"log arguments of {record.name}", repr(record.args))


class NotingStore(MemoryStore):
    """A store that tells the canary every secret that is kept in it: verifiers and nonces that were never sent, too.

    `fails(call, key)` says which calls fail; what it raises is the store's own error.
    """

    def __init__(self, canary: Canary) -> None:
        super().__init__()
        self._canary = canary
        self.fails: Callable[[str, str], Exception | None] = lambda call, key: None

    def load(self, key: str) -> tuple[bytes, int] | None:
        self._fail("load", key)
        return super().load(key)

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        if data is not None:
            if key.startswith("pending/"):
                pending = msgspec.msgpack.decode(data, type=Pending)
                self._canary.note(pending.code_verifier, pending.nonce)
                self._canary.note_key(pending.dpop_key)
            elif key.startswith("client/"):
                known = msgspec.msgpack.decode(data, type=ClientInformation)
                self._canary.note(known.client_secret, known.registration_access_token)
            elif key.startswith(("session/", "attempt/")):
                record = msgspec.msgpack.decode(data, type=SessionRecord)
                self._canary.note_token(record.token)
                self._canary.note_key(record.dpop_key)
        self._fail("swap", key)
        return super().swap(key, expected, data, ttl)

    def _fail(self, call: str, key: str) -> None:
        error = self.fails(call, key)
        if error is not None:
            raise error


def unpacked(html: str) -> str:
    """A page, and beside it what the images in it are."""
    images = [base64.b64decode(one).decode() for one in re.findall("data:image/svg[+]xml;base64,([^\"]+)", html)]
    return "\n".join([re.sub("base64,[^\"]+", "", html), *images])


def forms_of(secret: str) -> Iterator[str]:
    """The ways in which one secret may be written."""
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield raw.hex()
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"-" * offset + raw).decode().rstrip("=")
            # The characters at both ends are made of the neighbours' bits as well.
            yield text[4 if offset else 0 : len(text) - 1]


def pieces_of(secrets: Iterable[str]) -> dict[str, str]:
    """Every telling piece of every form, and the secret it gives away."""
    pieces: dict[str, str] = {}
    for secret in secrets:
        # What stands before the first dot of a JWT says how it is signed, and the same in all of them.
        hidden = secret.partition(".")[2] if secret.startswith("eyJ") and secret.count(".") == 2 else secret
        # And so does what stands before the last colon of a request_uri.
        hidden = hidden.rpartition(":")[2] if hidden.startswith("urn:") else hidden
        for form in forms_of(hidden):
            for at in range(len(form) - TELLING + 1):
                pieces[form[at : at + TELLING]] = secret
    return pieces


def texts_of(root: object, where: str, held: list[str]) -> Iterator[tuple[str, str]]:
    """Every text that can be reached from an error. What it reaches of `HOLDERS` is added to `held`."""
    seen: dict[int, object] = {}
    todo: list[tuple[str, object]] = [(where, root)]
    while todo:
        path, found = todo.pop()
        if found is None or isinstance(found, OPAQUE) or id(found) in seen:
            continue
        seen[id(found)] = found
        if isinstance(found, str):
            yield path, found
        elif isinstance(found, (bytes, bytearray, memoryview)):
            yield path, bytes(found).decode("latin-1")
        elif isinstance(found, Mapping):
            todo += [(f"{path}[{key!r:.20}]", value) for key, value in list(found.items())]
            todo += [(f"a key of {path}", key) for key in list(found)]
        elif isinstance(found, (list, tuple, set, frozenset)):
            todo += [(f"{path}[{at}]", value) for at, value in enumerate(found)]
        else:
            if isinstance(found, HOLDERS):
                held.append(f"{path} ({type(found).__module__}.{type(found).__qualname__})")
            todo += [(f"{path}.{name}", value) for name, value in attributes_of(found)]


def attributes_of(thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, BaseException):
        for name in ("args", "__cause__", "__context__", "__notes__", "object", "doc", "filename"):
            yield name, getattr(thing, name, None)
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                yield name, getattr(thing, name)
            except AttributeError:
                continue

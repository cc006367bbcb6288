"""A store on the client: over the key-value storage that a framework keeps there (Flet, NiceGUI, a browser).

Who can read it: the client, and whoever sits before it; the records are sealed with a key that stays on the server.
After a crash: what the client has kept. It guards within one client and one `ClientStore`: such a storage has no
compare-and-swap, so two of them on one client (two tabs, two servers) may overwrite each other. A web application
of several processes keeps its sessions in a `RedisStore` or `SQLStore`, and on the client a cookie that names them.

Rule 1: every change of a session is written through, so what lies on the client is never a spent token.
Rule 2: functions that belong to an event loop are called on that loop, from any other thread, with a deadline. On
        the loop's own thread nobody may wait for them: there a read gives what was read last, a write is refused.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError, StoreError, whereabouts
from .base import Conflict, key_bytes
from .notices import Notices
from .queues import Queues

SECONDS: Final = 5.0  # that the client may take for one answer
_FORMAT: Final = "1"


class _Unreachable(StoreError):
    """The client cannot be asked on this thread."""


class _Entry(NamedTuple):
    data: bytes
    version: int
    until: float | None


class ClientStore:
    """Sessions in a storage of text by name, reached by three functions, sync or async:

    `get(name)` gives the text or None, `set(name, text)` keeps it, `delete(name)` forgets it. For Flet:
    `ClientStore(prefs.get, prefs.set, prefs.remove, loop=page.loop)`. `loop`: the event loop that the functions
    belong to; needed if they are async. `prefix` stands before every name. `timeout`: seconds for each call.
    """

    blocking = True
    durable = True

    def __init__(
        self,
        get: Callable[[str], str | Awaitable[str | None] | None],
        set: Callable[[str, str], object],
        delete: Callable[[str], object],
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        prefix: str = "authflow.",
        timeout: float = SECONDS,
        time: Callable[[], float] = time.time,
    ) -> None:
        self._get, self._set, self._delete = get, set, delete
        self._loop = loop
        self._prefix = prefix
        self._timeout = timeout
        self._time = time
        self._mutex = threading.RLock()
        self._queues = Queues()
        self._known: dict[str, _Entry | None] = {}  # what was read or written last
        self._listed: dict[str, float | None] | None = None
        self._closed = False
        self._notices = Notices()

    def __repr__(self) -> str:
        return f"ClientStore(prefix={self._prefix!r})"

    async def open(self) -> ClientStore:
        """Reads everything once. After that the store can be read on the event loop too; gives itself."""
        await asyncio.to_thread(self._read_all)
        return self

    def load(self, key: str) -> tuple[bytes, int] | None:
        key_bytes(key)
        try:
            with self._alone():
                entry = self._read(key)
        except _Unreachable:
            entry = self._last_known(key)
        return None if entry is None or self._is_over(entry.until) else (entry.data, entry.version)

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        key_bytes(key)
        with self._alone():
            entry = self._read(key)
            version = 0 if entry is None or self._is_over(entry.until) else entry.version
            if version != expected:
                return Conflict(version)
            if data is None:
                if entry is not None:
                    self._call(self._delete, self._name_of(key))
                    self._known[key] = None
                    self._list(key, present=False)
                made = 0
            else:
                now = self._time()
                # Microseconds: a version does not come back with its key.
                made = max(0 if entry is None else entry.version, expected, int(now * 1e6)) + 1
                kept = _Entry(data, made, None if ttl is None else now + ttl)
                if entry is None or (self._listed or {}).get(key, -1.0) != kept.until:
                    # Listed first: what is listed and not there does no harm.
                    self._list(key, present=True, until=kept.until)
                self._call(self._set, self._name_of(key), _encode(kept))
                self._known[key] = kept
        self._notices.tell(key)
        return made

    def lock(self, key: str, timeout: float) -> AbstractContextManager[bool]:
        key_bytes(key)
        return self._queues.hold(key, timeout)

    def keys(self, prefix: str) -> Iterator[str]:
        key_bytes(prefix)
        try:
            with self._alone():
                listed = self._read_list()
        except _Unreachable:
            if self._listed is None:
                raise
            listed = self._listed
        return iter([key for key in tuple(listed) if key.startswith(prefix) and self.load(key) is not None])

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return self._notices.add(notice)

    def close(self) -> None:
        self._closed = True
        self._notices.close()

    # ── names and values ─────────────────────────────────────────────────────────────────────────────

    def _name_of(self, key: str) -> str:
        return f"{self._prefix}={key}"

    def _read(self, key: str) -> _Entry | None:
        text = self._call(self._get, self._name_of(key))
        entry = None if text is None else _decode(text)
        self._known[key] = entry
        return entry

    def _read_all(self) -> None:
        with self._alone():
            for key in self._read_list():
                self._read(key)

    def _read_list(self) -> dict[str, float | None]:
        """The keys that may be there, and until when; such a storage need not be able to list its names."""
        text = self._call(self._get, self._prefix + "keys")
        try:
            found = {} if text is None else json.loads(text)
            listed = {str(key): None if until is None else float(until) for key, until in found.items()}
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise _foreign() from None
        self._listed = listed
        return listed

    def _list(self, key: str, *, present: bool, until: float | None = None) -> None:
        before = self._read_list()
        after = {name: end for name, end in before.items() if name != key and not self._is_over(end)}
        if present:
            after[key] = until
        if after == before:
            return
        for name in before.keys() - after.keys() - {key}:
            self._call(self._delete, self._name_of(name))
            self._known[name] = None
        self._call(self._set, self._prefix + "keys", json.dumps(after))
        self._listed = after

    def _is_over(self, until: float | None) -> bool:
        return until is not None and self._time() >= until

    # ── the functions ────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread at a time. The loop's own never waits: whoever is at work may be waiting for the loop."""
        if not self._mutex.acquire(blocking=not self._on_loop()):
            raise _unreachable()
        try:
            yield
        finally:
            self._mutex.release()

    def _on_loop(self) -> bool:
        if self._loop is None:
            return False
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _last_known(self, key: str) -> _Entry | None:
        if key in self._known:
            return self._known[key]
        if self._listed is not None and key not in self._listed:
            return None
        raise _unreachable()

    def _call(self, function: Callable[..., Any], *given: str) -> Any:
        """What the function gives, on its loop if it has one. Raises `StoreError`."""
        if self._closed:
            raise StoreError("The store was closed.", hint="Open it again; the data is there.")
        try:
            if self._loop is None or self._on_loop():
                return self._at_once(function(*given))
            return self._ask_loop(function, *given)
        except (StoreError, ConfigurationError):
            raise
        except TimeoutError:
            raise StoreError(
                f"The client did not answer within {self._timeout:g} s.",
                hint="It may be disconnected; it is asked again at the next change.",
            ) from None
        except Exception as error:
            raise StoreError(
                f"The client's storage failed: {whereabouts(error)}.", hint="Check that the client is connected."
            ) from None

    def _at_once(self, answer: Any) -> Any:
        if not inspect.isawaitable(answer):
            return answer
        if inspect.iscoroutine(answer):
            answer.close()
        if self._loop is not None:
            raise _unreachable()
        raise ConfigurationError(
            "The client's storage is async, and its event loop is not known.",
            hint="ClientStore(get, set, delete, loop=asyncio.get_running_loop())",
        )

    def _ask_loop(self, function: Callable[..., Any], *given: str) -> Any:
        async def ask() -> Any:
            answer = function(*given)
            return await answer if inspect.isawaitable(answer) else answer

        loop = self._loop
        if loop is None or not loop.is_running():
            raise StoreError("The event loop of the client's storage does not run.", hint="Its client has gone.")
        asked = asyncio.run_coroutine_threadsafe(ask(), loop)
        try:
            return asked.result(self._timeout)
        finally:
            asked.cancel()


def _encode(entry: _Entry) -> str:
    until = "-" if entry.until is None else repr(entry.until)
    return f"{_FORMAT} {entry.version} {until} {base64.urlsafe_b64encode(entry.data).decode()}"


def _decode(text: object) -> _Entry:
    try:
        if not isinstance(text, str):
            raise ValueError
        form, version, until, data = text.split(" ")
        if form != _FORMAT or int(version) < 1:
            raise ValueError
        decoded = base64.b64decode(data, altchars=b"-_", validate=True)
        return _Entry(decoded, int(version), None if until == "-" else float(until))
    except ValueError:
        raise _foreign() from None


def _unreachable() -> _Unreachable:
    return _Unreachable(
        "The client's storage is async, and its event loop cannot wait for it here.",
        hint="Once, before the first session is looked at: await store.open()",
    )


def _foreign() -> StoreError:
    return StoreError(
        "What the client keeps under this name is not this store's, or it was changed.",
        hint="It was left as it is. Use another prefix=…, or remove it and sign in again.",
    )

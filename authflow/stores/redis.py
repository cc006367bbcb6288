"""A store in Redis or Valkey: for web applications of several processes and machines.

Who can read it: whoever may read the server; the records are sealed. After a crash of any process: the last swap
that the server answered. After a crash of the server: what its own persistence kept (`appendonly yes`); with an
eviction policy other than `noeviction` it may throw sessions away. Any number of processes may share it.

Rule 1: a swap is one script on the server. Sent twice, because a connection broke, it counts once.
Rule 2: there is no lock: one with a time to live can lapse while its holder still works. `lock` yields True, and
        what guards a renewal is its claim, a swap.
Rule 3: a new key's version is the server's clock in microseconds, so a version does not come back with its key.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from ..errors import ConfigurationError, MissingExtra, StoreError
from ..forks import Renewed, mind_forks
from .base import Conflict, key_bytes
from .listening import HEAR_SECONDS, listening
from .notices import Notices

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:
    raise MissingExtra(
        "A RedisStore needs the package redis.", hint="Install it: pip install 'authflow-sessions[redis]'"
    ) from None

SECONDS: Final = 5.0  # that one call may take
_PAGE: Final = 500

# What a fork left of the parent's: in the child it is neither used nor closed.
_abandoned: list[object] = []

# KEYS: the hash. ARGV: expected version, whose swap it is, "1" to remove, time to live in ms or "", channel, notice,
# data. A version is below 2^53, so Lua's numbers hold it exactly; they would be printed as 1.7e+15.
_SWAP: Final = """
local version = tonumber(redis.call('HGET', KEYS[1], 'v') or '0')
if version ~= tonumber(ARGV[1]) then
  if redis.call('HGET', KEYS[1], 'w') == ARGV[2] then return {1, string.format('%.0f', version)} end
  return {0, string.format('%.0f', version)}
end
if ARGV[3] == '1' then
  if redis.call('DEL', KEYS[1]) == 1 then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
  return {1, '0'}
end
local now = redis.call('TIME')
local made = string.format('%.0f', math.max(version + 1, now[1] * 1000000 + now[2]))
redis.call('HSET', KEYS[1], 'v', made, 'w', ARGV[2], 'd', ARGV[7])
if ARGV[4] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {1, made}
"""


class RedisStore(Renewed):
    """Sessions on the server at `server`: a URL (`redis://`, `rediss://`, `unix://`), or a `redis.Redis` of yours,
    which must have a `socket_timeout` and keep bytes as bytes.

    `prefix` stands before every key; two programs on one server need two. `timeout`: seconds for each call. A
    process that forks while threads use the store should have passed a URL.
    """

    blocking = True
    durable = True

    def __init__(self, server: str | redis.Redis, *, prefix: str = "authflow:", timeout: float = SECONDS) -> None:
        self._make: Callable[[], redis.Redis] | None = None
        if isinstance(server, str):
            self._make = partial(_connect, server, timeout)
            self._client = self._make()
        else:
            self._client = _checked(server)
        self._prefix = prefix.encode()
        self._channel = self._prefix + b"changes"
        self._script = self._client.register_script(_SWAP)
        self._name = secrets.token_hex(8)
        self._closed = threading.Event()
        self._notices = Notices(partial(listening, self._subscribe, partial(self.keys, "")), every=0.01)
        mind_forks(self)

    def __repr__(self) -> str:
        return f"RedisStore(prefix={self._prefix.decode()!r})"  # a URL may hold a password

    def load(self, key: str) -> tuple[bytes, int] | None:
        name = self._prefix + key_bytes(key)
        with self._explained():
            data, version = self._client.hmget(name, ["d", "v"])
        return (data, int(version)) if isinstance(data, bytes) and version is not None else None

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        name = key_bytes(key)
        with self._explained():
            done, version = self._script(
                keys=[self._prefix + name],
                args=[
                    expected,
                    secrets.token_bytes(12),
                    b"1" if data is None else b"0",
                    b"" if ttl is None else max(1, int(ttl * 1000)),
                    self._channel,
                    self._signature() + name,
                    data or b"",
                ],
            )
        if not done:
            return Conflict(int(version))
        self._notices.tell(key)
        return int(version)

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[bool]:
        key_bytes(key)
        yield True

    def keys(self, prefix: str) -> Iterator[str]:
        start = self._prefix + key_bytes(prefix)
        with self._explained():
            found = set(self._client.scan_iter(match=_literally(start) + b"*", count=_PAGE))
        return iter([name[len(self._prefix) :].decode() for name in found])

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return self._notices.add(notice)

    def close(self) -> None:
        self._closed.set()
        self._notices.close()
        if self._make is not None:
            self._client.close()

    # ── what other processes did ─────────────────────────────────────────────────────────────────────

    def _signature(self) -> bytes:
        """Whose change a notice is about; a forked child is somebody else."""
        return f"{self._name}{os.getpid():x} ".encode()

    def _subscribe(self) -> _Subscription:
        with self._explained():
            pubsub = self._client.pubsub()  # type: ignore[no-untyped-call]
            try:
                pubsub.subscribe(self._channel)
                pubsub.get_message(timeout=SECONDS)  # the server's word that it listens
            except BaseException:
                pubsub.close()
                raise
        return _Subscription(self, pubsub)

    # ── a fork ───────────────────────────────────────────────────────────────────────────────────────

    def after_fork_in_child(self) -> None:
        """The pool of the client has a lock that another thread may have held; a client of the user's is theirs."""
        _abandoned.append(self._client)
        if self._make is not None:
            self._client = self._make()
            self._script = self._client.register_script(_SWAP)

    # ── errors ───────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What goes wrong in it becomes a `StoreError`. The server's own words are left out."""
        if self._closed.is_set():
            raise StoreError("The store was closed.", hint="Open it again; the data is there.")
        try:
            yield
        except (redis.RedisError, OSError) as error:
            why, hint = _explain(error)
            raise StoreError(f"The Redis server cannot be used: {why}.", hint=hint) from None


class _Subscription:
    """What other processes publish of their changes."""

    def __init__(self, store: RedisStore, pubsub: Any) -> None:
        self._store = store
        self._pubsub = pubsub

    def hear(self) -> Iterable[str]:
        store, pubsub, found = self._store, self._pubsub, dict[str, None]()
        mine = store._signature()
        with store._explained():
            message = pubsub.get_message(timeout=HEAR_SECONDS)
            while message is not None:
                if message["type"] == "subscribe":
                    found.update(dict.fromkeys(store.keys("")))  # it was connected again: what was missed?
                elif not message["data"].startswith(mine):
                    found[message["data"].partition(b" ")[2].decode()] = None
                message = pubsub.get_message(timeout=0.0)
        return found

    def close(self) -> None:
        with suppress(redis.RedisError, OSError):
            self._pubsub.close()


def _connect(url: str, timeout: float) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            health_check_interval=30,
            # A connection that the server closed while it was idle is made again; a time-out is an answer.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            decode_responses=False,
        )
    except ValueError:
        raise ConfigurationError(
            "This is no URL of a Redis server.", hint="Write redis://host:6379/0, rediss://… or unix:///path."
        ) from None


def _checked(client: redis.Redis) -> redis.Redis:
    settings = client.get_connection_kwargs() if isinstance(client, redis.Redis) else None
    if settings is None:
        raise ConfigurationError(
            f"A {type(client).__name__} is no client for a RedisStore.", hint="Pass a URL, or a redis.Redis."
        )
    if settings.get("decode_responses"):
        raise ConfigurationError("This client turns bytes into text.", hint="Make it with decode_responses=False.")
    if not settings.get("socket_timeout"):
        raise ConfigurationError(
            "This client would wait for ever for a server that hangs.", hint=f"Make it with socket_timeout={SECONDS}."
        )
    return client


def _explain(error: Exception) -> tuple[str, str]:
    match error:
        case redis.AuthenticationError() | redis.exceptions.NoPermissionError():
            return "it does not let this user in", "Check user, password and access rules (ACL)."
        case redis.TimeoutError():
            return "it did not answer in time", "Look at the server's load and at the network."
        case redis.exceptions.OutOfMemoryError():
            return "its memory is full", "Raise maxmemory, or let other data expire."
        case redis.ReadOnlyError():
            return "it is a replica, which cannot be written", "Connect to the primary."
        case redis.ConnectionError() | OSError():
            return "there is no connection", "Check that it runs, and its address."
        case _:
            return f"it answered with an error ({type(error).__name__})", "Check its log and the key prefix."


def _literally(text: bytes) -> bytes:
    """A glob pattern that only `text` fits."""
    return re.sub(rb"([*?\[\]^\\])", rb"\\\1", text)

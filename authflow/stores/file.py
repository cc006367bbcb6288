"""A store in a folder: one file per key. The choice of a desktop or command-line program.

Who can read it: this user (files 0600, folder 0700) and root. After a crash or a power cut: each record is the
old one or the new one, whole. Processes on one machine may share it; a network file system only if it has
working locks.

    write a new file beside it → fsync → rename over the old one → fsync of the folder

Rule 1: readers take no lock: they see the old file or the new one. Writers of a key take its swap lock, for the
        swap only. `lock(key)` is another file, which may be held for as long as a provider takes to answer.
Rule 2: what cannot be understood (torn, newer, not ours) is an error and stays as it is: it is not "no record".
Rule 3: a removed key's last version is kept in a file of 8 bytes, so no version ever comes back.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, overload

from ..errors import ConfigurationError, StoreError
from . import disk
from .base import Conflict, key_bytes
from .locks import LockFiles, key_lock_name
from .notices import Look, Notices

_log = logging.getLogger("authflow.stores")

FORMAT: Final = 1
_MAGIC: Final = b"authflow"
_PREFACE: Final = struct.Struct(">8sBI")  # magic, format, CRC-32 of all that follows
_HEADER: Final = struct.Struct(">QdIQ")  # version, expiry (seconds since the epoch, 0: none), length of key, of data
_VERSION: Final = struct.Struct(">Q")
_FIRST_READ: Final = 4096  # bytes: enough for the header and nearly every key
_SUFFIX: Final = ".entry"
_NEW: Final = ".new"
_STRIPES: Final = 16  # swap locks: two keys may share one
_SWEEP_EVERY: Final = 256  # swaps of this process
_LOOKS_AFTER_CHANGE: Final = 5  # a folder's time has a grain of up to 2 s: one change may hide behind another


class _Entry(NamedTuple):
    version: int
    expires: float
    key: bytes
    data: bytes
    raw: bytes


class FileStore:
    """Sessions in `folder`, which is made if it is missing (0700).

    `busy_timeout`: seconds until a swap gives up on a lock that another process holds. `watch_every`: seconds
    between two looks at what other processes changed. `time` is for the time to live only.
    Raises `StoreError` if the folder is a link, another user's, or one that others may write in.
    """

    blocking = True
    durable = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        busy_timeout: float = 10.0,
        watch_every: float = 0.5,
        time: Callable[[], float] = time.time,
    ) -> None:
        self.folder = disk.full_path(folder, "FileStore", "sessions")
        self.key_ring: Callable[[], object] | None = None  # where its program's sealing key is, if it knows
        self._busy_timeout = busy_timeout
        self._time = time
        disk.make_private_folder(self.folder)
        self._locks = LockFiles(self.folder, self._check)
        self._notices = Notices(self._start_looking, every=watch_every)
        self._swaps = 0
        self._counting = threading.Lock()

    @classmethod
    def for_app(cls, name: str, *, busy_timeout: float = 10.0, watch_every: float = 0.5) -> FileStore:
        """The store of a desktop program, where the system keeps such things for this user: on Linux
        `~/.local/state/NAME/sessions`, on macOS in `~/Library/Application Support`, on Windows in `AppData\\Local`.
        A manager finds its sealing key by itself: `sealing.find_key(name)`.
        """
        import platformdirs

        if not re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]+", name) or name.strip(" .") != name:
            raise ConfigurationError(
                "The name of an application becomes the name of a folder.", hint="Use letters, digits and dashes."
            )
        folder = platformdirs.user_state_path(name, appauthor=False) / "sessions"
        store = cls(folder, busy_timeout=busy_timeout, watch_every=watch_every)
        store.key_ring = partial(_find_key, name)
        return store

    def __repr__(self) -> str:
        return f"FileStore({str(self.folder)!r})"

    def load(self, key: str) -> tuple[bytes, int] | None:
        self._check()
        entry = self._read(self._path(key), key_bytes(key))
        return None if entry is None or self._is_over(entry) else (entry.data, entry.version)

    def swap(self, key: str, expected: int, data: bytes | None, ttl: float | None = None) -> int | Conflict:
        path = self._path(key)
        with self._swapping(path.name):
            entry = self._read(path, key_bytes(key))
            version = 0 if entry is None or self._is_over(entry) else entry.version
            if version != expected:
                return Conflict(version)
            if data is None:
                made = 0
                if entry is not None:
                    self._remove(path, entry)
            else:
                made = max(0 if entry is None else entry.version, self._last_version(path.name)) + 1
                expires = 0.0 if ttl is None else self._time() + ttl
                self._write(path, _packed(made, expires, key_bytes(key), data), made, entry)
        self._notices.tell(key)
        with self._counting:
            due = self._swaps % _SWEEP_EVERY == 0
            self._swaps += 1
        if due:
            self._sweep()
        return made

    def lock(self, key: str, timeout: float) -> AbstractContextManager[bool]:
        key_bytes(key)
        return self._locks.hold(key_lock_name(key), timeout)

    def keys(self, prefix: str) -> Iterator[str]:
        self._check()
        wanted = key_bytes(prefix)
        found = []
        for path in self._entries():
            entry = self._peek(path)
            if entry is not None and entry.key.startswith(wanted) and not self._is_over(entry):
                found.append(entry.key.decode())
        return iter(found)

    def watch(self, notice: Callable[[str], None]) -> Callable[[], None]:
        return self._notices.add(notice)

    def close(self) -> None:
        self._notices.close()

    # ── one record ───────────────────────────────────────────────────────────────────────────────────

    def _path(self, key: str) -> Path:
        return self.folder / _name(key_bytes(key))

    def _check(self) -> None:
        disk.check_folder(self.folder)

    def _is_over(self, entry: _Entry) -> bool:
        return entry.expires != 0.0 and self._time() >= entry.expires

    def _read(self, path: Path, key: bytes) -> _Entry | None:
        try:
            raw = disk.read_private(path)
        except OSError as error:
            raise disk.disk_error(f"The record {path} cannot be read", error) from error
        if raw is None:
            return None
        entry = _unpacked(path, raw)
        if entry.key != key:
            raise _unfit(path, "it is another key's record under this name")
        return entry

    def _write(self, path: Path, raw: bytes, version: int, old: _Entry | None) -> None:
        new = path.with_suffix(_NEW)
        try:
            disk.write_new(new, raw)
            try:
                disk.replace(new, path)
            except OSError:
                with suppress(OSError):
                    os.unlink(new)
                raise
        except OSError as error:
            raise disk.disk_error(f"The record {path} cannot be written", error) from error
        try:
            disk.sync_folder(self.folder)
        except OSError as error:
            self._put_back(path, version, old)
            raise disk.disk_error(f"The record {path} cannot be made durable", error) from error

    def _remove(self, path: Path, old: _Entry) -> None:
        try:
            # Before it goes: nobody may find neither the record nor its last version.
            self._keep_version(path.name, old.version)
            os.unlink(path)
        except OSError as error:
            raise disk.disk_error(f"The record {path} cannot be removed", error) from error
        try:
            disk.sync_folder(self.folder)
        except OSError as error:
            self._put_back(path, old.version, old)
            raise disk.disk_error(f"The removal of {path} cannot be made durable", error) from error

    def _put_back(self, path: Path, version: int, old: _Entry | None) -> None:
        """Undoes a swap that readers may have seen: the old bytes return, the version does not."""
        try:
            with suppress(OSError, StoreError):
                self._keep_version(path.name, version)
            if old is None:
                os.unlink(path)
            else:
                disk.write_new(path.with_suffix(_NEW), old.raw)
                disk.replace(path.with_suffix(_NEW), path)
        except OSError as error:
            raise StoreError(
                f"The record {path} was written, but not made durable, and could not be put back.",
                hint="The disk reports errors: check it. The record is whole, and either the old or the new one.",
            ) from error

    # ── versions of removed keys, swap locks ─────────────────────────────────────────────────────────

    @contextmanager
    def _swapping(self, name: str, timeout: float | None = None) -> Iterator[None]:
        wait = self._busy_timeout if timeout is None else timeout
        with self._locks.hold(f"swap-{_stripe(name)}.lock", wait, poll=0.002) as got:
            if not got:
                raise StoreError(
                    f"Another process has been writing in {self.folder} for {wait:g} s.",
                    hint="Look for a stopped process of this program, then try again.",
                )
            yield

    def _last_version(self, name: str) -> int:
        """The highest version that a removed key of this name's group had."""
        path = self.folder / f"last-{_stripe(name)}.version"
        try:
            raw = disk.read_private(path)
        except OSError as error:
            raise disk.disk_error(f"{path} cannot be read", error) from error
        if not raw:
            return 0  # nothing was removed yet; or the disk was full when the first removal began
        if len(raw) != _VERSION.size:
            raise _unfit(path, "it is not the number that this store wrote")
        return int(_VERSION.unpack(raw)[0])

    def _keep_version(self, name: str, version: int) -> None:
        if version > self._last_version(name):
            disk.overwrite(self.folder / f"last-{_stripe(name)}.version", _VERSION.pack(version))

    # ── all records ──────────────────────────────────────────────────────────────────────────────────

    def _entries(self) -> list[Path]:
        try:
            with os.scandir(self.folder) as listing:
                return [self.folder / item.name for item in listing if item.name.endswith(_SUFFIX)]
        except OSError as error:
            raise disk.disk_error(f"The folder {self.folder} cannot be read", error) from error

    def _peek(self, path: Path) -> _Entry | None:
        """Key, version and expiry only. None if it is gone, or unfit: whoever loads it is told why."""
        try:
            start = disk.read_private(path, _FIRST_READ)
            if start is None:
                return None
            if (entry := _unpacked(path, start, start_only=True)) is None:
                whole = disk.read_private(path)
                entry = None if whole is None else _unpacked(path, whole)
            if entry is not None and _name(entry.key) != path.name:
                raise _unfit(path, "its name is not that of the key in it")
            return entry
        except StoreError as error:
            _log.warning("%s", error.message)
        except OSError as error:
            _log.warning("The record %s cannot be read: %s.", path, error.strerror)
        return None

    def _sweep(self) -> None:
        """Removes records past their time, and files that a dead process began. Never worth an error."""
        try:
            with os.scandir(self.folder) as listing:
                names = [item.name for item in listing]
        except OSError:
            return
        for name in names:
            path = self.folder / name
            begun = name.endswith(_NEW)
            if not begun and not self._is_past(path):
                continue
            with suppress(StoreError, OSError), self._swapping(name, timeout=0.0):
                if begun:
                    os.unlink(path)
                elif self._is_past(path) and (entry := self._peek(path)) is not None:
                    self._keep_version(name, entry.version)
                    os.unlink(path)

    def _is_past(self, path: Path) -> bool:
        entry = self._peek(path) if path.suffix == _SUFFIX else None
        return entry is not None and self._is_over(entry)

    # ── what other processes did ─────────────────────────────────────────────────────────────────────

    @contextmanager
    def _start_looking(self) -> Iterator[Look]:
        folder = self._folder_time()
        known = self._versions()
        left = _LOOKS_AFTER_CHANGE

        def look() -> Iterable[str]:
            nonlocal folder, known, left
            now = self._folder_time()
            left = _LOOKS_AFTER_CHANGE if now != folder else left - 1
            if left < 0:
                return ()
            folder = now
            before, known = known, self._versions()
            changed = {found[0] for name, found in known.items() if before.get(name) != found}
            changed.update(found[0] for name, found in before.items() if name not in known)
            return changed

        yield look

    def _folder_time(self) -> int:
        self._check()
        try:
            return os.stat(self.folder).st_mtime_ns
        except OSError as error:
            raise disk.disk_error(f"The folder {self.folder} cannot be read", error) from error

    def _versions(self) -> dict[str, tuple[str, int]]:
        entries = ((path.name, self._peek(path)) for path in self._entries())
        return {name: (entry.key.decode(), entry.version) for name, entry in entries if entry is not None}


def _name(key: bytes) -> str:
    """Any key as a file name: nothing in a key climbs out of the folder, and no name says what it is about."""
    return hashlib.sha256(key).hexdigest()[:48] + _SUFFIX


def _stripe(name: str) -> str:
    """Which swap lock and which version file a record's name belongs to."""
    return f"{int(name[:2], 16) % _STRIPES:x}" if re.match("[0-9a-f]{2}", name) else "0"


def _packed(version: int, expires: float, key: bytes, data: bytes) -> bytes:
    rest = _HEADER.pack(version, expires, len(key), len(data)) + key + data
    return _PREFACE.pack(_MAGIC, FORMAT, zlib.crc32(rest)) + rest


@overload
def _unpacked(path: Path, raw: bytes) -> _Entry: ...
@overload
def _unpacked(path: Path, raw: bytes, *, start_only: Literal[True]) -> _Entry | None: ...
def _unpacked(path: Path, raw: bytes, *, start_only: bool = False) -> _Entry | None:
    """The record in `raw`. `start_only`: as far as the key, without data and without a check of the whole; None
    if the key is longer than what was read."""
    if raw[: len(_MAGIC)] != _MAGIC or len(raw) < _PREFACE.size:
        raise _unfit(path, "it is torn, or was not written by this store")
    _, written, checksum = _PREFACE.unpack_from(raw)
    if written > FORMAT:
        raise StoreError(
            f"The record {path} was written by a newer version (format {written}, this one knows {FORMAT}).",
            hint="Update this program, or use another folder. The record is left as it is.",
        )
    if written != FORMAT or len(raw) < _PREFACE.size + _HEADER.size:
        raise _unfit(path, "it is torn, or was not written by this store")
    version, expires, key_length, data_length = _HEADER.unpack_from(raw, _PREFACE.size)
    key_at = _PREFACE.size + _HEADER.size
    data_at = key_at + key_length
    if start_only and len(raw) >= data_at:
        return _Entry(version, expires, raw[key_at:data_at], b"", b"")
    if start_only and len(raw) == _FIRST_READ:
        return None
    if len(raw) != data_at + data_length or zlib.crc32(memoryview(raw)[_PREFACE.size :]) != checksum or not version:
        raise _unfit(path, "it is torn, or was changed")
    return _Entry(version, expires, raw[key_at:data_at], raw[data_at:], raw)


def _unfit(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path} cannot be used: {why}.",
        hint="It is left as it is. Restore it from a backup, or remove it and sign in again.",
    )


def _find_key(name: str) -> object:
    from ..sealing import find_key

    return find_key(name)

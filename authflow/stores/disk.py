"""Files and folders that only this user can have written, and errors of the disk with their remedy.

Rule: what somebody else may have planted or changed (a symbolic link, a second hard link, another owner, a
folder that others may write) is refused and left as it is.

Windows has neither owners nor modes of this kind: there the profile folder's access list does the work, and
only links are refused.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError, StoreError

_WINDOWS: Final = os.name == "nt"
_SHARING: Final = 2.0  # seconds that Windows is asked again while another process has the file open
_READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe under a file's name shall not make us wait
    | getattr(os, "O_BINARY", 0)
)
_MAKE: Final = os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_CHUNK: Final = 1 << 20

_REMEDIES: Final = {
    errno.ENOSPC: "The disk is full: free some space.",
    errno.EDQUOT: "The disk quota is used up: free some space.",
    errno.EIO: "The disk reports errors: check it.",
    errno.EROFS: "The file system is read-only: choose a folder that can be written.",
    errno.EACCES: "Let this user read and write the folder and its files.",
    errno.EPERM: "Let this user read and write the folder and its files.",
    errno.ENOENT: "The folder is gone: bring it back, or open the store again.",
    errno.ENOTDIR: "Something that is no folder lies in the way: remove it, or choose another folder.",
    errno.ELOOP: "A symbolic link lies there: remove it.",
    errno.EMFILE: "This process has too many files open.",
}


def full_path(path: object, who: str, example: str) -> Path:
    """`path` from the root, whatever the folder of this program becomes. Raises `ConfigurationError` for what is no
    path."""
    try:
        named = os.fspath(path)  # type: ignore[call-overload]
        if named:
            return Path(os.path.abspath(named))
    except (TypeError, ValueError):
        pass
    raise ConfigurationError(
        f"{who} takes a path, and this is an empty one." if path == "" else f"A {type(path).__name__} is no path.",
        hint=f'Write {who}("{example}"), or FileStore.for_app("myapp"), which finds its place by itself.',
    )


def disk_error(doing: str, error: OSError) -> StoreError:
    """The `StoreError` for what the system said; `doing` names the file or folder and what was tried."""
    why = error.strerror or type(error).__name__
    hint = _REMEDIES.get(error.errno or 0, "What was stored before is as it was; try again.")
    return StoreError(f"{doing}: {why}.", hint=hint)


def refusal(path: Path, why: str, hint: str) -> StoreError:
    return StoreError(f"{path} is not used, because {why}.", hint=hint)


def make_private_folder(folder: Path) -> None:
    """Makes `folder`, and what is missing above it, for this user only (0700). Raises `StoreError`."""
    try:
        missing = []
        place = folder
        while not os.path.lexists(place):
            missing.append(place)
            place = place.parent
        for place in reversed(missing):
            try:
                os.mkdir(place, 0o700)
            except FileExistsError:
                continue  # another process was faster
            if not _WINDOWS:
                os.chmod(place, 0o700)  # whatever the umask took away
    except OSError as error:
        raise disk_error(f"The folder {folder} cannot be made", error) from error
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Raises `StoreError` unless `folder` is there, is no link, is ours, and nobody else may write in it."""
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise disk_error(f"The folder {folder} cannot be read", error) from error
    if stat.S_ISLNK(found.st_mode):
        raise refusal(folder, "it is a symbolic link", "Name the folder that it leads to, if you trust it.")
    if not stat.S_ISDIR(found.st_mode):
        raise refusal(folder, "it is no folder", "Remove what lies there, or choose another folder.")
    if _WINDOWS:
        return
    if found.st_uid != os.geteuid():
        raise refusal(folder, "it belongs to another user", "Choose a folder of your own, or chown this one.")
    if found.st_mode & 0o022:
        raise refusal(folder, "other users may write in it", f"Run: chmod go-w {folder}")


def check_file(path: Path, found: os.stat_result) -> None:
    """Raises `StoreError` unless it is a plain file, ours, under one name, that nobody else may write."""
    if stat.S_ISLNK(found.st_mode):
        raise refusal(path, "it is a symbolic link", "Look who put it there, then remove it.")
    if not stat.S_ISREG(found.st_mode):
        raise refusal(path, "it is no plain file", "Look who put it there, then remove it.")
    if _WINDOWS:
        return
    if found.st_nlink > 1:
        raise refusal(path, "it has a second name (a hard link)", "Look who made it, then remove the other name.")
    if found.st_uid != os.geteuid():
        raise refusal(path, "it belongs to another user", "Look who put it there, then remove it or chown it.")
    if found.st_mode & 0o022:
        raise refusal(path, "other users may write it", f"If you trust what is in it: chmod 600 {path}")


def read_private(path: Path, limit: int | None = None) -> bytes | None:
    """The file's bytes (the first `limit` ones), or None if there is none. Raises `StoreError`, `OSError`."""
    try:
        descriptor = _patiently_open(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            check_file(path, os.lstat(path))
        raise
    try:
        check_file(path, os.fstat(descriptor))
        if limit is not None:
            return os.read(descriptor, limit)
        parts = []
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """A new file with `data`, durable, 0600. The caller holds the lock, so what lies there is a dead process's."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_EXCL | _MAKE, 0o600)
    except FileExistsError:
        os.unlink(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_EXCL | _MAKE, 0o600)
    try:
        try:
            _own_mode(descriptor)
            _write_all(descriptor, data)
            sync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise


def overwrite(path: Path, data: bytes) -> None:
    """A few bytes at the start of a file that is made if it is missing, durable, 0600."""
    descriptor = os.open(path, os.O_WRONLY | _MAKE, 0o600)
    try:
        check_file(path, os.fstat(descriptor))
        _own_mode(descriptor)
        _write_all(descriptor, data)
        sync(descriptor)
    finally:
        os.close(descriptor)


def make_empty(path: Path) -> bool:
    """Makes an empty file, 0600; False if there is something already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_EXCL | _MAKE, 0o600)
    except FileExistsError:
        return False
    try:
        _own_mode(descriptor)
    finally:
        os.close(descriptor)
    return True


def replace(new: Path, old: Path) -> None:
    """`os.replace`, which on Windows fails while another process reads `old`."""
    until = time.monotonic() + _SHARING
    while True:
        try:
            os.replace(new, old)
        except PermissionError:
            if not _WINDOWS or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def sync(descriptor: int) -> None:
    """The file's bytes are on the disk, also on macOS, whose fsync stops at the disk's cache."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # a file system that does not have it
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Names that were made, replaced or removed in `folder` are so after a power cut, too."""
    if _WINDOWS:
        return  # a folder cannot be opened there; NTFS keeps a journal of names
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _patiently_open(path: Path) -> int:
    if not _WINDOWS:
        return os.open(path, _READ)
    with suppress(FileNotFoundError):
        check_file(path, os.lstat(path))  # Windows has no O_NOFOLLOW
    until = time.monotonic() + _SHARING
    while True:
        try:
            return os.open(path, _READ)
        except PermissionError:  # it is being replaced
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


def _own_mode(descriptor: int) -> None:
    if not _WINDOWS:
        os.fchmod(descriptor, 0o600)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]

"""Where the sealing key of a program comes from: one question, `find_key("myapp")`, four answers.

    the system's keyring → AUTHFLOW_SEALING_KEY or a key file → a passphrase → refused

The first source that has a key seals; keys of the others still open what they sealed. Where none has one yet, a
key is made in the system's keyring, or from the passphrase.

Rule 1: only keys go into a keyring, never a token: a Windows credential holds 2,560 bytes, a token may be longer.
Rule 2: a keyring is used if it is one of the known good ones. The package `keyring` would take a plaintext file.
Rule 3: a source that is passed over is named in the log, and in the error if no other has a key.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from ..errors import AuthflowError, ConfigurationError, SealingKeyRequired, StoreError
from .keys import KEY_BYTES, KeyRing, generate_key

ENVIRONMENT: Final = "AUTHFLOW_SEALING_KEY"
ENVIRONMENT_FILE: Final = "AUTHFLOW_SEALING_KEY_FILE"
KEYRING_SECONDS: Final = 3.0
LOCK_SECONDS: Final = 10.0

GOOD_KEYRINGS: Final = frozenset(
    {
        "keyring.backends.macOS.Keyring",
        "keyring.backends.Windows.WinVaultKeyring",
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",  # the same Secret Service, by another road
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.kwallet.DBusKeyringKWallet4",
    }
)

# RFC 9106 §4, the second recommended option: 64 MiB, three passes, four lanes.
_ARGON2: Final = {"memory_cost": 64 * 1024, "iterations": 3, "lanes": 4}
_SALT_BYTES: Final = 16

T = TypeVar("T")
_log = logging.getLogger("authflow.sealing")


def find_key(
    app: str,
    *,
    passphrase: str | Callable[[], str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    use_keyring: bool = True,
    keyring_seconds: float = KEYRING_SECONDS,
) -> KeyRing:
    """The key ring of the program `app`; made on the first call where the system can keep it.

    `passphrase`: the text, or a function that asks for it (called only if it is needed). `folder`: where the key
    file (`sealing.key`, 0600) and a passphrase's salt (`sealing.salt`) lie; default: the user's data folder of
    `app`. `keyring_seconds`: how long the system's keyring may take to answer.

    Raises `SealingKeyRequired` when there is no key and none can be kept, `ConfigurationError` for one that is
    malformed or readable by others.
    """
    if not app or any(not part.isprintable() or part in "/\\" for part in app):
        raise ConfigurationError("The name of the program must be plain text.", hint='find_key("myapp")')
    place = _folder_of(app) if folder is None else Path(folder)
    environ = os.environ if environ is None else environ
    passed_over: list[str] = []

    system = _SystemKeyring(app, keyring_seconds) if use_keyring else None
    kept = _ask(system.load, passed_over) if system is not None else None
    if kept is None:
        system = None

    sources: list[tuple[tuple[bytes, ...], Callable[[tuple[bytes, ...]], None] | None]] = []
    if system is not None and kept:
        sources.append((kept, system.save))
    if environ.get(ENVIRONMENT, "").strip():
        sources.append((_read_keys(environ[ENVIRONMENT], f"the variable {ENVIRONMENT}"), None))
    path = Path(environ.get(ENVIRONMENT_FILE) or place / "sealing.key")
    if path.exists() or ENVIRONMENT_FILE in environ:
        sources.append((_read_key_file(path), lambda keys: write_key_file(path, *keys)))
    salt = place / "sealing.salt"
    if passphrase is not None and salt.exists():
        sources.append(((_derive(passphrase, salt),), None))

    if not sources and system is not None:
        made = _ask(lambda: _make_in_keyring(system, place), passed_over)
        if made:
            sources.append((made, system.save))
    if not sources and passphrase is not None:
        with _alone(place):
            if not salt.exists():
                write_private(salt, _salt_text(os.urandom(_SALT_BYTES)))
        sources.append(((_derive(passphrase, salt),), None))
    if not sources:
        raise SealingKeyRequired(
            f"There is no key to seal the sessions of {app!r} with."
            + ("" if not passed_over else f" Passed over: {' '.join(passed_over)}"),
            hint="pip install 'authflow-sessions[keyring]' for the system's keyring; or set "
            f"{ENVIRONMENT} to a base64 key; or write one to {path} (mode 0600); or pass a passphrase; or, if "
            "anyone may read the tokens, SessionManager(…, store_tokens_in_plaintext=True).",
        )
    keys = [key for found, _ in sources for key in found]
    return KeyRing(*keys, save=_saver(sources))


def _saver(
    sources: list[tuple[tuple[bytes, ...], Callable[[tuple[bytes, ...]], None] | None]],
) -> Callable[[tuple[bytes, ...]], None] | None:
    """What keeps the rotated ring: the source that seals, without the keys that have another home."""
    first, save = sources[0]
    if save is None:
        return None
    elsewhere = {key for found, _ in sources[1:] for key in found} - set(first)
    return lambda keys: save(tuple(key for key in keys if key not in elsewhere))


# ── the system's keyring ─────────────────────────────────────────────────────────────────────────────


class _PassedOver(Exception):
    """Why a source was not used; the text is for the log."""


class _SystemKeyring:
    """The entry of one program in the system's keyring: base64 keys, the newest first."""

    def __init__(self, app: str, seconds: float) -> None:
        self._service = f"authflow/{app}"
        self._seconds = seconds

    def load(self) -> tuple[bytes, ...]:
        """The keys, () when there are none yet. Raises `_PassedOver`."""
        text = self._call(lambda backend: backend.get_password(self._service, "sealing key"))
        return _read_keys(text, "the system's keyring") if text else ()

    def save(self, keys: tuple[bytes, ...]) -> None:
        """Raises `StoreError` when the keyring does not take them."""
        text = _keys_text(keys)
        try:
            self._call(lambda backend: backend.set_password(self._service, "sealing key", text))
        except _PassedOver as reason:
            raise StoreError(f"The key was not kept: {reason}", hint="Unlock the system's keyring.") from None

    def _call(self, act: Callable[[Any], T]) -> T:
        return _with_keyring(act, self._seconds)


def read_keyring(service: str, username: str, seconds: float = KEYRING_SECONDS) -> str | None:
    """A password that a human put into the system's keyring, None if there is none: a client secret, say.

    `seconds`: how long the keyring may take. Raises `ConfigurationError` when no good one can be asked.
    """
    try:
        found: str | None = _with_keyring(lambda backend: backend.get_password(service, username), seconds)
    except _PassedOver as reason:
        raise ConfigurationError(
            f"The system's keyring cannot be asked: {reason}",
            hint="Unlock it, or install it: pip install 'authflow-sessions[keyring]'",
        ) from None
    return found


def _with_keyring(act: Callable[[Any], T], seconds: float) -> T:
    """`act` on a good keyring, on a thread of its own: a locked one waits for a human, or for ever."""
    answers: SimpleQueue[T | Exception] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(act(_good_keyring()))
        except Exception as error:
            answers.put(error)

    # It cannot be stopped while the system's keyring keeps it, so it must not keep the process.
    threading.Thread(target=work, name="authflow-keyring", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise _PassedOver(f"the system's keyring did not answer within {seconds:g} s (is it locked?).") from None
    if isinstance(answer, _PassedOver | AuthflowError):
        raise answer
    if isinstance(answer, Exception):
        raise _PassedOver(f"the system's keyring failed ({type(answer).__name__}).")
    return answer


def _good_keyring() -> Any:
    """A backend of the package `keyring` that is known to seal. Raises `_PassedOver`."""
    try:
        import keyring
    except ImportError:
        raise _PassedOver("the package keyring is not installed.") from None
    chosen = keyring.get_keyring()
    # Several that would do come as a chain of all of them, plaintext files among them.
    chain = getattr(chosen, "backends", None) if _name_of(chosen).endswith(".ChainerBackend") else None
    for backend in [chosen] if chain is None else list(chain):
        if _name_of(backend) in GOOD_KEYRINGS:
            return backend
    raise _PassedOver(f"the keyring {_name_of(chosen)} does not protect what it keeps.")


def _name_of(backend: object) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _make_in_keyring(system: _SystemKeyring, place: Path) -> tuple[bytes, ...]:
    with _alone(place):  # two first starts at once must not make two keys
        found = system.load()
        if not found:
            system.save((generate_key(),))
            found = system.load()
    if not found:
        raise _PassedOver("the system's keyring did not keep the key.")
    return found


def _ask(source: Callable[[], tuple[bytes, ...]], passed_over: list[str]) -> tuple[bytes, ...] | None:
    try:
        return source()
    except (_PassedOver, StoreError) as reason:
        passed_over.append(str(reason))
        _log.warning("No sealing key from the system: %s", reason)
        return None


# ── the environment and files ────────────────────────────────────────────────────────────────────────


def write_key_file(path: str | os.PathLike[str], *keys: bytes) -> None:
    """Writes keys, the newest first (a fresh one if none is given), to a file that its owner alone can read."""
    write_private(Path(path), _keys_text(keys or (generate_key(),)) + "\n")


def _read_keys(text: str, source: str) -> tuple[bytes, ...]:
    keys = []
    for word in text.replace(",", " ").split():
        try:
            key = base64.b64decode(word.replace("-", "+").replace("_", "/").rstrip("=") + "=", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise ConfigurationError(
                f"What {source} holds is no sealing key.",
                hint="It must be base64 of 32 bytes: base64.b64encode(authflow.generate_key()).decode()",
            )
        keys.append(key)
    if not keys:
        raise ConfigurationError(f"There is no sealing key in {source}.", hint="Write one, as base64 of 32 bytes.")
    return tuple(keys)


def _keys_text(keys: tuple[bytes, ...]) -> str:
    return " ".join(base64.b64encode(key).decode() for key in keys)


def _read_key_file(path: Path) -> tuple[bytes, ...]:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, encoding="ascii", errors="replace") as file:
            _check_private(path, os.fstat(descriptor))
            return _read_keys(file.read(16 * 1024), f"the key file {path}")
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be read ({error.strerror}).", hint="It must be readable by this user."
        ) from None


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"The key file {path} is no file.", hint="Write the key to a file of its own.")
    if os.name != "posix":
        return  # Windows: the user's profile folder is private by its access list
    if status.st_mode & 0o077:
        raise ConfigurationError(f"The key file {path} can be read by others.", hint=f"chmod 600 {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(f"The key file {path} belongs to another user.", hint="Make one of your own.")


def write_private(path: Path, text: str) -> None:
    """All of `text` or what was there before; 0600 from its first byte."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise StoreError(
            f"The file {path} cannot be written ({error.strerror}).", hint="Give this user write access to its folder."
        ) from None


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process at a time."""
    from filelock import FileLock, Timeout

    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(place / "sealing.lock", timeout=LOCK_SECONDS, mode=0o600, thread_local=False):
            yield
    except Timeout:
        raise StoreError("Another process is making the sealing key and does not finish.", hint="Try again.") from None
    except OSError as error:
        raise StoreError(
            f"The folder {place} cannot be used ({error.strerror}).", hint="Pass folder=…, one that can be written."
        ) from None


def _folder_of(app: str) -> Path:
    from platformdirs import user_data_path

    return user_data_path(app, appauthor=False)


# ── a passphrase ─────────────────────────────────────────────────────────────────────────────────────


def _salt_text(salt: bytes) -> str:
    cost = ",".join(f"{name}={value}" for name, value in _ARGON2.items())
    return f"argon2id {cost} {base64.b64encode(salt).decode()}\n"


def _derive(passphrase: str | Callable[[], str], path: Path) -> bytes:
    """A key by Argon2id (RFC 9106), at the cost that the salt's file names."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    text = passphrase() if callable(passphrase) else passphrase
    if not text:
        raise SealingKeyRequired("The passphrase is empty.", hint="Ask the user for one of several words.")
    try:
        kind, costs, encoded = path.read_text(encoding="ascii").split()
        cost = {name: int(value) for name, value in (part.split("=") for part in costs.split(","))}
        salt = base64.b64decode(encoded, validate=True)
        if kind != "argon2id" or set(cost) != set(_ARGON2) or len(salt) != _SALT_BYTES:
            raise ValueError
        if not all(0 < cost[name] <= 16 * _ARGON2[name] for name in cost):
            raise ValueError
    except (OSError, ValueError):
        raise ConfigurationError(
            f"The salt of the passphrase in {path} cannot be read.",
            hint="Restore it from a backup. Without it the passphrase opens nothing; removing it starts anew.",
        ) from None
    try:
        return Argon2id(
            salt=salt,
            length=KEY_BYTES,
            iterations=cost["iterations"],
            lanes=cost["lanes"],
            memory_cost=cost["memory_cost"],
        ).derive(text.encode())
    except UnsupportedAlgorithm:
        raise SealingKeyRequired(
            "The OpenSSL of this system has no Argon2id.", hint="Use a key file or the system's keyring instead."
        ) from None

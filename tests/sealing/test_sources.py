"""Where a key comes from, in which order, and what is refused."""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends.chainer import ChainerBackend
from keyrings.alt.file import PlaintextKeyring

from authflow.errors import ConfigurationError, SealingKeyRequired, StoreError
from authflow.sealing import KeyRing, SealedVault, find_key
from authflow.sealing.sources import write_key_file

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))


def text(*keys: bytes) -> str:
    return " ".join(base64.b64encode(key).decode() for key in keys)


def ids(*keys: bytes) -> tuple[str, ...]:
    return KeyRing(*keys).key_ids


class Keychain:
    """Stands where the system's keyring is, under the name that the package `keyring` gives that."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.asked = 0

    def get_password(self, service: str, name: str) -> str | None:
        self.asked += 1
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self.kept[service, name] = password


Keychain.__module__, Keychain.__qualname__ = "keyring.backends.macOS", "Keyring"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Makes an object what `keyring.get_keyring()` gives."""

    def use(backend: Any) -> Any:
        monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
        return backend

    return use


@pytest.fixture
def keychain(use: Callable[[Any], Any]) -> Keychain:
    found: Keychain = use(Keychain())
    return found


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., KeyRing]:
    """`find_key` of a program with its own folder and an empty environment."""

    def find(**given: Any) -> KeyRing:
        return find_key("myapp", **{"folder": tmp_path / "data", "environ": {}, "use_keyring": False, **given})

    return find


# ── the system's keyring ──


def test_the_first_start_makes_a_key_in_the_keyring_and_the_second_finds_it(
    find: Callable[..., KeyRing], keychain: Keychain
) -> None:
    first = find(use_keyring=True)
    assert find(use_keyring=True).key_ids == first.key_ids
    assert list(keychain.kept) == [("authflow/myapp", "sealing key")]


def test_only_a_32_byte_key_goes_into_the_keyring(find: Callable[..., KeyRing], keychain: Keychain) -> None:
    find(use_keyring=True)
    (entry,) = keychain.kept.values()
    assert len(base64.b64decode(entry, validate=True)) == 32


def test_a_rotated_ring_is_kept_in_the_keyring(find: Callable[..., KeyRing], keychain: Keychain) -> None:
    ring = find(use_keyring=True)
    ring.rotate()
    assert find(use_keyring=True).key_ids == ring.key_ids
    assert len(ring) == 2


def test_a_rotation_does_not_copy_the_keys_of_other_sources(find: Callable[..., KeyRing], keychain: Keychain) -> None:
    find(use_keyring=True)
    ring = find(use_keyring=True, environ={"AUTHFLOW_SEALING_KEY": text(OTHER)})
    ring.rotate()
    (entry,) = keychain.kept.values()
    assert text(OTHER) not in entry
    assert len(entry.split()) == 2


def test_the_keyrings_key_seals_and_the_environments_still_opens(
    find: Callable[..., KeyRing], keychain: Keychain
) -> None:
    keychain.kept["authflow/myapp", "sealing key"] = text(KEY)
    assert find(use_keyring=True, environ={"AUTHFLOW_SEALING_KEY": text(OTHER)}).key_ids == ids(KEY, OTHER)


def test_no_key_is_made_in_the_keyring_where_another_source_has_one(
    find: Callable[..., KeyRing], keychain: Keychain
) -> None:
    assert find(use_keyring=True, environ={"AUTHFLOW_SEALING_KEY": text(OTHER)}).key_ids == ids(OTHER)
    assert keychain.kept == {}


def test_two_first_starts_at_once_make_one_key(find: Callable[..., KeyRing], keychain: Keychain) -> None:
    found: list[tuple[str, ...]] = []
    threads = [
        threading.Thread(target=lambda: found.append(find(use_keyring=True, keyring_seconds=20).key_ids))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 6
    assert len(set(found)) == 1


def test_a_plaintext_keyring_is_refused(
    find: Callable[..., KeyRing], use: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    backend = use(PlaintextKeyring())
    with pytest.raises(SealingKeyRequired, match="does not protect"):
        find(use_keyring=True)
    assert not os.path.exists(backend.file_path)
    assert "keyrings.alt.file.PlaintextKeyring" in caplog.text


def test_of_a_chain_only_the_good_one_is_used(
    find: Callable[..., KeyRing], use: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, plain = Keychain(), PlaintextKeyring()
    monkeypatch.setattr(ChainerBackend, "backends", [plain, good])
    use(ChainerBackend())
    find(use_keyring=True)
    assert len(good.kept) == 1
    assert not os.path.exists(plain.file_path)


def test_a_backend_that_only_inherits_from_a_good_one_is_refused(
    find: Callable[..., KeyRing], use: Callable[[Any], Any]
) -> None:
    class Leaky(Keychain):
        pass

    use(Leaky())
    with pytest.raises(SealingKeyRequired):
        find(use_keyring=True)


@pytest.fixture
def hanging(use: Callable[[Any], Any]) -> Iterator[Keychain]:
    """A locked keyring: it waits for a human who is not there."""
    unlocked = threading.Event()

    class Locked(Keychain):
        def get_password(self, service: str, name: str) -> str | None:
            unlocked.wait(30)
            return None

    Locked.__module__, Locked.__qualname__ = "keyring.backends.SecretService", "Keyring"
    yield use(Locked())
    unlocked.set()


def test_a_keyring_that_hangs_is_passed_over_aloud(
    find: Callable[..., KeyRing], hanging: Keychain, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ring = find(use_keyring=True, keyring_seconds=0.05, environ={"AUTHFLOW_SEALING_KEY": text(KEY)})
    assert ring.key_ids == ids(KEY)
    assert "did not answer" in caplog.text


def test_a_keyring_that_hangs_and_no_other_source_is_refused_with_the_reason(
    find: Callable[..., KeyRing], hanging: Keychain
) -> None:
    with pytest.raises(SealingKeyRequired, match=r"did not answer within 0\.05 s"):
        find(use_keyring=True, keyring_seconds=0.05)


def test_a_keyring_that_fails_is_passed_over_without_its_text(
    find: Callable[..., KeyRing], use: Callable[[Any], Any]
) -> None:
    class Broken(Keychain):
        def get_password(self, service: str, name: str) -> str | None:
            raise OSError("could not decrypt s3cret")

    Broken.__module__, Broken.__qualname__ = "keyring.backends.kwallet", "DBusKeyring"
    use(Broken())
    with pytest.raises(SealingKeyRequired, match="failed \\(OSError\\)") as caught:
        find(use_keyring=True)
    assert "s3cret" not in str(caught.value)


def test_a_keyring_that_does_not_take_the_new_key_leaves_the_ring_as_it_was(
    find: Callable[..., KeyRing], keychain: Keychain
) -> None:
    ring = find(use_keyring=True)
    before = ring.key_ids

    def full(service: str, name: str, password: str) -> None:
        raise OSError("no")

    keychain.set_password = full  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="not kept"):
        ring.rotate()
    assert ring.key_ids == before


def test_a_damaged_entry_of_the_keyring_is_never_replaced(find: Callable[..., KeyRing], keychain: Keychain) -> None:
    keychain.kept["authflow/myapp", "sealing key"] = "damaged"
    with pytest.raises(ConfigurationError, match="no sealing key"):
        find(use_keyring=True)
    assert keychain.kept["authflow/myapp", "sealing key"] == "damaged"


# ── the environment and files ──


@pytest.mark.parametrize(
    "value",
    [text(KEY), base64.urlsafe_b64encode(KEY).decode(), text(KEY).rstrip("="), f"  {text(KEY)}\n"],
    ids=["base64", "base64url", "without padding", "with blanks"],
)
def test_the_environment_holds_a_key(find: Callable[..., KeyRing], value: str) -> None:
    assert find(environ={"AUTHFLOW_SEALING_KEY": value}).key_ids == ids(KEY)


def test_the_environment_holds_several_keys_the_newest_first(find: Callable[..., KeyRing]) -> None:
    assert find(environ={"AUTHFLOW_SEALING_KEY": f"{text(OTHER)},{text(KEY)}"}).key_ids == ids(OTHER, KEY)


@pytest.mark.parametrize("value", ["hunter2", "A" * 43 + "!", base64.b64encode(bytes(16)).decode(), "ä" * 44, ","])
def test_what_is_no_key_is_refused_and_not_repeated(find: Callable[..., KeyRing], value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find(environ={"AUTHFLOW_SEALING_KEY": value})
    assert len(value) == 1 or value not in str(caught.value)


def test_a_key_of_the_environment_is_not_rotated_by_itself(find: Callable[..., KeyRing]) -> None:
    with pytest.raises(ConfigurationError, match="could not be kept"):
        find(environ={"AUTHFLOW_SEALING_KEY": text(KEY)}).rotate()


def test_a_key_file_in_the_programs_folder_is_found(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    write_key_file(tmp_path / "data" / "sealing.key", KEY)
    assert find().key_ids == ids(KEY)


def test_a_key_file_may_be_elsewhere(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    write_key_file(tmp_path / "my.key", KEY)
    assert find(environ={"AUTHFLOW_SEALING_KEY_FILE": str(tmp_path / "my.key")}).key_ids == ids(KEY)


def test_a_key_file_that_is_named_and_missing_is_refused(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        find(environ={"AUTHFLOW_SEALING_KEY_FILE": str(tmp_path / "gone")}, passphrase="not asked")


def test_a_key_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    write_key_file(tmp_path / "new" / "sealing.key")
    assert (tmp_path / "new" / "sealing.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path / "new") == ["sealing.key"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused(find: Callable[..., KeyRing], tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data" / "sealing.key"
    write_key_file(path, KEY)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="read by others") as caught:
        find()
    assert "chmod 600" in caught.value.hint


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_user_is_refused(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    path = tmp_path / "data" / "sealing.key"
    write_key_file(path, KEY)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigurationError, match="another user"):
        find()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_key_file_that_is_no_file_is_refused_at_once(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "sealing.key", 0o600)
    with pytest.raises(ConfigurationError, match="is no file"):
        find()


def test_a_rotated_key_file_keeps_both_keys(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    write_key_file(tmp_path / "data" / "sealing.key", KEY)
    ring = find()
    ring.rotate(OTHER)
    assert find().key_ids == ids(OTHER, KEY)


# ── a passphrase ──


def test_a_passphrase_gives_the_same_key_again(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    first = find(passphrase="correct horse battery staple")
    assert (tmp_path / "data" / "sealing.salt").stat().st_mode & 0o777 == 0o600
    assert find(passphrase="correct horse battery staple").key_ids == first.key_ids
    assert find(passphrase="another").key_ids != first.key_ids


def test_a_passphrase_is_derived_as_rfc_9106_recommends(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    find(passphrase="secret words")
    kept = (tmp_path / "data" / "sealing.salt").read_text()
    assert kept.startswith("argon2id memory_cost=65536,iterations=3,lanes=4 ")
    assert "secret" not in kept


def test_a_passphrase_is_asked_for_only_when_it_is_needed(find: Callable[..., KeyRing]) -> None:
    def ask() -> str:
        raise AssertionError("the human was asked")

    assert find(passphrase=ask, environ={"AUTHFLOW_SEALING_KEY": text(KEY)}).key_ids == ids(KEY)


def test_an_empty_passphrase_is_refused(find: Callable[..., KeyRing]) -> None:
    with pytest.raises(SealingKeyRequired, match="empty"):
        find(passphrase="")


@pytest.mark.parametrize(
    "salt",
    ["", "argon2id", "scrypt memory_cost=65536,iterations=3,lanes=4 AAAA",
     "argon2id memory_cost=9999999999,iterations=3,lanes=4 AAAAAAAAAAAAAAAAAAAAAA=="],
)  # fmt: skip
def test_a_damaged_salt_is_refused_and_left_as_it_is(find: Callable[..., KeyRing], tmp_path: Path, salt: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sealing.salt").write_text(salt)
    with pytest.raises(ConfigurationError, match="salt"):
        find(passphrase="words")
    assert (tmp_path / "data" / "sealing.salt").read_text() == salt


def test_what_a_passphrase_sealed_opens_after_a_key_came_from_elsewhere(find: Callable[..., KeyRing]) -> None:
    sealed = SealedVault(find(passphrase="words")).pack("k", b"data", 1)
    ring = find(passphrase="words", environ={"AUTHFLOW_SEALING_KEY": text(KEY)})
    assert SealedVault(ring).unpack("k", sealed) == (b"data", 1)
    assert ring.key_ids[0] == ids(KEY)[0]


# ── no key at all ──


def test_without_any_key_it_is_refused_and_the_ways_are_told(find: Callable[..., KeyRing]) -> None:
    with pytest.raises(SealingKeyRequired) as caught:
        find()
    for way in ("[keyring]", "AUTHFLOW_SEALING_KEY", "sealing.key", "passphrase", "store_tokens_in_plaintext"):
        assert way in caught.value.hint


def test_asking_leaves_nothing_on_the_disk(find: Callable[..., KeyRing], tmp_path: Path) -> None:
    with pytest.raises(SealingKeyRequired):
        find()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("app", ["", "../x", "a/b", "a\nb", "a\\b"])
def test_a_program_whose_name_is_a_path_is_refused(app: str) -> None:
    with pytest.raises(ConfigurationError):
        find_key(app)

"""Envelopes: they open where they were sealed, unchanged, and nowhere else."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import SealedDataInvalid, SealingKeyRequired
from authflow.records import Key, SessionRecord
from authflow.sealing import KeyRing, PlaintextVault, SealedVault, keys_and_vault, reseal
from authflow.stores import MemoryStore

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
AT = "session/" + str(Key("owner", "acme", ""))
VAULT = SealedVault(KeyRing(KEY))
RECORD = msgspec.msgpack.encode(SessionRecord(epoch=3))


class Durable(MemoryStore):
    """A memory store that says it outlives the process."""

    durable = True


@given(data=st.binary(max_size=300), key=st.text(max_size=40), version=st.integers(0, 2**64 - 1))
def test_whatever_was_packed_is_unpacked_with_its_version(data: bytes, key: str, version: int) -> None:
    assert VAULT.unpack(key, VAULT.pack(key, data, version)) == (data, version)


def test_an_envelope_is_45_bytes_longer_and_says_format_key_and_version() -> None:
    sealed = VAULT.pack(AT, RECORD, 7)
    assert len(sealed) == len(RECORD) + 45
    assert sealed[0] == 1
    assert sealed[1:9].hex() == KeyRing(KEY).key_ids[0]
    assert int.from_bytes(sealed[9:17], "big") == 7


@pytest.mark.parametrize(
    "elsewhere",
    [
        "session/" + str(Key("owner", "other", "")),
        "session/" + str(Key("other", "acme", "")),
        "session/" + str(Key("owner", "acme", "work")),
        "attempt/" + str(Key("owner", "acme", "")),
        "",
    ],
    ids=["another provider", "another owner", "another account", "another kind", "nothing"],
)
def test_a_record_that_was_moved_does_not_open(elsewhere: str) -> None:
    with pytest.raises(SealedDataInvalid, match="moved here"):
        VAULT.unpack(elsewhere, VAULT.pack(AT, RECORD, 1))


def test_every_changed_byte_is_noticed() -> None:
    sealed = VAULT.pack(AT, RECORD, 5)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 0x20
        with pytest.raises(SealedDataInvalid):
            VAULT.unpack(AT, bytes(changed))


def test_every_shorter_record_is_noticed() -> None:
    sealed = VAULT.pack(AT, RECORD, 5)
    for length in range(len(sealed)):
        with pytest.raises(SealedDataInvalid):
            VAULT.unpack(AT, sealed[:length])


def test_a_newer_version_in_the_head_does_not_open() -> None:
    sealed = bytearray(VAULT.pack(AT, RECORD, 5))
    sealed[16] = 6
    with pytest.raises(SealedDataInvalid):
        VAULT.unpack(AT, bytes(sealed))


def test_a_newer_format_says_so() -> None:
    with pytest.raises(SealedDataInvalid, match="newer version of authflow"):
        VAULT.unpack(AT, b"\x02" + VAULT.pack(AT, RECORD, 5)[1:])


def test_a_plain_record_is_refused_by_a_vault_that_seals() -> None:
    with pytest.raises(SealedDataInvalid, match="not sealed") as caught:
        VAULT.unpack(AT, RECORD)
    assert "seal_plaintext_too" in caught.value.hint


def test_a_sealed_record_is_refused_by_a_vault_without_a_key() -> None:
    with pytest.raises(SealedDataInvalid, match="is sealed") as caught:
        PlaintextVault().unpack(AT, VAULT.pack(AT, RECORD, 1))
    assert "sealing_key" in caught.value.hint


def test_plaintext_stays_what_it_is() -> None:
    vault = PlaintextVault()
    assert vault.pack(AT, RECORD, 4) == RECORD
    assert vault.unpack(AT, RECORD) == (RECORD, 0)


def test_no_vault_shows_a_key() -> None:
    assert KEY.hex() not in repr(VAULT)


# ── sealing again ──


def stored(store: MemoryStore, vault: SealedVault, *names: str) -> None:
    for name in names:
        store.swap(name, 0, vault.pack(name, name.encode(), 10))


def test_after_reseal_the_newest_key_alone_opens_everything() -> None:
    store = MemoryStore()
    stored(store, VAULT, "session/a", "session/b")
    assert reseal(store, KeyRing(OTHER, KEY)) == 2
    for name in ("session/a", "session/b"):
        found = store.load(name)
        assert found is not None
        assert SealedVault(KeyRing(OTHER)).unpack(name, found[0]) == (name.encode(), 11)


def test_reseal_leaves_what_the_newest_key_sealed_and_pending_logins() -> None:
    store = MemoryStore()
    stored(store, SealedVault(KeyRing(OTHER)), "session/new")
    stored(store, VAULT, "pending/login")
    before = store.load("session/new"), store.load("pending/login")
    assert reseal(store, KeyRing(OTHER, KEY)) == 0
    assert (store.load("session/new"), store.load("pending/login")) == before


def test_reseal_does_not_bless_plaintext_unless_it_is_told_to() -> None:
    store = MemoryStore()
    store.swap(AT, 0, RECORD)
    with pytest.raises(SealedDataInvalid, match="not sealed"):
        reseal(store, KeyRing(KEY))
    found = store.load(AT)
    assert found is not None
    assert found[0] == RECORD
    assert reseal(store, KeyRing(KEY), seal_plaintext_too=True) == 1
    found = store.load(AT)
    assert found is not None
    assert VAULT.unpack(AT, found[0])[0] == RECORD


def test_reseal_leaves_a_record_of_an_unknown_key_as_it_is() -> None:
    store = MemoryStore()
    stored(store, VAULT, "session/a")
    before = store.load("session/a")
    with pytest.raises(SealedDataInvalid):
        reseal(store, KeyRing(OTHER))
    assert store.load("session/a") == before


# ── which vault a manager uses ──


def test_what_stays_in_memory_is_not_sealed_but_dumps_are() -> None:
    ring, vault = keys_and_vault(MemoryStore(), KEY, plaintext=False)
    assert isinstance(vault, PlaintextVault)
    assert ring is not None
    assert ring.key_ids == KeyRing(KEY).key_ids


def test_what_outlives_the_process_is_sealed() -> None:
    _, vault = keys_and_vault(Durable(), KEY, plaintext=False)
    assert isinstance(vault, SealedVault)


def test_a_durable_store_without_a_key_is_refused_with_the_remedy() -> None:
    with pytest.raises(SealingKeyRequired) as caught:
        keys_and_vault(Durable(), None, plaintext=False)
    assert "find_key" in caught.value.hint


def test_a_store_that_does_not_say_is_taken_as_durable() -> None:
    with pytest.raises(SealingKeyRequired):
        keys_and_vault(object(), None, plaintext=False)


def test_plaintext_by_its_long_name() -> None:
    assert isinstance(keys_and_vault(Durable(), None, plaintext=True)[1], PlaintextVault)


def test_a_store_that_knows_its_key_is_asked_only_when_none_is_passed() -> None:
    asked: list[int] = []

    def find() -> KeyRing:
        asked.append(1)
        return KeyRing(OTHER)

    store = Durable()
    store.key_ring = find  # type: ignore[attr-defined]
    ring, _ = keys_and_vault(store, KEY, plaintext=False)
    assert (ring is not None and ring.key_ids, asked) == (KeyRing(KEY).key_ids, [])
    ring, _ = keys_and_vault(store, None, plaintext=False)
    assert (ring is not None and ring.key_ids, asked) == (KeyRing(OTHER).key_ids, [1])


def test_a_cipher_is_made_once_for_each_key_and_not_for_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def counted(key: bytes) -> AESGCM:
        made.append(key)
        return AESGCM(key)

    monkeypatch.setattr(aead, "AESGCM", counted)
    vault = SealedVault(KeyRing(KEY, OTHER))
    for version in range(50):
        assert vault.unpack(AT, vault.pack(AT, RECORD, version)) == (RECORD, version)
    vault.ring.rotate(bytes(32))
    for version in range(50):
        assert vault.unpack(AT, vault.pack(AT, RECORD, version)) == (RECORD, version)
    assert made == [KEY, OTHER, bytes(32)]

"""A ring of keys: what is a key, which one seals, what a rotation keeps."""

from __future__ import annotations

import pytest

from authflow import generate_key
from authflow.errors import ConfigurationError, SealedDataInvalid, SealingKeyRequired
from authflow.sealing import KeyRing, SealedVault

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def test_a_generated_key_is_32_bytes_and_never_the_same() -> None:
    assert len(generate_key()) == 32
    assert generate_key() != generate_key()


@pytest.mark.parametrize("key", [b"", b"short", bytes(33), "0" * 32, None, bytearray(32)])
def test_what_is_not_32_bytes_is_no_key(key: object) -> None:
    with pytest.raises(SealingKeyRequired, match="32 bytes"):
        KeyRing(key)  # type: ignore[arg-type]


def test_a_ring_without_a_key_is_refused() -> None:
    with pytest.raises(SealingKeyRequired):
        KeyRing()


def test_a_ring_shows_ids_and_never_a_key() -> None:
    shown = repr(KeyRing(OLD, NEW))
    assert OLD.hex() not in shown
    assert repr(OLD) not in shown
    assert KeyRing(OLD).key_ids[0] in shown


def test_the_same_key_twice_is_one_key() -> None:
    assert len(KeyRing(OLD, NEW, OLD)) == 2


def test_the_first_key_seals() -> None:
    sealed = SealedVault(KeyRing(NEW, OLD)).pack("k", b"data", 1)
    assert SealedVault(KeyRing(NEW)).unpack("k", sealed) == (b"data", 1)


def test_after_a_rotation_the_new_key_seals_and_the_old_one_still_opens() -> None:
    ring = KeyRing(OLD)
    before = SealedVault(ring).pack("k", b"before", 1)
    ring.rotate(NEW)
    after = SealedVault(ring).pack("k", b"after", 2)
    assert SealedVault(ring).unpack("k", before) == (b"before", 1)
    assert SealedVault(KeyRing(NEW)).unpack("k", after) == (b"after", 2)
    with pytest.raises(SealedDataInvalid):
        SealedVault(KeyRing(OLD)).unpack("k", after)


def test_rotating_back_to_a_key_of_the_ring_makes_it_the_newest() -> None:
    ring = KeyRing(NEW, OLD)
    assert ring.rotate(OLD) == ring.key_ids[0] == KeyRing(OLD).key_ids[0]
    assert len(ring) == 2


def test_a_fresh_key_that_nobody_would_keep_is_refused() -> None:
    ring = KeyRing(OLD)
    with pytest.raises(ConfigurationError, match="could not be kept"):
        ring.rotate()
    assert len(ring) == 1


def test_a_rotated_ring_is_saved_before_it_is_used() -> None:
    saved: list[tuple[bytes, ...]] = []
    ring = KeyRing(OLD, save=saved.append)
    ring.rotate()
    assert len(saved) == 1
    assert saved[0][1:] == (OLD,)
    assert KeyRing(*saved[0]).key_ids == ring.key_ids


def test_a_ring_that_cannot_be_saved_does_not_change() -> None:
    def full(keys: tuple[bytes, ...]) -> None:
        raise OSError("no space left")

    ring = KeyRing(OLD, save=full)
    with pytest.raises(OSError, match="no space"):
        ring.rotate()
    assert ring.key_ids == KeyRing(OLD).key_ids


def test_a_key_that_is_not_there_is_named_and_so_is_the_remedy() -> None:
    sealed = SealedVault(KeyRing(OLD)).pack("k", b"data", 1)
    with pytest.raises(SealedDataInvalid) as caught:
        SealedVault(KeyRing(NEW)).unpack("k", sealed)
    assert KeyRing(OLD).key_ids[0] in caught.value.message
    assert "Pass the key it was sealed with" in caught.value.hint

"""Sealed text: what `dump()` gives."""

from __future__ import annotations

import pytest

from authflow.errors import SealedDataInvalid, SealingKeyRequired, StoreError
from authflow.sealing import KeyRing, Sealer, is_sealed

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))

# Sealed by the first version of this format: it opens for ever.
FIRST = "af1.UrOqeSVknZYBAQEBAQEBAQEBAQETopFUIZCNQFXGXrUkcgLU6q_Qag"


def test_what_was_sealed_opens() -> None:
    assert Sealer(KEY).open(Sealer(KEY).seal(b"data", "session", "acme"), "session", "acme") == b"data"


def test_the_same_data_never_looks_the_same() -> None:
    assert Sealer(KEY).seal(b"data") != Sealer(KEY).seal(b"data")


def test_sealed_text_shows_nothing_of_what_it_holds() -> None:
    assert "secret-token" not in Sealer(KEY).seal(b"secret-token")
    assert is_sealed(Sealer(KEY).seal(b"x"))


def test_text_of_the_first_version_opens() -> None:
    assert Sealer(KEY).open(FIRST, "a") == b"data"


@pytest.mark.parametrize("about", [(), ("session",), ("session", "other"), ("sessionacme",), ("acme", "session")])
def test_text_that_belongs_elsewhere_does_not_open(about: tuple[str, ...]) -> None:
    sealed = Sealer(KEY).seal(b"data", "session", "acme")
    with pytest.raises(SealedDataInvalid, match="does not open"):
        Sealer(KEY).open(sealed, *about)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealedDataInvalid, match="not among"):
        Sealer(OTHER).open(Sealer(KEY).seal(b"data"))


def test_an_older_key_of_the_ring_opens_it() -> None:
    assert Sealer(KeyRing(OTHER, KEY)).open(Sealer(KEY).seal(b"data")) == b"data"


@pytest.mark.parametrize("damage", ["af1.", "af1.!!!!", "af1.AAAA", "af2.AAAA", "", "plain", None, 7])
def test_damage_is_refused(damage: object) -> None:
    with pytest.raises(SealedDataInvalid):
        Sealer(KEY).open(damage)  # type: ignore[arg-type]


def test_every_changed_character_is_noticed() -> None:
    sealed = Sealer(KEY).seal(b"some data", "acme")
    for at in range(4, len(sealed) - 1):  # of the last one, some bits are padding
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(SealedDataInvalid):
            Sealer(KEY).open(changed, "acme")


def test_what_does_not_open_is_a_matter_of_configuration_and_of_the_store() -> None:
    assert issubclass(SealedDataInvalid, StoreError)
    with pytest.raises(SealingKeyRequired):
        Sealer(b"short")

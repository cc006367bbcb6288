"""Sealing a record of 2 KB and opening it again, against the bare cipher."""

from __future__ import annotations

from cryptography.fernet import Fernet

from authflow.records import Key
from authflow.sealing import KeyRing, SealedVault, generate_key

from .measure import Run, in_turn, repeat, show

RECORD = bytes(2048)
AT = "session/" + str(Key("an owner", "op", ""))
NONCE = bytes(12)  # the same again and again: nothing here is a secret


def main() -> None:
    ring = KeyRing(generate_key())
    vault, cipher, fernet = SealedVault(ring), ring.newest[1], Fernet(Fernet.generate_key())
    contestants: dict[str, Run] = {
        "bare AES-256-GCM": repeat(lambda: cipher.decrypt(NONCE, cipher.encrypt(NONCE, RECORD, b""), b"")),
        "authflow: SealedVault": repeat(lambda: vault.unpack(AT, vault.pack(AT, RECORD, 1))),
        "Fernet": repeat(lambda: fernet.decrypt(fernet.encrypt(RECORD))),
    }
    show("sealing and opening 2 KB", in_turn(contestants, calls=5_000))


if __name__ == "__main__":
    main()

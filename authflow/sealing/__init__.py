"""Sealing: AES-256-GCM around everything of a session that leaves this process's memory.

    keys.py      a ring of 32-byte keys: new writes with the newest, old reads with any
    vault.py     what a store keeps: envelopes, bound to the key they are stored under
    text.py      what `dump()` gives: the same as text
    sources.py   where a key comes from: the system's keyring, the environment, a file, a passphrase
"""

from __future__ import annotations

from .keys import KeyRing, generate_key
from .sources import find_key
from .text import Sealer, is_sealed
from .vault import PlaintextVault, SealedVault, Vault, keys_and_vault, reseal

__all__ = [
    "KeyRing",
    "PlaintextVault",
    "SealedVault",
    "Sealer",
    "Vault",
    "find_key",
    "generate_key",
    "is_sealed",
    "keys_and_vault",
    "reseal",
]

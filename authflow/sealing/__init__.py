"""Sealing: AES-256-GCM around everything of a session that leaves this process's memory.

    keys.py      a ring of 32-byte keys: new writes with the newest, old reads with any
    vault.py     what a store keeps: envelopes, bound to the key they are stored under
    text.py      what `dump()` gives: the same as text
    sources.py   where a key comes from: the system's keyring, the environment, a file, a passphrase
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .keys import KeyRing, generate_key
from .text import Sealer, is_sealed
from .vault import PlaintextVault, SealedVault, Vault, keys_and_vault, reseal

if TYPE_CHECKING:
    from .sources import find_key, write_key_file

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
    "write_key_file",
]


def __getattr__(name: str) -> Any:
    """The sources of keys are loaded by those who look for one."""
    if name not in ("find_key", "write_key_file"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import sources

    return getattr(sources, name)

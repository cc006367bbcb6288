"""`authflow logout --forget`: drops what is stored of a session that nobody can read any more, its key being lost.

Rule: what can be read is left alone, for it can be signed out, which tells the provider too. No key is needed here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SealingKeyRequired, StoreError
from .config import find_config
from .screen import Screen, told
from .workspace import chosen_accounts, make_store, open_workspace

if TYPE_CHECKING:
    from ..records import Key
    from ..stores import Store


def forget_unreadable(file: Path | None, provider: str | None, account: str | None) -> int:
    """Drops the record of an account of `provider`, or all records; returns the exit status.

    Raises `UnknownProvider`, `ConfigurationError`, `StoreError`.
    """
    config, screen = find_config(file), Screen()
    if provider is not None and provider not in config.tables:
        config.provider(provider)  # raises, and names the ones that there are
    store = make_store(config, os.environ)
    try:
        found = [key for key in _stored(store) if key.provider in config.tables]
        if provider is not None:
            which = chosen_accounts().account(provider) if account is None else account
            found = [key for key in found if (key.provider, key.account) == (provider, which)]
        readable = _readable(file, found)
        for key in found:
            name = told(f"{key.provider}{f' ({key.account})' if key.account else ''}", 120)
            if key in readable:
                screen.line(("– ", "dim"), f"{name}: it can be read, and was left alone.")
                continue
            _drop(store, key)
            screen.line(("✓ ", "good"), f"{name}: forgotten here. The provider was not told: end its session there.")
        if not found:
            screen.line("There is no such record.")
    finally:
        store.close()
    return 1 if found and readable == set(found) else 0


def _stored(store: Store) -> list[Key]:
    from ..house import SESSION, key_of

    found = [key_of(name) for name in store.keys(SESSION)]
    return sorted(key for key in found if key is not None and not key.owner)


def _readable(file: Path | None, keys: list[Key]) -> set[Key]:
    """Those of `keys` that can be read; none of them where there is no key."""
    readable = set()
    try:
        for key in keys:
            with open_workspace(file, only=key.provider) as work:
                try:
                    _ = work.manager.account(key.provider, key.account).state
                except StoreError:
                    continue
                readable.add(key)
    except SealingKeyRequired:
        return set()
    return readable


def _drop(store: Store, key: Key) -> None:
    """The session's record, and what lies beside the sessions under the same lost key: whose they are, registered
    clients, attempts. Nobody can read that either, and a new login would stumble over it."""
    from ..house import SESSION
    from ..sealing.vault import sealed_with
    from ..stores import Conflict

    held = store.load(SESSION + str(key))
    if held is None:
        return
    if isinstance(store.swap(SESSION + str(key), held[1], None), Conflict):
        raise StoreError("It was changed just now by another process.", hint="Look again: authflow status")
    lost = sealed_with(held[0])
    for name in [name for name in store.keys("") if not name.startswith(SESSION)]:
        beside = store.load(name)
        if lost is not None and beside is not None and sealed_with(beside[0]) == lost:
            store.swap(name, beside[1], None)

"""What the commands work on: the configured providers, the sessions that are kept for this user, the chosen accounts.

    [store]                              in authflow.toml; without it: files of this user, sealed
    type = "sqlite"                      # or file, redis, sql
    path = "/srv/app/sessions.db"        # of file and sqlite
    url_env = "SESSIONS_URL"             # of redis and sql: a URL may hold a password

Rule: the commands use the front door only. What they keep, an application with the same store sees, and the other
way round.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import platformdirs

from ..errors import ConfigurationError, InvalidCall, MissingExtra, SealingKeyRequired, StoreError, printable
from ..sealing.sources import write_private
from .config import Config, find_config, meant

if TYPE_CHECKING:
    from ..manager import SessionManager
    from ..sealing import KeyRing
    from ..session import Session
    from ..stores import Store

APP: Final = "authflow"
STORES: Final = ("file", "sqlite", "redis", "sql")


def complete_provider(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: the names in the configuration."""
    try:
        return [name for name in find_config(ctx.params.get("file")).tables if name.startswith(incomplete)]
    except ConfigurationError:
        return []


provider_argument: Final = click.argument("provider", shell_complete=complete_provider)
maybe_provider_argument: Final = click.argument("provider", required=False, shell_complete=complete_provider)
config_option: Final = click.option(
    "--config", "file", type=click.Path(path_type=Path), help="The configuration file to use."
)
account_option: Final = click.option("--account", help="Which of your accounts there; else the one you switched to.")


@dataclass(frozen=True)
class Workspace:
    """One run of a command: the configuration, a manager over the store, and which accounts are chosen.

    `broken` has the error of each configured provider that cannot be used as it is configured.
    """

    config: Config
    manager: SessionManager
    chosen: Chosen
    broken: Mapping[str, ConfigurationError]

    def session(self, name: str, account: str | None = None) -> Session:
        """The session of a provider and account. Raises `UnknownProvider`, `ConfigurationError`."""
        if name in self.broken:
            raise self.broken[name]
        return self.manager.account(name, self.chosen.account(name) if account is None else account)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def kept(self) -> list[Session]:
        """Every session that the store has, and is of a configured provider: by provider, then by account."""
        order = list(self.manager)
        found = [session for session in self.manager.stored() if not session.owner]
        return sorted(found, key=lambda session: (order.index(session.provider.name), session.account))


class Chosen:
    """Which account of a provider a command means that names none: a small file of this user."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def account(self, name: str) -> str:
        """The account that was chosen last; "": the first one."""
        return self._read().get(name, "")

    def choose(self, name: str, account: str) -> None:
        """From now on `account` is meant. Raises `StoreError`."""
        chosen = self._read()
        if chosen.get(name, "") == account:
            return
        chosen[name] = account
        write_private(self._path, json.dumps({name: account for name, account in chosen.items() if account}))

    def _read(self) -> dict[str, str]:
        try:
            found: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(account, str) for account in found.values()):
            raise StoreError(
                f"{self._path} cannot be read.", hint="Remove it: then each provider's first account is meant."
            )
        return found


@contextmanager
def open_workspace(
    file: Path | None = None, *, only: str | None = None, sessions: bool = True
) -> Iterator[Workspace]:
    """The workspace of the configuration at `file`, or of the one that is found; closed at the end.

    With `only`, that provider alone is made: what is wrong with another one does not matter then. Without `sessions`
    no store is opened, and no sealing key is needed: for what is about the providers alone. Raises
    `ConfigurationError`, `UnknownProvider`, `SealingKeyRequired`.
    """
    from ..manager import SessionManager
    from ..stores import MemoryStore

    config = find_config(file)
    providers, broken = [], {}
    for name in config.tables if only is None else (only,):
        try:
            providers.append(config.provider(name))
        except ConfigurationError as error:
            if only is not None:
                raise
            broken[name] = error
    store = make_store(config, os.environ) if sessions else MemoryStore()
    try:
        key = find_sealing_key() if sessions else None
        with SessionManager(providers, store=store, single_user=True, sealing_key=key) as manager:
            yield Workspace(config, manager, chosen_accounts(), broken)
    finally:
        store.close()


def find_sealing_key() -> KeyRing:
    """The key that seals what the commands keep. Raises `SealingKeyRequired`, `ConfigurationError`."""
    from ..sealing import find_key

    try:
        return find_key(APP)
    except SealingKeyRequired as error:
        raise SealingKeyRequired(
            error.message,
            hint="authflow key new makes one, in a file that you alone can read. Or set AUTHFLOW_SEALING_KEY; or "
            "pip install 'authflow-sessions[keyring]' for the system's keyring.",
        ) from error


def chosen_accounts() -> Chosen:
    """Which accounts this user has chosen."""
    return Chosen(state_folder() / "accounts.json")


def state_folder() -> Path:
    """Where this user's small files of the command lie."""
    return platformdirs.user_state_path(APP, appauthor=False)


def make_store(config: Config, env: Mapping[str, str]) -> Store:
    """The store that the table `[store]` names; without one, sealed files of this user.

    Raises `ConfigurationError` with file and line, `StoreError`.
    """
    from .. import stores

    table = dict(config.table("store"))
    kind = table.pop("type", "file")
    if kind not in STORES:
        hint = f"{meant(str(kind), STORES)} Use one of {', '.join(STORES)}."
        raise config.error("store", "type", "type is no store that authflow has", hint.lstrip())
    where, what = ("path", "a path") if kind in ("file", "sqlite") else ("url_env", "the name of a variable")
    place = table.pop(where, None)
    if table:
        strange = next(iter(table))
        hint = meant(strange, ("type", where)) or f"It has {where}."
        raise config.error("store", strange, f"a store of type {kind} has no setting {strange}", hint)
    if place is not None and not (isinstance(place, str) and place):
        raise config.error("store", where, f"{where} is not {what}", f'Write {where} = "…".')
    if place is None and kind != "file":
        raise config.error("store", "", f"a store of type {kind} needs {where}", f'Add {where} = "…".')

    if kind == "file" and place is None:
        return stores.FileStore.for_app(APP)
    if where == "url_env":
        if not env.get(str(place)):
            raise config.error("store", where, f"the environment has no {place}", f"Set it: export {place}=…")
        place = env[str(place)]
    classes = {"file": "FileStore", "sqlite": "SQLiteStore", "redis": "RedisStore", "sql": "SQLStore"}
    try:
        open_store: Callable[[str], Store] = getattr(stores, classes[kind])
        return open_store(str(place))
    except MissingExtra:
        raise
    except (ConfigurationError, StoreError) as error:
        raise config.error("store", where, error.message.rstrip("."), error.hint) from error


def require_kept(session: Session) -> Session:
    """The session, if it is signed in. Raises `InvalidCall` that says how to sign in."""
    if not session.live:
        raise not_signed_in(session)
    return session


def not_signed_in(session: Session) -> InvalidCall:
    account = f" --account {session.account}" if session.account else ""
    return InvalidCall(
        f"You are not signed in to {printable(session.provider.label, 60)}{_as(session.account)}.",
        hint=f"authflow login {session.provider.name}{account}",
    )


def _as(account: str) -> str:
    return f" as {printable(account, 60)}" if account else ""

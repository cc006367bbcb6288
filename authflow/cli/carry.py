"""`authflow export` and `authflow import`: a session carried to another machine, or over from another library."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from ..crypto import encrypt
from ..errors import AlreadyAuthenticated, ConfigurationError, InvalidCall, SealedDataInvalid, StoreError
from .saved_tokens import FORMATS, read_saved_token
from .screen import Screen, told
from .workspace import account_option, config_option, open_workspace, provider_argument, require_kept

PASSPHRASE: Final = "AUTHFLOW_PASSPHRASE"
MOST_READ: Final = 4 * 1024 * 1024


@click.command("export")
@provider_argument
@config_option
@account_option
@click.option("--output", type=click.Path(path_type=Path), help="The new file to write, for you alone.")
@click.option("--copy", is_flag=True, help="Stay signed in here too.")
def export(provider: str, file: Path | None, account: str | None, output: Path | None, copy: bool) -> None:
    """Write the session of PROVIDER as text that a passphrase opens, for `authflow import` on another machine.

    The session moves: here it ends, without telling the provider. With --copy it stays, but a provider that takes a
    used refresh token for a stolen one will end both. The passphrase is asked for, or read from AUTHFLOW_PASSPHRASE.

    \b
    Example:
        authflow export github --output github.session
    """
    with open_workspace(file, only=provider) as work:
        session = require_kept(work.session(provider, account))
        session.token()
        text = encrypt(session.dump_plaintext(), passphrase(confirm=True))
        if output is None:
            click.echo(text)
        else:
            write_private(output, text + "\n")
        if not copy:
            session.logout(revoke=False, end_session=False)
    where = f" to {output}" if output is not None else ""
    Screen(err=True).line(f"{provider}: {'copied' if copy else 'moved'}{told(where, 300) and where}.")


@click.command("import")
@provider_argument
@click.argument("source", type=click.Path(allow_dash=True, path_type=Path))
@config_option
@account_option
@click.option("--from", "kind", type=click.Choice(FORMATS), help="Whose format it is; otherwise it is seen.")
def import_(provider: str, source: Path, file: Path | None, account: str | None, kind: str | None) -> None:
    """Sign in to PROVIDER with a token that was saved: by `authflow export`, Flet, MSAL, requests-oauthlib, Authlib.

    SOURCE is a file, or - for standard input. The token is checked with the provider, and renewed if it has ended.

    \b
    Example:
        authflow import github github.session
        authflow import microsoft token_cache.json --from msal
    """
    text = read_source(source)
    with open_workspace(file, only=provider) as work:
        session = work.session(provider, account)
        if session.live:
            raise AlreadyAuthenticated(
                f"You are signed in to {provider} already.", hint=f"authflow logout {provider}, or --account NAME."
            )
        try:
            token = read_saved_token(text, passphrase, session.provider.client_id, kind)
        except (InvalidCall, SealedDataInvalid) as error:  # of the source, not of a session that is kept here
            where = "standard input" if str(source) == "-" else source
            raise InvalidCall(f"{where}: {error.message}", hint=error.hint) from None
        session.restore(token)
        screen = Screen()
        who = session.user.name or session.user.id if session.user is not None else ""
        screen.line(("✓ ", "good"), f"{provider}: signed in{f' as {told(who)}' if who else ''}.")
        screen.line("  ", told(session.explain(), 300))


def passphrase(*, confirm: bool = False) -> str:
    """From the environment, or from the human at the terminal. Raises `ConfigurationError` where there is neither."""
    given = os.environ.get(PASSPHRASE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise ConfigurationError("A passphrase is needed, and nobody is there to type it.", hint=f"Set {PASSPHRASE}.")
    typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return typed


def read_source(path: Path) -> str:
    """The text of a file, or of standard input. Raises `InvalidCall` for what is no text."""
    try:
        if str(path) == "-":
            return sys.stdin.read(MOST_READ)
        with open(path, encoding="utf-8-sig") as file:
            return file.read(MOST_READ)
    except OSError as error:
        why = error.strerror or "unknown reason"
    except UnicodeDecodeError:
        why = "it is no text in UTF-8"
    raise InvalidCall(f"{path} cannot be read: {why}.", hint="Name the file that holds the saved token, or -.")


def write_private(path: Path, text: str) -> None:
    """A new file that its owner alone can read. Raises `StoreError` where one is already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StoreError(f"{path} is there already.", hint="Name another file; nothing was overwritten.") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}).", hint="Name another file.") from None

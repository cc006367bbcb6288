"""The command `authflow`: puts the commands together, each from its own file, and loads only the one typed.

Rule 1: a human reads one line that says what is wrong and one that says what to do; never a traceback.
Rule 2: what goes through a pipe is plain text: no colour, no spinner, no cursor.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from .. import __version__
from ..errors import AuthflowError, Misuse, SealedDataInvalid

COMMANDS: Final = {
    "demo": "signs in to three providers on this machine and shows what happens",
    "login": "signs in to a provider",
    "dash": "shows the kept sessions in the browser, live",
    "status": "shows who is signed in where, and what is wrong",
    "token": "prints a valid access token, for scripts",
    "refresh": "renews the tokens now",
    "logout": "signs out here, then at the provider",
    "key": "makes the key that seals the sessions, or shows where it is",
    "accounts": "lists the accounts that are signed in",
    "switch": "chooses the account that is meant",
    "providers": "lists and shows the configured providers",
    "doctor": "checks everything that a login depends on",
    "export": "writes a session as text under a passphrase",
    "import": "signs in with what export, Flet, MSAL or requests-oauthlib saved",
    "credential": "gives tokens to git, docker, kubectl and the AWS tools",
    "verify": "checks every history that the chart of a login allows",
    "trace": "shows, opens or replays what happened in a login",
    "top": "shows the kept sessions in this terminal, live",
    "diagram": "writes or checks the pictures of the chart",
    "completion": "prints what makes a shell complete these commands",
}

# Where a command is that does not stand in the file of its name.
_HOMES: Final = {
    "accounts": ("accounts", "accounts"),
    "switch": ("accounts", "switch"),
    "export": ("carry", "export"),
    "import": ("carry", "import_"),
}

INTERRUPTED: Final = 130
KEY_IS_LOST: Final = "If its key is lost for good: authflow logout NAME --forget, then authflow login NAME."


class Commands(click.Group):
    """The commands by name; a command's file is imported when it is typed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return load(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        near = difflib.get_close_matches(word, COMMANDS, 1)
        if word not in COMMANDS and near and not word.startswith("-"):
            raise click.UsageError(f"There is no command {word!r}. Did you mean {near[0]!r}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def load(name: str) -> click.Command | None:
    """The command of this name, from its file."""
    file, attribute = _HOMES.get(name, (name, "command"))
    found = getattr(import_module(f"authflow.cli.{file}"), attribute)
    return found if isinstance(found, click.Command) else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="authflow", message="%(prog)s %(version)s")
def command() -> None:
    """Logins as explicit state machines: watch them, check them, try them.

    \b
    Example:
        authflow demo
    """


def run(args: Sequence[str]) -> int:
    """Runs one command line; returns the exit status and lets no traceback out for what a user can do."""
    logging.getLogger("authflow").addHandler(logging.NullHandler())  # what matters to a human is said by the command
    try:
        status = command.main(args=list(args), prog_name="authflow", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except AuthflowError as error:
        say(error)
        return 2 if isinstance(error, Misuse) else 1
    except BrokenPipeError:  # the reader of the pipe has gone: `authflow verify | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def say(error: AuthflowError) -> None:
    """An error for a human: what is wrong, and below it what to do."""
    click.echo(f"Error: {error.message}", err=True)
    if error.hint:
        click.echo(f"       {error.hint}", err=True)
    if isinstance(error, SealedDataInvalid) or isinstance(error.__cause__, SealedDataInvalid):
        click.echo(f"       {KEY_IS_LOST}", err=True)

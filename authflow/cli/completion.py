"""`authflow completion SHELL`: the script that makes a shell complete commands, options and provider names."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Example:
        authflow completion bash >> ~/.bashrc
    """
    from .main import command as root

    kind = get_completion_class(shell)
    if kind is None:
        sys.exit(1)
    click.echo(kind(root, {}, "authflow", "_AUTHFLOW_COMPLETE").source())

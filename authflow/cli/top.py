"""`authflow top`: the kept sessions on the whole terminal, live."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .workspace import config_option, open_workspace


@click.command("top")
@config_option
@click.option("--allow-actions", is_flag=True, help="Sign in, refresh and sign out from there, not only look.")
def command(file: Path | None, allow_actions: bool) -> None:
    """Show every kept session, live: what changes here or in another process is seen at once.

    The arrow keys choose a session; below it stand its chart with the present state lit, all that is known of it, and
    the last thing that happened. Enter shows that alone, q ends. It works over SSH: a sign-in shows a code for another
    screen there, or an address to open elsewhere.

    \b
    Example:
        authflow top
        authflow top --allow-actions
    """
    from . import install, missing

    if missing("textual"):
        click.echo(f"authflow top needs what is not installed here. Type:\n\n    {install('tui')}", err=True)
        sys.exit(2)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("authflow top needs a terminal; in a pipe: authflow status --json")
    from ..tui.app import Top

    with open_workspace(file) as work:
        app = Top(work.manager, allow_actions=allow_actions)
        app.run()
    sys.exit(app.return_code or 0)

"""`authflow login PROVIDER`: one real sign-in, with what `authflow.toml` says, and who came back.

Standard output gets the user and the scopes; the states and signals go to standard error as they happen. No token
is ever printed, and none is kept: what was granted is revoked at the end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import BrowserUnavailable, LoginDenied, LoginFailed, LoginTimedOut
from .main import say

if TYPE_CHECKING:
    from ..providers import Provider
    from ..session import Session


@click.command("login")
@click.argument("provider")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration file to use.")
@click.option("--scope", multiple=True, help="A further scope to ask for; may be given several times.")
@click.option("--groups", is_flag=True, help="Ask for the user's groups too.")
@click.option("--paste", is_flag=True, help="No browser here: show the URL and paste the address back.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86_400),
    default=300.0,
    show_default=True,
    help="Seconds to wait for you.",
)
def command(
    provider: str, file: Path | None, scope: tuple[str, ...], groups: bool, paste: bool, timeout: float
) -> None:
    """Sign in to PROVIDER and show who you are.

    PROVIDER is a name in authflow.toml: in this folder, or else in your configuration folder. The client secret is
    read from the environment, PROVIDER_CLIENT_SECRET unless the file names another variable. The browser opens;
    afterwards the user and the scopes are printed. No token is shown or kept.

    \b
    Example:
        authflow login github
    \b
    with, in authflow.toml:
        [providers.github]
        type = "github"
        client_id = "…"
    """
    from .config import find_config

    made = find_config(file).provider(provider)
    sys.exit(run(made, scope=scope, groups=groups, paste=paste, timeout=timeout))


def run(provider: Provider, *, scope: tuple[str, ...], groups: bool, paste: bool, timeout: float) -> int:
    """Signs in, says who it was, signs out; returns the exit status. `timeout` is in seconds."""
    from ..agents import Loopback, Paste
    from ..manager import SessionManager
    from .screen import Screen

    progress = Screen(err=True)
    if not paste and _only_paste():
        progress.line("No browser can be opened from here: use the one of the machine you sit at.")
        paste = True
    with SessionManager([provider], single_user=True) as manager:
        progress.watch(manager)
        if not paste:
            progress.line(f"Your browser opens; you have {timeout:.0f} s to sign in there. Ctrl-C ends it.")
        session = manager[provider.name]
        try:
            session.login(
                agent=Paste(show=_show) if paste else Loopback(), scope=scope, fetch_groups=groups, timeout=timeout
            )
        except LoginFailed as error:
            _say_why(provider, error, timeout)
            return 1
        _say_who(session)
        result = session.logout(end_session=False)
    if result.errors:
        what = "; ".join(error.message for error in result.errors)
        progress.line(f"Nothing is kept here, but the provider could not be told: {what}")
    else:
        gone = ", ".join(kind.replace("_", " ") for kind, done in result.revoked.items() if done)
        progress.line(f"Nothing is kept{f'; revoked: {gone}' if gone else ''}.")
    return 0


def _only_paste() -> bool:
    """No browser can be opened here, and a human sits at the terminal who can carry the URL elsewhere."""
    from ..agents import surroundings

    return not (surroundings().display or os.environ.get("BROWSER")) and sys.stdin.isatty() and sys.stderr.isatty()


def _show(text: str) -> None:
    click.echo(text, err=True)


def _say_who(session: Session) -> None:
    from .screen import told

    user = session.user
    if user is None:
        click.echo(f"Signed in to {told(session.provider.label)}; it tells no user.")
    else:
        address = f" <{told(user.email)}>" if user.email else ""
        click.echo(f"Signed in to {told(session.provider.label)} as {told(user.name or user.id)}{address}.")
        click.echo(f"user id: {told(user.id, 200)}")
        if user.groups:
            click.echo(f"groups:  {', '.join(told(group.name) for group in user.groups)}")
    click.echo(f"scopes:  {told(' '.join(session.scopes) or 'none named', 500)}")
    click.echo(f"session: {told(session.explain(), 300)}")


def _say_why(provider: Provider, error: LoginFailed, timeout: float) -> None:
    from .screen import told

    label = told(provider.label)
    if isinstance(error, LoginDenied):
        click.echo(f"Denied: {label} was told no. {told(error.error_description or '', 300)}".rstrip(), err=True)
    elif isinstance(error, LoginTimedOut):
        click.echo(f"Timed out: nobody came back from {label} within {timeout:.0f} s.", err=True)
        click.echo("           Try again, or give yourself more time: --timeout 900", err=True)
    elif isinstance(error.__cause__, BrowserUnavailable):
        click.echo(f"Error: {error.message}", err=True)
        click.echo(f"       Add --paste: authflow login {told(provider.name)} --paste", err=True)
    else:
        say(error)

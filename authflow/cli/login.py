"""`authflow login PROVIDER`: one real sign-in, with what `authflow.toml` says, and who came back.

Standard output gets the user and the scopes; the states and signals go to standard error as they happen, and so does
what the human is to do. How the human is reached is chosen as `login()` chooses it. No token is ever printed. The
session is kept, sealed, for the other commands; with `--try` it is ended at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ..errors import BrowserUnavailable, LoginDenied, LoginFailed, LoginTimedOut
from .config import find_config
from .main import say
from .screen import Screen, told
from .traces import keep
from .workspace import config_option, open_workspace, provider_argument

if TYPE_CHECKING:
    from ..manager import SessionManager
    from ..providers import Provider
    from ..session import Session


@click.command("login")
@provider_argument
@config_option
@click.option("--account", help="A label of yours for a further account there.")
@click.option("--scope", multiple=True, help="A further scope to ask for; may be given several times.")
@click.option("--groups", is_flag=True, help="Ask for the user's groups too.")
@click.option("--device", is_flag=True, help="No browser here: show a code to enter on any other screen.")
@click.option("--paste", is_flag=True, help="No browser here: show the URL and paste the address back.")
@click.option("--try", "once", is_flag=True, help="Keep nothing: what was granted is revoked at once.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86_400),
    default=300.0,
    show_default=True,
    help="Seconds to wait for you.",
)
def command(
    provider: str,
    file: Path | None,
    account: str | None,
    scope: tuple[str, ...],
    groups: bool,
    device: bool,
    paste: bool,
    once: bool,
    timeout: float,
) -> None:
    """Sign in to PROVIDER and show who you are.

    PROVIDER is a name in authflow.toml: in this folder, or else in your configuration folder. The client secret is
    read from the environment, PROVIDER_CLIENT_SECRET unless the file names another variable. The browser opens;
    afterwards the user and the scopes are printed. No token is shown; the session is kept, sealed.

    \b
    Example:
        authflow login github
    \b
    with, in authflow.toml:
        [providers.github]
        type = "github"
        client_id = "…"
    """
    asked = Asked(scope=scope, groups=groups, paste=paste, device=device, timeout=timeout)
    if device and paste:
        raise click.UsageError("--device and --paste are two ways; choose one.")
    if once:
        sys.exit(try_once(find_config(file).provider(provider), asked))
    with open_workspace(file, only=provider) as work:
        session = work.session(provider, account)
        if session.live and not set(scope) - set(session.scopes):
            _say_who(session)
            click.echo(f"You are signed in already. To change that: authflow logout {provider}", err=True)
            return
        status = sign_in(work.manager, session, asked)
        if status == 0:
            work.chosen.choose(provider, session.account)
    sys.exit(status)


class Asked(NamedTuple):
    """What was typed. `timeout` is in seconds."""

    scope: tuple[str, ...]
    groups: bool
    paste: bool
    timeout: float
    device: bool = False


def try_once(provider: Provider, asked: Asked) -> int:
    """Signs in, says who it was, signs out; returns the exit status."""
    from ..manager import SessionManager

    with SessionManager([provider], single_user=True) as manager:
        session = manager[provider.name]
        status = sign_in(manager, session, asked)
        if status:
            return status
        result = session.logout(end_session=False)
    progress = Screen(err=True)
    if result.errors:
        what = "; ".join(error.message for error in result.errors)
        progress.line(f"Nothing is kept here, but the provider could not be told: {told(what, 300)}")
    else:
        gone = ", ".join(kind.replace("_", " ") for kind, done in result.revoked.items() if done)
        progress.line(f"Nothing is kept{f'; revoked: {gone}' if gone else ''}.")
    return 0


def sign_in(manager: SessionManager, session: Session, asked: Asked) -> int:
    """Signs in and says who it was, or why not; returns the exit status."""
    from ..agents import DeviceCode, Paste, Suitable, surroundings
    from ..agents.choosing import can_browse

    provider, progress = session.provider, Screen(err=True)
    progress.watch(manager)
    if not (asked.paste or asked.device) and can_browse(surroundings()):
        progress.line(f"Your browser opens; you have {asked.timeout:.0f} s to sign in there. Ctrl-C ends it.")
    way = DeviceCode if asked.device else Paste if asked.paste else Suitable
    try:
        session.login(
            agent=way(terminal=sys.stderr),
            scope=asked.scope,
            fetch_groups=asked.groups,
            timeout=asked.timeout,
        )
    except LoginFailed as error:
        _say_why(provider, error, asked.timeout)
        if keep(error.trace) is not None:
            click.echo("What happened, without secrets: authflow trace last", err=True)
        return 1
    keep(session.trace)
    _say_who(session)
    return 0


def _say_who(session: Session) -> None:
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
    label = told(provider.label)
    if isinstance(error, LoginDenied):
        click.echo(f"Denied: {label} was told no. {told(error.error_description or '', 300)}".rstrip(), err=True)
    elif isinstance(error, LoginTimedOut):
        click.echo(f"Timed out: nobody came back from {label} within {timeout:.0f} s.", err=True)
        click.echo("           Try again, or give yourself more time: --timeout 900", err=True)
    elif isinstance(error.__cause__, BrowserUnavailable):
        click.echo(f"Error: {error.message}", err=True)
        click.echo(f"       Add --paste: authflow login {told(provider.name)} --paste", err=True)
        click.echo("       Or --device, where the provider has sign-in by a code.", err=True)
    else:
        say(error)

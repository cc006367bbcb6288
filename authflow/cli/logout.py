"""`authflow logout PROVIDER`: signs out here, then at the provider."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import AuthflowError
from .screen import Screen, told
from .workspace import account_option, config_option, maybe_provider_argument, open_workspace

if TYPE_CHECKING:
    from ..operations import LogoutResult
    from ..session import Session


@click.command("logout")
@maybe_provider_argument
@config_option
@account_option
@click.option("--all", "everything", is_flag=True, help="All providers and accounts; or all accounts of PROVIDER.")
@click.option("--local", is_flag=True, help="Here only: the provider is not told, its tokens live until they end.")
@click.option("--forget", is_flag=True, help="Drop the record of a session that cannot be read, its key being lost.")
@click.option("--end-session", is_flag=True, help="Also open the provider's own sign-out page in the browser.")
def command(
    provider: str | None,
    file: Path | None,
    account: str | None,
    everything: bool,
    local: bool,
    forget: bool,
    end_session: bool,
) -> None:
    """Sign out of PROVIDER: here at once, then its tokens are revoked there.

    The exit status is 1 when the provider could not be told. You are signed out here in any case.

    A session whose sealing key is lost cannot be read, so it cannot be signed out: --forget drops what is stored of
    it, without the key. What can be read is left alone.

    \b
    Example:
        authflow logout github
        authflow logout --all
        authflow logout github --forget
    """
    if provider is None and not everything:
        raise click.UsageError("Name a provider, or say --all.")
    if everything and account is not None:
        raise click.UsageError("--all means every account; leave --account away.")
    if forget and (local or end_session):
        raise click.UsageError("--forget tells nobody; leave --local and --end-session away.")
    if forget:
        from .forgetting import forget_unreadable

        sys.exit(forget_unreadable(file, provider, account))
    screen, failed = Screen(), False
    with open_workspace(file, only=provider) as work:
        sessions = work.kept() if everything else [work.session(str(provider), account)]
        for session in sessions:
            try:
                result = session.logout(revoke=not local, end_session=end_session and not local)
            except AuthflowError as error:
                screen.line(("✗ ", "bad"), f"{_name(session)}: {told(error.message, 300)}")
                failed = True
                continue
            failed |= bool(result.errors) or not result.persisted
            _say(screen, session, result)
        if not sessions:
            screen.line("Nobody is signed in.")
    sys.exit(1 if failed else 0)


def _say(screen: Screen, session: Session, result: LogoutResult) -> None:
    if not result.signed_out:
        screen.line(("– ", "dim"), f"{_name(session)}: was not signed in.")
        return
    gone = " and ".join(kind.replace("_", " ") for kind, done in result.revoked.items() if done)
    screen.line(("✓ ", "good"), f"{_name(session)}: signed out{f'; revoked: {gone}' if gone else ''}.")
    for error in result.errors:
        screen.line(("✗ ", "bad"), f"The provider could not be told: {told(error.message, 300)}")
    if not result.persisted:
        screen.line(("✗ ", "bad"), "The store could not be written: what it holds is still there.")
    if result.end_session_url is not None and not result.end_session_opened:
        screen.line("  The provider's own session goes on; no browser could be opened for its sign-out page.")


def _name(session: Session) -> str:
    return told(f"{session.provider.name}{f' ({session.account})' if session.account else ''}", 120)

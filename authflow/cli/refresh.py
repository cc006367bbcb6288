"""`authflow refresh PROVIDER`: renews the tokens now."""

from __future__ import annotations

from pathlib import Path

import click

from .screen import Screen, told
from .workspace import account_option, config_option, open_workspace, provider_argument, require_kept


@click.command("refresh")
@provider_argument
@config_option
@account_option
def command(provider: str, file: Path | None, account: str | None) -> None:
    """Renew the tokens of PROVIDER now. Nobody needs to: whoever asks for a token gets a valid one.

    \b
    Example:
        authflow refresh github
    """
    with open_workspace(file, only=provider) as work:
        session = require_kept(work.session(provider, account))
        session.refresh()
        Screen().line(told(session.explain(), 300))

"""`authflow accounts` and `authflow switch`: several accounts of one provider, and which one is meant."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..errors import InvalidCall
from .screen import Screen, told
from .workspace import config_option, maybe_provider_argument, open_workspace, provider_argument


@click.command("accounts")
@maybe_provider_argument
@config_option
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def accounts(provider: str | None, file: Path | None, as_json: bool) -> None:
    """List the accounts that are signed in, of PROVIDER or of all. The active ones are marked.

    \b
    Example:
        authflow accounts github
    """
    with open_workspace(file, only=provider) as work:
        found = [
            {
                "provider": session.provider.name,
                "account": session.account,
                "user": None if session.user is None else session.user.name or session.user.id,
                "active": work.chosen.account(session.provider.name) == session.account,
            }
            for session in work.kept()
            if session.live
        ]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif found:
        rows = [
            ("*" if one["active"] else "", told(one["provider"]), told(one["account"] or "(first)"), told(one["user"]))
            for one in found
        ]
        Screen().table(("", "provider", "account", "user"), rows)
    else:
        Screen().line("Nobody is signed in.")


@click.command("switch")
@provider_argument
@click.argument("account", default="")
@config_option
def switch(provider: str, account: str, file: Path | None) -> None:
    """Make ACCOUNT the one that the commands mean when they name none; without ACCOUNT, the first one.

    \b
    Example:
        authflow login github --account work
        authflow switch github work
    """
    with open_workspace(file, only=provider) as work:
        known = [session.account for session in work.kept() if session.live]
        if account and account not in known:
            have = ", ".join(told(one or "the first") for one in known) or "none"
            raise InvalidCall(
                f"No account {told(account)!r} of {provider} is signed in; there is: {have}.",
                hint=f"authflow login {provider} --account {told(account)}",
            )
        work.chosen.choose(provider, account)
        Screen().line(f"{provider}: the commands mean {told(account) if account else 'the first account'} now.")

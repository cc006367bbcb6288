"""`authflow token PROVIDER`: a valid access token on standard output, for scripts."""

from __future__ import annotations

from pathlib import Path

import click

from .workspace import account_option, config_option, open_workspace, provider_argument, require_kept


@click.command("token")
@provider_argument
@config_option
@account_option
@click.option("--header", is_flag=True, help="The whole header line: Authorization: Bearer …")
@click.option(
    "--min-ttl", type=click.FloatRange(0, 86_400), default=0.0, help="Seconds that it must still be good for."
)
def command(provider: str, file: Path | None, account: str | None, header: bool, min_ttl: float) -> None:
    """Print a valid access token of PROVIDER; it is renewed first when that is due.

    Whoever reads it can act as you until it ends: give it to a program's standard input, not to its arguments.

    \b
    Example:
        authflow token github --header | curl -H @- https://api.github.com/user
    """
    with open_workspace(file, only=provider) as work:
        session = require_kept(work.session(provider, account))
        token = session.token(min_ttl=min_ttl)
        if token.token_type == "DPoP":
            bound = f"{provider}: this token is bound to a key: only a program with session.auth can use it."
            click.echo(bound, err=True)
        click.echo(f"Authorization: {token.token_type} {token.access_token}" if header else token.access_token)

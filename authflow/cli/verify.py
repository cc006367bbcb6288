"""`authflow verify`: the chart's invariants, each with its verdict; a counter-example for one that is broken."""

from __future__ import annotations

import sys

import click

from .. import verify


@click.command("verify")
def command() -> None:
    """Check every history that the chart of a login allows.

    Walks the table of states and triggers and says of each invariant whether it holds. For a broken one it
    prints the shortest history that breaks it, and the exit status is 1.

    \b
    Example:
        authflow verify
    """
    report = verify.verify()
    click.echo(str(report))
    if not report.ok:
        sys.exit(1)

"""`authflow verify`: the chart and the refresh protocol, each invariant with its verdict and counter-example."""

from __future__ import annotations

import sys

import click

from .. import interleave, verify


@click.command("verify")
def command() -> None:
    """Check every history that a login, and a renewal shared by processes, allows.

    First walks the table of states and triggers and says of each invariant whether it holds. Then walks every
    interleaving of several processes that renew one session, through the functions that the sessions run; and
    the same with one part left out at a time, to show what that part is for. What is broken is printed with
    the shortest history that breaks it, and the exit status is 1.

    \b
    Example:
        authflow verify
    """
    report = verify.verify()
    click.echo(str(report))
    sound = report.ok
    click.echo("\nThe refresh protocol, every interleaving:")
    states = held = found = 0
    for should_hold, result in interleave.walk_designs():
        click.echo(interleave.told(result, should_hold=should_hold))
        sound = sound and result.ok is should_hold
        states += result.states
        held += should_hold and result.ok
        found += not should_hold and not result.ok
    if not sound:
        sys.exit(1)
    click.echo(f"\nThe chart is sound; {held} designs hold and {found} flaws are found in {states:,} states.")

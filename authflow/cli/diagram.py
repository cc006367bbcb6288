"""`authflow diagram`: the folder of pictures, written from the chart or checked against it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from ..diagrams import write as files

FOLDER: Final = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("diagrams"),
    show_default=True,
    help="Where the pictures are.",
)


@click.group("diagram")
def command() -> None:
    """Write or check the pictures of the chart, of what goes over the wire, and of each provider's chart.

    \b
    Example:
        authflow diagram write --folder docs/login
    """


@command.command("write")
@FOLDER
def write(folder: Path) -> None:
    """Write what is missing or different.

    \b
    Example:
        authflow diagram write
    """
    try:
        written = files.write(folder)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror or error}.") from error
    for path in written:
        click.echo(f"written {folder / path}")
    if not written:
        click.echo(f"{folder}: all {len(files.render_all()) + 1} files are as the chart says.")


@command.command("check")
@FOLDER
def check(folder: Path) -> None:
    """Write nothing; exit status 1 if a file is not what the chart says.

    \b
    Example:
        authflow diagram check
    """
    try:
        stale = files.check(folder)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be read: {error.strerror or error}.") from error
    for path in stale:
        state = "is not what the chart says" if (folder / path).exists() else "is missing"
        click.echo(f"{folder / path} {state}", err=True)
    if stale:
        click.echo(f"To renew: authflow diagram write --folder {folder}", err=True)
        sys.exit(1)
    click.echo(f"{folder}: all {len(files.render_all()) + 1} files are as the chart says.")

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


_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@command.command("diff")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
def diff(old: Path, new: Path) -> None:
    """Say which transitions were added and removed from OLD to NEW, as lines for a changelog.

    Both are drawings of the chart: .svg, .mmd or .dot, in any mixture. Exit status 1 if they differ.

    \b
    Example:
        git show v1:diagrams/chart.mmd > old.mmd && authflow diagram diff old.mmd diagrams/chart.mmd
    """
    from ..diagrams.compare import compare

    changes = compare(_text(old), _text(new))
    for change in changes:
        click.echo(str(change))
    if changes:
        sys.exit(1)
    click.echo("The charts are the same.")


@command.command("coverage")
@click.argument("counts", type=_FILE, nargs=-1, required=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A .svg, .png, .json or .txt.")
@click.option("--fail-under", type=click.IntRange(0, 100), default=0, help="Exit status 1 below so many per cent.")
def coverage(counts: tuple[Path, ...], output: Path | None, fail_under: int) -> None:
    """Say how often each transition was taken, in all the COUNTS (the .json of a counter or of a test run).

    \b
    Example:
        authflow diagram coverage monday.json tuesday.json -o week.svg
    """
    from ..chart import CHART
    from ..diagrams.arrows import edges
    from ..diagrams.coverage import TransitionCounter, table

    counter = TransitionCounter.from_json(*(path.read_bytes() for path in counts))
    click.echo(table(counter.counts), nl=False)
    if output is not None:
        try:
            click.echo(f"written {counter.save(output)}")
        except OSError as error:
            raise click.ClickException(f"{output} cannot be written: {error.strerror or error}.") from error
    whole = len(edges(CHART))
    if (whole - len(counter.missed)) * 100 < fail_under * whole:
        click.echo(f"That is less than {fail_under} %.", err=True)
        sys.exit(1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is no text.") from error

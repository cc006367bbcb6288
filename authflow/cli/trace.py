"""`authflow trace`: a recorded login shown, opened in the browser, or decided once more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from ..errors import AuthflowError
from ..trace.story import Trace
from .traces import folder, kept

FILE: Final = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("trace")
def command() -> None:
    """Show what happened in a login, from a file that trace.save("….json") or `authflow login` wrote.

    \b
    Example:
        authflow trace last
    """


@command.command("show")
@FILE
def show(file: Path) -> None:
    """Print every step of FILE.

    \b
    Example:
        authflow trace show failed.json
    """
    _print(_read(file))


@command.command("last")
@click.option("--save", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write it there instead.")
def last(target: Path | None) -> None:
    """Print the last login of this command, or save it: .html, .svg, .json, .mmd, .txt.

    \b
    Example:
        authflow trace last --save failed.html
    """
    files = kept()
    if not files:
        raise click.ClickException("No trace is kept. `authflow login NAME` keeps one of each sign-in.")
    trace = _read(files[-1])
    if target is None:
        _print(trace)
        return
    try:
        trace.save(target)
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror or error}.") from error
    click.echo(f"written {target}")


@command.command("open")
@FILE
def open_page(file: Path) -> None:
    """Make a page of FILE and open it in the browser. The page asks nobody for anything.

    \b
    Example:
        authflow trace open failed.json
    """
    import webbrowser

    page = folder() / "open.html"
    trace = _read(file)
    try:
        page.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        page.touch(mode=0o600)
        trace.save(page)
    except OSError as error:
        raise click.ClickException(f"{page} cannot be written: {error.strerror or error}.") from error
    click.echo(f"{page}")
    if not webbrowser.open(page.as_uri()):
        click.echo("No browser could be opened from here; open the file yourself.", err=True)


@command.command("replay")
@FILE
def replay(file: Path) -> None:
    """Decide every step of FILE once more, by its own clock; exit status 1 if anything comes out otherwise.

    A step that does not tell what it was decided from is only looked up in the chart, and counted apart.

    \b
    Example:
        authflow trace replay failed.json
    """
    from ..trace.replay import count, count_untold
    from ..trace.replay import replay as decide_again

    trace = _read(file)
    divergences = decide_again(trace)
    for divergence in divergences:
        click.echo(str(divergence).encode("utf-8", "replace").decode(), err=True)
    decided, untold = count(trace), count_untold(trace)
    if untold:
        click.echo(f"{untold} step{' tells' if untold == 1 else 's tell'} too little to be decided again.", err=True)
    if divergences:
        click.echo(f"{len(divergences)} divergences in {decided} decisions.", err=True)
        sys.exit(1)
    click.echo(f"{decided} decisions, all as they were.")


def _read(file: Path) -> Trace:
    try:
        return Trace.load(file)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}.") from error
    except AuthflowError as error:
        raise click.ClickException(f"{file}: {error}") from error


def _print(trace: Trace) -> None:
    from ..trace.table import render

    click.echo(render(trace), nl=False)

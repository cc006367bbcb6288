"""`authflow dash`: the kept sessions on a page of this machine, live."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from ..errors import AuthflowError
from .screen import Screen, told
from .workspace import config_option, open_workspace

if TYPE_CHECKING:
    from ..dashboard import Running


@click.command("dash")
@config_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="A port on 127.0.0.1; else any free one.")
@click.option("--allow-actions", is_flag=True, help="Sign in, refresh and sign out from the page; else it only shows.")
@click.option("--keep-fresh", is_flag=True, help="Renew tokens ahead of their end, as long as it runs.")
@click.option("--no-open", is_flag=True, help="Print the link; open no browser.")
def command(file: Path | None, port: int, allow_actions: bool, keep_fresh: bool, no_open: bool) -> None:
    """Show every kept session in the browser, live, whichever program changes it.

    The page is served on 127.0.0.1 only. The link works once, in one tab; Enter prints another one, Ctrl-C ends it.

    \b
    Example:
        authflow dash --allow-actions
    """
    from . import install, missing

    if missing("starlette", "uvicorn"):
        click.echo(f"The dashboard needs what is not installed here. Type:\n\n    {install('dash')}", err=True)
        sys.exit(2)
    from ..dashboard import serve

    screen = Screen()
    with open_workspace(file) as work:
        for name, error in work.broken.items():
            screen.line(("✗ ", "bad"), (told(name), "head"), f" {error.message} {error.hint}")
        if keep_fresh:
            work.manager.keep_fresh()
        with serve(work.manager, port=port, allow_actions=allow_actions) as running:
            show(screen, running, no_open=no_open)


def show(screen: Screen, running: Running, *, no_open: bool) -> None:
    """Opens the page, or prints its link; a new link with each Enter, until Ctrl-C or the end of the input."""
    link = running.launch_url()
    if no_open or not _opened(link):
        screen.line("Open this link; it works once:")
        screen.line("  ", (link, "head"))
    else:
        screen.line(f"The dashboard is in your browser, at {running.url}")
    with suppress(KeyboardInterrupt):
        screen.line(("Enter: another link. Ctrl-C: the end.", "dim"))
        for _ in sys.stdin:
            screen.line("  ", (running.launch_url(), "head"))
        if not sys.stdin.isatty():  # nobody types here: it runs until it is stopped
            Event().wait()


def _opened(link: str) -> bool:
    from ..agents.browser import open_browser

    try:
        open_browser(link)
    except AuthflowError:
        return False
    return True

"""`authflow status`: who is signed in where, and whether anything is wrong. It asks no provider."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..overview import is_broken, is_unreadable
from .screen import Piece, Screen, told
from .workspace import Workspace, config_option, maybe_provider_argument, open_workspace


@click.command("status")
@maybe_provider_argument
@config_option
@click.option("--json", "as_json", is_flag=True, help="Plain data, as manager.snapshot() gives it; no token.")
def command(provider: str | None, file: Path | None, as_json: bool) -> None:
    """Show every session that is kept, or those of PROVIDER.

    The exit status is 1 when a session is broken: it has ended without your doing, its last renewal failed, its
    record or its provider's configuration cannot be used. With PROVIDER it is 1 as well when you are not signed in.

    \b
    Example:
        authflow status
        authflow status github --json
    """
    with open_workspace(file, only=provider) as work:
        rows = rows_of(work)
        if as_json:
            click.echo(json.dumps([_plain(row) for row in rows], ensure_ascii=False, indent=2))
        else:
            _show(Screen(), work, rows)
    broken = bool(work.broken) or any(map(is_broken, rows))
    sys.exit(1 if broken or (provider is not None and not any(row["live"] for row in rows)) else 0)


def rows_of(work: Workspace) -> list[dict[str, Any]]:
    """A row per kept session, and one for each provider without any."""
    kept = {(session.provider.name, session.account) for session in work.kept()}
    with_some = {name for name, _ in kept}
    rows = [row for row in work.manager.snapshot() if not row["owner"]]
    order = list(work.manager)
    rows.sort(key=lambda row: (order.index(row["provider"]), row["account"]))
    return [
        {**row, "active": work.chosen.account(row["provider"]) == row["account"]}
        for row in rows
        if (row["provider"], row["account"]) in kept or row["provider"] not in with_some
    ]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "broken": is_broken(row)}


def _show(screen: Screen, work: Workspace, rows: list[dict[str, Any]]) -> None:
    shown = ""
    for row in rows:
        if row["provider"] != shown:
            shown = row["provider"]
            where = f" · {told(row['issuer'])}" if row["issuer"] else ""
            screen.line((told(shown), "head"), f" · {told(row['label'])}{where}")
        _show_session(screen, row)
    for name, error in work.broken.items():
        screen.line((told(name), "head"))
        screen.line("  ", ("✗ ", "bad"), error.message)
        if error.hint:
            screen.line("    ", error.hint)
    if not rows and not work.broken:
        screen.line(f"No provider stands in {work.config.path}.")


def _show_session(screen: Screen, row: Mapping[str, Any]) -> None:
    broken, account = is_broken(row), told(row["account"])
    mark: Piece = ("✗ ", "bad") if broken else ("✓ ", "good") if row["live"] else ("– ", "dim")
    known = "signed in" if row["live"] else "cannot be read" if is_unreadable(row) else "not signed in"
    who = told(row["user"] or "") or known
    name = f"{account}: " if account else ""
    active: Piece = ("  (active)", "dim") if row["active"] and row["live"] else ("", "")
    screen.line("  ", mark, name, (who, "head" if row["live"] else ""), active)
    if not row["live"] and not broken:
        screen.line("    ", (typed("login", row), "dim"))
        return
    if is_unreadable(row):
        screen.line("    ", told(row["error"]["message"], 300))
    else:
        screen.line("    ", told(row["explanation"], 300).partition(": ")[2])
    if row["scopes"]:
        missing = f"; not granted: {' '.join(row['scopes_missing'])}" if row["scopes_missing"] else ""
        screen.line("    ", told(f"scopes: {' '.join(row['scopes'])}{missing}", 500))
    for remedy in remedies(row):
        screen.line("    ", remedy)


def remedies(row: Mapping[str, Any]) -> Iterator[str]:
    """What to do about a session, a dict of `manager.snapshot()`: a line each."""
    hint = (row["error"] or {}).get("hint")
    if hint:
        yield told(hint, 300)
    if is_unreadable(row):
        yield f"If its key is lost for good: {typed('logout', row)} --forget"
    elif is_broken(row) and not hint:
        yield f"Sign in again: {typed('login', row)}"


def typed(command: str, row: Mapping[str, Any]) -> str:
    """The command for one session, as a human types it."""
    account = f" --account {told(row['account'])}" if row["account"] else ""
    return f"authflow {command} {row['provider']}{account}"

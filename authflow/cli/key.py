"""`authflow key`: makes the key that seals the kept sessions where there is none, and shows where the present one is.

Rule: no key is shown, except by `new --print`, which keeps nothing.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

import click
import platformdirs

from ..errors import AuthflowError, SealingKeyRequired
from ..sealing import KeyRing, find_key, generate_key
from ..sealing.sources import ENVIRONMENT, ENVIRONMENT_FILE, write_key_file
from ..sealing.vault import sealed_with
from .config import find_config
from .screen import Screen, told
from .workspace import APP, config_option, find_sealing_key, make_store


@click.group("key")
def command() -> None:
    """The key that seals the sessions which the commands keep.

    \b
    Example:
        authflow key new
    """


@command.command("new")
@config_option
@click.option("--print", "shown", is_flag=True, help="Print one for AUTHFLOW_SEALING_KEY, and keep it nowhere.")
def new(file: Path | None, shown: bool) -> None:
    """Make a key where there is none: in the system's keyring, or else in a file that you alone can read.

    A key that is there stays. A new one does not open what another one sealed.

    \b
    Example:
        authflow key new
        export AUTHFLOW_SEALING_KEY=$(authflow key new --print)
    """
    if shown:
        click.echo(base64.b64encode(generate_key()).decode())
        return
    screen = Screen()
    try:
        ring = find_key(APP)
        screen.line(("✓ ", "good"), f"There is a key, in {told(place_of(ring), 300)}.")
    except SealingKeyRequired:
        write_key_file(key_file())
        ring = find_key(APP)
        screen.line(("✓ ", "good"), f"A key was made, in {told(place_of(ring), 300)}. Keep a copy of it.")
    _say_what_it_opens(screen, file, ring)


@command.command("show")
@config_option
def show(file: Path | None) -> None:
    """Show where the key is, by which id its records know it, and whether it opens what is stored.

    \b
    Example:
        authflow key show
    """
    ring, screen = find_sealing_key(), Screen()
    screen.line(f"The key is in {told(place_of(ring), 300)}.")
    screen.line(f"It seals as {ring.key_ids[0]}", f", and {len(ring) - 1} older ones open." if len(ring) > 1 else ".")
    _say_what_it_opens(screen, file, ring)


def key_file() -> Path:
    """Where a key file of these commands is."""
    return Path(os.environ.get(ENVIRONMENT_FILE) or platformdirs.user_data_path(APP, appauthor=False) / "sealing.key")


def place_of(ring: KeyRing) -> str:
    """Where the key that seals comes from."""
    try:
        beside = find_key(APP, use_keyring=False)
    except SealingKeyRequired:
        return "the system's keyring"
    if beside.key_ids[0] != ring.key_ids[0]:
        return "the system's keyring"
    return f"the variable {ENVIRONMENT}" if os.environ.get(ENVIRONMENT, "").strip() else f"the file {key_file()}"


def _say_what_it_opens(screen: Screen, file: Path | None, ring: KeyRing) -> None:
    """Tells of stored sessions that another key has sealed."""
    try:
        store = make_store(find_config(file), os.environ)
    except AuthflowError:
        return  # nothing is configured yet, or wrongly: authflow doctor says how
    try:
        found = [store.load(key) for key in store.keys("session/")]
    finally:
        store.close()
    others = {name.hex() for held in found if held is not None and (name := sealed_with(held[0]))} - set(ring.key_ids)
    number = sum(held is not None and (sealed_with(held[0]) or b"").hex() in others for held in found)
    if number:
        screen.line(("✗ ", "bad"), f"{number} stored sessions were sealed with {' and '.join(sorted(others))}.")
        screen.line("    ", "Bring that key back. If it is lost for good: authflow logout --all --forget")

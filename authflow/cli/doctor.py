"""`authflow doctor`: looks at everything that a login depends on; what is wrong comes with its remedy.

Each check is a function that yields findings; it raises nothing that a user can cause. Nothing is changed, except
for one record that is written to the store and removed again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from .. import __version__
from ..errors import AuthflowError, ConfigurationError
from ..overview import is_broken, is_unreadable
from .config import Config, find_config
from .key import place_of
from .providers import register
from .screen import Screen, told
from .status import remedies
from .workspace import config_option, find_sealing_key, make_store

if TYPE_CHECKING:
    from ..manager import SessionManager
    from ..providers import Provider
    from ..stores import Store

SKEW_SECONDS: Final = 30.0  # what a clock may be off; providers allow a minute or less
_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")

Outcome = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    about: str
    outcome: Outcome
    text: str
    remedy: str = ""


@click.command("doctor")
@config_option
@click.option("--offline", is_flag=True, help="Ask no provider.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def command(file: Path | None, offline: bool, as_json: bool) -> None:
    """Check everything that a login depends on, and say what to do about what is wrong.

    The exit status is 1 when something is wrong.

    \b
    Example:
        authflow doctor
    """
    screen, wrong, found = Screen(), False, []
    for finding in examine(file, offline=offline):
        wrong |= finding.outcome == "bad"
        if as_json:
            found.append(vars(finding))
            continue
        mark = {"good": "✓ ", "note": "– ", "bad": "✗ "}[finding.outcome]
        style = "dim" if finding.outcome == "note" else finding.outcome
        screen.line((mark, style), (f"{told(finding.about)}: ", "head"), told(finding.text, 500))
        if finding.remedy:
            screen.line("    ", told(finding.remedy, 500))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    sys.exit(1 if wrong else 0)


def examine(file: Path | None, *, offline: bool) -> Iterator[Finding]:
    """Every finding, in order. A check whose ground is missing (no configuration, no key) is left out."""
    yield from check_installation(packages_distributions())
    yield from check_surroundings(os.environ)
    try:
        config = find_config(file)
    except ConfigurationError as error:
        yield _bad("configuration", error)
        return
    yield Finding("configuration", "good", f"{config.path}: {', '.join(config.tables)}")
    providers: list[Provider] = []
    for name in config.tables:
        try:
            provider = config.provider(name)
        except ConfigurationError as error:
            yield _bad(name, error)
            continue
        providers.append(provider)
        yield from check_redirect(provider)
    yield from _with_store(config, lambda store: check_store(store, providers))
    if not offline:
        for provider in providers:
            yield from check_provider(provider)


def check_installation(distributions: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Another project owns the name `authflow` on the package index, with the same import name."""
    owners = sorted(set(distributions.get("authflow", [])) - {"authflow-sessions"})
    if owners:
        yield Finding(
            "installation", "bad", f"{' and '.join(owners)} is installed too, under the same import name.",
            "pip uninstall authflow, then pip install --force-reinstall authflow-sessions",
        )  # fmt: skip
    else:
        yield Finding("installation", "good", f"authflow {__version__} on Python {sys.version.split()[0]}")


def check_surroundings(env: Mapping[str, str]) -> Iterator[Finding]:
    """A browser to sign in with, and what stands between this machine and the provider."""
    from ..agents import surroundings

    around = surroundings(env)
    if around.display or env.get("BROWSER"):
        yield Finding("browser", "good", env.get("BROWSER") or "the system's browser opens")
    else:
        yield Finding(
            "browser", "note", f"{around.reason}.",
            "authflow login NAME --device shows a code for another screen; --paste an address to open elsewhere.",
        )  # fmt: skip
    set_ = [name for name in _PROXIES if env.get(name) or env.get(name.lower())]
    if set_:
        yield Finding("proxy", "note", f"{', '.join(set_)} set: providers are asked through it, this machine never.")


def check_redirect(provider: Provider) -> Iterator[Finding]:
    """What to register, and whether the port for it is free."""
    from ..agents import Loopback

    try:
        where = register(provider)
        listener = Loopback().listen(provider)
        listener.close()
    except ConfigurationError as error:
        if provider.redirect_uri is not None and "redirect_uri is not on this machine" in error.message:
            yield Finding(provider.name, "note", f"{provider.redirect_uri}: for a web application.")
            return
        yield _bad(provider.name, error)
        return
    yield Finding(provider.name, "good", f"register this redirect URI: {where}")


def check_store(store: Store, providers: list[Provider]) -> Iterator[Finding]:
    """That records can be written, read and removed, that they are sealed, and how the kept sessions are."""
    from ..manager import SessionManager
    from ..stores import Conflict

    key = "doctor/probe"
    try:
        held = store.load(key)
        version = store.swap(key, 0 if held is None else held[1], b"probe", 60.0)
        if not isinstance(version, Conflict):
            store.swap(key, version, None)
        yield Finding("store", "good", f"{store!r} can be written and read")
    except AuthflowError as error:
        yield _bad("store", error)
        return
    try:
        ring = find_sealing_key()
    except AuthflowError as error:
        yield _bad("sealing key", error)
        return
    yield Finding("sealing key", "good", f"in {place_of(ring)}")
    yield from check_modes(store)
    with SessionManager(providers, store=store, single_user=True, sealing_key=ring, trace=False) as manager:
        yield from _check_sessions(manager)


def check_modes(store: Store) -> Iterator[Finding]:
    """That nobody else on this machine can read the files: they are sealed, but names and times are not."""
    place = getattr(store, "folder", None) or getattr(store, "path", None)
    if os.name != "posix" or place is None or not os.path.exists(place):
        return
    files = sorted(Path(place).iterdir()) if os.path.isdir(place) else []
    open_ = [path for path in (Path(place), *files) if path.stat().st_mode & 0o077]
    if open_:
        yield Finding("store modes", "bad", f"{open_[0]} can be read by others.", f"chmod -R go-rwx {place}")
    else:
        yield Finding("store modes", "good", f"{place} is yours alone")


def _check_sessions(manager: SessionManager) -> Iterator[Finding]:
    kept = {session.key for session in manager.stored()}
    rows = [row for row in manager.snapshot() if (row["owner"], row["provider"], row["account"]) in kept]
    for row in rows:
        if is_broken(row):
            text = row["error"]["message"] if is_unreadable(row) else row["explanation"]
            yield Finding(row["provider"], "bad", text, " ".join(remedies(row)))
    if not any(map(is_broken, rows)):
        live = sum(bool(row["live"]) for row in rows)
        yield Finding("sessions", "good", f"{len(rows)} kept, {live} live")


def check_provider(provider: Provider) -> Iterator[Finding]:
    """That it answers, that its metadata are its own, and that its clock and ours agree."""
    from ..http import Http
    from ..manager import SessionManager
    from ..protocol.step import build_request

    http = Http()
    try:
        with SessionManager([provider], single_user=True, trace=False) as manager:
            metadata = manager.discover(provider.name)
        site = provider.issuer or metadata.token_endpoint or ""
        answer = http.send(build_request("GET", metadata.jwks_uri or site))
        yield Finding(provider.name, "good", f"{'its metadata are read' if provider.discovery else 'it answers'}")
        yield from check_clock(provider.name, answer.headers.get("date"), _now())
    except AuthflowError as error:
        yield _bad(provider.name, error)
    finally:
        http.close()


def check_clock(name: str, date: str | None, now: float) -> Iterator[Finding]:
    """`date`: the Date header of an answer (RFC 9110 §6.6.1); `now`: seconds since the epoch."""
    try:
        skew = now - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return
    if abs(skew) > SKEW_SECONDS:
        ahead = "ahead of" if skew > 0 else "behind"
        yield Finding(
            name, "bad", f"this machine's clock is {abs(skew):.0f} s {ahead} the provider's.",
            "Set it: tokens would seem to be of another time. timedatectl set-ntp true",
        )  # fmt: skip
    else:
        yield Finding(name, "good", f"its clock and this machine's agree within {abs(skew) + 1:.0f} s")


def _with_store(config: Config, check: Callable[[Store], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        store = make_store(config, os.environ)
    except AuthflowError as error:
        yield _bad("store", error)
        return
    try:
        yield from check(store)
    finally:
        store.close()


def _bad(about: str, error: AuthflowError) -> Finding:
    return Finding(about, "bad", error.message, error.hint or "")


def _now() -> float:
    import time

    return time.time()

"""Which agent suits the place that this program runs in: what `login()` takes when it is given none.

    session.login(agent=Suitable(sys.stderr))  # the same, and the human is told there; standard output stays clean

    loopback      a browser can be shown here, and reaches this machine's loopback
    device code   none can, and the provider has sign-in by code
    paste         neither, and a human sits at the terminal
    loopback      nobody can be reached: its refusal says why, and what to do

Rule: pure. What was noticed is an argument, and what it was noticed by is named in the agent's notice or in the
error. An agent that the caller named is never replaced.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from .base import Agent
from .browser import Surroundings, find_launchers
from .device_code import DeviceCode
from .loopback import Loopback
from .paste import Paste


def can_browse(
    here: Surroundings,
    env: Mapping[str, str] | None = None,
    which: Callable[[str], str | None] = shutil.which,
    platform: str = sys.platform,
) -> bool:
    """Whether a browser can be shown to the human, from which a redirect to this machine's loopback arrives."""
    if platform == "win32":
        return here.display
    # $BROWSER is the human's own word: editors with a remote side set it, and bring the redirect back.
    env = os.environ if env is None else env
    return bool(find_launchers("https://example.com", here, env, which, platform))


class Suitable:
    """The agent that suits this place and the provider, chosen when the login begins. `terminal` is where the human is
    told what to do, and asked: standard output by default."""

    waits = True

    def __init__(self, terminal: TextIO | None = None) -> None:
        self._terminal = terminal

    def choose(self, here: Surroundings, *, browser: bool, device: bool) -> Agent:
        """`browser`: see `can_browse`; `device`: the provider has sign-in by code."""
        why = here.reason if not here.display else "No browser is installed here"
        at_terminal = can_type(self._terminal)
        if browser or (here.ci and not at_terminal):  # on a build server nobody would see the code
            return Loopback()
        if device:
            return DeviceCode(notice=f"{why}, so you sign in on another screen.", terminal=self._terminal)
        if at_terminal:
            return Paste(notice=f"{why}, so use the browser of the machine you sit at.", terminal=self._terminal)
        return Loopback()

    def __repr__(self) -> str:
        return "Suitable()"


def can_type(terminal: TextIO | None = None) -> bool:
    """Whether a human sees `terminal` (standard output by default), and can type here."""
    try:
        return sys.stdin.isatty() and (terminal or sys.stdout).isatty()
    except (AttributeError, ValueError):  # closed, or none at all
        return False

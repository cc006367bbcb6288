"""The demo for a human: three providers of this machine, their sessions on the dashboard, and switches to play with.

Two are signed in by a scripted user, the third is the human's. Whatever happens is a line in the terminal, too.

Rule: nothing is left behind when it ends: no thread, no port.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import AuthflowError
from .screen import Screen, name

if TYPE_CHECKING:
    from ..dashboard import Running, Switch
    from ..manager import SessionManager
    from ..testing import DevProvider

Made = tuple[str, str, "DevProvider"]


class Plug:
    """A provider that can be unplugged: nobody answers at its port until the plug is put back."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider
        self._mutex = threading.Lock()
        self._serving: AbstractContextManager[DevProvider] | None = None
        self._put_back(0)
        self.port = urlsplit(provider.url).port or 0

    def turn(self, pulled: bool) -> None:
        """Pulls the plug, or puts it back."""
        with self._mutex:
            if pulled:
                self._pull()
            elif self._serving is None:
                self._put_back(self.port)

    def close(self) -> None:
        self.turn(True)

    def _pull(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.__exit__(None, None, None)

    def _put_back(self, port: int) -> None:
        serving = self._provider.serve(port=port)
        serving.__enter__()
        self._serving = serving


def run(screen: Screen, providers: list[Made], no_open: bool) -> list[int]:
    """Shows it until the human ends it; the ports that were used."""
    from .dash import show

    with stage(screen, providers) as (running, ports):
        show(screen, running, no_open=no_open)
    return ports


@contextmanager
def stage(screen: Screen, providers: list[Made]) -> Iterator[tuple[Running, list[int]]]:
    """Everything that is shown, while the block runs."""
    from ..dashboard import serve
    from ..manager import SessionManager
    from ..testing import ScriptedBrowser

    with ExitStack() as stack:
        plugs = {key: Plug(provider) for key, _, provider in providers}
        for plug in plugs.values():
            stack.callback(plug.close)
        settings = [provider.settings(key) for key, _, provider in providers]
        manager = stack.enter_context(SessionManager(settings, single_user=True))
        screen.watch(manager)
        for key, user, _ in providers[:-1]:
            with ScriptedBrowser(user=user) as browser:
                _sign_in(screen, manager, key, browser)
        manager.keep_fresh()
        switches = [switch for made in providers for switch in _switches(manager, plugs[made[0]], made)]
        running = stack.enter_context(serve(manager, allow_actions=True, switches=switches))
        yield running, [*(plug.port for plug in plugs.values()), urlsplit(running.url).port or 0]


def _sign_in(screen: Screen, manager: SessionManager, key: str, browser: Callable[[str], object]) -> None:
    from ..agents import Loopback

    session = manager[key]
    try:
        session.login(agent=Loopback(open_url=browser), timeout=30.0)
    except AuthflowError as error:
        screen.moment(name(key), ("✗ ", "bad"), error.message)


def _switches(manager: SessionManager, plug: Plug, made: Made) -> list[Switch]:
    """What can be done to one provider and its session."""
    from ..dashboard import Switch

    key, _, provider = made
    return [
        Switch(
            f"{key}-plug", "Pull plug", plug.turn, turned="Put plug back", group=provider.label,
            help="Nobody answers at its port: renewals are put off, and tried again.",
        ),
        Switch(
            f"{key}-expire", "Expire token", partial(_expire, manager, key), group=provider.label,
            help="As the clock would end a session that nothing can renew.",
        ),
        Switch(
            f"{key}-revoke", "Revoke grants", lambda on: provider.end_grants(), group=provider.label,
            help="The next renewal is refused for good.",
        ),
    ]  # fmt: skip


def _expire(manager: SessionManager, key: str, on: bool) -> None:
    from ..testing import expire

    if manager[key].live:
        expire(manager[key])

"""What an application's own tests need: a provider to log in to, a clock to turn, a browser that obeys.

Each name is loaded when it is first asked for: `VirtualClock` and `ScriptedBrowser` need nothing that
authflow itself does not, `DevProvider` needs `pip install 'authflow-sessions[testing]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dev_provider import DevProvider
    from .grants import DevClient, DevUser
    from .lies import Lie
    from .scripted_browser import Page, ScriptedBrowser
    from .sessions import expire, fail_next_refresh, revoke, signed_in
    from .virtual_clock import VirtualClock

_HOME = {
    "DevClient": "grants",
    "DevProvider": "dev_provider",
    "DevUser": "grants",
    "Lie": "lies",
    "Page": "scripted_browser",
    "ScriptedBrowser": "scripted_browser",
    "VirtualClock": "virtual_clock",
    "expire": "sessions",
    "fail_next_refresh": "sessions",
    "revoke": "sessions",
    "signed_in": "sessions",
}

__all__ = ["DevClient", "DevProvider", "DevUser", "Lie", "Page", "ScriptedBrowser", "VirtualClock",
           "expire", "fail_next_refresh", "revoke", "signed_in"]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'authflow.testing' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"authflow.testing.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""How a human is reached: loopback and browser, paste, app link, web. `base.py` is the contract."""

from .app_link import AppLink
from .base import CONTINUE, Agent, Callback, FixedRedirect, Listener, Page
from .browser import Surroundings, open_browser, surroundings
from .loopback import Loopback
from .pages import render
from .paste import Paste
from .web import Web

__all__ = [
    "CONTINUE",
    "Agent",
    "AppLink",
    "Callback",
    "FixedRedirect",
    "Listener",
    "Loopback",
    "Page",
    "Paste",
    "Surroundings",
    "Web",
    "open_browser",
    "render",
    "surroundings",
]

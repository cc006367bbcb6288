"""How a human is reached: loopback and browser, paste, app link, web, device code, CIBA. `base.py` is the contract."""

from .app_link import AppLink
from .base import CONTINUE, Agent, Callback, FixedRedirect, Listener, Page
from .browser import Surroundings, open_browser, surroundings
from .choosing import Suitable
from .ciba import CIBA
from .device_code import DeviceCode
from .loopback import Loopback
from .pages import render
from .paste import Paste
from .polling import Instructions, PollingAgent
from .web import Web

__all__ = [
    "CIBA",
    "CONTINUE",
    "Agent",
    "AppLink",
    "Callback",
    "DeviceCode",
    "FixedRedirect",
    "Instructions",
    "Listener",
    "Loopback",
    "Page",
    "Paste",
    "PollingAgent",
    "Suitable",
    "Surroundings",
    "Web",
    "open_browser",
    "render",
    "surroundings",
]

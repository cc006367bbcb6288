"""What the examples here share: a provider to sign in to, and how they are started.

    python examples/flet/sign_in.py              a program on this machine
    python examples/flet/sign_in.py --web        a web application, at http://127.0.0.1:8550

An application of yours has `FletLogins([GitHub.from_env()])` in the place of the development provider.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import flet as ft

from authflow.integrations.flet import FletLogins
from authflow.testing import DevProvider

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8550")
REDIRECT_URI = f"{BASE_URL}/oauth_callback"  # the one to register with the provider


def start(main: Callable[[ft.Page, FletLogins], Any], *providers: str, **settings: Any) -> None:
    """Runs `main(page, logins)` with these providers to sign in to."""
    with DevProvider(label="Acme").serve() as dev:
        run(main, FletLogins([dev.settings(name, redirect_uri=REDIRECT_URI) for name in providers], **settings))


def run(main: Callable[[ft.Page, FletLogins], Any], logins: FletLogins) -> None:
    view = ft.AppView.WEB_BROWSER if "--web" in sys.argv else ft.AppView.FLET_APP
    logins.run(partial(main, logins=logins), view=view, port=urlsplit(BASE_URL).port)

"""Every framework, every manager that fits: one development provider, and as many people as come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from authflow.testing import DevProvider, ScriptedBrowser
from authflow.testing.served import Served
from tests.real.browser import Chromium

from . import browsing
from .browsing import Tab
from .sites import KINDS, NAMES, Site


class Stage:
    """What a test has at hand: providers, sites and people; all end with it."""

    def __init__(self, stack: ExitStack, kind: tuple[Any, Any]) -> None:
        self._stack = stack
        self._framework, self.manager_kind = kind
        self.framework = self._framework.__name__
        self.dev = self.provider("Acme")

    def provider(self, label: str, **settings: Any) -> DevProvider:
        return self._stack.enter_context(DevProvider(label=label, algorithm="ES256", **settings).serve())

    def site(self, *providers: Any, api: str = "", manager: Any = None, **settings: Any) -> Site:
        """A running application; with the provider "acme" unless others are given. `api`: what `/api` leads to."""
        made = manager or self.manager_kind(list(providers) or [self.dev.settings("acme")])
        return self._stack.enter_context(self._framework(made, api or f"{self.dev.url}/api", **settings))

    def served(self, app: Any) -> str:
        """The address of another application."""
        served = Served(app)
        served.start()
        self._stack.callback(served.stop)
        return served.url

    def person(self, user: str = "ada", **habits: Any) -> ScriptedBrowser:
        return self._stack.enter_context(ScriptedBrowser(user, **habits))


@pytest.fixture(params=KINDS, ids=NAMES)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    framework = request.param[0].__name__.partition("_")[0]
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is needed: pip install 'authflow-sessions[{framework}]'")
    with ExitStack() as stack:
        yield Stage(stack, request.param)


def ask(browser: ScriptedBrowser | None, method: str, url: str, **more: Any) -> httpx.Response:
    """One request with a browser's cookies (of a script in it, say), without following where it leads."""
    headers = {**more.pop("headers", {})}
    if browser is not None:
        headers["cookie"] = "; ".join(f"{one.name}={one.value}" for one in browser._cookies.jar)
    return httpx.request(method, url, headers=headers, trust_env=False, timeout=20, **more)


# ── a page that shows a session, at the `site` of a test's own file ──────────────────────────────────


@pytest.fixture
def ada(chromium: Chromium, site: browsing.Site) -> Iterator[Tab]:
    with Tab(chromium, site.url) as tab:
        yield tab.go().press("Sign in with Acme").answer("ada").sees("the books of Ada Lovelace")


@pytest.fixture
def stranger(chromium: Chromium, site: browsing.Site) -> Iterator[Tab]:
    with Tab(chromium, site.url) as tab:
        yield tab.go().sees("Not signed in")

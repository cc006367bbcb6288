"""The fixtures of the security tests: a provider, managers of both colours, and a canary that hears everything."""

from __future__ import annotations

import inspect
import re
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from html import unescape
from typing import Any

import httpx
import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.testing import DevProvider, ScriptedBrowser

from .canary import HUMAN, Canary, NotingStore

REDIRECT_URI = "https://app.example/callback"
KEY = bytes(range(32))


async def go(answer: Any) -> Any:
    """What a call of either colour gives."""
    return await answer if inspect.isawaitable(answer) else answer


@cache
def human_at_the_browser() -> httpx.Client:
    """One for the whole run: the provider signs its `auto` user in without a cookie."""
    return httpx.Client(verify=False, trust_env=False, follow_redirects=False)


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of a page that posts itself."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {unescape(name): unescape(value) for name, value in found}


class Stage:
    """A manager with the sessions `acme` and `globex`, of one provider, and everything needed to use them."""

    def __init__(self, colour: Any, dev: DevProvider, canary: Canary) -> None:
        self.dev = dev
        self.canary = canary
        self.store = NotingStore(canary)
        self.colour = colour
        self._open: list[Callable[[], Any]] = []
        self.settings("web", redirect_uri=REDIRECT_URI)  # registers it
        providers = [self.settings(name) for name in ("acme", "globex")]
        self.manager = self.make(providers, store=self.store)
        self.session = self.manager["acme"]

    @property
    def is_async(self) -> bool:
        return self.colour is AsyncSessionManager

    def settings(self, name: str, **settings: Any) -> Any:
        return self.dev.settings(name, **settings)

    def make(self, providers: list[Any], **settings: Any) -> Any:
        """A manager of this colour, heard by the canary, ended with the test."""
        made = self.colour(providers, **{"single_user": True, "sealing_key": KEY, **settings})
        self._open.append(made.close)
        self.canary.listen(made)
        return made

    def lend(self, transport: Any) -> Any:
        """A transport of the application's own: a manager does not close what it was lent."""
        self._open.append(transport.close)
        return transport

    def browser(self, user: str = "ada", **habits: Any) -> ScriptedBrowser:
        made = ScriptedBrowser(user, **habits)
        self._open.append(made.close)
        return made

    async def sign_in(self, session: Any = None, **arguments: Any) -> Any:
        """A login by loopback that succeeds."""
        return await go((session or self.session).login(open_url=self.browser(), **arguments))

    async def callback(self, session: Any = None, **arguments: Any) -> tuple[str, str]:
        """Begins a web login and walks a human through it: the callback URL, and the binding."""
        request = await go((session or self.session).begin(redirect_uri=REDIRECT_URI, **arguments))
        self.canary.show("the request", request)
        self.canary.note(request.state, request.binding)
        return self.walk(request.url), request.binding

    def walk(self, url: str) -> Any:
        """Where the provider sends a human who agrees to everything: a callback's URL, or the form that is posted."""
        found: list[Any] = []

        def visit() -> None:
            answer = human_at_the_browser().get(url)
            found.append(str(answer.headers["location"]) if answer.is_redirect else form_of(answer.text))

        human = threading.Thread(target=visit, name=HUMAN)
        human.start()
        human.join(10)
        return found[0]

    async def fails(self, call: Callable[[], Any], kind: type[BaseException] = Exception) -> Any:
        """The error that the call ends in."""
        with pytest.raises(kind) as failed:
            await go(call())
        self.canary.error(failed.value)
        return failed.value

    async def close(self) -> None:
        self.canary.manager(self.manager)
        for close in reversed(self._open):
            await go(close())


@pytest.fixture(scope="session")
def provider() -> Iterator[DevProvider]:
    """A development provider, served on loopback, that approves ada without asking."""
    with DevProvider(label="Acme", auto="ada", algorithm="ES256").serve() as made:
        yield made
    human_at_the_browser().close()
    human_at_the_browser.cache_clear()


@pytest.fixture
def dev(provider: DevProvider) -> Iterator[DevProvider]:
    provider.forget_requests()
    yield provider
    provider.tamper.clear()
    provider._gate._faults.clear()
    provider.sign_everybody_out()
    provider.auto = "ada"


@pytest.fixture(params=[SessionManager, AsyncSessionManager], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def canary(dev: DevProvider) -> Canary:
    made = Canary()
    made.note(*(client.client_secret for client in dev.clients.values()))
    made.earlier = set(dev.secrets)
    made.watch(lambda: dev.secrets - made.earlier)
    return made


@pytest.fixture
async def stage(
    colour: Any, dev: DevProvider, canary: Canary, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[Stage]:
    """The stage, and at the end of the test the question: did any secret get out?"""
    with warnings.catch_warnings(record=True) as warned, canary.logs():
        warnings.simplefilter("always")
        made = Stage(colour, dev, canary)
        yield made
        await made.close()
    canary.hear("warnings", " ".join(str(one.message) for one in warned))
    for where, text in zip(("stdout", "stderr"), capfd.readouterr(), strict=True):
        canary.hear(where, text)
    leaks = canary.leaks()
    if leaks:
        pytest.fail("\n".join(["secrets got out:", *leaks]))

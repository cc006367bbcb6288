"""An agent is how a human is reached: a browser and a listener, a paste, an app link, a web route.

Rule 1: an agent carries URLs and pages, nothing else. It judges no `state`, holds no token, writes no log
of a query.
Rule 2: what `listen` opened, `close` ends: no socket and no thread is left behind.

The order of a login: `listen(provider)` → the session builds the URL around `listener.redirect_uri` →
`listener.start(deliver)` → `open(url)` → `deliver(callback)` → `callback.respond(page)` →
`listener.close()`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..providers.base import Provider

logger = logging.getLogger("authflow.agents")


class Page(msgspec.Struct, frozen=True):
    """What the human is told at the end. Every text is escaped where it is shown.

    `html` is the application's own complete page; it is sent as it is, and only when `ok`. `neutral` marks a
    page that knows no outcome: neither ✓ nor ✗ is shown. `onward` are the ways on, as (words, URL): the
    application's own pages, never what a provider or a visitor named. `closes` ends a window that the application
    opened itself; another one stays, and shows the page.
    """

    ok: bool
    title: str
    text: str
    hint: str = ""
    html: str | None = None
    neutral: bool = False
    onward: tuple[tuple[str, str], ...] = ()
    closes: bool = False


CONTINUE = Page(
    ok=True,
    title="Continue in the application",
    text="Your sign-in has arrived. The application shows how it ended.",
    neutral=True,
)


@runtime_checkable
class Callback(Protocol):
    """One redirect that arrived. `repr` shows neither URL nor parameters: they hold the code."""

    @property
    def url(self) -> str:
        """The redirect URL as it was received; for a `form_post` the bare redirect URI."""

    @property
    def params(self) -> Mapping[str, str] | None:
        """The body of a `form_post` (OAuth 2.0 Form Post Response Mode §2); None: read `url`."""

    def respond(self, page: Page) -> None:
        """Answers whoever waits. The first answer counts. Never raises, never blocks, any thread."""


Deliver = Callable[[Callback], None]


@runtime_checkable
class Listener(Protocol):
    """Waits for redirects at `redirect_uri`. Several may arrive, and several may be unanswered at once."""

    @property
    def redirect_uri(self) -> str:
        """What stands in the authorization request, byte for byte."""

    def start(self, deliver: Deliver) -> None:
        """From now on `deliver(callback)` is called, on the listener's own thread. It should return soon."""

    def close(self) -> None:
        """Ends it within a second; what was answered reaches the browser first. Idempotent, any thread."""


@runtime_checkable
class Agent(Protocol):
    """Shows a URL to a human. `waits`: the redirect comes through the listener; otherwise the application
    hands it to `session.complete(url)`."""

    @property
    def waits(self) -> bool: ...

    def listen(self, provider: Provider) -> Listener | None:
        """A listener at a redirect URI that fits the provider's registration.

        Raises `ConfigurationError` when there can be none: a busy port, a redirect URI of another kind.
        """

    def open(self, url: str) -> object:
        """Shows the URL. Gives what the application's own opener gave (an async one: its awaitable).

        Raises `InsecureURL` for a URL that no browser should get, `BrowserUnavailable` when none can.
        """


class FixedRedirect:
    """A listener for agents that wait for nothing: it only knows the redirect URI."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri

    def start(self, deliver: Deliver) -> None:
        """Nothing arrives here: the application calls `session.complete(url)`."""

    def close(self) -> None:
        """Nothing is open."""


def check_clean(url: str, what: str) -> None:
    """Refuses what no URI may hold (RFC 3986 §2) and what `urlsplit` would silently drop.

    Raises `ConfigurationError`.
    """
    if not url or not all("!" <= ch <= "~" and ch not in '"<>\\^`{|}' for ch in url):
        raise ConfigurationError(
            f"The {what} is no clean URL.", hint="Percent-encode spaces, quotes and other special characters."
        )

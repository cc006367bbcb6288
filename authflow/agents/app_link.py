"""The app-link agent: the operating system hands the redirect to the application (RFC 8252 §7.1, §7.2).

For phones and packaged desktop applications. The application calls `session.complete(url)` with what it got.
There is no embedded web view here, and there will be none: RFC 8252 §8.12.

A claimed https link is the better choice: the system proves whose it is. A private-use scheme can be
registered by any application on the device; PKCE, which is always sent, keeps the code useless to it
(RFC 8252 §8.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from .base import FixedRedirect, check_clean, logger
from .browser import show_url

if TYPE_CHECKING:
    from ..providers.base import Provider


class AppLink:
    """`AppLink("https://app.example/signed-in", open_url)` or `AppLink("com.example.app:/signed-in", open_url)`.

    `open_url` opens the system browser's tab, not a web view of the application.
    """

    waits = False

    def __init__(self, redirect_uri: str, open_url: Callable[[str], object]) -> None:
        self.redirect_uri = redirect_uri
        self.claimed = check_app_link(redirect_uri)
        self._open_url = open_url
        if not self.claimed:
            logger.warning(
                "The redirect goes to the private-use scheme %s, which another application may register too. "
                "A claimed https link cannot be taken over.",
                urlsplit(redirect_uri).scheme,
            )

    def listen(self, provider: Provider) -> FixedRedirect:
        """The redirect URI; nothing is opened."""
        return FixedRedirect(self.redirect_uri)

    def open(self, url: str) -> object:
        """Shows the URL; gives what `open_url` gave. Raises `InsecureURL` or `BrowserUnavailable`."""
        return show_url(url, self._open_url)


def check_app_link(redirect_uri: str) -> bool:
    """True for a claimed https link, False for a private-use scheme; raises `ConfigurationError` for the rest."""
    check_clean(redirect_uri, "app link")
    parts = urlsplit(redirect_uri)
    if "#" in redirect_uri or "@" in parts.netloc:
        raise ConfigurationError("An app link has no fragment and no user name.", hint="RFC 6749 §3.1.2.")
    if parts.scheme == "https" and parts.hostname:
        return True
    if re.fullmatch(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", parts.scheme):
        return False
    raise ConfigurationError(
        f"An app link cannot use the scheme {parts.scheme or '(none)'!r}.",
        hint="Use https://…, or the reverse of a domain you own as the scheme: com.example.app:/signed-in.",
    )

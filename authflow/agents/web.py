"""The web agent: the application's own route receives the redirect and calls `complete`.

The route sends the browser to the URL itself, with the binding in its cookie; so `open` shows nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import ConfigurationError, InsecureURL
from .base import FixedRedirect, check_clean
from .redirect import is_loopback_uri

if TYPE_CHECKING:
    from ..providers.base import Provider


class Web:
    """`Web("https://app.example/callback/github")`. Plain http only on loopback, for development."""

    waits = False

    def __init__(self, redirect_uri: str) -> None:
        check_clean(redirect_uri, "redirect_uri")
        parts = urlsplit(redirect_uri)
        if "#" in redirect_uri or "@" in parts.netloc or not parts.hostname:
            raise ConfigurationError(
                "A redirect_uri is an absolute URL without fragment and user name (RFC 6749 §3.1.2).",
                hint="Write it whole, as it is registered: https://app.example.com/callback.",
            )
        if parts.scheme != "https" and not is_loopback_uri(redirect_uri):
            raise InsecureURL(
                "The redirect_uri would carry the code in clear.", hint="Use https; http is for loopback only."
            )
        self.redirect_uri = redirect_uri

    def listen(self, provider: Provider) -> FixedRedirect:
        """The redirect URI; the route is the listener."""
        return FixedRedirect(self.redirect_uri)

    def open(self, url: str) -> object:
        """Nothing: the route answers with a redirect to the URL."""
        return None

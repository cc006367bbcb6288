"""Where the routes are, and where a browser may be sent.

Rule 1: every address is made from `base_url`, which is configured. Whoever sets the `Host` header chooses nothing.
Rule 2: a target is a path of this site, judged as written (`check_target`); and not one of these routes, or a login
        that leads to a login would go round for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from ...agents import Web
from ...errors import ConfigurationError, printable
from ...protocol.urls import check_target, is_loopback
from ...providers import Provider

logger = logging.getLogger("authflow.integrations")

# Named by the framework's files too; `{provider}` is a part of the path.
ROUTES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "choose": ("/login", ("GET",)),
    "login": ("/login/{provider}", ("GET",)),
    "callback": ("/callback/{provider}", ("GET", "POST")),
    "logout_all": ("/logout", ("POST",)),
    "logout": ("/logout/{provider}", ("POST",)),
    "signed_in": ("/signed-in", ("GET",)),
    "signed_out": ("/signed-out", ("GET",)),
    "back_channel_logout": ("/backchannel-logout", ("POST",)),
    "front_channel_logout": ("/frontchannel-logout", ("GET",)),
    "initiate_login": ("/initiate-login", ("GET", "POST")),
    "session": ("/session", ("GET",)),
    "events": ("/session/events", ("GET",)),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # that an API behind the cookie may want


class Places:
    """`base_url`: scheme, host and, where the application lives under one, path, as the browser sees them. `prefix`
    stands before every route. Raises `ConfigurationError`, `InsecureURL`."""

    def __init__(self, base_url: str, prefix: str = "", home: str = "/") -> None:
        base_url = _checked(base_url)
        parts = urlsplit(base_url)
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ConfigurationError(f"prefix={prefix!r} is no prefix.", hint='Write prefix="/auth".')
        self.base_url = base_url
        self.prefix = prefix
        self.origin = f"{parts.scheme}://{parts.netloc.lower()}"
        self.root = parts.path
        self.home = home if home != "/" else f"{parts.path}/"
        if not check_target(self.home, ["/"]):
            raise ConfigurationError(f"home={home!r} is no path of this site.", hint='Write home="/".')
        if parts.scheme == "http":
            logger.warning(
                "%s is plain http: cookies without __Host- and Secure, for development only, on this machine", base_url
            )

    def redirect_uri(self, provider: Provider) -> str:
        """What is to be registered with a provider."""
        return f"{self.base_url}{self.prefix}/callback/{quote(provider.name, safe='')}"

    def check_registered(self, provider: Provider) -> None:
        """Raises `ConfigurationError` for a provider whose redirect would arrive somewhere else."""
        ours = self.redirect_uri(provider)
        if provider.redirect_uri not in (None, ours):
            raise ConfigurationError(
                f"{provider.name}: redirect_uri is not the route that receives it.",
                hint=f"Register {ours} with the provider; then leave redirect_uri away, or set it to that.",
            )

    def path(self, route: str, provider: str = "") -> str:
        """The path of a route, as a link on a page."""
        return self.root + self.prefix + ROUTES[route][0].replace("{provider}", quote(provider, safe=""))

    def login(self, provider: str, onward: str | None = None) -> str:
        """The link that signs in; `onward` is a page to come back to."""
        path = self.path("login", provider) if provider else self.path("choose")
        return path if onward is None else f"{path}?next={quote(onward, safe='')}"

    def signed_in(self, onward: str) -> str:
        """Where a callback leads: on to `onward`, with the cookies that the browser has kept."""
        onward, path = onward.removeprefix(self.origin), self.path("signed_in")
        return path if onward == self.home else f"{path}?next={quote(onward, safe='')}"

    def own_name(self, host: str) -> bool:
        """False for another name of this machine (`localhost` for `127.0.0.1`) and the same port: a cookie that is set
        under it would not come along to the callback."""
        ours = urlsplit(self.origin)
        name, _, port = host.rpartition(":")
        return ours.scheme == "https" or ours.netloc == host.lower() or not is_loopback(name) or port != str(ours.port)

    def target(self, wanted: str | None) -> str:
        """`wanted`, if it is a page of this site; else its home."""
        if wanted is None or not check_target(wanted, [f"{self.root}/"]):
            return self.home
        path = wanted.partition("?")[0]
        ours = [self.path(name).rstrip("/") for name in ROUTES if name not in ("session", "events")]
        return self.home if any(path == one or path.startswith(f"{one}/") for one in ours) else wanted


def _checked(base_url: object) -> str:
    """https, or http on loopback; no query, no fragment, no user name."""
    hint = 'Write base_url="https://app.example": where browsers find it. http is for this machine: http://127.0.0.1:8000.'
    if not isinstance(base_url, str) or not base_url:
        raise ConfigurationError(f"base_url={base_url!r} is no address.", hint=hint)
    try:
        Web(base_url.rstrip("/"))
    except ConfigurationError as error:
        raise type(error)(f"base_url={printable(base_url, 200)!r} is not safe or not whole.", hint=hint) from error
    if urlsplit(base_url).query:
        raise ConfigurationError("base_url has a query.", hint=hint)
    return base_url.rstrip("/")

"""Where a loopback redirect goes: host, port and path, as the provider's registration has them (RFC 8252 §7.3).

The RFC frees the port only: host and path stay what the human registered. An IP literal is the default,
because `localhost` may resolve to another family, where another program may listen (RFC 8252 §8.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ..errors import ConfigurationError
from .base import check_clean

if TYPE_CHECKING:
    from ..providers.base import Provider

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class LoopbackPlan(msgspec.Struct, frozen=True):
    """Host (`127.0.0.1`, `::1`, `localhost`), port (0: any free one), path, and a query that was registered."""

    host: str
    port: int
    path: str
    query: str = ""
    exact: str | None = None  # the registered redirect URI with its port: used byte for byte

    def authority(self, port: int) -> str:
        """`host:port` as a browser writes it into the Host header: port 80 is left out (RFC 9110 §4.2.1)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if port == 80 else f"{host}:{port}"

    def redirect_uri(self, port: int) -> str:
        if self.exact is not None:
            return self.exact
        query = f"?{self.query}" if self.query else ""
        return f"http://{self.authority(port)}{self.path}{query}"


def is_loopback_uri(url: str) -> bool:
    """Whether `url` is an http URI on this machine's loopback interface."""
    parts = urlsplit(url)
    return parts.scheme == "http" and (parts.hostname or "") in LOOPBACK_HOSTS


def plan_loopback(provider: Provider, host: str | None = None, port: int | None = None) -> LoopbackPlan:
    """The redirect for this provider; `host` and `port`, where given, win over its registration.

    Raises `ConfigurationError` when the provider's redirect URI is not one on loopback, or not clean.
    """
    if host is not None and host not in LOOPBACK_HOSTS:
        raise ConfigurationError(
            f"Loopback(host={host!r}): a login listens on the loopback interface only.",
            hint="Use 127.0.0.1, ::1 or localhost.",
        )
    if port is not None and not 0 <= port <= 65535:
        raise ConfigurationError(f"Loopback(port={port!r}): no such port.", hint="Use 1 to 65535, or 0 for any.")

    if provider.redirect_uri is not None:
        registered = read_loopback_uri(provider.redirect_uri, provider.name)
        if host is None and port is None:
            return registered
        return msgspec.structs.replace(
            registered,
            host=registered.host if host is None else host,
            port=registered.port if port is None else port,
            path=registered.path or "/",
            exact=None,
        )

    chosen = host or provider.loopback_host
    if chosen not in LOOPBACK_HOSTS:
        raise ConfigurationError(
            f"{provider.name}: loopback_host={chosen!r} is not on the loopback interface.",
            hint="Use 127.0.0.1, ::1 or localhost.",
        )
    path = provider.callback_path
    check_clean(path, f"callback_path of {provider.name}")
    if "?" in path or "#" in path:
        raise ConfigurationError(f"{provider.name}: callback_path is a path, without query or fragment.")
    return LoopbackPlan(host=chosen, port=provider.loopback_port if port is None else port, path=path)


def read_loopback_uri(redirect_uri: str, name: str) -> LoopbackPlan:
    """A registered loopback URI as a plan. Without a port in it, any port may be used (RFC 8252 §7.3)."""
    check_clean(redirect_uri, f"redirect_uri of {name}")
    if not is_loopback_uri(redirect_uri):
        raise ConfigurationError(
            f"{name}: redirect_uri is not on this machine, so a loopback login cannot receive it.",
            hint="Leave redirect_uri away for a login on this machine, or use begin() and complete() in a web route.",
        )

    parts = urlsplit(redirect_uri)
    try:
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"{name}: redirect_uri has no valid port.", hint="Use 1 to 65535.") from None
    if parts.fragment or parts.username is not None or "@" in parts.netloc:
        raise ConfigurationError(
            f"{name}: redirect_uri must have no fragment and no user name.", hint="RFC 6749 §3.1.2."
        )
    return LoopbackPlan(
        host=parts.hostname or "127.0.0.1",
        port=port or 0,
        path=parts.path if port else parts.path or "/",
        query=parts.query,
        exact=redirect_uri if port else None,
    )

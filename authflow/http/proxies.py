"""The proxy that the environment or the system names for an origin, and a connection through it.

Rule: loopback has no proxy, whatever the environment says.
"""

from __future__ import annotations

import ssl
import urllib.request
from typing import Any

import httpcore
import httpx

from ..errors import ConfigurationError, MissingExtra
from ..protocol.urls import is_loopback, read_address
from .lines import Key


def proxy_for(key: Key) -> httpx.Proxy | None:
    """The proxy that the environment (or the system's settings) names for an origin. Loopback has none."""
    host = key.host.decode("ascii")
    address = read_address(host)
    if is_loopback(host) or (address is not None and address.is_loopback):
        return None
    named = urllib.request.getproxies()
    url = named.get(key.scheme.decode("ascii")) or named.get("all")
    if not url or urllib.request.proxy_bypass(f"{host}:{key.port}"):
        return None
    try:
        return httpx.Proxy(url if "://" in url else f"http://{url}")
    except (httpx.InvalidURL, ValueError):
        pass
    raise ConfigurationError(
        "The proxy that the environment names is no http, https or socks5 address.",
        hint="Look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY.",
    )


def proxied(kinds: tuple[Any, Any], proxy: httpx.Proxy, backend: Any, tls: ssl.SSLContext | None) -> Any:
    """A pool of one connection through `proxy`."""
    plain, socks = kinds
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    common = {"proxy_auth": proxy.raw_auth, "ssl_context": tls, "max_connections": 1, "network_backend": backend}
    if not proxy.url.scheme.startswith("socks5"):
        secure = tls if proxy.url.scheme == "https" else None
        return plain(url, proxy_headers=proxy.headers.raw, proxy_ssl_context=secure, **common)
    try:
        return socks(url, **common)
    except (ImportError, RuntimeError):
        pass
    raise MissingExtra("A SOCKS proxy needs one more package.", hint="Install it: pip install 'httpx[socks]'")

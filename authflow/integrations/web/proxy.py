"""An API behind a cookie: the page calls `/api/…` of its own site, and this sends it on with the session's token.

So no token is in the browser, where any script that got in could take it (OAuth 2.0 for Browser-Based Applications,
§6.1: the backend for frontend).

Rule 1: every request, a GET too, must carry the header `X-CSRF`. No form, link or image of another site can; a script
        of one would have to ask first (CORS), and is told no.
Rule 2: up goes what the API may need: no cookie, no other credentials, no word of where it came from. Down comes what
        the page may need: no cookie, nothing that changes how this site is treated.
Rule 3: nothing leaves `to`. A path is judged as written: dots, doubled, encoded slashes and backslashes are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urljoin, urlsplit

from ...errors import ConfigurationError
from ...protocol.urls import check_endpoint, check_target, origin_of
from ...providers import Provider
from .exchange import PRIVATE, Answer, Asked, as_json, is_from_here

CSRF_HEADER: Final = "x-csrf"

# RFC 9110 §7.6.1, and what `Connection` names.
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade", "http2-settings"}
)  # fmt: skip
_NOT_UP: Final = _HOP_BY_HOP | {
    "authorization", "client-ip", "cookie", "dpop", "expect", "forwarded", "host", "origin", "referer",
    "true-client-ip", "via", "x-cluster-client-ip", "x-forwarded", "x-real-ip", CSRF_HEADER,
}  # fmt: skip
_NOT_DOWN: Final = _HOP_BY_HOP | {
    "alt-svc", "cache-control", "clear-site-data", "content-security-policy", "dpop-nonce", "expires", "nel", "pragma",
    "public-key-pins", "refresh", "report-to", "reporting-endpoints", "service-worker-allowed", "set-cookie",
    "set-cookie2", "strict-transport-security", "www-authenticate", "x-content-type-options",
}  # fmt: skip
# What servers believe of a proxy: who asks, from where, and (`X-Original-URL`, `X-Rewrite-URL`) for which path.
_NOT_UP_BEGINNINGS: Final = (
    "sec-", "access-control-", "proxy-", "x-forwarded-", "x-original-", "x-rewrite-", "x-client-", "x-remote-",
    "remote-", "cf-",
)  # fmt: skip
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Proxy:
    """`prefix` of this site stands for `to`. `provider`: whose session; None: the only one.

    Raises `ConfigurationError`, `InsecureURL` for a `to` that may not get the token.
    """

    def __init__(self, prefix: str, to: str, provider: Provider) -> None:
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ConfigurationError(f"The prefix {prefix!r} is none.", hint='Write proxy("/api", to="https://…").')
        check_endpoint(to, allow_insecure_loopback=True)
        if urlsplit(to).query:
            raise ConfigurationError("`to` has a query.", hint="Leave it to the page's requests.")
        if origin_of(to) not in provider.api_origins:
            raise ConfigurationError(
                f"The tokens of {provider.label} are not meant for {origin_of(to)}.",
                hint=f'If they are, say so where the provider is made: api_origins=["{origin_of(to)}"].',
            )
        self.prefix = prefix
        self.to = to.rstrip("/")
        self.provider = provider.name

    def judge(self, asked: Asked, origin: str) -> Answer | None:
        """The refusal of a request that is not this site's own page's; None: it may go on."""
        if "websocket" in asked.headers.get("upgrade", "").lower():
            return as_json({"error": "no_websockets", "hint": "This route carries requests and answers."}, 501)
        if CSRF_HEADER not in asked.headers or not is_from_here(asked, origin):
            return as_json({"error": "csrf", "hint": "Send the header X-CSRF: 1 with every request."}, 403)
        return None

    def upstream(self, raw_path: str, query: str) -> str | None:
        """Where a path of this site leads, byte for byte; None for one that would lead out of `to`."""
        if raw_path != self.prefix and not raw_path.startswith(f"{self.prefix}/"):
            return None
        rest = raw_path[len(self.prefix) :]
        if rest and not check_target(rest, ["/"]):
            return None
        return f"{self.to}{rest}{f'?{query}' if query else ''}"

    def headers_up(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of the page's request. Of two lengths that are told, chunks count (RFC 9112 §6.3)."""
        pairs = list(headers)
        chunked = any(_plain(name) == "transfer-encoding" for name, _ in pairs)
        return [
            (name, value)
            for name, value in _without(pairs, _NOT_UP)
            if not _plain(name).startswith(_NOT_UP_BEGINNINGS) and not (chunked and _plain(name) == "content-length")
        ]

    def headers_down(self, headers: Iterable[tuple[str, str]], site: str, url: str) -> list[tuple[str, str]]:
        """Of the API's answer to a request for `url`."""
        down = []
        for name, value in _without(headers, _NOT_DOWN):
            if _plain(name).startswith("access-control-"):
                continue
            down.append((name, self._onward(url, value, site) if name.lower() == "location" else value))
        # Should a browser ever show it as a page of this site, it is one that can do nothing.
        return [*down, *PRIVATE, ("Content-Security-Policy", "default-src 'none'; sandbox")]

    def _onward(self, url: str, location: str, site: str) -> str:
        """Where a redirect leads, seen from the page: within `to` to `site` + `prefix`, else to the whole address. A
        relative one is the API's; as it stands it would be a page of this site."""
        try:
            whole = urljoin(url, location)
        except ValueError:
            return location  # no browser follows it either
        rest = whole[len(self.to) :] if whole.startswith(self.to) else "elsewhere"
        path = rest.partition("#")[0]
        inside = rest[:1] in ("", "/", "?", "#") and check_target(path if path[:1] == "/" else f"/{path}", ["/"])
        return f"{site}{self.prefix}{rest}" if inside else whole


def _plain(name: str) -> str:
    """A header's name as a server may read it: WSGI and CGI take `_` for `-`."""
    return name.lower().replace("_", "-")


def _without(headers: Iterable[tuple[str, str]], unwanted: frozenset[str]) -> list[tuple[str, str]]:
    pairs = list(headers)
    named = {
        _plain(one.strip()) for name, value in pairs if _plain(name) == "connection" for one in value.split(",")
    }
    return [
        (name, value)
        for name, value in pairs
        if _plain(name) not in unwanted and _plain(name) not in named and _NAME.fullmatch(name)
    ]

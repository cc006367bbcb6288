"""WebFinger (RFC 7033): which issuer an address that a human typed belongs to (OpenID Connect Discovery 1.0 §2).

Rule: the address chooses a server, so it is treated as what a stranger says: one request, to a public https host, and
the issuer that comes of it proves itself by its own metadata afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from ..errors import InvalidCall, Phase, ResponseInvalid, printable
from .reading import decode_object
from .step import DOCUMENT_BYTES, Limits, build_request
from .urls import check_endpoint

ISSUER_RELATION: Final = "http://openid.net/specs/connect/1.0/issuer"
MOST_LINKS: Final = 64
_WHAT: Final = "WebFinger answer"
_ACCT: Final = re.compile(r"(?:acct:)?([A-Za-z0-9._~!$&'()*+,;=%-]{1,256})@([A-Za-z0-9.-]{1,253}(?::\d{1,5})?)")


def build_webfinger_request(
    identifier: str, *, allow_insecure_loopback: bool = False, seconds: float = 10.0
) -> httpx.Request:
    """The question (RFC 7033 §4) for `ada@example.com`, `acct:ada@example.com`, `https://example.com/ada` or
    `example.com`; `seconds` is its deadline. Raises `InvalidCall` for what is none of these, `InsecureURL`.
    """
    resource, origin = normalize_identifier(identifier, allow_insecure_loopback=allow_insecure_loopback)
    return build_request(
        "GET",
        check_endpoint(f"{origin}/.well-known/webfinger", allow_insecure_loopback=allow_insecure_loopback),
        params={"resource": resource, "rel": ISSUER_RELATION},
        headers={"accept": "application/jrd+json, application/json"},
        limits=Limits(most_bytes=DOCUMENT_BYTES, seconds=seconds),
    )


def normalize_identifier(identifier: str, *, allow_insecure_loopback: bool = False) -> tuple[str, str]:
    """The resource to ask about, and the origin to ask (OpenID Connect Discovery 1.0 §2.1.2). `http` stands for
    `https` only on loopback, when it is allowed. Raises `InvalidCall`."""
    account = _ACCT.fullmatch(identifier)
    if account is not None:
        host = account[2]
        insecure = allow_insecure_loopback and host.partition(":")[0] in ("127.0.0.1", "localhost")
        return f"acct:{account[1]}@{host}", f"{'http' if insecure else 'https'}://{host}"
    url = identifier if "://" in identifier else f"https://{identifier}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or not all("!" <= ch <= "~" for ch in identifier) or "\\" in identifier:
        raise InvalidCall(
            "This is no address that an issuer can be found by.",
            hint="It is like ada@example.com, or https://example.com/ada.",
        )
    return url.partition("#")[0], f"{parts.scheme}://{parts.netloc}"


def read_webfinger_response(
    response: httpx.Response, identifier: str, *, allow_insecure_loopback: bool = False
) -> str:
    """The issuer. Raises `ResponseInvalid` when there is none in the answer, `InsecureURL` for one that is not https.

    The `subject` may be another name of the same thing (RFC 7033 §4.4.1), so it is not compared.
    """
    if not response.is_success:
        raise ResponseInvalid(
            f"Nobody knows {printable(identifier, 100)} there: WebFinger answered {response.status_code}.",
            hint="Ask for the issuer itself.",
            phase=Phase.PREPARE,
        )
    links = decode_object(response.content, _WHAT, phase=Phase.PREPARE).get("links")
    for link in links[:MOST_LINKS] if isinstance(links, list) else ():
        issuer = _issuer_in(link)
        if issuer is not None:
            check_endpoint(issuer, allow_insecure_loopback=allow_insecure_loopback)
            return issuer
    raise ResponseInvalid(
        "The WebFinger answer names no issuer.", hint="Ask for the issuer itself.", phase=Phase.PREPARE
    )


def _issuer_in(link: Any) -> str | None:
    """An issuer has no query and no fragment (OpenID Connect Discovery 1.0 §2.1.1)."""
    if not isinstance(link, Mapping) or link.get("rel") != ISSUER_RELATION:
        return None
    href = link.get("href")
    return href if isinstance(href, str) and "?" not in href and "#" not in href else None

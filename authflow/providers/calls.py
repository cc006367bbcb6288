"""Calls to a provider's own API, for hooks: a request with the access token, and its answer as data.

Rule: the token goes to the URL that the caller names and nowhere else; a link to the next page is followed
only within the same origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import msgspec

from ..errors import ConfigurationError, Phase, ResponseInvalid
from ..protocol.reading import error_of, too_deep
from ..protocol.step import DOCUMENT_BYTES, LIMITS, Call, Flow, Limits
from ..records import Token

if TYPE_CHECKING:
    from .base import Provider


def build_api_request(
    method: str,
    url: str,
    token: Token,
    *,
    timeout: float,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Request:
    """A request with the access token in its header (RFC 6750 §2.1), `timeout` seconds in all."""
    sent = {
        "accept": "application/json",
        "user-agent": "authflow",
        "authorization": f"Bearer {token.access_token}",
        **(headers or {}),
    }
    return httpx.Request(
        method,
        url,
        params=dict(params) if params else None,
        json=json,
        headers=sent,
        extensions={LIMITS: Limits(most_bytes=DOCUMENT_BYTES, seconds=timeout)},
    )


def read_api_response(provider: Provider, response: httpx.Response, what: str) -> Any:
    """The JSON of a 2xx answer: an object or a list.

    Raises the error that any other answer is (`ServerError` and `ServiceUnavailable` end no login), and
    `ResponseInvalid`. The body stands in none of them.
    """
    try:
        found = msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        found = None
    members = found if isinstance(found, dict) else None
    error = error_of(provider, response, members, what, phase=Phase.VALIDATE, bearer=True)
    if error is not None:
        raise error
    if not isinstance(found, (dict, list)) or too_deep(found):
        raise ResponseInvalid(f"The {what} is no JSON object or list.", phase=Phase.VALIDATE)
    return found


def next_page(response: httpx.Response, first: str) -> str | None:
    """The URL of the next page (RFC 8288 `rel=next`), None when there is none.

    Raises `ResponseInvalid` when it leaves the origin or the path of the first page: the token does not follow.
    """
    link = response.links.get("next", {}).get("url")
    if not link:
        return None
    there, here = urlsplit(link), urlsplit(first)
    if (there.scheme, there.netloc, there.path) != (here.scheme, here.netloc, here.path):
        raise ResponseInvalid("The provider's link to the next page leads elsewhere.", phase=Phase.VALIDATE)
    return link


def without_parameter(request: httpx.Request, name: str) -> httpx.Request:
    """The same request without one parameter, be it in the query or in the form."""
    form = parse_qsl(request.content.decode(), keep_blank_values=True)
    headers = {key: value for key, value in request.headers.items() if key not in ("content-length", "host")}
    url = request.url.copy_remove_param(name) if name in request.url.params else request.url
    return httpx.Request(
        request.method,
        url,
        content=urlencode([(key, value) for key, value in form if key != name]) or None,
        headers=headers,
        extensions=request.extensions,
    )


def ask_application(function: Callable[[], Any]) -> Flow[Any]:
    """What a function of the application's own gives, for a hook that does not ask over HTTP; under asyncio it may be a
    coroutine function. It keeps its own deadline."""
    return (yield Call(function))


def check_host(who: str, host: str, example: str) -> str:
    """A bare host name, perhaps with a port. Raises `ConfigurationError` for a URL."""
    if not isinstance(host, str) or not host or any(ch in "/\\@?#" or ch <= " " for ch in host):
        raise ConfigurationError(
            f"{who} takes a host name, without https:// and without a path.", hint=f'For example "{example}".'
        )
    return host.lower()

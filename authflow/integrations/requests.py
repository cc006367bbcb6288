"""requests: a session's token on calls to its APIs.

    import requests
    from authflow.integrations.requests import RequestsAuth

    requests.get("https://api.github.com/user", auth=RequestsAuth(github), timeout=10)

    api = requests.Session()
    api.auth = RequestsAuth(github)     # on every call of this session

The token is renewed when that is due, and once after a 401. It goes to the provider's APIs only (`api_origins`):
another address raises `OriginNotAllowed`, and a redirect to another origin loses it, and its proof.

`pip install 'authflow-sessions[requests]'`
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import httpx

from ..errors import MissingExtra

try:
    from requests import PreparedRequest, Response
    from requests.auth import AuthBase
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs requests, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[requests]'",
    ) from missing

from .carrying import WRITTEN, Carried, auth_of, likeness, told

Steps = Generator[httpx.Request, httpx.Response, None]


class RequestsAuth(AuthBase):
    """`auth=` for requests: of a session, a token source, or what `auth_for()` gave. Those of a sync manager only.

    The errors of `session.token()` come through, and `OriginNotAllowed`.
    """

    def __init__(self, carried: Carried) -> None:
        self._auth = auth_of(carried)

    def __repr__(self) -> str:
        return f"RequestsAuth({self._auth!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestsAuth) and self._auth is other._auth

    def __hash__(self) -> int:
        return hash(self._auth)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        like = likeness(request.method or "", request.url or "", repeatable=_is_repeatable(request))
        steps = self._auth.sync_auth_flow(like)
        _write(next(steps), request)
        request.register_hook("response", partial(_receive, steps, like))  # type: ignore[no-untyped-call]
        return request


def _receive(steps: Steps, like: httpx.Request, response: Response, **how: Any) -> Response:
    """After each answer: repeats the request when that is decided. A redirect is followed by requests itself, with a
    copy of the request that it sent: its proof was for that address."""
    sent = response.request
    response = _settled(steps, like, response, how)
    if response.is_redirect:
        sent.headers.pop("DPoP", None)
    return response


def _settled(steps: Steps, like: httpx.Request, response: Response, how: dict[str, Any]) -> Response:
    while not response.is_redirect:
        asked = response.request
        answer = told(
            response.status_code, response.raw.headers.items(), asked.method or "", asked.url or "", asked.headers
        )
        like.url = httpx.URL(asked.url or "")  # it may have been redirected within the origin
        try:
            step = steps.send(answer)
        except StopIteration:
            return response
        response.close()
        again = asked.copy()
        _write(step, again)
        repeated: Response = response.connection.send(again, **how)  # type: ignore[attr-defined]
        repeated.history.append(response)
        repeated.request = again
        response = repeated
    return response


def _write(like: httpx.Request, request: PreparedRequest) -> None:
    for name in WRITTEN:
        if name in like.headers:
            request.headers[name] = like.headers[name]
        else:
            request.headers.pop(name, None)


def _is_repeatable(request: PreparedRequest) -> bool:
    return request.body is None or isinstance(request.body, (bytes, str))

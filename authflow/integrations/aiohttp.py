"""aiohttp: a session's token on calls to its APIs, as a client middleware.

    import aiohttp
    from authflow.integrations.aiohttp import AiohttpAuth

    async with aiohttp.ClientSession(middlewares=[AiohttpAuth(github)]) as api:
        async with api.get("https://api.github.com/user") as response:
            print(await response.json())

The token is renewed when that is due, and once after a 401. It goes to the provider's APIs only (`api_origins`):
another address raises `OriginNotAllowed`, and a redirect to another origin goes on without it. Sessions of both colours
are taken; a sync one is asked on a thread.

`pip install 'authflow-sessions[aiohttp]'`
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

from ..errors import MissingExtra

try:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
    from aiohttp.payload import BytesPayload, StringPayload
    from yarl import URL
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs aiohttp 3.12 or later, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[aiohttp]'",
    ) from missing

from .carrying import WRITTEN, Carried, auth_of, likeness, told


class _Redirect(NamedTuple):
    """Where the last answer of this task sends its client: aiohttp asks there by a request of its own."""

    source: URL
    target: URL
    carried: bool  # the token was on the request that was redirected


_redirect: ContextVar[_Redirect | None] = ContextVar("authflow_redirect", default=None)


class AiohttpAuth:
    """A middleware: of a session, a token source, or what `auth_for()` gave.

    The errors of `session.token()` come through, and `OriginNotAllowed`.
    """

    def __init__(self, carried: Carried) -> None:
        self._auth = auth_of(carried)

    def __repr__(self) -> str:
        return f"AiohttpAuth({self._auth!r})"

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        came, _ = _redirect.get(), _redirect.set(None)
        followed = came is not None and came.target == request.url.with_fragment(None)
        if came is not None and followed and not (came.carried and came.source.origin() == request.url.origin()):
            for name in WRITTEN:
                request.headers.popall(name, None)
            return self._left(request, await handler(request), carried=False)
        return self._left(request, await self._carry(request, handler), carried=True)

    async def _carry(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        like = likeness(request.method, str(request.url), repeatable=_is_repeatable(request))
        steps = self._auth.async_auth_flow(like)
        try:
            step = await anext(steps)
            while True:
                for name in WRITTEN:
                    request.headers.popall(name, None)
                    if name in step.headers:
                        request.headers[name] = step.headers[name]
                response = await handler(request)
                headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
                sent = {name: request.headers[name] for name in WRITTEN if name in request.headers}
                try:
                    step = await steps.asend(told(response.status, headers, like.method, str(request.url), sent))
                except StopAsyncIteration:
                    return response
                response.release()
        finally:
            await steps.aclose()

    @staticmethod
    def _left(request: ClientRequest, response: ClientResponse, *, carried: bool) -> ClientResponse:
        where = response.headers.get("Location") or response.headers.get("URI")
        if response.status in (301, 302, 303, 307, 308) and where:
            try:
                _redirect.set(_Redirect(request.url, request.url.join(URL(where)).with_fragment(None), carried))
            except ValueError:
                return response  # aiohttp says what is wrong with it
        return response


def _is_repeatable(request: ClientRequest) -> bool:
    body = request.body
    return isinstance(body, (bytes, BytesPayload, StringPayload)) or body is None
